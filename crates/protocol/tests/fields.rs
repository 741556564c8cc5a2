//! The application gets fields as they were sent, whatever their case, white space and cuts.

#![allow(clippy::unwrap_used, reason = "a refused request fails the test")]

mod cut;

use cut::cut;
use proptest::prelude::*;
use protocol::{Connection, Context, Event, Limits};

/// A name without a meaning for the protocol itself.
fn name() -> impl Strategy<Value = String> {
    "[A-Za-z0-9!#$%&'*+.^_`|~-]{1,20}".prop_filter("one with a meaning", |name| {
        let meant = [
            "host",
            "expect",
            "connection",
            "upgrade",
            "content-length",
            "transfer-encoding",
            "proxy-connection",
        ];
        !meant.iter().any(|meant| name.eq_ignore_ascii_case(meant))
    })
}

/// A value without white space at its ends: visible bytes, those above ASCII, spaces and tabs.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![8 => 0x21..=0x7e_u8, 2 => 0x80..=0xff_u8, 1 => Just(b' '), 1 => Just(b'\t')];
    prop::collection::vec(byte, 0..40).prop_map(|bytes| {
        let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
        let start = bytes.iter().position(|byte| !is_blank(byte)).unwrap_or(bytes.len());
        let end = bytes.iter().rposition(|byte| !is_blank(byte)).map_or(start, |last| last + 1);
        bytes[start..end].to_vec()
    })
}

/// A field, and the white space on both sides of its value.
fn field() -> impl Strategy<Value = (String, String, Vec<u8>, String)> {
    (name(), "[ \t]{0,3}", value(), "[ \t]{0,3}")
}

type Received = (Vec<u8>, Vec<(Vec<u8>, Vec<u8>)>);

/// Target and fields of the request in some pieces.
fn received(pieces: &[&[u8]]) -> Option<Received> {
    let mut cx = Context::new(Limits::default());
    let mut connection = Connection::new(&cx);
    for piece in pieces {
        let step = connection.handle_input(&mut cx, piece);
        if let Some(Event::Request(request)) = step.event {
            let bytes = request.head.bytes;
            let fields = request.head.fields.iter();
            let fields = fields.map(|field| (field.name.of(bytes).to_vec(), field.value.of(bytes).to_vec()));
            return Some((request.head.target.of(bytes).to_vec(), fields.collect()));
        }
    }
    None
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn fields_come_as_they_were_sent(
        target in "/[!-~&&[^#]]{0,30}",
        fields in prop::collection::vec(field(), 0..12),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let mut bytes = format!("GET {target} HTTP/1.1\r\nHost: a\r\n").into_bytes();
        let mut sent = vec![(b"Host".to_vec(), b"a".to_vec())];
        for (name, before, value, after) in fields {
            bytes.extend([name.as_bytes(), b":", before.as_bytes(), &value, after.as_bytes(), b"\r\n"].concat());
            sent.push((name.into_bytes(), value));
        }
        bytes.extend(b"\r\n");
        prop_assert_eq!(received(&cut(&bytes, &cuts)), Some((target.into_bytes(), sent)));
    }
}
