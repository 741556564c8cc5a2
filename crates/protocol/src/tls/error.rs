//! Why settings can't be used, and what deserves a warning although they can.

use std::fmt;

use rustls::{CertificateError, Error, OtherError};

/// Which kind of mistake it is; the code is stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigErrorCode {
    /// A key and a certificate don't belong together.
    KeyMismatch,
    /// A file's content is not what it should be.
    File,
    /// A passphrase is missing or wrong.
    Passphrase,
    /// A certificate can't be used.
    Certificate,
    /// An option's value is not one of those allowed.
    Option,
}

impl ConfigErrorCode {
    /// The code that users see.
    pub fn as_str(self) -> &'static str {
        match self {
            ConfigErrorCode::KeyMismatch => "BUSBAR_TLS_KEY_MISMATCH",
            ConfigErrorCode::File => "BUSBAR_TLS_FILE",
            ConfigErrorCode::Passphrase => "BUSBAR_TLS_PASSPHRASE",
            ConfigErrorCode::Certificate => "BUSBAR_TLS_CERTIFICATE",
            ConfigErrorCode::Option => "BUSBAR_INVALID_OPTION",
        }
    }
}

/// Settings that can't be used. The message names the file or option, the certificate and the fix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The kind.
    pub code: ConfigErrorCode,
    /// For the user; without the code.
    pub message: String,
}

impl ConfigError {
    pub(super) fn new(code: ConfigErrorCode, message: impl Into<String>) -> ConfigError {
        ConfigError { code, message: message.into() }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.message)
    }
}

impl std::error::Error for ConfigError {}

/// Settings that work and are probably not meant so. The text names the file and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning(pub String);

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a client's certificate is not verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerError {
    /// Stable: `certificate_expired`, `certificate_revoked`, `unknown_ca`, … the names of the TLS alerts.
    pub code: &'static str,
    /// For logs.
    pub message: String,
}

/// What is wrong with a certificate, or another part of TLS, in words. rustls has none for the errors that it passes on
/// from webpki.
pub(super) fn text_of(error: &Error) -> String {
    let Error::InvalidCertificate(CertificateError::Other(OtherError(other))) = error else {
        return error.to_string();
    };
    let text = match other.to_string().as_str() {
        "UnsupportedCertVersion" => {
            "it is of X.509 version 1, and has to be of version 3 (`openssl x509 -req` makes that with -extfile)"
        }
        "CaUsedAsEndEntity" => "it is the certificate of an authority, which can't stand for a peer",
        other => return format!("it can't be used: {other}"),
    };
    text.to_owned()
}

impl fmt::Display for PeerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}
