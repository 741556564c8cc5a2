//! What rustls asks for while one connection shakes hands: the time, a certificate, tickets, and whether the
//! client's certificate is good.
//!
//! rustls shares these four between all connections of a configuration, and tells tickets neither the time nor
//! the server name. So each connection has them for itself: its configuration is a copy, which costs a few
//! counts of references and goes when the handshake is done.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ProducesTickets, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use super::certificate::Certificate;
use super::config::Config;
use super::facts;
use super::names::normalise;
use super::tickets::Lineage;

/// Tickets of one client that are tried. Each costs a key derivation, and a client may send a thousand.
const TRIED_TICKETS: u8 = 8;

/// One connection's handshake.
pub(super) struct Handshake {
    config: Arc<Config>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    now: u64,
    /// The application's answer about an unknown name.
    answer: Option<Arc<Certificate>>,
    server_name: Option<String>,
    chosen: Option<Arc<Certificate>>,
    lacks_certificate: bool,
    lineage: Option<Lineage>,
    tried: u8,
}

/// What is left of a handshake when it is done.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) server_name: Option<Box<str>>,
    pub(super) certificate: Option<Arc<Certificate>>,
}

impl Handshake {
    pub(super) fn new(config: Arc<Config>, now: UnixTime, answer: Option<Arc<Certificate>>) -> Handshake {
        let state = State { now: now.as_secs(), answer, ..State::default() };
        Handshake { config, state: Mutex::new(state) }
    }

    pub(super) fn set_now(&self, now: UnixTime) {
        self.state().now = now.as_secs();
    }

    /// It failed because there is no certificate for the client's name.
    pub(super) fn lacks_certificate(&self) -> bool {
        self.state().lacks_certificate
    }

    pub(super) fn outcome(&self) -> Outcome {
        let state = self.state();
        Outcome {
            server_name: state.server_name.as_deref().map(Box::from),
            certificate: state.chosen.clone(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn now(&self) -> UnixTime {
        unix_time(self.now)
    }

    fn lineage(&self) -> Lineage {
        self.lineage.unwrap_or(Lineage { begun: self.now, ends: u64::MAX })
    }
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake").finish_non_exhaustive()
    }
}

impl TimeProvider for Handshake {
    fn current_time(&self) -> Option<UnixTime> {
        Some(self.state().now())
    }
}

impl ResolvesServerCert for Handshake {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let mut state = self.state();
        state.server_name = hello.server_name().map(normalise);
        let schemes = hello.signature_schemes();
        let names = self.config.names();
        let chosen = match (&state.server_name, &state.answer) {
            (_, Some(answer)) => Some(answer),
            (Some(name), None) => names.find(name, schemes).or_else(|| names.default(schemes)),
            (None, None) => names.default(schemes),
        };
        let chosen = chosen.cloned();
        state.lacks_certificate = chosen.is_none();
        state.chosen = chosen;
        state.chosen.as_ref().map(|certificate| certificate.key_at(state.now()))
    }
}

impl ProducesTickets for Handshake {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        let state = self.state();
        u32::try_from(state.lineage().left(state.now())).unwrap_or(0)
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let state = self.state();
        let lineage = state.lineage();
        if lineage.left(state.now()) == 0 {
            return None;
        }
        let name = state.server_name.as_deref().unwrap_or_default();
        self.config.tickets().seal(lineage, plain, name, self.config.random(), state.now())
    }

    /// None makes it a full handshake: a session that may not be resumed any more costs the client nothing else.
    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let mut state = self.state();
        if state.tried >= TRIED_TICKETS {
            return None;
        }
        state.tried += 1;
        let name = state.server_name.as_deref().unwrap_or_default();
        let (lineage, plain) = self.config.tickets().open(ticket, name)?;
        if lineage.left(state.now()) == 0 {
            return None;
        }
        // If rustls makes a full handshake of it after all, the next ticket inherits the time that is left.
        state.lineage = Some(lineage);
        Some(plain)
    }
}

/// Verification on behalf of a handshake, to learn when the client's certificate ends.
#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) inner: Arc<dyn ClientCertVerifier>,
    pub(super) handshake: Arc<Handshake>,
}

impl ClientCertVerifier for Verifier {
    fn offer_client_auth(&self) -> bool {
        self.inner.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.inner.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.inner.verify_client_cert(leaf, rest, now)?;
        let ends = facts::not_after(leaf).and_then(|ends| u64::try_from(ends).ok()).unwrap_or(0);
        let mut state = self.handshake.state();
        state.lineage = Some(Lineage { begun: state.now, ends });
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

pub(super) fn unix_time(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds))
}
