//! One certificate chain with its key, checked and put in order.

use std::sync::Arc;

use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::sign::{CertifiedKey, SigningKey};
use rustls::{Error, InconsistentKeys, SignatureScheme};

use super::crypto::Provider;
use super::error::{ConfigError, ConfigErrorCode, Warning, text_of};
use super::facts::{self, AlternativeName, CertificateFacts, seconds};
use super::settings::{CertificateSettings, Source};
use super::{ocsp, pem};

/// A chain and a key that belong together, ready for handshakes.
pub struct Certificate {
    /// With no OCSP response.
    plain: Arc<CertifiedKey>,
    stapled: Option<Stapled>,
    facts: CertificateFacts,
    names: Vec<String>,
    label: String,
}

/// The same chain with an OCSP response.
struct Stapled {
    key: Arc<CertifiedKey>,
    /// Unix seconds after which it is not sent any more.
    until: Option<i64>,
}

impl Certificate {
    /// Checks `settings`: the key fits, the chain can be read. What is odd and works goes to `warnings`.
    pub(super) fn new(
        settings: &CertificateSettings,
        provider: &Provider,
        now: UnixTime,
        warnings: &mut Vec<Warning>,
    ) -> Result<Certificate, ConfigError> {
        let label = &settings.chain.label;
        let chain = pem::certificates(&settings.chain)?;
        let key =
            pem::private_key(&settings.key, settings.passphrase.as_ref().map(|secret| secret.as_str()))?;
        let key = provider.key_provider.load_private_key(key).map_err(|error| {
            ConfigError::new(
                ConfigErrorCode::File,
                format!(
                    "the key in {} can't be used ({error}); supported are RSA from 2048 bits, P-256, P-384, \
                     P-521 and Ed25519",
                    settings.key.label
                ),
            )
        })?;
        let chain = in_order(chain, &key, settings)?;
        let facts = chain
            .first()
            .and_then(|leaf| CertificateFacts::read(leaf))
            .ok_or_else(|| unreadable(label, "the first certificate"))?;
        if facts.has_expired(now) {
            warnings.push(Warning(format!(
                "the certificate in {label} ({}) expired {} days ago; clients refuse it until it is renewed",
                facts.subject,
                -facts.days_left(now)
            )));
        } else if facts.not_before > seconds(now) {
            warnings
                .push(Warning(format!("the certificate in {label} ({}) is not valid yet", facts.subject)));
        }
        let plain = Arc::new(CertifiedKey::new(chain, key));
        let stapled = match &settings.ocsp {
            Some(response) => staple(response, &plain, now, warnings),
            None => None,
        };
        let names = server_names(settings, &facts, warnings)?;
        Ok(Certificate { plain, stapled, facts, names, label: label.clone() })
    }

    /// What stands in it.
    pub fn facts(&self) -> &CertificateFacts {
        &self.facts
    }

    /// The certificate itself in DER, without its chain.
    pub fn leaf(&self) -> &[u8] {
        self.plain.cert.first().map_or(&[], |leaf| leaf.as_ref())
    }

    /// Where it came from.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Names it is used for, in lower case.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Chain and key for a handshake at `now`.
    pub(super) fn key_at(&self, now: UnixTime) -> Arc<CertifiedKey> {
        match &self.stapled {
            Some(stapled) if stapled.until.is_none_or(|until| seconds(now) < until) => stapled.key.clone(),
            _ => self.plain.clone(),
        }
    }

    /// The client can check signatures of this key.
    pub(super) fn is_usable_with(&self, schemes: &[SignatureScheme]) -> bool {
        self.plain.key.choose_scheme(schemes).is_some()
    }
}

