//! Client certificates: which are accepted in a handshake, and whether one is still good later.
//!
//! A session that resumes takes the client's chain out of the ticket, and rustls does not ask its verifier
//! about it again: `check` is for that, and for an application that asks.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{
    AlertDescription, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
};

use super::crypto::{self, Provider};
use super::error::{ConfigError, ConfigErrorCode, PeerError, Warning, text_of};
use super::failure::alert_name;
use super::settings::{ClientAuthMode, ClientAuthSettings, CrlPolicy, Source};
use super::{facts, pem};

/// Client authentication of one listener.
pub(super) struct ClientAuth {
    mode: ClientAuthMode,
    /// Decides in handshakes; None with `ClientAuthMode::None`.
    verifier: Option<Arc<dyn ClientCertVerifier>>,
    /// Decides whether a chain is good; None if there is no authority to decide by.
    judge: Option<Arc<dyn ClientCertVerifier>>,
    digest: [u8; 32],
}

impl ClientAuth {
    pub(super) fn new(
        settings: &ClientAuthSettings,
        provider: &Provider,
        now: UnixTime,
        warnings: &mut Vec<Warning>,
    ) -> Result<ClientAuth, ConfigError> {
        if settings.mode == ClientAuthMode::None {
            let digest = crypto::digest_of([&b"none"[..]]);
            return Ok(ClientAuth { mode: settings.mode, verifier: None, judge: None, digest });
        }
        let mut roots = RootCertStore::empty();
        let mut root_bytes = Vec::new();
        for source in &settings.ca {
            for certificate in pem::certificates(source)? {
                let label = &source.label;
                if facts::not_after(&certificate).is_some_and(|until| until < facts::seconds(now)) {
                    warnings.push(Warning(format!(
                        "a certificate in {label} has expired; clients of it still pass"
                    )));
                }
                root_bytes.push(certificate.to_vec());
                roots.add(certificate).map_err(|error| {
                    ConfigError::new(
                        ConfigErrorCode::Certificate,
                        format!(
                            "a certificate in {label} can't be used as an authority: {}",
                            text_of(&error)
                        ),
                    )
                })?;
            }
        }
        let mut lists = Vec::new();
        for source in &settings.crl {
            lists.extend(pem::revocation_lists(source)?);
        }
        let digest = digest_of(settings, root_bytes, lists.iter().map(|list| list.to_vec()).collect());
        if settings.crl_policy == CrlPolicy::Lenient && !lists.is_empty() {
            warnings.push(Warning(
                "with crlPolicy 'lenient' a certificate passes although its revocation list is missing or expired"
                    .to_owned(),
            ));
        }
        let judge = if roots.is_empty() && settings.mode == ClientAuthMode::RequestUnverified {
            None
        } else {
            let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                .with_crls(lists);
            if settings.mode != ClientAuthMode::Require {
                builder = builder.allow_unauthenticated();
            }
            builder = match settings.crl_policy {
                CrlPolicy::Strict => builder.enforce_revocation_expiration(),
                CrlPolicy::Lenient => builder.allow_unknown_revocation_status(),
            };
            Some(builder.build().map_err(|error| refused(&error, settings))?)
        };
        let verifier = match settings.mode {
            ClientAuthMode::RequestUnverified => {
                Some(Arc::new(Unverified::new(judge.as_ref(), provider)) as Arc<_>)
            }
            _ => judge.clone(),
        };
        Ok(ClientAuth { mode: settings.mode, verifier, judge, digest })
    }

    /// Asks the client for a certificate in handshakes.
    pub(super) fn verifier(&self) -> Option<&Arc<dyn ClientCertVerifier>> {
        self.verifier.as_ref()
    }

    /// A certificate that is not good ends the connection.
    pub(super) fn refuses_bad(&self) -> bool {
        matches!(self.mode, ClientAuthMode::Request | ClientAuthMode::Require)
    }

    /// A connection without a certificate is refused.
    pub(super) fn needs_one(&self) -> bool {
        self.mode == ClientAuthMode::Require
    }

    /// Equal for equal settings, whatever the order of authorities and lists.
    pub(super) fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// Whether a chain, leaf first, is good at `now`.
    pub(super) fn check(&self, chain: &[CertificateDer<'_>], now: UnixTime) -> Result<(), PeerError> {
        let Some((leaf, rest)) = chain.split_first() else {
            return Err(PeerError {
                code: "certificate_required",
                message: "no certificate was given".into(),
            });
        };
        let Some(judge) = &self.judge else {
            return Err(PeerError {
                code: "unknown_ca",
                message: "there is no `ca` to verify it with".into(),
            });
        };
        judge.verify_client_cert(leaf, rest, now).map(|_| ()).map_err(|error| peer_error(&error))
    }
}

/// Accepts every certificate whose key signs the handshake.
#[derive(Debug)]
struct Unverified {
    authorities: Vec<DistinguishedName>,
    provider: Provider,
}

impl Unverified {
    fn new(judge: Option<&Arc<dyn ClientCertVerifier>>, provider: &Provider) -> Unverified {
        let authorities = judge.map(|judge| judge.root_hint_subjects().to_vec()).unwrap_or_default();
        Unverified { authorities, provider: provider.clone() }
    }
}

impl ClientCertVerifier for Unverified {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.authorities
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Everything that decides who is let in.
fn digest_of(settings: &ClientAuthSettings, mut roots: Vec<Vec<u8>>, mut lists: Vec<Vec<u8>>) -> [u8; 32] {
    for parts in [&mut roots, &mut lists] {
        parts.sort();
        parts.dedup();
    }
    let head = format!("{:?} {:?} {}", settings.mode, settings.crl_policy, roots.len());
    let parts = std::iter::once(head.as_bytes());
    crypto::digest_of(parts.chain(roots.iter().chain(&lists).map(Vec::as_slice)))
}

fn refused(error: &VerifierBuilderError, settings: &ClientAuthSettings) -> ConfigError {
    let labels = |sources: &[Source]| {
        sources.iter().map(|source| source.label.as_str()).collect::<Vec<_>>().join(", ")
    };
    match error {
        VerifierBuilderError::InvalidCrl(error) => ConfigError::new(
            ConfigErrorCode::File,
            format!("a revocation list in {} can't be used: {error:?}", labels(&settings.crl)),
        ),
        _ => ConfigError::new(
            ConfigErrorCode::Option,
            "client certificates can be verified only with `ca`: the certificates of the authorities that sign them",
        ),
    }
}

fn peer_error(error: &Error) -> PeerError {
    let code = match error {
        Error::InvalidCertificate(error) => alert_name(AlertDescription::from(error.clone())),
        _ => "certificate_unknown",
    };
    PeerError { code, message: text_of(error) }
}
