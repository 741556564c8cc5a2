//! What a listener's TLS is made from: names and bytes, already read from wherever they are kept.

use std::sync::Arc;

use zeroize::{Zeroize, Zeroizing};

/// Bytes with the name under which messages speak of them: a file's path, or an option's name.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// For messages.
    pub label: String,
    /// PEM or DER.
    pub bytes: Vec<u8>,
}

/// Most of them are secrets.
impl Drop for Source {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

/// One certificate chain with its key.
#[derive(Clone, Default)]
pub struct CertificateSettings {
    /// The certificate and its intermediates, in any order.
    pub chain: Source,
    /// PKCS#8, PKCS#1 or SEC1; PKCS#8 may be encrypted.
    pub key: Source,
    /// Decrypts `key`.
    pub passphrase: Option<Zeroizing<String>>,
    /// Names it is used for: exact, or with a first label of `*`. Empty: the names in the certificate.
    pub server_names: Vec<String>,
    /// An OCSP response to staple, in DER.
    pub ocsp: Option<Source>,
}

/// Whether clients are asked for a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuthMode {
    /// Never asked.
    #[default]
    None,
    /// Asked; none is accepted, a bad one is refused.
    Request,
    /// Asked; a good one is needed.
    Require,
    /// Asked; any is accepted, and checked when the application asks.
    RequestUnverified,
}

/// What happens with a certificate whose revocation status is unknown, and with a CRL that has expired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CrlPolicy {
    /// Both refuse the certificate.
    #[default]
    Strict,
    /// Both let it pass.
    Lenient,
}

/// Client authentication, which belongs to the listener as a whole.
#[derive(Clone, Default)]
pub struct ClientAuthSettings {
    /// Whether clients are asked.
    pub mode: ClientAuthMode,
    /// Certificates of the authorities that sign clients' certificates.
    pub ca: Vec<Source>,
    /// Revocation lists; with at least one, each certificate of a chain is looked up.
    pub crl: Vec<Source>,
    /// How strict revocation is.
    pub crl_policy: CrlPolicy,
}

/// Lowest version that is spoken. The highest is always 1.3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MinVersion {
    /// TLS 1.2 and 1.3.
    #[default]
    Tls12,
    /// TLS 1.3 alone.
    Tls13,
}

/// Takes lines in the NSS key log format, without the line end. With them recorded traffic can be decrypted.
pub trait KeyLogSink: Send + Sync {
    /// One secret.
    fn write_line(&self, line: &str);
}

/// Everything that makes a [`Config`](super::Config).
#[derive(Clone)]
pub struct Settings {
    /// Certificates, the earlier ones before the later ones where several fit.
    pub certificates: Vec<CertificateSettings>,
    /// Index of the certificate for names that no certificate is for, and for clients that send no name.
    /// None: such a client gets the alert `unrecognized_name`.
    pub default_certificate: Option<usize>,
    /// Names that no certificate is for are reported, and an answer is awaited.
    pub asks_for_certificates: bool,
    /// Lowest version.
    pub min_version: MinVersion,
    /// OpenSSL's or IANA's names, most preferred first. Empty: all, in the client's order.
    pub cipher_suites: Vec<String>,
    /// Names such as `X25519`, `P-256` or `secp256r1`. Empty: all.
    pub groups: Vec<String>,
    /// Protocols for ALPN, most preferred first. Empty: no ALPN.
    pub alpn: Vec<Vec<u8>>,
    /// Client certificates.
    pub client_auth: ClientAuthSettings,
    /// Key material of at least 32 bytes each: the first seals tickets, all open them. Empty: keys are made
    /// and rotate by themselves.
    pub ticket_keys: Vec<Source>,
    /// Where secrets are logged, for debugging.
    pub key_log: Option<Arc<dyn KeyLogSink>>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            certificates: Vec::new(),
            default_certificate: Some(0),
            asks_for_certificates: false,
            min_version: MinVersion::default(),
            cipher_suites: Vec::new(),
            groups: Vec::new(),
            alpn: Vec::new(),
            client_auth: ClientAuthSettings::default(),
            ticket_keys: Vec::new(),
            key_log: None,
        }
    }
}
