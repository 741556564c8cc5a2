//! What TLS has negotiated on one connection.

use protocol::tls::Info;

/// The result of a handshake, which doesn't change any more.
#[derive(Debug)]
pub struct Security {
    /// What was negotiated.
    pub info: Info,
    /// The client was asked for a certificate.
    pub is_peer_asked: bool,
}
