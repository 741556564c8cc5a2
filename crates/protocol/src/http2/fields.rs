//! Header lists that we send.

use crate::answer::{Answer, Payload};
use crate::context::Context;

/// Fields of a connection, which HTTP/2 has none of. RFC 9113 §8.2.2.
const CONNECTION_FIELDS: [&[u8]; 5] =
    [b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"];

/// Numbers of a header list as text.
#[derive(Default)]
pub(super) struct Numbers {
    status: itoa::Buffer,
    length: itoa::Buffer,
}

/// `name: value\r\n` lines as pairs, without fields of a connection.
pub(super) fn pairs(lines: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = lines;
    std::iter::from_fn(move || {
        loop {
            let end = memchr::memchr(b'\r', rest)?;
            let (line, after) = rest.split_at(end);
            rest = after.get(2..).unwrap_or(&[]);
            let colon = memchr::memchr(b':', line)?;
            let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
            if !CONNECTION_FIELDS.iter().any(|field| name.eq_ignore_ascii_case(field)) {
                return Some((name, value));
            }
        }
    })
}

/// The header list of an answer.
pub(super) fn of_answer<'a>(
    cx: &'a Context,
    answer: &Answer<'a>,
    numbers: &'a mut Numbers,
) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
    let length = match answer.payload {
        Payload::UntilClose => None,
        // RFC 9110 §15.3.6.
        _ if answer.status == 205 => Some(0),
        // What a 304 says of a length is about another answer, so it says nothing.
        Payload::Full(bytes) => (!matches!(answer.status, 204 | 304)).then_some(bytes.len() as u64),
        Payload::Declared { length, .. } => (answer.status != 204).then_some(length),
        Payload::Stream { length } => length.filter(|_| answer.status != 204),
    };
    let status: &[u8] = numbers.status.format(answer.status).as_bytes();
    let length = length.map(|length| (&b"content-length"[..], numbers.length.format(length).as_bytes()));
    let date = (!answer.own.date).then(|| (&b"date"[..], cx.date.value()));
    [(&b":status"[..], status)].into_iter().chain(date).chain(pairs(answer.fields)).chain(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_said_where_it_means_something() {
        let cx = Context::new(crate::limits::Limits::default());
        let full = Payload::Full(b"hello");
        let declared = Payload::Declared { length: 5, bytes: b"" };
        let streamed = Payload::Stream { length: Some(5) };
        for (status, payload, expected) in [
            (200, full, Some("5")),
            (200, Payload::Stream { length: None }, None),
            (204, full, None),
            (204, declared, None),
            (204, streamed, None),
            (205, full, Some("0")),
            (205, declared, Some("0")),
            (205, streamed, Some("0")),
            (304, full, None),
            (304, declared, Some("5")),
            (200, Payload::UntilClose, None),
        ] {
            let own = crate::answer::Own::default();
            let answer = Answer { status, reason: None, fields: b"", payload, close: false, own };
            let mut numbers = Numbers::default();
            let mut list = of_answer(&cx, &answer, &mut numbers);
            let length = list.find(|(name, _)| *name == b"content-length").map(|(_, value)| value);
            assert_eq!(length, expected.map(str::as_bytes), "{status} {payload:?}");
        }
    }

    #[test]
    fn lines_become_pairs_without_fields_of_a_connection() {
        let lines = b"content-type: text/plain\r\nConnection: close\r\nempty: \r\na:b:c\r\n";
        let expected: [(&[u8], &[u8]); 3] =
            [(b"content-type", b"text/plain"), (b"empty", b""), (b"a", b"b:c")];
        assert_eq!(pairs(lines).collect::<Vec<_>>(), expected);
    }
}
