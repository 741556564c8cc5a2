//! A listener's TLS: checked once, then immutable. A reload makes another one and swaps the two.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::SecureRandom;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, ResolvesServerCert};
use rustls::time_provider::TimeProvider;
use rustls::{KeyLog, ServerConfig, SupportedProtocolVersion, version};

use super::answers::{Answer, Answers};
use super::certificate::Certificate;
use super::client_auth::ClientAuth;
use super::crypto::{self, Provider, UnknownName};
use super::error::{ConfigError, ConfigErrorCode, PeerError, Warning};
use super::handshake::{Handshake, Verifier};
use super::names::{Names, is_askable, normalise};
use super::settings::{CertificateSettings, KeyLogSink, MinVersion, Settings};
use super::ticket_keys::TicketKeys;
use super::tickets::Tickets;

/// Tickets that a client of TLS 1.3 gets: browsers open two connections at once.
const TICKETS: usize = 2;

const FROM_12: &[&SupportedProtocolVersion] = &[&version::TLS13, &version::TLS12];
const FROM_13: &[&SupportedProtocolVersion] = &[&version::TLS13];

/// Everything that connections of one listener share.
pub struct Config {
    /// What all connections have in common; each has a copy with parts of its own.
    base: ServerConfig,
    provider: Provider,
    certificates: Vec<Arc<Certificate>>,
    names: Names,
    /// Some: unknown names are asked for.
    answers: Option<Answers>,
    client_auth: ClientAuth,
    tickets: Tickets,
    versions: &'static [&'static SupportedProtocolVersion],
}

impl Config {
    /// Checks `settings`. What works and is odd is in the list of warnings. `previous` is the configuration that
    /// this one replaces: ticket keys that were made go on, so that sessions are resumed across a reload.
    pub fn new(
        settings: &Settings,
        now: UnixTime,
        previous: Option<&Config>,
    ) -> Result<(Config, Vec<Warning>), ConfigError> {
        let mut warnings = Vec::new();
        let provider = crypto::provider(&settings.cipher_suites, &settings.groups).map_err(unknown)?;
        let provider = Arc::new(provider);
        let certificates: Vec<_> = settings
            .certificates
            .iter()
            .map(|one| Certificate::new(one, &provider, now, &mut warnings).map(Arc::new))
            .collect::<Result<_, _>>()?;
        if certificates.is_empty() && !settings.asks_for_certificates {
            return Err(ConfigError::new(
                ConfigErrorCode::Option,
                "TLS needs a certificate: give `cert` and `key`",
            ));
        }
        if let Some(previous) = previous {
            refuse_expired(&certificates, &previous.certificates, now)?;
        }
        let names = Names::new(&certificates, settings.default_certificate);
        let client_auth = ClientAuth::new(&settings.client_auth, &provider, now, &mut warnings)?;
        let old_keys = previous.map(|previous| previous.tickets.keys());
        let keys = match old_keys {
            _ if !settings.ticket_keys.is_empty() => {
                Arc::new(TicketKeys::given(&settings.ticket_keys, now, old_keys.map(Arc::as_ref))?)
            }
            Some(keys) if !keys.is_given() => keys.clone(),
            _ => Arc::new(TicketKeys::made(provider.secure_random, now)?),
        };
        let tickets = Tickets::new(keys, *client_auth.digest());
        let versions = match settings.min_version {
            MinVersion::Tls12 => FROM_12,
            MinVersion::Tls13 => FROM_13,
        };
        if settings.key_log.is_some() {
            warnings.push(Warning(
                "`keyLog` is set: with its lines recorded traffic can be decrypted".to_owned(),
            ));
        }
        let mut base = build(&provider, Arc::new(Unset), versions, None, Arc::new(Unset))?;
        base.alpn_protocols.clone_from(&settings.alpn);
        base.ignore_client_order = !settings.cipher_suites.is_empty();
        if let Some(sink) = &settings.key_log {
            base.key_log = Arc::new(NssKeyLog(sink.clone()));
        }
        let answers = settings.asks_for_certificates.then(Answers::new);
        let config = Config { base, provider, certificates, names, answers, client_auth, tickets, versions };
        Ok((config, warnings))
    }

    /// Makes a certificate for a name that was asked for.
    pub fn certificate(
        &self,
        settings: &CertificateSettings,
        now: UnixTime,
    ) -> Result<(Arc<Certificate>, Vec<Warning>), ConfigError> {
        let mut warnings = Vec::new();
        let certificate = Certificate::new(settings, &self.provider, now, &mut warnings)?;
        Ok((Arc::new(certificate), warnings))
    }

    /// Keeps an answer about `name` for later connections.
    pub fn keep_answer(&self, name: &str, answer: &Answer, now: UnixTime) {
        if let Some(answers) = &self.answers {
            answers.put(name, answer, now);
        }
    }

    /// Whether `host` has another certificate than a client gets that asks for `server_name`.
    pub(crate) fn is_other(&self, server_name: Option<&str>, host: &str) -> bool {
        self.names.is_other(server_name.map(normalise).as_deref(), &normalise(host))
    }

    /// The configured certificates in their order.
    pub fn certificates(&self) -> &[Arc<Certificate>] {
        &self.certificates
    }

    /// A warning that is due only after a while: a ticket key that seals for too long.
    pub fn overdue(&self, now: UnixTime) -> Option<Warning> {
        self.tickets.keys().overdue(now)
    }

    /// Whether clients are asked for a certificate.
    pub fn asks_for_peer(&self) -> bool {
        self.client_auth.verifier().is_some()
    }

