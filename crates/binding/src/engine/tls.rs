//! TLS of listeners: settings as JavaScript gives them, and what was negotiated as JavaScript receives it.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use napi::bindgen_prelude::Buffer;
use napi::{Error, Result, Status};
use napi_derive::napi;
use protocol::tls::{
    AlternativeName, Answer, CertificateFacts, CertificateSettings, ClientAuthMode, ClientAuthSettings,
    Config, ConfigError, CrlPolicy, DevelopmentCertificate, Info, KeyLogSink, MinVersion, Settings, Source,
    UnixTime,
};
use reactor::TlsSetup;

/// Bytes, and the name under which messages speak of them.
#[napi(object)]
pub struct TlsSource {
    /// The path of a file, or the name of an option.
    pub label: String,
    /// PEM or DER.
    pub bytes: Buffer,
}

impl TlsSource {
    fn to_source(&self) -> Source {
        Source { label: self.label.clone(), bytes: self.bytes.to_vec() }
    }
}

/// One certificate chain with its key.
#[napi(object, use_nullable = true)]
pub struct TlsCertificate {
    /// The certificate and its intermediates.
    pub cert: TlsSource,
    /// The key: PKCS#8, PKCS#1 or SEC1.
    pub key: TlsSource,
    /// Decrypts the key; `null` for a key that isn't encrypted.
    pub passphrase: Option<String>,
    /// Names it is used for; empty for those in the certificate.
    pub server_names: Vec<String>,
    /// An OCSP response in DER; `null` for none.
    pub ocsp: Option<TlsSource>,
}

impl TlsCertificate {
    pub(crate) fn to_settings(&self) -> CertificateSettings {
        CertificateSettings {
            chain: self.cert.to_source(),
            key: self.key.to_source(),
            passphrase: self.passphrase.clone().map(Into::into),
            server_names: self.server_names.clone(),
            ocsp: self.ocsp.as_ref().map(TlsSource::to_source),
        }
    }
}

/// Everything that makes the TLS of a listener.
#[napi(object, use_nullable = true)]
pub struct TlsSettings {
    /// Certificates, the earlier before the later ones where several fit.
    pub certificates: Vec<TlsCertificate>,
    /// Index of the certificate for all other names; `null` to refuse them.
    pub default_certificate: Option<u32>,
    /// Whether the certificate of an unknown name is asked for by a `ServerName` notice.
    pub asks_for_certificates: bool,
    /// The lowest version.
    #[napi(ts_type = "'TLSv1.2' | 'TLSv1.3'")]
    pub min_version: String,
    /// Cipher suites, most preferred first; empty for all.
    pub cipher_suites: Vec<String>,
    /// Groups of the key exchange; empty for all.
    pub groups: Vec<String>,
    /// Protocols for ALPN, most preferred first; empty for no ALPN.
    pub alpn: Vec<String>,
    /// Whether clients are asked for a certificate.
    #[napi(ts_type = "'none' | 'request' | 'require' | 'request-unverified'")]
    pub client_auth: String,
    /// Authorities that sign clients' certificates.
    pub ca: Vec<TlsSource>,
    /// Revocation lists.
    pub crl: Vec<TlsSource>,
    /// Whether an unknown status and an expired list let a certificate pass.
    pub is_crl_lenient: bool,
    /// Key material of tickets, the first seals; empty to have it made.
    pub ticket_keys: Vec<TlsSource>,
    /// Path of the file that secrets are appended to, in the NSS format; `null` for none.
    pub key_log: Option<String>,
}

impl TlsSettings {
    fn to_settings(&self) -> Result<Settings> {
        let sources = |list: &[TlsSource]| list.iter().map(TlsSource::to_source).collect();
        let key_log = match &self.key_log {
            Some(path) => Some(Arc::new(KeyLogFile::open(path)?) as Arc<dyn KeyLogSink>),
            None => None,
        };
        Ok(Settings {
            certificates: self.certificates.iter().map(TlsCertificate::to_settings).collect(),
            default_certificate: self.default_certificate.map(|index| index as usize),
            asks_for_certificates: self.asks_for_certificates,
            min_version: if self.min_version == "TLSv1.3" { MinVersion::Tls13 } else { MinVersion::Tls12 },
            cipher_suites: self.cipher_suites.clone(),
            groups: self.groups.clone(),
            alpn: self.alpn.iter().map(|name| name.clone().into_bytes()).collect(),
            client_auth: ClientAuthSettings {
                mode: match self.client_auth.as_str() {
                    "request" => ClientAuthMode::Request,
                    "require" => ClientAuthMode::Require,
                    "request-unverified" => ClientAuthMode::RequestUnverified,
                    _ => ClientAuthMode::None,
                },
                ca: sources(&self.ca),
                crl: sources(&self.crl),
                crl_policy: if self.is_crl_lenient { CrlPolicy::Lenient } else { CrlPolicy::Strict },
            },
            ticket_keys: sources(&self.ticket_keys),
            key_log,
        })
    }
}

