//! Versions of the libraries that are linked in.

/// The libraries that read what clients send. No update of Node or of the system reaches them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versions {
    /// The parser of HTTP/1.
    pub llhttp: String,
    /// Frames and header compression of HTTP/2.
    pub nghttp2: String,
    /// TLS.
    pub rustls: String,
    /// The library behind TLS with its version, such as `aws-lc-rs 1.19.0`.
    pub crypto: String,
}

#[cfg(feature = "aws-lc-rs")]
const CRYPTO: &str = concat!("aws-lc-rs ", env!("BUSBAR_AWS_LC_RS_VERSION"));
#[cfg(not(feature = "aws-lc-rs"))]
const CRYPTO: &str = concat!("ring ", env!("BUSBAR_RING_VERSION"));

/// The versions of this build.
pub fn versions() -> Versions {
    Versions {
        llhttp: llhttp::version(),
        nghttp2: nghttp2::version(),
        rustls: env!("BUSBAR_RUSTLS_VERSION").to_owned(),
        crypto: CRYPTO.to_owned(),
    }
}
