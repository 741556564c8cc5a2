//! Forms of the request target. RFC 9112 §3.2.

use llhttp::Method;

use crate::error::RequestError;
use crate::http::host;

/// Checks that the target has a form that its method allows. `serves_https` when a request for `https:` may come
/// over plaintext.
pub(crate) fn check(method: Method, target: &[u8], serves_https: bool) -> Result<(), RequestError> {
    if memchr::memchr(b'#', target).is_some() {
        return Err(RequestError::Target);
    }
    if method == Method::CONNECT {
        return check_authority(target);
    }
    match target {
        [b'/', ..] => Ok(()),
        b"*" if method == Method::OPTIONS => Ok(()),
        _ => check_absolute(target, serves_https),
    }
}

/// authority-form, for CONNECT alone: host and port, both needed. It counts, whatever Host says: many clients name the
/// proxy there.
#[cold]
fn check_authority(target: &[u8]) -> Result<(), RequestError> {
    let has_port = host::split(target).1.is_some_and(|port| !port.is_empty());
    if has_port && host::is_valid(target) { Ok(()) } else { Err(RequestError::Target) }
}

/// absolute-form: its authority counts, whatever Host says. RFC 9112 §3.2.2.
///
/// A request for `https:` over plaintext would be served without what its client expects of the connection, unless
/// it comes from a proxy that has ended TLS. RFC 9110 §7.4.
#[cold]
fn check_absolute(target: &[u8], serves_https: bool) -> Result<(), RequestError> {
    let (authority, is_https) = split_absolute(target).ok_or(RequestError::Target)?;
    if !host::is_valid(authority) {
        return Err(RequestError::HostInvalid);
    }
    if is_https && !serves_https { Err(RequestError::Misdirected) } else { Ok(()) }
}

/// The authority of a target in absolute-form or authority-form, which is to be taken for Host; None for the other forms.
#[inline]
pub fn authority_of(target: &[u8]) -> Option<&[u8]> {
    match target {
        [b'/' | b'*', ..] => None,
        _ => Some(split_absolute(target).map_or(target, |(authority, _)| authority)),
    }
}

/// The authority of a target in absolute-form, and whether its scheme is `https`.
#[cold]
fn split_absolute(target: &[u8]) -> Option<(&[u8], bool)> {
    let (rest, is_https) = match strip_scheme(target, b"http://") {
        Some(rest) => (rest, false),
        None => (strip_scheme(target, b"https://")?, true),
    };
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    Some((&rest[..end], is_https))
}

fn strip_scheme<'a>(target: &'a [u8], scheme: &[u8]) -> Option<&'a [u8]> {
    let (front, rest) = target.split_at_checked(scheme.len())?;
    front.eq_ignore_ascii_case(scheme).then_some(rest)
}
