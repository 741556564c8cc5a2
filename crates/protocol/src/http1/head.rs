//! Checks of a request head that llhttp's grammar doesn't make.

use llhttp::{Field, Method, Parser, Record, Span};

use crate::error::RequestError;
use crate::event::{Expectation, Version};
use crate::http::{host, list, target};
use crate::limits::Limits;

/// Length of ` HTTP/1.1`, which follows the target in a request line.
const VERSION_BYTES: u64 = 9;

/// What a head says about its message.
#[derive(Debug, Clone, Copy, PartialEq)]
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
    serves_https: bool,
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
    let mut expectation = Expectation::None;
    let mut options = ConnectionOptions::default();
    let mut names_protocol = false;
    for field in &mut record.fields {
        trim_end(field, bytes);
        match field.name.len() {
            4 if is_named(field, bytes, b"host") => {
                hosts += 1;
                host_value = field.value.of(bytes);
            }
            6 if is_named(field, bytes, b"expect") => {
                add_expectations(&mut expectation, field.value.of(bytes), version);
            }
            7 if is_named(field, bytes, b"upgrade") => names_protocol |= has_protocol(field.value.of(bytes)),
            10 if is_named(field, bytes, b"connection") => options.add(field.value.of(bytes)),
            14 if is_named(field, bytes, b"content-length") => {
                lengths += 1;
                length_value = field.value.of(bytes);
            }
            17 if is_named(field, bytes, b"transfer-encoding") => {
                encodings += 1;
            }
            _ => {}
        }
    }
    if encodings > 0 {
        check_encoding(version, bytes, record)?;
    } else if lengths > 0 && (lengths > 1 || !is_length(length_value)) {
        return Err(RequestError::ContentLength);
    }
    if method == Method::CONNECT && (encodings > 0 || declared_length(bytes, record).unwrap_or(0) > 0) {
        // llhttp reads no body here, since another protocol follows: content would be taken for a request.
        return Err(RequestError::ConnectContent);
    }
    let is_upgrade =
        method == Method::CONNECT || names_protocol && options.upgrade && version == Version::Http11;
    match hosts {
        1 => {}
        0 if version == Version::Http10 || limits.allow_missing_host => {}
        // As with Node, the application that takes the connection over looks for itself.
        0 if is_upgrade && limits.node_style => {}
        found => return Err(RequestError::HostCount { found }),
    }
    // As with Node, it's the application that looks at its value.
    if hosts == 1 && host_value != &known_host[..] && !limits.node_style {
        check_host(host_value, known_host)?;
    }
    // As with Node, what a tunnel leads to is the application's matter.
    if method != Method::CONNECT || !limits.node_style {
        target::check(method, record.target.of(bytes), serves_https)?;
    }
    let keep_alive = !options.close && (version != Version::Http10 || options.keep_alive);
    Ok(Checked { method, version, keep_alive, is_upgrade, expectation })
}

/// Whether a request line with this target is short enough.
#[inline]
pub(super) fn is_line_within(target: Span, limits: &Limits) -> bool {
    u64::from(target.end) + VERSION_BYTES <= limits.request_line_limit
}

/// Checks the sizes of a head, complete or not.
pub(super) fn check_size(record: &Record, limits: &Limits) -> Result<(), RequestError> {
    if !is_line_within(record.target, limits) {
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
    let extensions = if limits.node_style { record.longest_extensions } else { record.extension_bytes };
    if u64::from(extensions) > limits.chunk_extension_limit {
        return Some(RequestError::ExtensionsTooLarge);
    }
    let is_too_large = record.trailer_bytes.len() as u64 > limits.header_size_limit
        || record.trailers.len() as u64 > limits.header_field_limit;
    is_too_large.then_some(RequestError::TrailersTooLarge)
}

#[cold]
fn check_host(value: &[u8], known_host: &mut Vec<u8>) -> Result<(), RequestError> {
    // An empty one is valid where the authority isn't known or has no meaning. RFC 9112 §3.2.
    if value.is_empty() {
        return Ok(());
    }
    if !host::is_valid(value) {
        return Err(RequestError::HostInvalid);
    }
    known_host.clear();
    known_host.extend_from_slice(value);
    Ok(())
}

#[inline]
fn is_named<const LENGTH: usize>(field: &Field, bytes: &[u8], name: &[u8; LENGTH]) -> bool {
    is_word(field.name.of(bytes), name)
}

/// Whether a text is a word of lower-case letters and hyphens, in any letter case. Without control bytes, which neither
/// names nor values have, one bit tells a capital from its small letter; the comparison then takes a few steps for all
/// bytes together.
#[inline]
fn is_word<const LENGTH: usize>(text: &[u8], word: &[u8; LENGTH]) -> bool {
    let Ok(text) = <&[u8; LENGTH]>::try_from(text) else { return false };
    text.iter().zip(word).fold(0, |difference, (byte, lower)| difference | ((byte | 0x20) ^ lower)) == 0
}

/// llhttp leaves white space at a value's end in it. RFC 9110 §5.5.
fn trim_end(field: &mut Field, bytes: &[u8]) {
    while let Some(b' ' | b'\t') = field.value.of(bytes).last() {
        field.value.end -= 1;
    }
}

/// Options in Connection that mean something here. llhttp reads them too, but takes Proxy-Connection for Connection,
/// and before 9.4 a TAB for a part of an option.
#[derive(Debug, Clone, Copy, Default)]
struct ConnectionOptions {
    close: bool,
    keep_alive: bool,
    upgrade: bool,
}

impl ConnectionOptions {
    #[inline]
    fn add(&mut self, value: &[u8]) {
        if is_word(value, b"keep-alive") {
            self.keep_alive = true;
        } else {
            self.add_each(value);
        }
    }

    #[cold]
    fn add_each(&mut self, value: &[u8]) {
        for option in list::elements(value) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
            self.upgrade |= option.eq_ignore_ascii_case(b"upgrade");
        }
    }
}

/// Whether Upgrade names a protocol: a token, or two with a slash between. RFC 9110 §7.8.
#[cold]
fn has_protocol(value: &[u8]) -> bool {
    list::elements(value).any(|protocol| {
        let mut parts = protocol.splitn(2, |&byte| byte == b'/');
        parts.next().is_some_and(list::is_token) && parts.next().is_none_or(list::is_token)
    })
}

/// Adds the expectations of one Expect field. RFC 9110 §10.1.1.
#[cold]
fn add_expectations(known: &mut Expectation, value: &[u8], version: Version) {
    for expected in list::elements(value) {
        if !expected.eq_ignore_ascii_case(b"100-continue") {
            *known = Expectation::Other;
        } else if *known == Expectation::None && version == Version::Http11 {
            *known = Expectation::Continue;
        }
    }
}

/// Exactly one `chunked`, and not in HTTP/1.0; any other coding is unknown. RFC 9112 §6.1.
#[cold]
fn check_encoding(version: Version, bytes: &[u8], record: &Record) -> Result<(), RequestError> {
    if version == Version::Http10 {
        return Err(RequestError::EncodingInHttp10);
    }
    let fields = record.fields.iter().filter(|field| is_named(field, bytes, b"transfer-encoding"));
    let mut values = fields.map(|field| field.value.of(bytes));
    if values.clone().any(list::has_gaps) {
        return Err(RequestError::EmptyEncoding);
    }
    let is_chunked = values.next().is_some_and(|value| value.eq_ignore_ascii_case(b"chunked"));
    if is_chunked && values.next().is_none() { Ok(()) } else { Err(RequestError::UnknownEncoding) }
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
