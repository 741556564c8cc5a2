//! The grammar of names and values in header lists. RFC 9113 §8.2.1, RFC 9110 §5.

use llhttp::Method;

/// Bytes of a field's name: those of a token, without upper case.
const NAME: [bool; 256] = table(true);
/// Bytes of a token. RFC 9110 §5.6.2.
const TOKEN: [bool; 256] = table(false);

const fn table(is_lower: bool) -> [bool; 256] {
    let mut bytes = [false; 256];
    let mut at = 0;
    while at < 256 {
        let byte = at as u8;
        bytes[at] = byte.is_ascii_digit()
            || byte.is_ascii_lowercase()
            || byte.is_ascii_uppercase() && !is_lower
            || matches!(
                byte,
                b'!' | b'#'
                    | b'$'
                    | b'%'
                    | b'&'
                    | b'\''
                    | b'*'
                    | b'+'
                    | b'-'
                    | b'.'
                    | b'^'
                    | b'_'
                    | b'`'
                    | b'|'
                    | b'~'
            );
        at += 1;
    }
    bytes
}

fn consists_of(bytes: &[u8], allowed: &[bool; 256]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&byte| allowed[usize::from(byte)])
}

/// Whether it is a token.
pub(super) fn is_token(bytes: &[u8]) -> bool {
    consists_of(bytes, &TOKEN)
}

/// Whether it is a field, and none with a colon in front.
pub(super) fn is_field(name: &[u8], value: &[u8]) -> bool {
    consists_of(name, &NAME) && is_value(value)
}

/// No control byte but TAB, and no white space at either end.
pub(super) fn is_value(value: &[u8]) -> bool {
    let is_blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    !is_blank(value.first())
        && !is_blank(value.last())
        && value.iter().all(|&byte| byte >= b' ' && byte != 0x7f || byte == b'\t')
}

/// Visible ASCII, as HTTP/1's parser takes it in a target.
pub(super) fn is_path(path: &[u8]) -> bool {
    path.iter().all(u8::is_ascii_graphic)
}

/// Digits, below 2^63. RFC 9110 §8.6.
pub(super) fn content_length(value: &[u8]) -> Option<u64> {
    let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let number = std::str::from_utf8(value).ok().filter(|_| is_number)?.parse::<i64>().ok()?;
    u64::try_from(number).ok()
}

/// A method by its name; None for one that is unknown.
pub(super) fn method(name: &[u8]) -> Option<Method> {
    match name {
        b"GET" => Some(Method::GET),
        b"POST" => Some(Method::POST),
        b"HEAD" => Some(Method::HEAD),
        _ => Method::all().find(|method| method.name().as_bytes() == name),
    }
}