    /// Whether a client's chain, leaf first, is good at `now` by these settings.
    pub fn check_peer(&self, chain: &[CertificateDer<'_>], now: UnixTime) -> Result<(), PeerError> {
        self.client_auth.check(chain, now)
    }

    pub(super) fn client_auth(&self) -> &ClientAuth {
        &self.client_auth
    }

    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    pub(super) fn tickets(&self) -> &Tickets {
        &self.tickets
    }

    pub(super) fn random(&self) -> &dyn SecureRandom {
        self.provider.secure_random
    }

    /// Each ClientHello is read before its handshake begins, to learn whether its name is unknown.
    pub(super) fn asks(&self) -> bool {
        self.answers.is_some()
    }

    /// Which certificate a client gets that sends `name`.
    pub(super) fn decide(&self, name: Option<&str>, now: UnixTime) -> Decision {
        let (Some(name), Some(answers)) = (name.map(normalise), &self.answers) else {
            return Decision::Begin(None);
        };
        if self.names.knows(&name) || !is_askable(&name) {
            return Decision::Begin(None);
        }
        match answers.get(&name, now) {
            Some(answer) => Decision::Begin(answer),
            None => Decision::Ask(name),
        }
    }

    /// What rustls is given for one connection.
    pub(super) fn connection(
        self: &Arc<Self>,
        now: UnixTime,
        answer: Option<Arc<Certificate>>,
    ) -> Result<(Arc<ServerConfig>, Arc<Handshake>), rustls::Error> {
        let handshake = Arc::new(Handshake::new(self.clone(), now, answer));
        let mut config = match self.client_auth.verifier() {
            None => self.base.clone(),
            Some(verifier) => {
                // The verifier can be set only by building anew.
                let verifier = Verifier { inner: verifier.clone(), handshake: handshake.clone() };
                let mut config = build(
                    &self.provider,
                    handshake.clone(),
                    self.versions,
                    Some(Arc::new(verifier)),
                    handshake.clone(),
                )
                .map_err(|error| rustls::Error::General(error.message))?;
                config.alpn_protocols.clone_from(&self.base.alpn_protocols);
                config.ignore_client_order = self.base.ignore_client_order;
                config.key_log = self.base.key_log.clone();
                config
            }
        };
        config.time_provider = handshake.clone();
        config.cert_resolver = handshake.clone();
        config.ticketer = handshake.clone();
        Ok((Arc::new(config), handshake))
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("certificates", &self.certificates.len()).finish_non_exhaustive()
    }
}

/// A reload must not put an expired certificate in the place of one that clients still accept. At start it only
/// warns: there is nothing better to go on with.
fn refuse_expired(
    new: &[Arc<Certificate>],
    old: &[Arc<Certificate>],
    now: UnixTime,
) -> Result<(), ConfigError> {
    for (index, certificate) in new.iter().enumerate().filter(|(_, one)| one.facts().has_expired(now)) {
        let shares_a_name =
            |other: &Arc<Certificate>| other.names().iter().any(|name| certificate.names().contains(name));
        let before = old.iter().find(|other| shares_a_name(other)).or_else(|| old.get(index));
        if before.is_some_and(|before| !before.facts().has_expired(now)) {
            return Err(ConfigError::new(
                ConfigErrorCode::Certificate,
                format!(
                    "the new certificate in {} ({}) has expired, and the present one has not; give one that is valid",
                    certificate.label(),
                    certificate.facts().subject
                ),
            ));
        }
    }
    Ok(())
}

/// How a handshake continues once the client's name is known.
pub(super) enum Decision {
    /// With this certificate, or with one from the table.
    Begin(Option<Arc<Certificate>>),
    /// When the application has said which certificate is for the name.
    Ask(String),
}

fn build(
    provider: &Provider,
    time: Arc<dyn TimeProvider>,
    versions: &[&'static SupportedProtocolVersion],
    verifier: Option<Arc<dyn ClientCertVerifier>>,
    resolver: Arc<dyn ResolvesServerCert>,
) -> Result<ServerConfig, ConfigError> {
    let builder = ServerConfig::builder_with_details(provider.clone(), time)
        .with_protocol_versions(versions)
        .map_err(|_| {
            ConfigError::new(
                ConfigErrorCode::Option,
                "the cipher suites and groups don't fit the versions of TLS: give at least one suite for \
                 `minVersion` or above",
            )
        })?;
    let builder = match verifier {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(resolver);
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = TICKETS;
    config.max_early_data_size = 0;
    Ok(config)
}

fn unknown(name: UnknownName) -> ConfigError {
    let message = match name {
        UnknownName::Suite(name) => {
            format!("\"{name}\" is no cipher suite of these: {}", crypto::suite_names())
        }
        UnknownName::Group(name) => format!("\"{name}\" is no group of these: {}", crypto::group_names()),
    };
    ConfigError::new(ConfigErrorCode::Option, message)
}

/// Stands where each connection has a part of its own.
#[derive(Debug)]
struct Unset;

impl TimeProvider for Unset {
    fn current_time(&self) -> Option<UnixTime> {
        None
    }
}

impl ResolvesServerCert for Unset {
    fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<rustls::sign::CertifiedKey>> {
        None
    }
}

/// Lines of the NSS key log format.
struct NssKeyLog(Arc<dyn KeyLogSink>);

impl fmt::Debug for NssKeyLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NssKeyLog")
    }
}

impl KeyLog for NssKeyLog {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        self.0.write_line(&format!("{label} {} {}", hex(client_random), hex(secret)));
    }
}
