//! The trailer section of a request. RFC 9110 §6.5.

use llhttp::{Field, Record};

use crate::event::Trailers;

/// Fields that mean something only ahead of a body: framing, routing, authentication, how the content
/// is to be read. One that comes behind it is dropped, so that nobody mistakes it for what was checked.
const DROPPED: [&[u8]; 21] = [
    b"authorization",
    b"connection",
    b"content-encoding",
    b"content-length",
    b"content-range",
    b"content-type",
    b"cookie",
    b"expect",
    b"forwarded",
    b"host",
    b"keep-alive",
    b"max-forwards",
    b"pragma",
    b"proxy-authenticate",
    b"proxy-authorization",
    b"range",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
    b"www-authenticate",
];

/// Takes the trailer section out of a record; None when nothing that may be trusted is in it.
pub(super) fn take(record: &mut Record) -> Option<Trailers> {
    if record.trailers.is_empty() {
        return None;
    }
    let bytes = std::mem::take(&mut record.trailer_bytes);
    let mut fields = std::mem::take(&mut record.trailers);
    fields.retain_mut(|field| {
        trim_end(field, &bytes);
        let name = field.name.of(&bytes);
        !DROPPED.iter().any(|dropped| name.eq_ignore_ascii_case(dropped))
    });
    (!fields.is_empty()).then_some(Trailers { bytes, fields })
}

/// llhttp leaves white space at a value's end in it. RFC 9110 §5.5.
fn trim_end(field: &mut Field, bytes: &[u8]) {
    while let Some(b' ' | b'\t') = field.value.of(bytes).last() {
        field.value.end -= 1;
    }
}
