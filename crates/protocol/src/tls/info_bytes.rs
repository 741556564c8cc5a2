//! What a handshake has agreed upon as bytes, which can be kept anywhere and are short without certificates.
//!
//! ```text
//!  0  version    2  version of the suite    4  which of the following there are
//!  1  suite      3  group                   5  ALPN, server name, certificates; each behind its length
//! ```
//! Names are numbers here. Bytes that don't come from [`Info::to_bytes`] give other names, or nothing.

use super::crypto::{group_of, number_of_group, number_of_suite, suite_of};
use super::info::Info;

const VERSIONS: [&str; 3] = ["unknown", "TLSv1.2", "TLSv1.3"];

const HAS_GROUP: u8 = 1;
const HAS_ALPN: u8 = 2;
const HAS_SERVER_NAME: u8 = 4;
const IS_RESUMED: u8 = 8;

const PREFIX: usize = 5;

impl Info {
    /// The same as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let flag = |is_set, flag| if is_set { flag } else { 0 };
        let mut bytes = vec![
            number_of_version(self.version),
            number_of_suite(self.cipher_name),
            number_of_version(self.cipher_version),
            self.group.map_or(0, number_of_group),
            flag(self.group.is_some(), HAS_GROUP)
                | flag(self.alpn.is_some(), HAS_ALPN)
                | flag(self.server_name.is_some(), HAS_SERVER_NAME)
                | flag(self.is_resumed, IS_RESUMED),
        ];
        let names = self.alpn.as_deref().into_iter().chain(self.server_name.as_deref().map(str::as_bytes));
        for part in names.chain(self.peer_certificates.iter().map(Vec::as_slice)) {
            bytes.extend_from_slice(&(part.len() as u32).to_ne_bytes());
            bytes.extend_from_slice(part);
        }
        bytes
    }

    /// What was made to bytes; None if it wasn't.
    pub fn from_bytes(bytes: &[u8]) -> Option<Info> {
        let (&[version, suite, suite_version, group, flags], mut rest) =
            bytes.split_first_chunk::<PREFIX>()?;
        let has = |flag| flags & flag != 0;
        let (cipher_name, cipher_bits) = suite_of(suite);
        let alpn = if has(HAS_ALPN) { Some(take_part(&mut rest)?) } else { None };
        let server_name = if has(HAS_SERVER_NAME) { Some(take_part(&mut rest)?) } else { None };
        let mut peer_certificates = Vec::new();
        while !rest.is_empty() {
            peer_certificates.push(take_part(&mut rest)?.to_vec());
        }
        Some(Info {
            version: version_of(version),
            cipher_name,
            cipher_bits,
            cipher_version: version_of(suite_version),
            alpn: alpn.map(<[u8]>::to_vec),
            server_name: server_name.map(|name| String::from_utf8_lossy(name).into_owned()),
            is_resumed: has(IS_RESUMED),
            group: has(HAS_GROUP).then(|| group_of(group)),
            peer_certificates,
        })
    }
}

/// Takes a part that lies behind its length.
fn take_part<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (part, rest) = rest.split_at_checked(u32::from_ne_bytes(*length) as usize)?;
    *bytes = rest;
    Some(part)
}

fn number_of_version(name: &str) -> u8 {
    VERSIONS.iter().position(|known| *known == name).unwrap_or(0) as u8
}

fn version_of(number: u8) -> &'static str {
    VERSIONS.get(usize::from(number)).copied().unwrap_or("unknown")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Info {
        Info {
            version: "TLSv1.3",
            cipher_name: "TLS_AES_128_GCM_SHA256",
            cipher_bits: 128,
            cipher_version: "TLSv1.3",
            alpn: Some(b"h2".to_vec()),
            server_name: Some("a.example".to_owned()),
            is_resumed: true,
            group: Some("P-256"),
            peer_certificates: vec![vec![1; 300], Vec::new(), vec![2]],
        }
    }

    #[test]
    fn bytes_read_back_as_they_were_written() {
        let none = Info {
            version: "TLSv1.2",
            cipher_name: "unknown",
            cipher_bits: 0,
            cipher_version: "TLSv1.2",
            alpn: None,
            server_name: None,
            is_resumed: false,
            group: None,
            peer_certificates: Vec::new(),
        };
        for info in [full(), none] {
            assert_eq!(Info::from_bytes(&info.to_bytes()), Some(info));
        }
    }

    #[test]
    fn other_bytes_give_something_else_or_nothing() {
        let bytes = full().to_bytes();
        for end in 0..bytes.len() {
            assert_ne!(Info::from_bytes(&bytes[..end]), Some(full()));
        }
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0xff;
            assert_ne!(Info::from_bytes(&changed), Some(full()));
        }
    }
}
