//! What TLS has negotiated on one connection.

use protocol::tls::Info;

/// The result of a handshake, which doesn't change any more: as the bytes that go along with each request.
#[derive(Debug, PartialEq, Eq)]
pub struct Security {
    /// Whether the client was asked for a certificate, and an [`Info`].
    bytes: Box<[u8]>,
}

impl Security {
    pub(crate) fn new(info: &Info, is_peer_asked: bool) -> Security {
        let mut bytes = vec![u8::from(is_peer_asked)];
        bytes.extend_from_slice(&info.to_bytes());
        Security { bytes: bytes.into() }
    }

    /// That of a request; None when it came without TLS.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Security> {
        (!bytes.is_empty()).then(|| Security { bytes: bytes.into() })
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What was negotiated; None if it was read from a block that was overwritten.
    pub fn info(&self) -> Option<Info> {
        Info::from_bytes(self.bytes.get(1..)?)
    }

    /// The client was asked for a certificate.
    pub fn is_peer_asked(&self) -> bool {
        self.bytes.first().is_some_and(|&byte| byte != 0)
    }
}
