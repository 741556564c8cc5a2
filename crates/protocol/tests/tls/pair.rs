//! A client and a session with bytes between them.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use protocol::tls::{Answer, Config, Event, Failure, Session, Settings, UnixTime};
use rustls::client::{ClientSessionMemoryCache, Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, ClientConnection, Error, RootCertStore, SupportedProtocolVersion, version};

use crate::authority::{Authority, Leaf, NOW};

pub(crate) const BOTH: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];

pub(crate) fn at(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}

pub(crate) fn config(settings: &Settings) -> Arc<Config> {
    Arc::new(Config::new(settings, at(NOW), None).unwrap().0)
}

/// Settings with one certificate.
pub(crate) fn settings(leaf: &Leaf) -> Settings {
    Settings { certificates: vec![leaf.settings()], ..Settings::default() }
}

pub(crate) fn provider() -> CryptoProvider {
    rustls::crypto::aws_lc_rs::default_provider()
}

/// The client's clock, which stands still: what matters is the server's.
#[derive(Debug)]
struct Noon;

impl TimeProvider for Noon {
    fn current_time(&self) -> Option<UnixTime> {
        Some(at(NOW))
    }
}

pub(crate) fn client(authority: &Authority, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
    client_with(authority, versions, None, provider())
}

/// A client that trusts `authority`, keeps tickets, and has a certificate or none.
pub(crate) fn client_with(
    authority: &Authority,
    versions: &[&'static SupportedProtocolVersion],
    leaf: Option<&Leaf>,
    provider: CryptoProvider,
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate.clone()).unwrap();
    let provider = Arc::new(provider);
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().unwrap();
    let builder = ClientConfig::builder_with_details(provider, Arc::new(Noon))
        .with_protocol_versions(versions)
        .unwrap()
        .with_webpki_verifier(verifier);
    let mut config = match leaf {
        Some(leaf) => {
            builder.with_client_auth_cert(vec![leaf.certificate.clone()], leaf.private_key()).unwrap()
        }
        None => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::store(Arc::new(ClientSessionMemoryCache::new(64)));
    config
}

/// The two ends of one connection.
pub(crate) struct Pair {
    pub(crate) client: ClientConnection,
    pub(crate) session: Session,
    pub(crate) now: u64,
    /// Bytes that the client's network delivers at once.
    pub(crate) step: usize,
    pub(crate) events: Vec<Event>,
    /// What the application has read.
    pub(crate) received: Vec<u8>,
    pub(crate) client_error: Option<Error>,
    /// Bytes from the server that the client has not been given.
    pub(crate) output: Vec<u8>,
}

impl Pair {
    pub(crate) fn new(config: &Arc<Config>, client: &Arc<ClientConfig>, name: &str, now: u64) -> Pair {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        Pair {
            client: ClientConnection::new(client.clone(), name).unwrap(),
            session: Session::new(config.clone(), at(now)),
            now,
            step: usize::MAX,
            events: Vec::new(),
            received: Vec::new(),
            client_error: None,
            output: Vec::new(),
        }
    }

    /// A pair after its handshake, which must succeed.
    pub(crate) fn established(
        config: &Arc<Config>,
        client: &Arc<ClientConfig>,
        name: &str,
        now: u64,
    ) -> Pair {
        let mut pair = Pair::new(config, client, name, now);
        pair.run();
        assert_eq!(pair.events, [Event::Established], "{:?}", pair.client_error);
        pair.events.clear();
        pair
    }

    /// Carries bytes both ways until there are none.
    pub(crate) fn run(&mut self) {
        loop {
            let mut sent = Vec::new();
            while self.client.wants_write() {
                self.client.write_tls(&mut sent).unwrap();
            }
            let is_quiet = sent.is_empty() && self.output.is_empty();
            self.deliver(&mut sent);
            self.give_output();
            if is_quiet {
                return;
            }
        }
    }

    /// Bytes for the server.
    pub(crate) fn deliver(&mut self, bytes: &mut [u8]) {
        for piece in bytes.chunks_mut(self.step) {
            self.session.handle_input(at(self.now), piece, &mut self.received, &mut self.output);
            self.take_events();
        }
    }

    pub(crate) fn take_events(&mut self) {
        while let Some(event) = self.session.poll_event() {
            self.events.push(event);
        }
    }

    pub(crate) fn give_output(&mut self) {
        let output = std::mem::take(&mut self.output);
        let mut rest = &output[..];
        while !rest.is_empty() && self.client_error.is_none() {
            self.client.read_tls(&mut rest).unwrap();
            if let Err(error) = self.client.process_new_packets() {
                self.client_error = Some(error);
            }
        }
    }

    pub(crate) fn answer(&mut self, answer: Option<&Answer>) {
        self.session.handle_certificate(at(self.now), answer, &mut self.received, &mut self.output);
        self.take_events();
        self.run();
    }

    /// Sends from the client, and returns what the application reads.
    pub(crate) fn request(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.client.set_buffer_limit(None);
        self.client.writer().write_all(bytes).unwrap();
        self.run();
        std::mem::take(&mut self.received)
    }

    /// Sends from the application, and returns what the client reads.
    pub(crate) fn respond(&mut self, bytes: &[u8]) -> Vec<u8> {
        assert!(self.session.write(bytes, &mut self.output));
        let mut read = Vec::new();
        let output = std::mem::take(&mut self.output);
        let mut rest = &output[..];
        while !rest.is_empty() {
            self.client.read_tls(&mut rest).unwrap();
            self.client.process_new_packets().unwrap();
            let _ = self.client.reader().read_to_end(&mut read);
        }
        read
    }

    pub(crate) fn failure(&self) -> &Failure {
        match self.events.last() {
            Some(Event::Failed(failure)) => failure,
            other => panic!("no failure: {other:?}, {:?}", self.client_error),
        }
    }

    pub(crate) fn is_resumed(&self) -> bool {
        self.session.info().unwrap().is_resumed
    }
}

/// One whole connection in which the client gets its tickets.
pub(crate) fn visit(config: &Arc<Config>, client: &Arc<ClientConfig>, name: &str, now: u64) -> bool {
    let mut pair = Pair::established(config, client, name, now);
    assert_eq!(pair.request(b"ping"), b"ping");
    assert_eq!(pair.respond(b"pong"), b"pong");
    pair.is_resumed()
}
