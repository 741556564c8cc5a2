//! What a request's header list must be. RFC 9113 §8.
//!
//! A list that breaks a rule of HTTP/2 is malformed, and its stream is reset: nothing is repaired. One that is a
//! request, but none that is served, gets an answer. What is left is put into the form that HTTP/1's heads have:
//! a target, and fields with `host` among them and the crumbs of `cookie` joined.

use llhttp::{Field, Method, Span};
use nghttp2::Priority;

use crate::error::RequestError;
use crate::event::Expectation;
use crate::http::{host, target};
use crate::http2::malformed::Malformed;
use crate::http2::syntax::{self, is_token};
use crate::limits::Limits;

/// Bytes that HTTP/1's request line has besides method and target.
const REQUEST_LINE_BYTES: usize = 11;

const MALFORMED_LENGTH: Fault = Fault::Malformed(Malformed::ContentLength);

/// Why a request isn't handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is malformed: RST_STREAM with PROTOCOL_ERROR. RFC 9113 §8.1.1.
    Malformed(Malformed),
    /// It gets an answer.
    Refused(RequestError),
}

/// The bytes of a request's head. Kept for the next one when it is done with.
#[derive(Debug, Default)]
pub(super) struct HeadBytes {
    pub(super) bytes: Vec<u8>,
    pub(super) target: Span,
    pub(super) fields: Vec<Field>,
}

/// What a head says about its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Checked {
    pub(super) method: Method,
    pub(super) expectation: Expectation,
    pub(super) content_length: Option<u64>,
    /// CONNECT, plain or extended: what follows isn't content.
    pub(super) is_connect: bool,
    /// Its scheme is https, and a proxy in front may have ended TLS.
    pub(super) claims_https: bool,
    /// An extended CONNECT, which the application may take over. RFC 8441.
    pub(super) is_extended: bool,
    /// A conversation, whose silence is meant: an extended CONNECT, or gRPC.
    pub(super) is_conversation: bool,
    pub(super) priority: Option<Priority>,
}

impl Checked {
    /// Of a head that was refused, for the page that answers it.
    pub(super) fn of_refused(is_head: bool) -> Checked {
        Checked {
            method: if is_head { Method::HEAD } else { Method::GET },
            expectation: Expectation::None,
            content_length: None,
            is_connect: false,
            claims_https: false,
            is_extended: false,
            is_conversation: false,
            priority: None,
        }
    }
}

/// What is served on the connection that a request has come on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Served {
    pub(super) is_encrypted: bool,
    /// A proxy in front may have ended TLS: `https` over cleartext is right.
    pub(super) is_exempt: bool,
}

#[derive(Debug, Default)]
struct Pseudo<'a> {
    method: Option<&'a [u8]>,
    scheme: Option<&'a [u8]>,
    authority: Option<&'a [u8]>,
    path: Option<&'a [u8]>,
    protocol: Option<&'a [u8]>,
}

impl<'a> Pseudo<'a> {
    /// Each once, none empty, none unknown. RFC 9113 §8.3.
    fn set(&mut self, name: &[u8], value: &'a [u8], limits: &Limits) -> Result<(), Fault> {
        let place = match name {
            b":method" => &mut self.method,
            b":scheme" => &mut self.scheme,
            b":authority" => &mut self.authority,
            b":path" => &mut self.path,
            b":protocol" if limits.extended_connect => &mut self.protocol,
            _ => return Err(Fault::Malformed(Malformed::Pseudo)),
        };
        if value.is_empty() || place.replace(value).is_some() {
            return Err(Fault::Malformed(Malformed::PseudoRepeated));
        }
        Ok(())
    }
}

/// Fields that decide something, gathered in one pass.
#[derive(Debug, Default)]
struct Facts<'a> {
    host: Option<&'a [u8]>,
    content_length: Option<u64>,
    expects: Option<&'a [u8]>,
    priority: Option<Priority>,
    crumbs: usize,
    is_grpc: bool,
}

