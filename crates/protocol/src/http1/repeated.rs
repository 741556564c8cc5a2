//! Header sections that clients repeat.
//!
//! Most clients send the same header section with each request of a connection, and only the target differs. A section
//! that was parsed and checked is kept. When the next request of the connection has the same bytes behind its request
//! line, everything that was found then is true again, and neither the parser nor the checks look at them.
//!
//! ```text
//!  GET /articles/42 HTTP/1.1␍␊        read here: GET or HEAD, and a target in origin-form
//!  Host: example.org␍␊         ┐
//!  Accept: text/html␍␊         │      compared with the kept section
//!  ␍␊                          ┘
//! ```
//! Kept are sections behind which nothing belongs to the message and the connection stays open, so that no state of the
//! parser follows from them. The table is shared by the connections of one context. Its size is fixed: a connection
//! whose section was replaced has its next head parsed, and keeps that again.

use llhttp::{Field, Method, Record, Span};

use crate::event::{Expectation, Version};
use crate::http1::head::{Checked, is_line_within};
use crate::limits::Limits;

/// Sections that are kept.
const PLACES: usize = 32;
/// Bytes of the longest section that is kept.
const LONGEST: usize = 4096;
/// An odd number whose bits look random: 2^64 divided by the golden ratio.
const MIXER: u64 = 0x9e37_79b9_7f4a_7c15;
/// What follows the target.
const LINE_END: &[u8; 11] = b" HTTP/1.1\r\n";

/// What the checks find in each head whose section is kept, but for the method.
const PLAIN: Checked = Checked {
    method: Method::GET,
    version: Version::Http11,
    keep_alive: true,
    is_upgrade: false,
    expectation: Expectation::None,
};

/// Where a connection's section is kept. It may have been replaced since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place(u8);

impl Place {
    /// No section of the connection is kept.
    pub(super) const NONE: Place = Place(u8::MAX);
}

/// Sections by place.
#[derive(Debug, Default)]
pub(crate) struct Sections {
    kept: Vec<Section>,
}

/// A section that was found valid.
#[derive(Debug, Clone, Default)]
struct Section {
    /// From the first field to the empty line, which is included.
    bytes: Vec<u8>,
    /// Counted from the first of these bytes, with white space removed from the ends of values.
    fields: Vec<Field>,
}

impl Sections {
    /// Forgets all: what is valid has changed.
    pub(crate) fn clear(&mut self) {
        self.kept.clear();
    }

    /// Whether a request begins `input` whose section is the one at `place`. If so, `record` is filled as by the parser;
    /// the result is what the checks find, and how many bytes the head has.
    #[inline]
    pub(super) fn find(
        &self,
        place: Place,
        input: &[u8],
        limits: &Limits,
        record: &mut Record,
    ) -> Option<(Checked, usize)> {
        let section = self.kept.get(usize::from(place.0))?;
        let (method, target) = plain_line(input)?;
        let at = target.end as usize + LINE_END.len();
        let is_same = !section.bytes.is_empty() && input.get(at..)?.starts_with(&section.bytes);
        if !is_same || !is_line_within(target, limits) {
            return None;
        }
        record.clear();
        record.target = target;
        record.fields.extend(section.fields.iter().map(|field| moved(*field, at as u32)));
        Some((Checked { method, ..PLAIN }, at + section.bytes.len()))
    }

    /// Keeps the section of the head that was parsed into `record`: all of `head`, behind which nothing belongs to the
    /// message. Returns its place, if it is one that may be kept.
    #[inline]
    pub(super) fn keep(&mut self, checked: &Checked, head: &[u8], record: &Record) -> Place {
        let is_plain = *checked == Checked { method: checked.method, ..PLAIN };
        match plain_line(head) {
            Some((_, target)) if is_plain && target == record.target => {
                self.keep_behind(target.end as usize + LINE_END.len(), head, record)
            }
            _ => Place::NONE,
        }
    }

    fn keep_behind(&mut self, at: usize, head: &[u8], record: &Record) -> Place {
        let bytes = head.get(at..).unwrap_or(&[]);
        if bytes.len() > LONGEST || record.fields.first().is_none_or(|first| first.name.start as usize != at)
        {
            return Place::NONE;
        }
        if self.kept.is_empty() {
            self.kept = vec![Section::default(); PLACES];
        }
        let place = place_of(bytes);
        if let Some(section) = self.kept.get_mut(usize::from(place.0))
            && section.bytes != bytes
        {
            section.bytes.clear();
            section.bytes.extend_from_slice(bytes);
            section.fields.clear();
            let back = (at as u32).wrapping_neg();
            section.fields.extend(record.fields.iter().map(|field| moved(*field, back)));
        }
        place
    }
}

