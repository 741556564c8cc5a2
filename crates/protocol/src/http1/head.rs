//! Checks of a request head that llhttp's grammar doesn't make.

use llhttp::{Field, Method, Parser, Record};

use crate::error::RequestError;
use crate::event::{Expectation, Version};
use crate::http::{host, target};
use crate::limits::Limits;

/// Length of ` HTTP/1.1`, which follows the target in a request line.
const VERSION_BYTES: u64 = 9;

/// What a head says about its message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Checked {
    pub(super) method: Method,
    pub(super) version: Version,
    pub(super) keep_alive: bool,
    pub(super) is_upgrade: bool,
    pub(super) expectation: Expectation,
}

/// Checks a complete head and removes white space from the ends of its values.
pub(super) fn check(
    parser: &Parser,
    bytes: &[u8],
    record: &mut Record,
    limits: &Limits,
    known_host: &mut Vec<u8>,
) -> Result<Checked, RequestError> {
    let after_target = bytes.get(record.target.end as usize..).unwrap_or(&[]);
    let version = match parser.version() {
        (1, 1) => Version::Http11,
        (1, 0) => Version::Http10,
        (0, 9) if !after_target.starts_with(b" ") => return Err(RequestError::VersionMissing),
        _ => return Err(RequestError::Version),
    };
    let method = parser.method().ok_or(RequestError::UnknownMethod)?;
    check_size(record, limits)?;
    // llhttp accepts several spaces, and other protocols with the same grammar.
    let before_target = bytes.get(..record.target.start as usize).unwrap_or(&[]);
    if before_target.ends_with(b"  ") || !after_target.starts_with(b" HTTP/1.") {
        return Err(RequestError::RequestLine);
    }
    let mut hosts = 0;
    let mut host_value: &[u8] = b"";
    let mut lengths = 0;
    let mut length_value: &[u8] = b"";
    let mut encodings = 0;
    let mut encoding_value: &[u8] = b"";
    let mut expectation = Expectation::None;
    for field in &mut record.fields {
        trim_end(field, bytes);
        match field.name.len() {
            4 if is_named(field, bytes, b"host") => {
                hosts += 1;
                host_value = field.value.of(bytes);
            }
            6 if is_named(field, bytes, b"expect") => {
                if !field.value.of(bytes).eq_ignore_ascii_case(b"100-continue") {
                    expectation = Expectation::Other;
                } else if expectation == Expectation::None && version == Version::Http11 {
                    expectation = Expectation::Continue;
                }
            }
            14 if is_named(field, bytes, b"content-length") => {
                lengths += 1;
                length_value = field.value.of(bytes);
            }
            17 if is_named(field, bytes, b"transfer-encoding") => {
                encodings += 1;
                encoding_value = field.value.of(bytes);
            }
            _ => {}
        }
    }
    // llhttp ignores a Transfer-Encoding without a value.
    if encodings > 0 {
        check_encoding(version, encodings, encoding_value)?;
    } else if lengths > 0 && (lengths > 1 || !is_length(length_value)) {
        return Err(RequestError::ContentLength);
    }
    if method == Method::CONNECT && (encodings > 0 || declared_length(bytes, record).unwrap_or(0) > 0) {
        // llhttp reads no body here, since another protocol follows: content would be taken for a request.
        return Err(RequestError::ConnectContent);
    }
    match hosts {
        1 => {}
        0 if version == Version::Http10 => {}
        found => return Err(RequestError::HostCount { found }),
    }
    if hosts == 1 && (host_value != &known_host[..] || host_value.is_empty()) {
        check_host(host_value, known_host)?;
    }
    target::check(method, record.target.of(bytes), (hosts == 1).then_some(host_value))?;
    let keep_alive = match version {
        Version::Http11 | Version::Http2 => !parser.wants_close(),
        Version::Http10 => parser.wants_keep_alive() && !parser.wants_close(),
    };
    let is_upgrade = parser.is_upgrade() && (version == Version::Http11 || method == Method::CONNECT);
    Ok(Checked { method, version, keep_alive, is_upgrade, expectation })
}

/// Checks the sizes of a head, complete or not.
pub(super) fn check_size(record: &Record, limits: &Limits) -> Result<(), RequestError> {
    if u64::from(record.target.end) + VERSION_BYTES > limits.request_line_limit {
        return Err(RequestError::RequestLineTooLong);
    }
    let Some((first, last)) = record.fields.first().zip(record.fields.last()) else { return Ok(()) };
    if u64::from(last.value.end - first.name.start) > limits.header_size_limit {
        return Err(RequestError::HeadersTooLarge);
    }
    if record.fields.len() as u64 > limits.header_field_limit {
        return Err(RequestError::TooManyFields);
    }
    Ok(())
}

/// Checks the parts of framing that could grow without limit while a body arrives.
pub(super) fn check_framing(record: &Record, limits: &Limits) -> Option<RequestError> {
    if u64::from(record.extension_bytes) > limits.chunk_extension_limit {
        return Some(RequestError::ExtensionsTooLarge);
    }
    let is_too_large = record.trailer_bytes.len() as u64 > limits.header_size_limit
        || record.trailers.len() as u64 > limits.header_field_limit;
    is_too_large.then_some(RequestError::TrailersTooLarge)
}

#[cold]
fn check_host(value: &[u8], known_host: &mut Vec<u8>) -> Result<(), RequestError> {
    if !host::is_valid(value) {
        return Err(RequestError::HostInvalid);
    }
    known_host.clear();
    known_host.extend_from_slice(value);
    Ok(())
}

fn is_named(field: &Field, bytes: &[u8], name: &[u8]) -> bool {
    field.name.of(bytes).eq_ignore_ascii_case(name)
}

/// llhttp leaves white space at a value's end in it. RFC 9110 §5.5.
fn trim_end(field: &mut Field, bytes: &[u8]) {
    while let Some(b' ' | b'\t') = field.value.of(bytes).last() {
        field.value.end -= 1;
    }
}

/// Exactly one `chunked`, and not in HTTP/1.0; any other coding is unknown. RFC 9112 §6.1.
#[cold]
fn check_encoding(version: Version, count: usize, value: &[u8]) -> Result<(), RequestError> {
    if version == Version::Http10 {
        return Err(RequestError::EncodingInHttp10);
    }
    if count == 1 && value.eq_ignore_ascii_case(b"chunked") {
        Ok(())
    } else {
        Err(RequestError::UnknownEncoding)
    }
}

/// A number of plain digits below 2^63, which every other recipient can hold. RFC 9110 §8.6.
fn is_length(value: &[u8]) -> bool {
    !value.is_empty()
        && value.iter().all(u8::is_ascii_digit)
        // Up to 18 digits always fit.
        && (value.len() <= 18 || std::str::from_utf8(value).is_ok_and(|value| value.parse::<i64>().is_ok()))
}

/// The declared length of a body; None for a chunked one.
pub(super) fn declared_length(bytes: &[u8], record: &Record) -> Option<u64> {
    let field = record.fields.iter().find(|field| is_named(field, bytes, b"content-length"))?;
    std::str::from_utf8(field.value.of(bytes)).ok()?.parse().ok()
}
