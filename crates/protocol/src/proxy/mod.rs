//! The PROXY header: what a proxy tells of the connection that it forwards, ahead of all other bytes.
//!
//! ```text
//!   handle_input ──►┌────────┐──► how many bytes belong to the header
//!                   │ Header │──► Announced, once it is complete
//!                   └────────┘
//! ```
//! Only the header is taken: what follows, TLS or HTTP, isn't looked at. Whether the sender may announce anything,
//! and how long it may take, is decided outside.
//!
//! Source: "The PROXY protocol, versions 1 & 2" (HAProxy's proxy-protocol.txt), sections 2.1 and 2.2.

mod crc32c;
mod tlv;
mod v1;
mod v2;

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// The longest header, in bytes.
pub const MAX_HEADER: usize = 4096;

/// What a header announces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Announced {
    /// The client's address. None where the peer's own address counts: the proxy speaks for itself (LOCAL, as in
    /// health checks), or doesn't know the client's (UNKNOWN, AF_UNSPEC).
    pub source: Option<Source>,
    /// The client has reached the proxy by TLS.
    pub is_encrypted: bool,
}

/// An announced address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// IPv4 or IPv6 with a port; an IPv4-mapped address as IPv4.
    Internet(SocketAddr),
    /// Path of a unix socket on the proxy's machine: the client's, or the proxy's where that has none. Bytes other
    /// than printable ASCII are escaped, so that it can be logged.
    Unix(String),
}

impl Source {
    fn internet(ip: IpAddr, port: u16) -> Source {
        Source::Internet(SocketAddr::new(ip.to_canonical(), port))
    }
}

/// Why a connection can't be served whose first bytes must be a PROXY header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyError {
    /// The first bytes are no PROXY header.
    Missing,
    /// No complete header came for `Limits::proxy_header_timeout`.
    Timeout,
    /// The line of version 1 is malformed.
    Version1,
    /// The header of version 2 is malformed.
    Version2,
    /// The header is longer than [`MAX_HEADER`], or a line of version 1 longer than 107 bytes.
    TooLarge,
    /// The checksum of a version 2 header is wrong.
    Checksum,
}

impl ProxyError {
    /// A stable name, for counters.
    pub fn code(self) -> &'static str {
        match self {
            ProxyError::Missing => "BUSBAR_PROXY_HEADER_MISSING",
            ProxyError::Timeout => "BUSBAR_PROXY_HEADER_TIMEOUT",
            ProxyError::Version1 => "BUSBAR_PROXY_HEADER_V1",
            ProxyError::Version2 => "BUSBAR_PROXY_HEADER_V2",
            ProxyError::TooLarge => "BUSBAR_PROXY_HEADER_TOO_LARGE",
            ProxyError::Checksum => "BUSBAR_PROXY_HEADER_CHECKSUM",
        }
    }
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ProxyError::Missing => "the connection doesn't begin with a PROXY header",
            ProxyError::Timeout => "the PROXY header took too long",
            ProxyError::Version1 => "the PROXY line is malformed",
            ProxyError::Version2 => "the PROXY header is malformed",
            ProxyError::TooLarge => "the PROXY header is too large",
            ProxyError::Checksum => "the checksum of the PROXY header is wrong",
        })
    }
}

impl std::error::Error for ProxyError {}

/// A header on its way.
#[derive(Debug, Default)]
pub struct Header {
    /// What has come of it so far.
    bytes: Vec<u8>,
}

/// What one input has brought.
#[derive(Debug, PartialEq, Eq)]
pub struct Progress {
    /// How many bytes from the front of the input belong to the header: all of them until it is complete.
    pub taken: usize,
    /// What the complete header announces.
    pub announced: Option<Announced>,
}

impl Header {
    /// Whether a part of it has come.
    pub fn has_begun(&self) -> bool {
        !self.bytes.is_empty()
    }

    /// Takes the header's bytes from the front of `input`.
    ///
    /// # Errors
    /// The bytes so far can't become a header.
    pub fn handle_input(&mut self, input: &[u8]) -> Result<Progress, ProxyError> {
        let before = self.bytes.len();
        let room = MAX_HEADER.saturating_sub(before);
        self.bytes.extend_from_slice(input.get(..room).unwrap_or(input));
        Ok(match parse(&self.bytes)? {
            Some((length, announced)) => {
                Progress { taken: length.saturating_sub(before), announced: Some(announced) }
            }
            None => Progress { taken: self.bytes.len() - before, announced: None },
        })
    }
}

/// The header at the front of `bytes`: its length and what it announces. None when more bytes are needed.
fn parse(bytes: &[u8]) -> Result<Option<(usize, Announced)>, ProxyError> {
    match bytes.first() {
        None => Ok(None),
        Some(b'P') => v1::parse(bytes),
        Some(b'\r') => v2::parse(bytes),
        Some(_) => Err(ProxyError::Missing),
    }
}

/// Whether `bytes` are the beginning of `signature`, or begin with it.
fn agrees_with(bytes: &[u8], signature: &[u8]) -> bool {
    bytes.iter().zip(signature).all(|(byte, expected)| byte == expected)
}