/// The file that the secrets of sessions are appended to.
struct KeyLogFile(Mutex<File>);

impl KeyLogFile {
    fn open(path: &str) -> Result<KeyLogFile> {
        let mut options = OpenOptions::new();
        options.create(true).append(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).map_err(|error| {
            Error::new(
                Status::GenericFailure,
                format!("BUSBAR_TLS_FILE: {path} (tls.keyLog) can't be written: {error}"),
            )
        })?;
        Ok(KeyLogFile(Mutex::new(file)))
    }
}

impl KeyLogSink for KeyLogFile {
    fn write_line(&self, line: &str) {
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Traffic that can't be decrypted later is no reason to end a connection.
        let _ = file.write_all(format!("{line}\n").as_bytes());
    }
}

/// The TLS of the listeners that belong together; it can be replaced while they serve.
#[napi]
pub struct TlsContext {
    setup: Arc<TlsSetup>,
    warnings: Vec<String>,
}

#[napi]
impl TlsContext {
    /// Checks the settings. Throws an error whose message begins with a code, `BUSBAR_TLS_…`, a colon and a space.
    #[napi(constructor, catch_unwind)]
    pub fn new(settings: TlsSettings) -> Result<TlsContext> {
        let (config, warnings) = Config::new(&settings.to_settings()?, now(), None).map_err(refusal)?;
        let warnings = warnings.into_iter().map(|warning| warning.0).collect();
        Ok(TlsContext { setup: Arc::new(TlsSetup::new(config)), warnings })
    }

    /// What works and is probably not meant so.
    #[napi]
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.clone()
    }

    /// Checks settings that are to replace the present ones, by `replace`. Throws as the constructor does.
    #[napi(catch_unwind)]
    pub fn prepare(&self, settings: TlsSettings) -> Result<PreparedTls> {
        let previous = self.setup.config();
        let made = Config::new(&settings.to_settings()?, now(), Some(&previous));
        let (config, warnings) = made.map_err(refusal)?;
        let warnings = warnings.into_iter().map(|warning| warning.0).collect();
        Ok(PreparedTls { config: Some(config), warnings })
    }

    /// New connections are accepted by prepared settings, which can be used once. This can't fail.
    #[napi(catch_unwind)]
    pub fn replace(&self, prepared: &mut PreparedTls) {
        if let Some(config) = prepared.config.take() {
            self.setup.replace(config);
        }
    }

    /// A warning that is due only after a while; `null` for none.
    #[napi(catch_unwind)]
    pub fn overdue(&self) -> Option<String> {
        self.setup.config().overdue(now()).map(|warning| warning.0)
    }

    /// The answer with a certificate, for `Engine.answerCertificate`. It is kept for `keptFor` seconds; `null` for an
    /// hour. Throws as the constructor does.
    #[napi(catch_unwind)]
    pub fn make_certificate(&self, certificate: TlsCertificate, kept_for: Option<f64>) -> Result<TlsAnswer> {
        let made = self.setup.config().certificate(&certificate.to_settings(), now());
        let (certificate, _) = made.map_err(refusal)?;
        let kept = kept_for.map(|seconds| seconds as u64);
        Ok(TlsAnswer { answer: Answer { certificate: Some(certificate), kept } })
    }

    /// The answer that a name has no certificate of its own.
    #[napi]
    pub fn without_certificate(&self) -> TlsAnswer {
        TlsAnswer { answer: Answer { certificate: None, kept: None } }
    }

    /// A new certificate for `localhost`, `127.0.0.1` and `::1` that signs itself, valid for 396 days from now.
    #[napi(catch_unwind)]
    pub fn make_development_certificate() -> Result<CertificateWithKey> {
        let made = DevelopmentCertificate::new(now());
        let made = made.ok_or_else(|| Error::from_reason("the system gives no random bytes"))?;
        Ok(CertificateWithKey { cert: made.certificate, key: made.key })
    }

    /// The certificates in force, in the order of the settings.
    #[napi(catch_unwind)]
    pub fn certificates(&self) -> Vec<CertificateDetails> {
        let config = self.setup.config();
        config.certificates().iter().map(|one| CertificateDetails::of(one.facts(), one.leaf())).collect()
    }
}

/// Settings that were checked and aren't in force yet.
#[napi]
pub struct PreparedTls {
    config: Option<Config>,
    warnings: Vec<String>,
}

