//! OCSP responses: sent while they hold, and not afterwards.

use std::sync::{Arc, Mutex};

use protocol::tls::{CertificateSettings, Config, Settings};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme, version};

use crate::authority::{Authority, DAY, NOW, source};
use crate::pair::{Pair, at, client, config, provider};

/// Keeps the response that the server has sent, and trusts everything.
#[derive(Debug, Default)]
struct Recorder(Mutex<Vec<u8>>);

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        response: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        *self.0.lock().unwrap() = response.to_vec();
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

/// What a client is sent at `now`.
fn stapled(config: &Arc<Config>, client: &ClientConfig, now: u64) -> Vec<u8> {
    let recorder = Arc::new(Recorder::default());
    let mut client = client.clone();
    client.resumption = rustls::client::Resumption::disabled();
    client.dangerous().set_certificate_verifier(recorder.clone());
    Pair::established(config, &Arc::new(client), "example.org", now);
    let response = recorder.0.lock().unwrap();
    response.clone()
}

/// A response with a status of the certificate and the time of the next one. RFC 6960 §4.2.1.
fn response(status: u8, next_update: &[u8]) -> Vec<u8> {
    let element = |tag: u8, content: &[u8]| [&[tag, u8::try_from(content.len()).unwrap()], content].concat();
    let now = element(0x18, b"20300101000000Z");
    let next = element(0xa0, &element(0x18, next_update));
    let single = [element(0x30, b""), element(status, b""), now.clone(), next].concat();
    let data = [element(0xa2, b"key"), now, element(0x30, &element(0x30, &single))].concat();
    let basic = element(0x30, &element(0x30, &data));
    let bytes = [element(0x06, &[1]), element(0x04, &basic)].concat();
    element(0x30, &[element(0x0a, &[0]), element(0xa0, &element(0x30, &bytes))].concat())
}

#[test]
fn a_response_is_stapled_until_the_next_is_due() {
    let authority = Authority::new("authority");
    let leaf = authority.server(&["example.org"]);
    let good = response(0x80, b"20300111120000Z");
    let certificate = CertificateSettings { ocsp: Some(source("ocsp.der", good.clone())), ..leaf.settings() };
    let config = config(&Settings { certificates: vec![certificate], ..Settings::default() });
    for version in [&version::TLS13, &version::TLS12] {
        let client = client(&authority, &[version]);
        assert_eq!(stapled(&config, &client, NOW), good);
        assert_eq!(stapled(&config, &client, NOW + DAY - 1), good);
        assert_eq!(stapled(&config, &client, NOW + DAY), b"");
    }
}

#[test]
fn a_response_that_has_expired_or_revokes_is_not_stapled() {
    let leaf = Authority::new("authority").server(&["example.org"]);
    for (bytes, why) in [
        (response(0x80, b"20300110115959Z"), "ocsp.der has expired; it is not stapled"),
        (
            response(0x82, b"20310101000000Z"),
            "ocsp.der does not say that the certificate is good; it is not stapled",
        ),
    ] {
        let certificate = CertificateSettings { ocsp: Some(source("ocsp.der", bytes)), ..leaf.settings() };
        let settings = Settings { certificates: vec![certificate], ..Settings::default() };
        let (_, warnings) = Config::new(&settings, at(NOW), None).unwrap();
        assert_eq!(warnings[0].to_string(), why);
    }
}