/// Checks a header list and puts it into `head`, which is empty.
pub(super) fn check(
    (bytes, fields): (&[u8], &[nghttp2::Field]),
    limits: &Limits,
    served: Served,
    known_host: &mut Vec<u8>,
    head: &mut HeadBytes,
) -> Result<Checked, Fault> {
    let mut pseudo = Pseudo::default();
    let mut facts = Facts::default();
    let first = fields.iter().position(|field| !is_pseudo(field, bytes)).unwrap_or(fields.len());
    let (front, rest) = fields.split_at(first);
    for field in front {
        let value = field.value.of(bytes);
        if !syntax::is_value(value) {
            return Err(Fault::Malformed(Malformed::PseudoValue));
        }
        pseudo.set(field.name.of(bytes), value, limits)?;
    }
    for field in rest {
        note(field.name.of(bytes), field.value.of(bytes), &mut facts)?;
    }
    let method =
        pseudo.method.filter(|method| is_token(method)).ok_or(Fault::Malformed(Malformed::Method))?;
    let is_connect = method == b"CONNECT";
    let (target, authority) = request_target(&pseudo, is_connect, facts.host)?;
    check_host(authority, facts.host, known_host)?;
    if method.len() + target.len() + REQUEST_LINE_BYTES
        > usize::try_from(limits.request_line_limit).unwrap_or(usize::MAX)
    {
        return Err(Fault::Refused(RequestError::RequestLineTooLong));
    }
    let sent = syntax::method(method).ok_or(Fault::Refused(RequestError::UnknownMethod))?;
    // An extended CONNECT is what HTTP/1 calls an upgrade of a GET. RFC 8441 §5.
    let method = if pseudo.protocol.is_some() { Method::GET } else { sent };
    target::check(method, target, Some(authority), true).map_err(|_| Fault::Malformed(Malformed::Path))?;
    let claims_https = check_scheme(pseudo.scheme, served)? && !served.is_encrypted;
    if is_connect && facts.content_length.is_some() {
        return Err(MALFORMED_LENGTH);
    }
    put(head, target, authority, &pseudo, bytes, rest, facts.crumbs);
    let expectation = match facts.expects {
        None => Expectation::None,
        Some(value) if value.eq_ignore_ascii_case(b"100-continue") => Expectation::Continue,
        Some(_) => Expectation::Other,
    };
    let Facts { content_length, priority, .. } = facts;
    let is_extended = pseudo.protocol.is_some();
    let is_conversation = is_connect || facts.is_grpc;
    Ok(Checked {
        method,
        expectation,
        content_length,
        is_connect,
        claims_https,
        is_extended,
        is_conversation,
        priority,
    })
}

fn is_pseudo(field: &nghttp2::Field, bytes: &[u8]) -> bool {
    field.name.of(bytes).first() == Some(&b':')
}

/// Checks one field, and notes what it decides.
fn note<'a>(name: &[u8], value: &'a [u8], facts: &mut Facts<'a>) -> Result<(), Fault> {
    if !syntax::is_field(name, value) {
        let is_pseudo = name.first() == Some(&b':');
        return Err(Fault::Malformed(if is_pseudo { Malformed::Pseudo } else { Malformed::Field }));
    }
    match name {
        // RFC 9113 §8.2.2.
        b"connection" | b"keep-alive" | b"proxy-connection" | b"transfer-encoding" | b"upgrade" => {
            return Err(Fault::Malformed(Malformed::ConnectionField));
        }
        b"te" if value != b"trailers" => return Err(Fault::Malformed(Malformed::ConnectionField)),
        b"host" if facts.host.replace(value).is_some() => return Err(Fault::Malformed(Malformed::Host)),
        b"content-length" => {
            let length = syntax::content_length(value).ok_or(MALFORMED_LENGTH)?;
            if facts.content_length.replace(length).is_some() {
                return Err(MALFORMED_LENGTH);
            }
        }
        b"expect" => facts.expects = Some(value),
        b"priority" => facts.priority = Priority::parse(value),
        b"cookie" => facts.crumbs += 1,
        b"content-type" => facts.is_grpc = value.starts_with(b"application/grpc"),
        _ => {}
    }
    Ok(())
}

/// The request target as HTTP/1 has it, and the authority. RFC 9113 §8.3.1 and §8.5, RFC 8441 §4.
fn request_target<'a>(
    pseudo: &Pseudo<'a>,
    is_connect: bool,
    host: Option<&'a [u8]>,
) -> Result<(&'a [u8], &'a [u8]), Fault> {
    let authority = pseudo.authority.or(host).ok_or(Fault::Malformed(Malformed::PseudoSet))?;
    match (pseudo.protocol, is_connect) {
        (Some(protocol), true) if is_token(protocol) => {}
        (None, false) => {}
        (None, true) if pseudo.scheme.is_none() && pseudo.path.is_none() => {
            return Ok((authority, authority));
        }
        _ => return Err(Fault::Malformed(Malformed::PseudoSet)),
    }
    let (Some(path), Some(_)) = (pseudo.path, pseudo.scheme) else {
        return Err(Fault::Malformed(Malformed::PseudoSet));
    };
    // `*` is for OPTIONS alone, as `target::check` knows; nothing else has no slash.
    if !syntax::is_path(path) || !path.starts_with(b"/") && path != b"*" {
        return Err(Fault::Malformed(Malformed::Path));
    }
    Ok((path, authority))
}

