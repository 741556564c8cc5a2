//! `host[:port]` as it stands in Host and in authorities. RFC 9110 §4.2, RFC 3986 §3.2.
//!
//! Only what every URL parser takes is accepted, so that building a URL from it never throws; that includes the
//! rules of <https://url.spec.whatwg.org/#host-parsing> for numbers and for `xn--` labels. Names are ASCII;
//! percent escapes, user parts, lists and empty labels are refused.

use std::net::Ipv6Addr;

/// Splits off the port. The second part is None without a colon, and empty when the colon is the last byte.
pub(crate) fn split(authority: &[u8]) -> (&[u8], Option<&[u8]>) {
    let name_end = match authority {
        [b'[', ..] => authority.iter().position(|&byte| byte == b']').map_or(authority.len(), |at| at + 1),
        _ => authority.iter().position(|&byte| byte == b':').unwrap_or(authority.len()),
    };
    let (name, rest) = authority.split_at(name_end);
    match rest {
        [b':', port @ ..] => (name, Some(port)),
        [] => (name, None),
        // Bytes between the bracket and the port: all of it is taken for the name, which is refused.
        _ => (authority, None),
    }
}

/// Whether it is a host, with or without a port.
pub(crate) fn is_valid(authority: &[u8]) -> bool {
    let (name, port) = split(authority);
    port.is_none_or(is_port) && is_name(name)
}

/// Whether two valid authorities mean the same.
pub(crate) fn is_same(one: &[u8], other: &[u8]) -> bool {
    let port_of = |port: Option<&[u8]>| -> Option<u16> { std::str::from_utf8(port?).ok()?.parse().ok() };
    let ((one, one_port), (other, other_port)) = (split(one), split(other));
    one.eq_ignore_ascii_case(other) && port_of(one_port) == port_of(other_port)
}

/// Nothing, or a number up to 65535 without leading zeros.
fn is_port(port: &[u8]) -> bool {
    let has_leading_zero = matches!(port, [b'0', _, ..]);
    let is_number = port.len() <= 5 && port.iter().all(u8::is_ascii_digit);
    // Five digits always fit.
    is_number
        && !has_leading_zero
        && port.iter().fold(0, |value, digit| value * 10 + u32::from(digit - b'0')) <= 65535
}

fn is_name(name: &[u8]) -> bool {
    match name {
        [b'[', inner @ .., b']'] => {
            std::str::from_utf8(inner).is_ok_and(|inner| inner.parse::<Ipv6Addr>().is_ok())
        }
        [] => false,
        _ => name.iter().copied().all(is_name_byte) && are_labels_valid(name),
    }
}

/// Unreserved characters and delimiters of RFC 3986 that no URL parser refuses in a host; a comma
/// would make it a list.
fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b';' | b'='
        )
}

fn are_labels_valid(name: &[u8]) -> bool {
    let without_root = name.strip_suffix(b".").unwrap_or(name);
    let last = without_root.rsplit(|&byte| byte == b'.').next().unwrap_or(without_root);
    // A name that ends in a number must be an IPv4 address.
    let is_numeric = last.first().is_some_and(u8::is_ascii_digit)
        && (last.iter().all(u8::is_ascii_digit) || ipv4_number(last).is_some());
    if is_numeric {
        return is_ipv4(without_root);
    }
    let labels = || without_root.split(|&byte| byte == b'.');
    !labels().any(<[u8]>::is_empty)
        && (!labels().any(is_encoded)
            || idna::domain_to_ascii_cow(without_root, idna::AsciiDenyList::URL).is_ok())
}

/// Begins with `xn--`: if valid, the encoding of a label that isn't ASCII. UTS #46.
fn is_encoded(label: &[u8]) -> bool {
    matches!(label, [b'x' | b'X', b'n' | b'N', b'-', b'-', ..])
}

/// Up to four numbers, the last of which fills what the others leave.
fn is_ipv4(name: &[u8]) -> bool {
    let parts: Vec<_> = name.split(|&byte| byte == b'.').map(ipv4_number).collect();
    match parts.split_last() {
        Some((Some(last), first)) if parts.len() <= 4 => {
            first.iter().all(|part| part.is_some_and(|part| part <= 255))
                && *last < 256_u64.pow(5 - parts.len() as u32)
        }
        _ => false,
    }
}

/// Decimal, octal with a leading 0, or hexadecimal with 0x, as inet_aton(3) reads them.
fn ipv4_number(part: &[u8]) -> Option<u64> {
    let (digits, radix) = match part {
        [b'0', b'x' | b'X', digits @ ..] => (digits, 16),
        [b'0', digits @ ..] if !digits.is_empty() => (digits, 8),
        digits => (digits, 10),
    };
    match digits {
        [] if radix == 16 => Some(0),
        [] => None,
        [b'+' | b'-', ..] => None,
        _ => u64::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_hosts_are_accepted() {
        for host in [
            "a",
            "localhost:8080",
            "example.org",
            "example.org.",
            "a_b.c",
            "127.0.0.1",
            "127.1",
            "0x7f.1",
            "[::1]",
            "[::1]:80",
            "[2001:db8::1]:65535",
            "xn--mnchen-3ya.de",
            "1a",
            "a.1b",
            "a:",
            "A-b.C",
        ] {
            assert!(is_valid(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for host in [
            "",
            ":80",
            "a b",
            "a/b",
            "u@a",
            "a,b",
            "a:b",
            "a:65536",
            "a:080",
            "a:-1",
            "a:1:2",
            "[::1",
            "[::1]x",
            "[::1]80",
            "[fe80::1%25eth0]",
            "999.999.999.999",
            "1.2.3.4.5",
            "256.1.1.1",
            "1.2.3.256",
            "a.1",
            "a.08",
            "xn--a",
            "xn--",
            "%41",
            "a\u{e9}",
            "a#",
            "a?",
            "a\\b",
            ".",
            "..",
            ".a",
            "a..b",
            "a..",
        ] {
            assert!(!is_valid(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn letter_case_and_an_empty_port_make_no_difference() {
        assert!(is_same(b"A:80", b"a:80"));
        assert!(is_same(b"a:", b"a"));
        assert!(!is_same(b"a", b"a:80"));
        assert!(!is_same(b"a", b"b"));
    }
}
