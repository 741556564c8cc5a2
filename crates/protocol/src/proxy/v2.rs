//! Version 2: a binary header.
//!
//! ```text
//!  0  signature, 12 bytes         14  length of the rest
//! 12  version, command            16  addresses, as many bytes as the family has
//! 13  family, transport            …  fields
//! ```

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Announced, MAX_HEADER, ProxyError, Source, agrees_with, tlv};

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
const PREFIX: usize = 16;

const VERSION: u8 = 2;
const LOCAL: u8 = 0;
const PROXY: u8 = 1;

/// Bytes of one path of a unix socket.
const PATH: usize = 108;

/// What the addresses of a header are.
#[derive(Debug, Clone, Copy)]
enum Family {
    Unspecified,
    V4,
    V6,
    Unix,
}

impl Family {
    /// By byte 13 of a header. Datagrams count like streams: a proxy may have received the request by QUIC.
    fn of(byte: u8) -> Option<Family> {
        match byte {
            0x00 => Some(Family::Unspecified),
            0x11 | 0x12 => Some(Family::V4),
            0x21 | 0x22 => Some(Family::V6),
            0x31 | 0x32 => Some(Family::Unix),
            _ => None,
        }
    }

    /// Bytes of the addresses.
    fn len(self) -> usize {
        match self {
            Family::Unspecified => 0,
            Family::V4 => 12,
            Family::V6 => 36,
            Family::Unix => 2 * PATH,
        }
    }
}

pub(super) fn parse(bytes: &[u8]) -> Result<Option<(usize, Announced)>, ProxyError> {
    if !agrees_with(bytes, &SIGNATURE) {
        return Err(ProxyError::Missing);
    }
    let Some(&[version, family, high, low]) =
        bytes.get(SIGNATURE.len()..).and_then(|rest| rest.first_chunk())
    else {
        return Ok(None);
    };
    let length = PREFIX + usize::from(u16::from_be_bytes([high, low]));
    if version >> 4 != VERSION {
        return Err(ProxyError::Version2);
    }
    if length > MAX_HEADER {
        return Err(ProxyError::TooLarge);
    }
    let Some(header) = bytes.get(..length) else { return Ok(None) };
    let announced = match version & 0xf {
        LOCAL => local(header, family)?,
        PROXY => proxied(header, family)?,
        _ => return Err(ProxyError::Version2),
    };
    Ok(Some((length, announced)))
}

/// The proxy's own connection: the rest of the header is meaningless, but a wrong checksum tells that the command may
/// have been another.
fn local(header: &[u8], family: u8) -> Result<Announced, ProxyError> {
    let at = Family::of(family).map_or(PREFIX, |family| PREFIX + family.len());
    lenient(tlv::read(header, at))?;
    Ok(Announced::default())
}

fn proxied(header: &[u8], family: u8) -> Result<Announced, ProxyError> {
    let family = Family::of(family).ok_or(ProxyError::Version2)?;
    let fields_at = PREFIX + family.len();
    let addresses = header.get(PREFIX..fields_at).ok_or(ProxyError::Version2)?;
    let fields = tlv::read(header, fields_at);
    let fields = match family {
        // Its addresses have no known length, so the bytes may be anything.
        Family::Unspecified => lenient(fields)?,
        _ => fields?,
    };
    Ok(Announced { source: source(family, addresses), is_encrypted: fields.is_encrypted })
}

/// Fields that needn't be well-formed.
fn lenient(fields: Result<tlv::Fields, ProxyError>) -> Result<tlv::Fields, ProxyError> {
    match fields {
        Err(ProxyError::Version2) => Ok(tlv::Fields::default()),
        fields => fields,
    }
}

/// The client's address: the first of two.
fn source(family: Family, addresses: &[u8]) -> Option<Source> {
    match family {
        Family::Unspecified => None,
        Family::V4 => {
            let (ip, rest) = addresses.split_first_chunk::<4>()?;
            Some(Source::internet(Ipv4Addr::from(*ip).into(), port(rest.get(4..)?)?))
        }
        Family::V6 => {
            let (ip, rest) = addresses.split_first_chunk::<16>()?;
            Some(Source::internet(Ipv6Addr::from(*ip).into(), port(rest.get(16..)?)?))
        }
        Family::Unix => {
            let (from, to) = addresses.split_at_checked(PATH)?;
            path(from).or_else(|| path(to)).map(Source::Unix)
        }
    }
}