/// The authority is a valid one, and a `host` beside it says the same.
fn check_host(authority: &[u8], host: Option<&[u8]>, known_host: &mut Vec<u8>) -> Result<(), Fault> {
    if authority != &known_host[..] {
        if !host::is_valid(authority) {
            return Err(Fault::Malformed(Malformed::Authority));
        }
        known_host.clear();
        known_host.extend_from_slice(authority);
    }
    match host {
        Some(host) if host != authority && !(host::is_valid(host) && host::is_same(host, authority)) => {
            Err(Fault::Malformed(Malformed::Host))
        }
        _ => Ok(()),
    }
}

/// Whether the scheme is https.
fn check_scheme(scheme: Option<&[u8]>, served: Served) -> Result<bool, Fault> {
    let Some(scheme) = scheme else { return Ok(false) };
    if scheme.eq_ignore_ascii_case(b"http") {
        return Ok(false);
    }
    match scheme.eq_ignore_ascii_case(b"https") {
        true if served.is_encrypted || served.is_exempt => Ok(true),
        true => Err(Fault::Refused(RequestError::Misdirected)),
        false => Err(Fault::Malformed(Malformed::Scheme)),
    }
}

/// Puts target and fields one after the other.
fn put(
    head: &mut HeadBytes,
    target: &[u8],
    authority: &[u8],
    pseudo: &Pseudo<'_>,
    bytes: &[u8],
    fields: &[nghttp2::Field],
    crumbs: usize,
) {
    head.target = head.put_bytes(&[target]);
    head.put_field(b"host", &[authority]);
    if let Some(protocol) = pseudo.protocol {
        head.put_field(b"connection", &[b"upgrade"]);
        head.put_field(b"upgrade", &[protocol]);
    }
    for field in fields {
        let (name, value) = (field.name.of(bytes), field.value.of(bytes));
        if name != b"host" && (name != b"cookie" || crumbs == 1) {
            head.put_field(name, &[value]);
        }
    }
    if crumbs > 1 {
        let is_crumb = |field: &&nghttp2::Field| field.name.of(bytes) == b"cookie";
        let mut parts = Vec::with_capacity(2 * crumbs);
        for field in fields.iter().filter(is_crumb) {
            parts.extend([&b"; "[..], field.value.of(bytes)]);
        }
        // RFC 9113 §8.2.3.
        head.put_field(b"cookie", &parts[1..]);
    }
}

impl HeadBytes {
    /// Empties it; memory is kept up to a bound.
    pub(super) fn clear(&mut self) {
        const KEPT_BYTES: usize = 8 * 1024;
        const KEPT_FIELDS: usize = 64;
        self.bytes.clear();
        self.fields.clear();
        self.bytes.shrink_to(KEPT_BYTES);
        self.fields.shrink_to(KEPT_FIELDS);
    }

    fn put_bytes(&mut self, parts: &[&[u8]]) -> Span {
        let start = self.bytes.len() as u32;
        for part in parts {
            self.bytes.extend_from_slice(part);
        }
        Span { start, end: self.bytes.len() as u32 }
    }

    fn put_field(&mut self, name: &[u8], value: &[&[u8]]) {
        let name = self.put_bytes(&[name]);
        let value = self.put_bytes(value);
        self.fields.push(Field { name, value });
    }
}

/// Checks the fields behind a body: no pseudo-header, nothing of a connection's. RFC 9113 §8.1.
pub(super) fn check_trailers(
    (bytes, fields): (&[u8], &[nghttp2::Field]),
) -> Result<(Vec<u8>, Vec<Field>), Fault> {
    let mut facts = Facts::default();
    let span = |span: nghttp2::Span| Span { start: span.start, end: span.end };
    let mut own = Vec::with_capacity(fields.len());
    for field in fields {
        note(field.name.of(bytes), field.value.of(bytes), &mut facts)?;
        own.push(Field { name: span(field.name), value: span(field.value) });
    }
    Ok((bytes.to_vec(), own))
}
