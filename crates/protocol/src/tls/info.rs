//! What a handshake has agreed upon.

use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::UnbufferedServerConnection;
use rustls::{HandshakeKind, ProtocolVersion};

use super::config::Config;
use super::crypto::{describe_group, describe_suite};
use super::error::PeerError;
use super::facts::CertificateFacts;

/// Facts of an established session; they don't change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// The cipher suite under OpenSSL's name.
    pub cipher_name: &'static str,
    /// Bits of the cipher's key.
    pub cipher_bits: u16,
    /// The version in which the suite was defined.
    pub cipher_version: &'static str,
    /// The protocol chosen by ALPN.
    pub alpn: Option<Vec<u8>>,
    /// The name that the client asked for, in lower case.
    pub server_name: Option<String>,
    /// The session continues from an earlier one.
    pub is_resumed: bool,
    /// The group of the key exchange; None where there was none, in a resumed session of TLS 1.2.
    pub group: Option<&'static str>,
    /// The client's certificates in DER, leaf first.
    pub peer_certificates: Vec<Vec<u8>>,
}

impl Info {
    pub(super) fn new(connection: &UnbufferedServerConnection, server_name: Option<&str>) -> Info {
        let suite = connection.negotiated_cipher_suite();
        let (cipher_name, cipher_bits, cipher_version) =
            suite.map_or(("unknown", 0, "unknown"), describe_suite);
        let chain = connection.peer_certificates().unwrap_or_default();
        Info {
            version: match connection.protocol_version() {
                Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
                Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
                _ => "unknown",
            },
            cipher_name,
            cipher_bits,
            cipher_version,
            alpn: connection.alpn_protocol().map(<[u8]>::to_vec),
            server_name: server_name.map(str::to_owned),
            is_resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
            group: connection.negotiated_key_exchange_group().map(|group| describe_group(group.name())),
            peer_certificates: chain.iter().map(|certificate| certificate.to_vec()).collect(),
        }
    }

    /// What stands in the client's certificates, leaf first. One that can't be read is left out.
    pub fn peer_facts(&self) -> Vec<CertificateFacts> {
        self.peer_certificates.iter().filter_map(|der| CertificateFacts::read(der)).collect()
    }

    /// Whether the client's certificate is good at `now` by the settings in force then.
    pub fn verify_peer(&self, config: &Config, now: UnixTime) -> Result<(), PeerError> {
        let chain: Vec<_> =
            self.peer_certificates.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
        config.check_peer(&chain, now)
    }
}
