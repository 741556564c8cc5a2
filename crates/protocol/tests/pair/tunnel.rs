//! A client's TLS, which lies around the bytes of a pair.

#![allow(clippy::unwrap_used, reason = "an unexpected result fails the test")]

use std::io::{Read, Write};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use protocol::tls::{CertificateSettings, Config, DevelopmentCertificate, Settings, Source, UnixTime};
use rustls::client::Resumption;
#[cfg(feature = "aws-lc-rs")]
use rustls::crypto::aws_lc_rs as library;
#[cfg(not(feature = "aws-lc-rs"))]
use rustls::crypto::ring as library;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

/// When the certificate begins to be valid: the clock of a new context stands at 0.
const NOW: UnixTime = UnixTime::since_unix_epoch(Duration::ZERO);

#[derive(Debug)]
struct Clock;

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(NOW)
    }
}

type Sides = (Arc<Config>, Arc<ClientConfig>);

pub struct Tunnel {
    client: ClientConnection,
    /// The client has ended the connection because of what it received.
    pub is_broken: bool,
}

impl Tunnel {
    /// A client, and what the server's side is made from.
    pub fn new() -> (Tunnel, Arc<Config>) {
        static SIDES: OnceLock<Sides> = OnceLock::new();
        Tunnel::of(SIDES.get_or_init(|| sides(&[])))
    }

    /// The same, and both speak HTTP/2 alone.
    pub fn of_http2() -> (Tunnel, Arc<Config>) {
        Tunnel::of(&sides(&[b"h2".to_vec()]))
    }

    fn of((server, client): &Sides) -> (Tunnel, Arc<Config>) {
        let name = ServerName::try_from("localhost").unwrap();
        let mut client = ClientConnection::new(client.clone(), name).unwrap();
        client.set_buffer_limit(None);
        (Tunnel { client, is_broken: false }, server.clone())
    }

    /// What the client has to send: its part of the handshake, and what was written.
    pub fn outgoing(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.client.wants_write() {
            self.client.write_tls(&mut bytes).unwrap();
        }
        bytes
    }

    pub fn write(&mut self, bytes: &[u8]) {
        self.client.writer().write_all(bytes).unwrap();
    }

    /// Takes bytes of the server; the result is what they were before.
    pub fn incoming(&mut self, mut bytes: &[u8]) -> Vec<u8> {
        let mut plaintext = Vec::new();
        while !bytes.is_empty() && !self.is_broken {
            self.client.read_tls(&mut bytes).unwrap();
            self.is_broken = self.client.process_new_packets().is_err();
            let _ = self.client.reader().read_to_end(&mut plaintext);
        }
        plaintext
    }
}

fn sides(alpn: &[Vec<u8>]) -> Sides {
    let made = DevelopmentCertificate::new(NOW).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(made.certificate.as_bytes()).unwrap()).unwrap();
    let source = |text: String| Source { label: "test".to_owned(), bytes: text.into_bytes() };
    let certificate = CertificateSettings {
        chain: source(made.certificate),
        key: source(made.key),
        ..CertificateSettings::default()
    };
    let settings = Settings { certificates: vec![certificate], alpn: alpn.to_vec(), ..Settings::default() };
    let (server, warnings) = Config::new(&settings, NOW, None).unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    let provider = Arc::new(library::default_provider());
    let mut client = ClientConfig::builder_with_details(provider, Arc::new(Clock))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.resumption = Resumption::disabled();
    client.alpn_protocols = alpn.to_vec();
    (Arc::new(server), Arc::new(client))
}