/// The same section has the same place on every connection. Sections that differ mostly have others: the length and the
/// bytes at the middle and at the end are looked at.
fn place_of(bytes: &[u8]) -> Place {
    let word = |at: usize| {
        bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |word| u64::from_ne_bytes(*word))
    };
    let middle = word(bytes.len() / 2);
    let end = word(bytes.len().saturating_sub(4 + size_of::<u64>()));
    let mixed = (middle.wrapping_mul(MIXER) ^ end ^ bytes.len() as u64).wrapping_mul(MIXER);
    // The upper bits depend on all others.
    Place((mixed >> (u64::BITS - PLACES.ilog2())) as u8)
}

fn moved(Field { name, value }: Field, by: u32) -> Field {
    let move_span = |Span { start, end }| Span { start: start.wrapping_add(by), end: end.wrapping_add(by) };
    Field { name: move_span(name), value: move_span(value) }
}

/// Method and target of a request line that the parser, too, accepts as it is: GET or HEAD, and a target in origin-form
/// of characters that a URI may have. RFC 9112 §3.2.1.
#[inline]
fn plain_line(input: &[u8]) -> Option<(Method, Span)> {
    let (method, start) = match input {
        [b'G', b'E', b'T', b' ', b'/', ..] => (Method::GET, 4),
        [b'H', b'E', b'A', b'D', b' ', b'/', ..] => (Method::HEAD, 5),
        _ => return None,
    };
    let rest = input.get(start..)?;
    let len = rest.iter().position(|byte| !IN_TARGET[usize::from(*byte)])?;
    let span = Span { start: start as u32, end: (start + len) as u32 };
    rest.get(len..)?.starts_with(LINE_END).then_some((method, span))
}

/// The characters of path and query. RFC 3986 §3.3 and §3.4.
const IN_TARGET: [bool; 256] = {
    let mut allowed = [false; 256];
    let punctuation = b"-._~!$&'()*+,;=:@/?%";
    let mut at = 0;
    while at < punctuation.len() {
        allowed[punctuation[at] as usize] = true;
        at += 1;
    }
    let mut byte = 0;
    while byte < 128 {
        allowed[byte] |= (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    allowed
};

#[cfg(test)]
mod tests {
    use llhttp::Parser;

    use super::*;

    fn parsed(head: &[u8]) -> Record {
        let mut record = Record::default();
        Parser::new().execute(head, &mut record);
        record
    }

    fn is_found(sections: &Sections, place: Place, input: &[u8]) -> bool {
        sections.find(place, input, &Limits::default(), &mut Record::default()).is_some()
    }

    #[test]
    fn a_section_is_found_behind_another_target_and_reads_as_if_it_were_parsed() {
        let mut sections = Sections::default();
        let head = b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n";
        let place = sections.keep(&PLAIN, head, &parsed(head));
        for input in [&head[..], b"HEAD /long/path?x=%20 HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\nGET / HTT"] {
            let mut record = parsed(b"GET /other HTTP/1.1\r\nHost: b\r\nA: b\r\nC: d\r\n\r\n");
            let (checked, len) = sections.find(place, input, &Limits::default(), &mut record).unwrap();
            let expected = parsed(&input[..len]);
            assert_eq!((record.target, &record.fields), (expected.target, &expected.fields));
            assert_eq!(checked.method == Method::HEAD, input.starts_with(b"HEAD"));
        }
        for input in [
            &b"GET / HTTP/1.1\r\nHost: a\r\nX: z\r\n\r\n"[..],
            b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r",
            b"GET / HTTP/1.0\r\nHost: a\r\nX: y\r\n\r\n",
            b"GET /a#b HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n",
            b"GET  / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n",
            b"PUT / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n",
        ] {
            assert!(!is_found(&sections, place, input), "{:?}", String::from_utf8_lossy(input));
        }
        assert!(!is_found(&sections, Place::NONE, head));
        sections.clear();
        assert!(!is_found(&sections, place, head));
    }

    #[test]
    fn a_section_that_was_replaced_is_not_found() {
        let mut sections = Sections::default();
        let heads: Vec<Vec<u8>> = (0..200)
            .map(|at| format!("GET / HTTP/1.1\r\nHost: a\r\nX: {at:08}{at:08}\r\n\r\n").into_bytes())
            .collect();
        let places: Vec<Place> =
            heads.iter().map(|head| sections.keep(&PLAIN, head, &parsed(head))).collect();
        let found =
            heads.iter().zip(&places).filter(|(head, place)| is_found(&sections, **place, head)).count();
        assert!((2..=PLACES).contains(&found), "{found} of 200 are kept");
    }

    #[test]
    fn what_ends_or_changes_the_connection_is_not_kept() {
        let head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        for checked in [
            Checked { keep_alive: false, ..PLAIN },
            Checked { version: Version::Http10, ..PLAIN },
            Checked { is_upgrade: true, ..PLAIN },
            Checked { expectation: Expectation::Continue, ..PLAIN },
        ] {
            assert_eq!(Sections::default().keep(&checked, head, &parsed(head)), Place::NONE);
        }
        let long = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(LONGEST)).into_bytes();
        assert_eq!(Sections::default().keep(&PLAIN, &long, &parsed(&long)), Place::NONE);
    }
}
