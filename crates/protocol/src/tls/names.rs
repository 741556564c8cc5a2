//! Which certificates are for which server name.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::SignatureScheme;

use super::certificate::Certificate;

/// Longest name that is looked up or asked for. RFC 1035 §2.3.4.
const LONGEST_NAME: usize = 253;

/// Certificates by exact name, by parent of a wildcard, and the default one.
pub(super) struct Names {
    exact: HashMap<String, Vec<Arc<Certificate>>>,
    /// By what follows `*.`.
    wildcard: HashMap<String, Vec<Arc<Certificate>>>,
    default: Vec<Arc<Certificate>>,
}

impl Names {
    /// A table in which earlier certificates come before later ones. Certificates that share a name with the
    /// default one, as one with another kind of key does, stand in for it.
    pub(super) fn new(certificates: &[Arc<Certificate>], default: Option<usize>) -> Names {
        let mut names = Names { exact: HashMap::new(), wildcard: HashMap::new(), default: Vec::new() };
        for certificate in certificates {
            for name in certificate.names() {
                let list = match name.strip_prefix("*.") {
                    Some(parent) => names.wildcard.entry(parent.to_owned()),
                    None => names.exact.entry(name.clone()),
                };
                list.or_default().push(certificate.clone());
            }
        }
        if let Some(default) = default.and_then(|index| certificates.get(index)) {
            names.default.push(default.clone());
            names.default.extend(
                certificates
                    .iter()
                    .filter(|other| !Arc::ptr_eq(other, default))
                    .filter(|other| other.names().iter().any(|name| default.names().contains(name)))
                    .cloned(),
            );
        }
        names
    }

    /// A certificate for `name`, by exact name before wildcard; None if there is none but the default.
    pub(super) fn find(&self, name: &str, schemes: &[SignatureScheme]) -> Option<&Arc<Certificate>> {
        if let Some(list) = self.exact.get(name) {
            return usable(list, schemes);
        }
        // A wildcard stands for exactly one label. RFC 6125 §6.4.3.
        let (_, parent) = name.split_once('.')?;
        usable(self.wildcard.get(parent)?, schemes)
    }

    /// There is a certificate for `name` besides the default one.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.exact.contains_key(name)
            || name.split_once('.').is_some_and(|(_, parent)| self.wildcard.contains_key(parent))
    }

    /// Whether `host` has certificates of its own, and none of them is among those for `server_name`.
    pub(super) fn is_other(&self, server_name: Option<&str>, host: &str) -> bool {
        let Some(of_host) = self.all_for(host) else { return false };
        let chosen = server_name.and_then(|name| self.all_for(name)).unwrap_or(&self.default);
        !of_host.iter().any(|one| chosen.iter().any(|other| Arc::ptr_eq(one, other)))
    }

    /// All certificates for a name, without the default one.
    fn all_for(&self, name: &str) -> Option<&[Arc<Certificate>]> {
        let of_parent = || self.wildcard.get(name.split_once('.')?.1);
        self.exact.get(name).or_else(of_parent).map(Vec::as_slice)
    }

    /// The default certificate.
    pub(super) fn default(&self, schemes: &[SignatureScheme]) -> Option<&Arc<Certificate>> {
        usable(&self.default, schemes)
    }
}

/// The first whose key the client can check, or else the first: its handshake fails with the right reason.
fn usable<'a>(list: &'a [Arc<Certificate>], schemes: &[SignatureScheme]) -> Option<&'a Arc<Certificate>> {
    match list {
        [] => None,
        [only] => Some(only),
        [first, ..] => list.iter().find(|one| one.is_usable_with(schemes)).or(Some(first)),
    }
}

/// A server name as it is looked up: lower case, without a final dot.
pub(super) fn normalise(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// An application may be asked for a certificate for `name`: what it does with it is then harmless.
pub(super) fn is_askable(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= LONGEST_NAME
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.')
        && !name.contains("..")
        && !name.starts_with('.')
}