fn port(bytes: &[u8]) -> Option<u16> {
    bytes.first_chunk().map(|port| u16::from_be_bytes(*port))
}

/// A path as it is shown, an abstract one with an `@`; None when it is empty.
fn path(bytes: &[u8]) -> Option<String> {
    let (mark, name) = match bytes {
        [0, name @ ..] => ("@", name),
        name => ("", name),
    };
    let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
    let name = name.get(..end).filter(|name| !name.is_empty())?;
    Some(format!("{mark}{}", name.escape_ascii()))
}

#[cfg(test)]
mod tests {
    use super::super::crc32c::crc32c;
    use super::*;

    fn header(command: u8, family: u8, rest: &[&[u8]]) -> Vec<u8> {
        let rest = rest.concat();
        let mut header = SIGNATURE.to_vec();
        header.extend([VERSION << 4 | command, family]);
        header.extend((rest.len() as u16).to_be_bytes());
        header.extend(rest);
        header
    }

    fn field(kind: u8, value: &[u8]) -> Vec<u8> {
        let [high, low] = (value.len() as u16).to_be_bytes();
        [&[kind, high, low], value].concat()
    }

    fn parsed(header: &[u8]) -> Result<Announced, ProxyError> {
        // What follows isn't looked at.
        let (length, announced) = parse(&[header, b"GET /"].concat())?.expect("a whole header");
        assert_eq!(length, header.len());
        Ok(announced)
    }

    fn source_of(header: &[u8]) -> Option<String> {
        parsed(header).unwrap().source.map(|source| match source {
            Source::Internet(address) => address.to_string(),
            Source::Unix(path) => path,
        })
    }

    const V4: [u8; 12] = [203, 0, 113, 9, 10, 0, 0, 1, 0xdc, 4, 1, 187];

    fn v6(from: [u16; 8]) -> Vec<u8> {
        let from = Ipv6Addr::from(from).octets();
        [&from[..], &Ipv6Addr::LOCALHOST.octets(), &[0xdc, 4, 1, 187]].concat()
    }

    fn unix(from: &[u8], to: &[u8]) -> Vec<u8> {
        let mut paths = vec![0; 2 * PATH];
        paths[..from.len()].copy_from_slice(from);
        paths[PATH..PATH + to.len()].copy_from_slice(to);
        paths
    }

