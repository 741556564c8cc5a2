//! What is known of a connection before its first byte of HTTP.

/// How the bytes of a connection come.
#[derive(Debug, Clone, Copy, Default)]
pub struct Way {
    /// The client has used TLS: it is spoken below, or a proxy that has ended it says so.
    pub is_encrypted: bool,
    /// The client belongs to the server's operator, and may be a proxy that has ended TLS: `https` over cleartext is
    /// believed, and the idle time of local peers holds.
    pub is_exempt: bool,
}