#[napi]
impl PreparedTls {
    /// What works and is probably not meant so.
    #[napi]
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.clone()
    }
}

/// The answer to a `ServerName` notice.
#[napi]
pub struct TlsAnswer {
    answer: Answer,
}

impl TlsAnswer {
    pub(crate) fn answer(&self) -> &Answer {
        &self.answer
    }
}

impl TlsContext {
    pub(crate) fn setup(&self) -> &Arc<TlsSetup> {
        &self.setup
    }
}

/// A certificate for one's own machine, with its key.
#[napi(object)]
pub struct CertificateWithKey {
    /// The certificate as PEM text.
    pub cert: String,
    /// The key as PEM text.
    pub key: String,
}

/// What stands in a certificate.
#[napi(object)]
pub struct CertificateDetails {
    /// The subject as one line.
    pub subject: String,
    /// Its attributes, name and value in turn.
    pub subject_fields: Vec<String>,
    /// The issuer as one line.
    pub issuer: String,
    /// Its attributes, name and value in turn.
    pub issuer_fields: Vec<String>,
    /// Hexadecimal, upper case.
    pub serial: String,
    /// Unix time in seconds from which it is valid.
    pub not_before: f64,
    /// Unix time in seconds up to which it is valid.
    pub not_after: f64,
    /// SHA-256 of the DER.
    pub fingerprint: Buffer,
    /// Alternative names, kind and value in turn; kinds are `DNS`, `IP`, `email` and `URI`.
    pub names: Vec<String>,
    /// The certificate.
    pub der: Buffer,
}

impl CertificateDetails {
    pub(crate) fn of(facts: &CertificateFacts, der: &[u8]) -> CertificateDetails {
        CertificateDetails {
            subject: facts.subject.clone(),
            subject_fields: in_turn(&facts.subject_fields),
            issuer: facts.issuer.clone(),
            issuer_fields: in_turn(&facts.issuer_fields),
            serial: facts.serial.clone(),
            not_before: facts.not_before as f64,
            not_after: facts.not_after as f64,
            fingerprint: facts.fingerprint.to_vec().into(),
            names: facts.names.iter().flat_map(kind_and_value).collect(),
            der: der.to_vec().into(),
        }
    }
}

fn in_turn(fields: &[(String, String)]) -> Vec<String> {
    fields.iter().flat_map(|(name, value)| [name.clone(), value.clone()]).collect()
}

fn kind_and_value(name: &AlternativeName) -> [String; 2] {
    let (kind, value) = match name {
        AlternativeName::Dns(name) => ("DNS", name.clone()),
        AlternativeName::Ip(address) => ("IP", address.to_string()),
        AlternativeName::Email(address) => ("email", address.clone()),
        AlternativeName::Uri(uri) => ("URI", uri.clone()),
    };
    [kind.to_owned(), value]
}

/// What a handshake has negotiated.
#[napi(object, use_nullable = true)]
pub struct TlsDetails {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: String,
    /// The cipher suite under OpenSSL's name.
    pub cipher_name: String,
    /// Bits of the cipher's key.
    pub cipher_bits: u32,
    /// The version in which the suite was defined.
    pub cipher_version: String,
    /// The protocol chosen by ALPN.
    pub alpn: Option<String>,
    /// The name that the client asked for.
    pub server_name: Option<String>,
    /// Whether the session continues an earlier one.
    pub is_resumed: bool,
    /// The group of the key exchange.
    pub group: Option<String>,
    /// The client's certificates, leaf first; `null` where none is asked for.
    pub peer_certificates: Option<Vec<CertificateDetails>>,
}

impl TlsDetails {
    pub(crate) fn of(info: &Info, is_peer_asked: bool) -> TlsDetails {
        let read =
            |der: &Vec<u8>| CertificateFacts::read(der).map(|facts| CertificateDetails::of(&facts, der));
        TlsDetails {
            version: info.version.to_owned(),
            cipher_name: info.cipher_name.to_owned(),
            cipher_bits: info.cipher_bits.into(),
            cipher_version: info.cipher_version.to_owned(),
            alpn: info.alpn.as_ref().map(|name| String::from_utf8_lossy(name).into_owned()),
            server_name: info.server_name.clone(),
            is_resumed: info.is_resumed,
            group: info.group.map(str::to_owned),
            peer_certificates: is_peer_asked
                .then(|| info.peer_certificates.iter().filter_map(read).collect()),
        }
    }
}

/// The present time. Settings are checked where no reactor's clock is at hand.
pub(crate) fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    UnixTime::since_unix_epoch(since)
}

fn refusal(error: ConfigError) -> Error {
    Error::new(Status::GenericFailure, error.to_string())
}
