//! The library that does the cryptography, and the names of what it offers.
//!
//! `aws-lc-rs` is the default because it has X25519MLKEM768, which browsers offer; `ring` is for targets
//! where aws-lc does not build. Both have the same interface for the little that is used directly here.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::{CipherSuite, NamedGroup, SupportedCipherSuite};

#[cfg(feature = "aws-lc-rs")]
pub(super) use aws_lc_rs::{aead, digest, hkdf};
#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
pub(super) use ring::{aead, digest, hkdf};

#[cfg(feature = "aws-lc-rs")]
use rustls::crypto::aws_lc_rs as library;
#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
use rustls::crypto::ring as library;

#[cfg(not(any(feature = "aws-lc-rs", feature = "ring")))]
compile_error!("TLS needs one of the features `aws-lc-rs` and `ring`");

/// What is known of a cipher suite besides its number.
struct Suite {
    suite: CipherSuite,
    /// The name of OpenSSL, which `getCipherName()` gives.
    openssl: &'static str,
    iana: &'static str,
    bits: u16,
}

/// Every suite that rustls has, most preferred first. All are AEAD suites with forward secrecy.
const SUITES: [Suite; 9] = [
    suite(CipherSuite::TLS13_AES_128_GCM_SHA256, "TLS_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256", 128),
    suite(CipherSuite::TLS13_AES_256_GCM_SHA384, "TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384", 256),
    suite(
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
        "TLS_CHACHA20_POLY1305_SHA256",
        "TLS_CHACHA20_POLY1305_SHA256",
        256,
    ),
    suite(
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        128,
    ),
    suite(
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        "ECDHE-RSA-AES128-GCM-SHA256",
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        128,
    ),
    suite(
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        256,
    ),
    suite(
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        "ECDHE-RSA-AES256-GCM-SHA384",
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        256,
    ),
    suite(
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        256,
    ),
    suite(
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        "ECDHE-RSA-CHACHA20-POLY1305",
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        256,
    ),
];

const fn suite(suite: CipherSuite, openssl: &'static str, iana: &'static str, bits: u16) -> Suite {
    Suite { suite, openssl, iana, bits }
}

/// What is known of a key exchange group: its number, the name that is shown, and other names that options take.
struct Group {
    group: NamedGroup,
    name: &'static str,
    aliases: &'static [&'static str],
}

/// Most preferred first.
const GROUPS: [Group; 4] = [
    Group { group: NamedGroup::X25519MLKEM768, name: "X25519MLKEM768", aliases: &[] },
    Group { group: NamedGroup::X25519, name: "X25519", aliases: &[] },
    Group { group: NamedGroup::secp256r1, name: "P-256", aliases: &["secp256r1", "prime256v1"] },
    Group { group: NamedGroup::secp384r1, name: "P-384", aliases: &["secp384r1"] },
];

/// Name, key size in bits and protocol family of a suite, as OpenSSL gives them.
pub(super) fn describe_suite(suite: SupportedCipherSuite) -> (&'static str, u16, &'static str) {
    let family = if suite.tls13().is_some() { "TLSv1.3" } else { "TLSv1.2" };
    match SUITES.iter().find(|known| known.suite == suite.suite()) {
        Some(known) => (known.openssl, known.bits, family),
        None => ("unknown", 0, family),
    }
}

/// The number of what has no name here.
const UNKNOWN: u8 = u8::MAX;

/// The name under which a group is shown.
pub(super) fn describe_group(group: NamedGroup) -> &'static str {
    GROUPS.iter().find(|known| known.group == group).map_or("unknown", |known| known.name)
}

/// The number that stands for the name of a suite that `describe_suite` gives.
pub(super) fn number_of_suite(name: &str) -> u8 {
    let at = SUITES.iter().position(|known| known.openssl == name);
    at.map_or(UNKNOWN, |at| at as u8)
}

/// Name and key size of the suite with this number.
pub(super) fn suite_of(number: u8) -> (&'static str, u16) {
    SUITES.get(usize::from(number)).map_or(("unknown", 0), |known| (known.openssl, known.bits))
}

/// The number that stands for the name of a group that `describe_group` gives.
pub(super) fn number_of_group(name: &str) -> u8 {
    let at = GROUPS.iter().position(|known| known.name == name);
    at.map_or(UNKNOWN, |at| at as u8)
}

/// The name of the group with this number.
pub(super) fn group_of(number: u8) -> &'static str {
    GROUPS.get(usize::from(number)).map_or("unknown", |known| known.name)
}

/// Names that `cipher_suites` takes, for messages.
pub(super) fn suite_names() -> String {
    SUITES.map(|known| known.openssl).join(", ")
}

/// Names that `groups` takes in this build, for messages.
pub(super) fn group_names() -> String {
    let names: Vec<_> =
        GROUPS.iter().filter(|known| find_group(known.group).is_some()).map(|known| known.name).collect();
    names.join(", ")
}

/// A provider restricted to the named suites and groups, in their order; an empty list stands for all.
/// Err has the first name that is unknown, or that this build does not have.
pub(super) fn provider(suites: &[String], groups: &[String]) -> Result<CryptoProvider, UnknownName> {
    let mut provider = library::default_provider();
    provider.cipher_suites = if suites.is_empty() {
        SUITES.iter().filter_map(|known| find_suite(known.suite)).collect()
    } else {
        suites
            .iter()
            .map(|name| suite_by_name(name).ok_or_else(|| UnknownName::Suite(name.clone())))
            .collect::<Result<_, _>>()?
    };
    provider.kx_groups = if groups.is_empty() {
        GROUPS.iter().filter_map(|known| find_group(known.group)).collect()
    } else {
        groups
            .iter()
            .map(|name| group_by_name(name).ok_or_else(|| UnknownName::Group(name.clone())))
            .collect::<Result<_, _>>()?
    };
    Ok(provider)
}

/// A name that stands for nothing in this build.
pub(super) enum UnknownName {
    Suite(String),
    Group(String),
}

fn suite_by_name(name: &str) -> Option<SupportedCipherSuite> {
    let known = SUITES
        .iter()
        .find(|known| known.openssl.eq_ignore_ascii_case(name) || known.iana.eq_ignore_ascii_case(name))?;
    find_suite(known.suite)
}

fn find_suite(suite: CipherSuite) -> Option<SupportedCipherSuite> {
    library::ALL_CIPHER_SUITES.iter().find(|offered| offered.suite() == suite).copied()
}

fn group_by_name(name: &str) -> Option<&'static dyn SupportedKxGroup> {
    let known = GROUPS.iter().find(|known| {
        known.name.eq_ignore_ascii_case(name)
            || known.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(name))
    })?;
    find_group(known.group)
}

fn find_group(group: NamedGroup) -> Option<&'static dyn SupportedKxGroup> {
    library::ALL_KX_GROUPS.iter().find(|offered| offered.name() == group).copied()
}

/// SHA-256 of `parts`, each preceded by its length so that no two lists of parts give the same input.
pub(super) fn digest_of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    to_array(context.finish().as_ref())
}

/// SHA-256 of a certificate's DER.
pub(super) fn fingerprint_of(der: &[u8]) -> [u8; 32] {
    to_array(digest::digest(&digest::SHA256, der).as_ref())
}

fn to_array(bytes: &[u8]) -> [u8; 32] {
    let mut array = [0; 32];
    for (into, from) in array.iter_mut().zip(bytes) {
        *into = *from;
    }
    array
}

/// Shared by everything that belongs to one listener.
pub(super) type Provider = Arc<CryptoProvider>;