    #[test]
    fn the_client_is_the_first_address() {
        for (family, rest, shown) in [
            (0x11, V4.to_vec(), "203.0.113.9:56324"),
            (0x12, V4.to_vec(), "203.0.113.9:56324"),
            (0x21, v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 9]), "[2001:db8::9]:56324"),
            (0x21, v6([0, 0, 0, 0, 0, 0xffff, 0xcb00, 0x7109]), "203.0.113.9:56324"),
            (0x31, unix(b"/run/client", b"/run/proxy"), "/run/client"),
            (0x31, unix(b"", b"/run/proxy"), "/run/proxy"),
            (0x31, unix(b"\0name", b""), "@name"),
            (0x31, unix(b"/a\x1b\n\xff", b""), r"/a\x1b\n\xff"),
            (0x31, unix(&[b'x'; PATH], b""), &"x".repeat(PATH)),
        ] {
            assert_eq!(source_of(&header(PROXY, family, &[&rest])).as_deref(), Some(shown));
        }
    }

    #[test]
    fn an_unknown_client_is_not_announced() {
        let unspecified = header(PROXY, 0, &[]);
        assert_eq!(parsed(&unspecified), Ok(Announced::default()));
        assert_eq!(parsed(&header(PROXY, 0, &[b"anything"])), Ok(Announced::default()));
        assert_eq!(parsed(&header(PROXY, 0x31, &[&unix(b"", b"")])), Ok(Announced::default()));
        let encrypted = header(PROXY, 0, &[&field(0x20, &[1, 0, 0, 0, 0])]);
        assert_eq!(parsed(&encrypted), Ok(Announced { source: None, is_encrypted: true }));
    }

    #[test]
    fn a_local_header_announces_nothing() {
        for (family, rest) in
            [(0, vec![]), (0x11, V4.to_vec()), (0xff, b"anything".to_vec()), (0x11, vec![1])]
        {
            assert_eq!(parsed(&header(LOCAL, family, &[&rest])), Ok(Announced::default()));
        }
        let encrypted = header(LOCAL, 0, &[&field(0x20, &[1, 0, 0, 0, 0])]);
        assert_eq!(parsed(&encrypted), Ok(Announced::default()));
    }

    #[test]
    fn the_field_of_tls_tells_whether_the_client_has_used_it() {
        let cn = field(0x22, b"client.example");
        for (value, is_encrypted) in [
            (vec![1, 0, 0, 0, 0], true),
            ([&[7, 0, 0, 0, 1][..], &cn].concat(), true),
            (vec![0, 0, 0, 0, 0], false),
            (vec![6, 0, 0, 0, 0], false),
        ] {
            let header =
                header(PROXY, 0x11, &[&V4, &field(4, b""), &field(0x20, &value), &field(0xe0, b"own")]);
            assert_eq!(
                parsed(&header).map(|announced| announced.is_encrypted),
                Ok(is_encrypted),
                "{value:?}"
            );
        }
    }

    #[test]
    fn a_malformed_header_is_refused() {
        let twice = [field(0x20, &[1, 0, 0, 0, 0]), field(0x20, &[0; 5])].concat();
        let mut other_version = header(PROXY, 0x11, &[&V4]);
        other_version[12] = 0x11;
        for malformed in [
            other_version,
            header(2, 0x11, &[&V4]),
            header(PROXY, 0x10, &[&V4]),
            header(PROXY, 0x01, &[&V4]),
            header(PROXY, 0x13, &[&V4]),
            header(PROXY, 0x41, &[&V4]),
            header(PROXY, 0x11, &[&V4[..11]]),
            header(PROXY, 0x21, &[&V4]),
            header(PROXY, 0x31, &[&V4]),
            header(PROXY, 0x11, &[&V4, &[4]]),
            header(PROXY, 0x11, &[&V4, &[4, 0, 1]]),
            header(PROXY, 0x11, &[&V4, &field(4, b"x"), &[4, 0, 2, b'x']]),
            header(PROXY, 0x11, &[&V4, &field(0x03, b"123")]),
            header(PROXY, 0x11, &[&V4, &field(0x05, &[0; 129])]),
            header(PROXY, 0x11, &[&V4, &field(0x20, &[1, 0, 0, 0])]),
            header(PROXY, 0x11, &[&V4, &field(0x20, &[1, 0, 0, 0, 0, 0x21, 0, 1])]),
            header(PROXY, 0x11, &[&V4, &twice]),
        ] {
            assert_eq!(parse(&malformed), Err(ProxyError::Version2), "{malformed:?}");
        }
        let mut other_signature = header(PROXY, 0x11, &[&V4]);
        other_signature[11] = b'\r';
        assert_eq!(parse(&other_signature), Err(ProxyError::Missing));
        assert_eq!(parse(b"\r\nGET / HTTP/1.1\r\n"), Err(ProxyError::Missing));
    }

    #[test]
    fn a_checksum_is_checked_where_it_is_sent() {
        for (command, family, addresses) in [(PROXY, 0x11, &V4[..]), (PROXY, 0, b""), (LOCAL, 0, b"")] {
            let mut header = header(
                command,
                family,
                &[addresses, &field(4, b"pad"), &field(3, &[0; 4]), &field(2, b"a.example")],
            );
            let at = PREFIX + addresses.len() + 6 + 3;
            let checksum = crc32c(&[&header]).to_be_bytes();
            header[at..at + 4].copy_from_slice(&checksum);
            assert!(parsed(&header).is_ok());
            // Each byte behind the prefix counts, but those that say how long the fields are.
            for flipped in (PREFIX..PREFIX + addresses.len()).chain(at - 6..at - 3).chain(at..at + 4) {
                let mut wrong = header.clone();
                wrong[flipped] ^= 1;
                assert_eq!(parse(&wrong), Err(ProxyError::Checksum), "byte {flipped}");
            }
        }
    }

    #[test]
    fn a_header_has_at_most_4096_bytes() {
        let of_size = |size: usize| header(PROXY, 0x11, &[&V4, &field(4, &vec![0; size - PREFIX - 12 - 3])]);
        assert!(parsed(&of_size(MAX_HEADER)).is_ok());
        let too_large = of_size(MAX_HEADER + 1);
        assert_eq!(parse(&too_large[..PREFIX]), Err(ProxyError::TooLarge));
        assert_eq!(parse(&too_large), Err(ProxyError::TooLarge));
    }
}
