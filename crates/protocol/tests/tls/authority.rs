//! Certificates made while the tests run.

use protocol::tls::{CertificateSettings, Source};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256,
    RevokedCertParams, SerialNumber, SignatureAlgorithm, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Noon of 2030-01-10, the present of the tests.
pub(crate) const NOW: u64 = 1_894_276_800;
pub(crate) const DAY: u64 = 86_400;

/// An authority that signs certificates and revocation lists.
pub(crate) struct Authority {
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key.
pub(crate) struct Leaf {
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) pem: String,
    pub(crate) key: KeyPair,
}

/// What a certificate has that matters to a test.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) name: &'a str,
    pub(crate) names: &'a [&'a str],
    pub(crate) serial: u64,
    /// Year, month, day.
    pub(crate) until: (i32, u8, u8),
    pub(crate) algorithm: &'static SignatureAlgorithm,
}

impl Default for Wanted<'_> {
    fn default() -> Self {
        Wanted {
            name: "leaf",
            names: &[],
            serial: 7,
            until: (2031, 1, 1),
            algorithm: &PKCS_ECDSA_P256_SHA256,
        }
    }
}

impl Authority {
    pub(crate) fn new(name: &str) -> Authority {
        let key = KeyPair::generate().unwrap();
        let mut params = params(name, &[], (2040, 1, 1));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Authority { certificate, issuer: Issuer::new(params, key) }
    }

    /// An authority below this one.
    pub(crate) fn intermediate(&self, name: &str) -> Authority {
        let key = KeyPair::generate().unwrap();
        let mut params = params(name, &[], (2040, 1, 1));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        Authority { certificate, issuer: Issuer::new(params, key) }
    }

    pub(crate) fn sign(&self, wanted: Wanted<'_>) -> Leaf {
        let key = match wanted.algorithm {
            // A key of RSA takes long to make in a debug build; all tests can share one.
            algorithm if algorithm == &PKCS_RSA_SHA256 => rsa_key(),
            algorithm => KeyPair::generate_for(algorithm).unwrap(),
        };
        let mut params = params(wanted.name, wanted.names, wanted.until);
        params.serial_number = Some(SerialNumber::from(wanted.serial));
        params.use_authority_key_identifier_extension = true;
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Leaf { certificate: certificate.der().clone(), pem: certificate.pem(), key }
    }

    /// A certificate for `names`, otherwise as usual.
    pub(crate) fn server(&self, names: &[&str]) -> Leaf {
        self.sign(Wanted { name: names[0], names, ..Wanted::default() })
    }

    pub(crate) fn client(&self, name: &str) -> Leaf {
        self.sign(Wanted { name, ..Wanted::default() })
    }

    /// A list that revokes `serials` and is good for this month.
    pub(crate) fn revocation_list(&self, serials: &[u64]) -> Source {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2030, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2030, 1, 1),
            next_update: date_time_ymd(2030, 2, 1),
            crl_number: SerialNumber::from(1u64),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        source("crl", list.signed_by(&self.issuer).unwrap().der().to_vec())
    }

    pub(crate) fn source(&self) -> Source {
        source("ca", self.certificate.to_vec())
    }
}

impl Leaf {
    pub(crate) fn settings(&self) -> CertificateSettings {
        CertificateSettings {
            chain: source("cert.pem", self.pem.clone()),
            key: source("key.pem", self.key.serialize_pem()),
            ..CertificateSettings::default()
        }
    }

    pub(crate) fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(self.key.serialize_der()).unwrap()
    }
}

pub(crate) fn source(label: &str, bytes: impl Into<Vec<u8>>) -> Source {
    Source { label: label.to_owned(), bytes: bytes.into() }
}

pub(crate) fn rsa_key() -> KeyPair {
    static KEY: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    let pem = KEY.get_or_init(|| KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap().serialize_pem());
    KeyPair::from_pem(pem).unwrap()
}

fn params(name: &str, names: &[&str], until: (i32, u8, u8)) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2029, 1, 1);
    params.not_after = date_time_ymd(until.0, until.1, until.2);
    params
}
