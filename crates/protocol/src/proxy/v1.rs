//! Version 1: one line of text, as in `PROXY TCP4 192.0.2.1 192.0.2.9 56324 443␍␊`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str;

use super::{Announced, ProxyError, Source, agrees_with};

const SIGNATURE: &[u8] = b"PROXY ";
/// The longest line that a sender may build, its end included.
const MAX_LINE: usize = 107;

pub(super) fn parse(bytes: &[u8]) -> Result<Option<(usize, Announced)>, ProxyError> {
    if !agrees_with(bytes, SIGNATURE) {
        return Err(ProxyError::Missing);
    }
    let line = bytes.get(..MAX_LINE).unwrap_or(bytes);
    let Some(end) = line.iter().position(|byte| *byte == b'\n') else {
        return if bytes.len() < MAX_LINE { Ok(None) } else { Err(ProxyError::TooLarge) };
    };
    let text = line.get(SIGNATURE.len()..end).and_then(|text| text.strip_suffix(b"\r"));
    let source = source(text.ok_or(ProxyError::Version1)?)?;
    Ok(Some((end + 1, Announced { source, is_encrypted: false })))
}

/// The client's address in the line's text behind `PROXY `.
fn source(text: &[u8]) -> Result<Option<Source>, ProxyError> {
    // What follows UNKNOWN may be anything.
    if text == b"UNKNOWN" || text.starts_with(b"UNKNOWN ") {
        return Ok(None);
    }
    let text = str::from_utf8(text).map_err(|_| ProxyError::Version1)?;
    let fields: Vec<&str> = text.split(' ').collect();
    let [family, from, to, from_port, to_port] = fields[..] else { return Err(ProxyError::Version1) };
    let (Some(from), Some(_)) = (address(family, from), address(family, to)) else {
        return Err(ProxyError::Version1);
    };
    let (Some(from_port), Some(_)) = (port(from_port), port(to_port)) else {
        return Err(ProxyError::Version1);
    };
    Ok(Some(Source::internet(from, from_port)))
}

fn address(family: &str, text: &str) -> Option<IpAddr> {
    match family {
        "TCP4" => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        "TCP6" => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        _ => None,
    }
}

/// A decimal number from 0 to 65535 without signs and leading zeros.
fn port(text: &str) -> Option<u16> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if is_plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn announced(line: &str) -> Result<Option<String>, ProxyError> {
        let (length, announced) = parse(line.as_bytes())?.expect("a whole line");
        assert_eq!(length, line.len());
        Ok(announced.source.map(|source| match source {
            Source::Internet(address) => address.to_string(),
            Source::Unix(path) => path,
        }))
    }

    #[test]
    fn the_client_is_the_first_address() {
        let of = |line| announced(line).unwrap().unwrap();
        assert_eq!(of("PROXY TCP4 203.0.113.9 10.0.0.1 56324 443\r\n"), "203.0.113.9:56324");
        assert_eq!(of("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"), "255.255.255.255:65535");
        assert_eq!(of("PROXY TCP6 2001:DB8::9 ::1 0 443\r\n"), "[2001:db8::9]:0");
        assert_eq!(of("PROXY TCP6 ::ffff:203.0.113.9 ::1 1 443\r\n"), "203.0.113.9:1");
    }

    #[test]
    fn unknown_announces_nothing_whatever_follows_it() {
        for line in
            ["PROXY UNKNOWN\r\n", "PROXY UNKNOWN ffff:f...f:ffff 65535\r\n", "PROXY UNKNOWN \u{1}\u{fc}\r\n"]
        {
            assert_eq!(announced(line), Ok(None), "{line:?}");
        }
    }

    #[test]
    fn a_malformed_line_is_refused() {
        for line in [
            "PROXY \r\n",
            "PROXY  TCP4 203.0.113.9 10.0.0.1 56324 443\r\n",
            "PROXY TCP4  203.0.113.9 10.0.0.1 56324 443\r\n",
            "PROXY TCP4 203.0.113.9 10.0.0.1 56324 443 \r\n",
            "PROXY TCP4 203.0.113.9 10.0.0.1 56324 443 x\r\n",
            "PROXY TCP4 203.0.113.9 10.0.0.1 56324\r\n",
            "PROXY TCP4 203.0.113.9 10.0.0.1 56324 443\n",
            "PROXY TCP4 203.0.113.9 10.0.0.1 56324 443\r\r\n",
            "PROXY TCP4 203.0.113.009 10.0.0.1 56324 443\r\n",
            "PROXY TCP4 203.0.113.256 10.0.0.1 56324 443\r\n",
            "PROXY TCP4 203.0.113.9 10.0.0 56324 443\r\n",
            "PROXY TCP4 2001:db8::9 ::1 56324 443\r\n",
            "PROXY TCP6 203.0.113.9 10.0.0.1 56324 443\r\n",
            "PROXY TCP6 2001:db8::9%eth0 ::1 56324 443\r\n",
            "PROXY TCP4 203.0.113.9 10.0.0.1 056324 443\r\n",
            "PROXY TCP4 203.0.113.9 10.0.0.1 +56324 443\r\n",
            "PROXY TCP4 203.0.113.9 10.0.0.1 65536 443\r\n",
            "PROXY TCP4 203.0.113.9 10.0.0.1 56324 -1\r\n",
            "PROXY TCP4 203.0.113.9 10.0.0.1  443\r\n",
            "PROXY tcp4 203.0.113.9 10.0.0.1 56324 443\r\n",
            "PROXY UDP4 203.0.113.9 10.0.0.1 56324 443\r\n",
            "PROXY UNKNOWNS\r\n",
            "PROXY TCP4 203.0.113.9\u{fc} 10.0.0.1 56324 443\r\n",
        ] {
            assert_eq!(announced(line), Err(ProxyError::Version1), "{line:?}");
        }
    }

    #[test]
    fn a_line_has_at_most_107_bytes() {
        let longest = format!("PROXY UNKNOWN {}\r\n", "x".repeat(MAX_LINE - 16));
        assert_eq!(longest.len(), MAX_LINE);
        assert_eq!(announced(&longest), Ok(None));
        let longer = format!("PROXY UNKNOWN {}\r\n", "x".repeat(MAX_LINE - 15));
        assert_eq!(parse(longer.as_bytes()), Err(ProxyError::TooLarge));
        assert_eq!(parse(&longer.as_bytes()[..MAX_LINE - 1]), Ok(None));
        assert_eq!(parse(&longer.as_bytes()[..MAX_LINE]), Err(ProxyError::TooLarge));
    }

    #[test]
    fn a_request_is_no_header() {
        for request in ["POST / HTTP/1.1\r\n", "PUT", "PRI * HTTP/2.0\r\n", "PROXYTCP4", "PROXY\tTCP4"] {
            assert_eq!(parse(request.as_bytes()), Err(ProxyError::Missing), "{request:?}");
        }
    }
}
