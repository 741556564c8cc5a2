//! Which authorities the certificate of a connection is for. RFC 9113 §9.1.1.

use std::sync::Arc;

use crate::tls::Config;

/// The certificates of a listener that has several, and the name that chose one of them.
pub(crate) struct Coverage {
    config: Arc<Config>,
    /// The name that the client asked for in its handshake.
    server_name: Option<String>,
    /// The authority that was found to be covered last.
    known: Vec<u8>,
}

impl Coverage {
    /// None where one certificate is for all authorities.
    pub(crate) fn new(config: &Arc<Config>, server_name: Option<&str>) -> Option<Coverage> {
        let is_needed = config.certificates().len() > 1;
        let server_name = server_name.map(str::to_owned);
        is_needed.then(|| Coverage { config: config.clone(), server_name, known: Vec::new() })
    }

    /// Whether `authority` belongs to another certificate than the one that was chosen.
    pub(super) fn excludes(&mut self, authority: &[u8]) -> bool {
        if authority == &self.known[..] {
            return false;
        }
        let host = host_of(authority);
        let excludes = self.config.is_other(self.server_name.as_deref(), &String::from_utf8_lossy(host));
        if !excludes {
            self.known.clear();
            self.known.extend_from_slice(authority);
        }
        excludes
    }
}

/// The host of a valid authority, without its port.
fn host_of(authority: &[u8]) -> &[u8] {
    if authority.starts_with(b"[") {
        return authority;
    }
    let end = memchr::memchr(b':', authority).unwrap_or(authority.len());
    authority.get(..end).unwrap_or(authority)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_no_port() {
        assert_eq!(host_of(b"a.example:443"), b"a.example");
        assert_eq!(host_of(b"a.example"), b"a.example");
        assert_eq!(host_of(b"[::1]:443"), b"[::1]:443");
    }
}
