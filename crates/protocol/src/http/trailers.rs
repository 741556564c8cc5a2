//! The trailer section of a request. RFC 9110 §6.5.

use llhttp::Field;

/// Fields that mean something only ahead of a body: framing, routing, authentication, how the content
/// is to be read. Behind a body they are dropped, so that they can't be mistaken for fields that were checked.
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

/// The fields after a body that may be trusted as such. RFC 9110 §6.5.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trailers {
    bytes: Vec<u8>,
    fields: Vec<Field>,
}

impl Trailers {
    /// Of `fields` whose spans are into `bytes` keeps those that may be trusted; None when there are none.
    pub(crate) fn of(bytes: Vec<u8>, mut fields: Vec<Field>) -> Option<Trailers> {
        fields.retain_mut(|field| {
            trim_end(field, &bytes);
            let name = field.name.of(&bytes);
            !DROPPED.iter().any(|dropped| name.eq_ignore_ascii_case(dropped))
        });
        (!fields.is_empty()).then_some(Trailers { bytes, fields })
    }

    /// Name and value of each field as received, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.fields.iter().map(|field| (field.name.of(&self.bytes), field.value.of(&self.bytes)))
    }
}

/// llhttp leaves white space at a value's end in it. RFC 9110 §5.5.
fn trim_end(field: &mut Field, bytes: &[u8]) {
    while let Some(b' ' | b'\t') = field.value.of(bytes).last() {
        field.value.end -= 1;
    }
}