/// The leaf, which is the certificate of `key`, then each certificate's issuer; what is left comes last.
fn in_order(
    mut rest: Vec<CertificateDer<'static>>,
    key: &Arc<dyn SigningKey>,
    settings: &CertificateSettings,
) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let mut leaf = None;
    for (index, certificate) in rest.iter().enumerate() {
        match CertifiedKey::new(vec![certificate.clone()], key.clone()).keys_match() {
            Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => {
                leaf = Some(index);
                break;
            }
            Err(Error::InconsistentKeys(_)) => {}
            Err(error) if index == 0 => return Err(unreadable(&settings.chain.label, &text_of(&error))),
            Err(_) => {}
        }
    }
    let Some(leaf) = leaf else {
        let subject = rest.first().and_then(|first| CertificateFacts::read(first)).map(|facts| facts.subject);
        return Err(ConfigError::new(
            ConfigErrorCode::KeyMismatch,
            format!(
                "the key in {} does not belong to the certificate in {} ({}); give the key with which this \
                 certificate was requested",
                settings.key.label,
                settings.chain.label,
                subject.unwrap_or_default()
            ),
        ));
    };
    let mut chain = vec![rest.remove(leaf)];
    while let Some(issuer) = chain.last().and_then(|last| facts::subject_and_issuer(last)).map(|pair| pair.1)
    {
        let next = rest
            .iter()
            .position(|other| facts::subject_and_issuer(other).is_some_and(|(subject, _)| subject == issuer));
        match next {
            Some(next) => chain.push(rest.remove(next)),
            None => break,
        }
    }
    chain.append(&mut rest);
    Ok(chain)
}

/// `plain` with `response`, unless the response must not be sent.
fn staple(
    response: &Source,
    plain: &Arc<CertifiedKey>,
    now: UnixTime,
    warnings: &mut Vec<Warning>,
) -> Option<Stapled> {
    let why = match ocsp::read(&response.bytes) {
        None => "is not a successful OCSP response in DER",
        Some(status) if !status.is_good => "does not say that the certificate is good",
        Some(status) if status.next_update.is_some_and(|until| until <= seconds(now)) => "has expired",
        Some(status) => {
            let mut key = CertifiedKey::clone(plain);
            key.ocsp = Some(response.bytes.clone());
            return Some(Stapled { key: Arc::new(key), until: status.next_update });
        }
    };
    warnings.push(Warning(format!("{} {why}; it is not stapled", response.label)));
    None
}

/// Names given by the settings, or else those in the certificate.
fn server_names(
    settings: &CertificateSettings,
    facts: &CertificateFacts,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<String>, ConfigError> {
    let mut names = Vec::new();
    for given in &settings.server_names {
        let (star, rest) = match given.strip_prefix("*.") {
            Some(rest) => ("*.", rest),
            None => ("", given.as_str()),
        };
        let ascii = idna::domain_to_ascii(rest.strip_suffix('.').unwrap_or(rest)).unwrap_or_default();
        if !is_host_name(&ascii) {
            return Err(ConfigError::new(
                ConfigErrorCode::Option,
                format!("a server name must be a host name, or one whose first label is *; got \"{given}\""),
            ));
        }
        names.push(format!("{star}{ascii}"));
    }
    if names.is_empty() {
        names.extend(facts.names.iter().filter_map(|name| match name {
            AlternativeName::Dns(name) => Some(name.to_ascii_lowercase()),
            _ => None,
        }));
    } else {
        for name in &names {
            if !facts.names.iter().any(|own| matches!(own, AlternativeName::Dns(own) if covers(own, name))) {
                warnings.push(Warning(format!(
                    "the certificate in {} ({}) is used for {name}, which is not among its names; clients refuse it",
                    settings.chain.label, facts.subject
                )));
            }
        }
    }
    Ok(names)
}

fn is_host_name(name: &str) -> bool {
    // Underscores are no part of host names, and are used in them all the same.
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    !name.is_empty() && name.bytes().all(is_allowed) && !name.starts_with('.') && !name.contains("..")
}

/// A name of a certificate is good for `name`. RFC 6125 §6.4.3.
fn covers(own: &str, name: &str) -> bool {
    if own.eq_ignore_ascii_case(name) {
        return true;
    }
    match (own.strip_prefix("*."), name.split_once('.')) {
        (Some(own), Some((_, parent))) => own.eq_ignore_ascii_case(parent),
        _ => false,
    }
}

fn unreadable(label: &str, what: &str) -> ConfigError {
    ConfigError::new(ConfigErrorCode::Certificate, format!("a certificate in {label} can't be read: {what}"))
}
