//! Forms of the request target. RFC 9112 §3.2.

use llhttp::Method;

use crate::error::RequestError;
use crate::http::host;

/// Checks that the target has a form that its method allows, and that Host agrees with it.
pub(crate) fn check(method: Method, target: &[u8], host: Option<&[u8]>) -> Result<(), RequestError> {
    if memchr::memchr(b'#', target).is_some() {
        return Err(RequestError::Target);
    }
    if method == Method::CONNECT {
        return check_authority(target, host);
    }
    match target {
        [b'/', ..] => Ok(()),
        b"*" if method == Method::OPTIONS => Ok(()),
        _ => check_absolute(target, host),
    }
}

/// authority-form, for CONNECT alone: host and port, both needed.
#[cold]
fn check_authority(target: &[u8], host: Option<&[u8]>) -> Result<(), RequestError> {
    if !host::is_valid(target) || host::split(target).1.is_none_or(<[u8]>::is_empty) {
        return Err(RequestError::Target);
    }
    match host {
        Some(host) if !host::is_same(host, target, None) => Err(RequestError::HostMismatch),
        _ => Ok(()),
    }
}

/// absolute-form: its authority counts, so a Host that differs is refused: the two could be mistaken for each other.
#[cold]
fn check_absolute(target: &[u8], host: Option<&[u8]>) -> Result<(), RequestError> {
    let (rest, default_port) = if let Some(rest) = strip_scheme(target, b"http://") {
        (rest, 80)
    } else if let Some(rest) = strip_scheme(target, b"https://") {
        (rest, 443)
    } else {
        return Err(RequestError::Target);
    };
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    let authority = &rest[..end];
    if !host::is_valid(authority) {
        return Err(RequestError::HostInvalid);
    }
    match host {
        Some(host) if !host::is_same(host, authority, Some(default_port)) => Err(RequestError::HostMismatch),
        _ => Ok(()),
    }
}

fn strip_scheme<'a>(target: &'a [u8], scheme: &[u8]) -> Option<&'a [u8]> {
    let (front, rest) = target.split_at_checked(scheme.len())?;
    front.eq_ignore_ascii_case(scheme).then_some(rest)
}
