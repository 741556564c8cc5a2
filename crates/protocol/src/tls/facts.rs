//! What stands in a certificate, for people and for choosing it by name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rustls::pki_types::UnixTime;
use x509_parser::extensions::GeneralName;
use x509_parser::objects::{oid_registry, oid2abbrev, oid2sn};
use x509_parser::prelude::{FromDer, X509Certificate, X509Name};

use super::crypto;

/// An alternative name of a certificate's subject. RFC 5280 §4.2.1.6.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlternativeName {
    /// A host name; the first label may be `*`.
    Dns(String),
    /// An address.
    Ip(IpAddr),
    /// A mail address.
    Email(String),
    /// A URI.
    Uri(String),
}

/// Fields of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// The subject as one line: `CN=example.org, O=Example`.
    pub subject: String,
    /// The subject's attributes in their order, by short name (`CN`, `O`) or by OID where there is none.
    pub subject_fields: Vec<(String, String)>,
    /// The issuer as one line.
    pub issuer: String,
    /// The issuer's attributes.
    pub issuer_fields: Vec<(String, String)>,
    /// Hexadecimal, upper case, two digits a byte.
    pub serial: String,
    /// Unix time in seconds from which it is valid.
    pub not_before: i64,
    /// Unix time in seconds up to which it is valid.
    pub not_after: i64,
    /// SHA-256 of the DER.
    pub fingerprint: [u8; 32],
    /// Alternative names of kinds that matter here.
    pub names: Vec<AlternativeName>,
}

impl CertificateFacts {
    /// Reads `der`; None if it is not a certificate.
    pub fn read(der: &[u8]) -> Option<CertificateFacts> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let subject_fields = fields_of(certificate.subject());
        let issuer_fields = fields_of(certificate.issuer());
        let names = match certificate.subject_alternative_name() {
            Ok(Some(extension)) => extension.value.general_names.iter().filter_map(name_of).collect(),
            _ => Vec::new(),
        };
        Some(CertificateFacts {
            subject: line_of(&subject_fields),
            subject_fields,
            issuer: line_of(&issuer_fields),
            issuer_fields,
            serial: certificate.raw_serial().iter().map(|byte| format!("{byte:02X}")).collect(),
            not_before: certificate.validity().not_before.timestamp(),
            not_after: certificate.validity().not_after.timestamp(),
            fingerprint: crypto::fingerprint_of(der),
            names,
        })
    }

    /// Whole days until it expires; negative if it has expired.
    pub fn days_left(&self, now: UnixTime) -> i64 {
        (self.not_after - seconds(now)).div_euclid(86_400)
    }

    /// `not_after` has passed.
    pub fn has_expired(&self, now: UnixTime) -> bool {
        self.not_after < seconds(now)
    }
}

/// Raw subject and issuer, to follow a chain; None if `der` is not a certificate.
pub(super) fn subject_and_issuer(der: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    Some((certificate.subject().as_raw().to_vec(), certificate.issuer().as_raw().to_vec()))
}

/// When `der` stops being valid, in Unix seconds; None if it is not a certificate.
pub(super) fn not_after(der: &[u8]) -> Option<i64> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    Some(certificate.validity().not_after.timestamp())
}

pub(super) fn seconds(time: UnixTime) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}

fn fields_of(name: &X509Name<'_>) -> Vec<(String, String)> {
    name.iter_attributes()
        .map(|attribute| {
            let kind = attribute.attr_type();
            let key = oid2abbrev(kind, oid_registry())
                .or_else(|_| oid2sn(kind, oid_registry()))
                .map_or_else(|_| kind.to_id_string(), str::to_owned);
            let value = attribute.as_str().map_or_else(
                |_| String::from_utf8_lossy(attribute.attr_value().data).into_owned(),
                str::to_owned,
            );
            (key, value)
        })
        .collect()
}

fn line_of(fields: &[(String, String)]) -> String {
    let parts: Vec<_> = fields.iter().map(|(key, value)| format!("{key}={value}")).collect();
    parts.join(", ")
}

fn name_of(name: &GeneralName<'_>) -> Option<AlternativeName> {
    match name {
        GeneralName::DNSName(name) => Some(AlternativeName::Dns((*name).to_owned())),
        GeneralName::RFC822Name(name) => Some(AlternativeName::Email((*name).to_owned())),
        GeneralName::URI(uri) => Some(AlternativeName::Uri((*uri).to_owned())),
        GeneralName::IPAddress(bytes) => {
            let address = match <[u8; 4]>::try_from(*bytes) {
                Ok(bytes) => IpAddr::V4(Ipv4Addr::from(bytes)),
                Err(_) => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(*bytes).ok()?)),
            };
            Some(AlternativeName::Ip(address))
        }
        _ => None,
    }
}
