//! Certificates, keys and revocation lists out of PEM or DER.
//!
//! PEM is recognised by its BEGIN line; everything else is taken for DER.

use pkcs8::{EncryptedPrivateKeyInfoRef, SecretDocument};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};

use super::error::{ConfigError, ConfigErrorCode};
use super::settings::Source;

const BEGIN: &[u8] = b"-----BEGIN ";
const BEGIN_ENCRYPTED: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
const END_ENCRYPTED: &str = "-----END ENCRYPTED PRIVATE KEY-----";

/// The certificates in `source`, in its order; at least one.
pub(super) fn certificates(source: &Source) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    refuse_pkcs12(source)?;
    if !is_pem(&source.bytes) {
        return match source.bytes.first() {
            Some(0x30) => Ok(vec![CertificateDer::from(source.bytes.clone())]),
            _ => Err(lacks(source, "certificate", "PEM or DER is expected")),
        };
    }
    let found: Vec<_> = CertificateDer::pem_slice_iter(&source.bytes)
        .collect::<Result<_, _>>()
        .map_err(|error| damaged(source, &error.to_string()))?;
    if found.is_empty() {
        return Err(lacks(source, "certificate", "are certificate and key exchanged?"));
    }
    Ok(found)
}

/// The revocation lists in `source`; at least one.
pub(super) fn revocation_lists(
    source: &Source,
) -> Result<Vec<CertificateRevocationListDer<'static>>, ConfigError> {
    if !is_pem(&source.bytes) {
        return match source.bytes.first() {
            Some(0x30) => Ok(vec![CertificateRevocationListDer::from(source.bytes.clone())]),
            _ => Err(lacks(source, "revocation list", "PEM or DER is expected")),
        };
    }
    let found: Vec<_> = CertificateRevocationListDer::pem_slice_iter(&source.bytes)
        .collect::<Result<_, _>>()
        .map_err(|error| damaged(source, &error.to_string()))?;
    if found.is_empty() {
        return Err(lacks(source, "revocation list", "a section X509 CRL is expected"));
    }
    Ok(found)
}

/// The first private key in `source`, decrypted by `passphrase` where it is encrypted.
pub(super) fn private_key(
    source: &Source,
    passphrase: Option<&str>,
) -> Result<PrivateKeyDer<'static>, ConfigError> {
    refuse_pkcs12(source)?;
    if !is_pem(&source.bytes) {
        return private_key_from_der(source, passphrase);
    }
    if contains(&source.bytes, b"DEK-Info:") || contains(&source.bytes, b"Proc-Type: 4,ENCRYPTED") {
        return Err(ConfigError::new(
            ConfigErrorCode::File,
            format!(
                "the key in {label} is encrypted in the old way of PEM (DEK-Info), which is too weak to be \
                 supported; convert it: openssl pkcs8 -topk8 -in {label} -out new-key.pem",
                label = source.label
            ),
        ));
    }
    if let Some(section) = encrypted_section(&source.bytes) {
        let (_, document) =
            SecretDocument::from_pem(section).map_err(|error| damaged(source, &error.to_string()))?;
        return decrypt(source, document.as_bytes(), passphrase);
    }
    match PrivateKeyDer::from_pem_slice(&source.bytes) {
        Ok(key) => Ok(key),
        Err(rustls::pki_types::pem::Error::NoItemsFound) => {
            Err(lacks(source, "private key", "are certificate and key exchanged?"))
        }
        Err(error) => Err(damaged(source, &error.to_string())),
    }
}

fn private_key_from_der(
    source: &Source,
    passphrase: Option<&str>,
) -> Result<PrivateKeyDer<'static>, ConfigError> {
    match PrivateKeyDer::try_from(source.bytes.as_slice()) {
        Ok(key) => Ok(key.clone_key()),
        Err(_) if EncryptedPrivateKeyInfoRef::try_from(source.bytes.as_slice()).is_ok() => {
            decrypt(source, &source.bytes, passphrase)
        }
        Err(_) => Err(lacks(source, "private key", "PEM or DER is expected: PKCS#8, PKCS#1 or SEC1")),
    }
}

fn decrypt(
    source: &Source,
    der: &[u8],
    passphrase: Option<&str>,
) -> Result<PrivateKeyDer<'static>, ConfigError> {
    let Some(passphrase) = passphrase else {
        return Err(ConfigError::new(
            ConfigErrorCode::Passphrase,
            format!(
                "the key in {} is encrypted; give its passphrase by the option `passphrase`",
                source.label
            ),
        ));
    };
    let encrypted =
        EncryptedPrivateKeyInfoRef::try_from(der).map_err(|error| damaged(source, &error.to_string()))?;
    let plain = encrypted.decrypt(passphrase).map_err(|error| {
        ConfigError::new(
            ConfigErrorCode::Passphrase,
            format!(
                "the key in {label} can't be decrypted: the passphrase is wrong, or the encryption is one that \
                 is not supported ({error}); try: openssl pkey -in {label} -noout",
                label = source.label
            ),
        )
    })?;
    Ok(PrivateKeyDer::Pkcs8(plain.as_bytes().to_vec().into()))
}

/// PKCS#12 is refused by name. The crates that read it rest on versions of others that are not released.
fn refuse_pkcs12(source: &Source) -> Result<(), ConfigError> {
    let [0x30, length, rest @ ..] = source.bytes.as_slice() else { return Ok(()) };
    let skipped = if *length >= 0x80 { usize::from(*length & 0x7f) } else { 0 };
    // A certificate begins with a sequence, a key has version 0 or 1, PFX has version 3. RFC 7292 §4.
    if !rest.get(skipped..).is_some_and(|body| body.starts_with(&[0x02, 0x01, 0x03, 0x30])) {
        return Ok(());
    }
    Err(ConfigError::new(
        ConfigErrorCode::File,
        format!(
            "{label} is in the format PKCS#12 (pfx), which is not supported; convert it: \
             openssl pkcs12 -in {label} -nokeys -out cert.pem; openssl pkcs12 -in {label} -nocerts -noenc -out key.pem",
            label = source.label
        ),
    ))
}

fn encrypted_section(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    let start = text.find(BEGIN_ENCRYPTED)?;
    let section = text.get(start..)?;
    let end = section.find(END_ENCRYPTED)? + END_ENCRYPTED.len();
    section.get(..end)
}

fn is_pem(bytes: &[u8]) -> bool {
    contains(bytes, BEGIN)
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(bytes, part).is_some()
}

fn lacks(source: &Source, what: &str, hint: &str) -> ConfigError {
    ConfigError::new(ConfigErrorCode::File, format!("{} holds no {what}; {hint}", source.label))
}

fn damaged(source: &Source, why: &str) -> ConfigError {
    ConfigError::new(ConfigErrorCode::File, format!("{} is damaged ({why}); write it anew", source.label))
}
