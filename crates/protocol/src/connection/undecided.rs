//! A connection without TLS whose first bytes tell HTTP/2 from HTTP/1. RFC 9113 §3.3.
//!
//! Until they have come it is an HTTP/1 connection without a request: its deadlines, its idleness and its end are
//! those of one.

use crate::{http1, http2};

/// What a client of HTTP/2 sends first. RFC 9113 §3.4.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What the first bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum First {
    /// Nothing yet: more are needed.
    Open,
    /// They aren't the preface.
    Http1,
    /// They are the preface.
    Http2,
}

/// See the module.
pub(super) struct Undecided {
    pub(super) http1: http1::Connection,
    pub(super) way: http2::Way,
    /// Bytes of the preface that have come.
    matched: usize,
}

impl Undecided {
    pub(super) fn new(http1: http1::Connection, way: http2::Way) -> Undecided {
        Undecided { http1, way, matched: 0 }
    }

    /// The bytes that have come before.
    pub(super) fn kept(&self) -> &'static [u8] {
        &PREFACE[..self.matched]
    }

    /// Compares the next bytes.
    pub(super) fn look_at(&mut self, input: &[u8]) -> First {
        let rest = &PREFACE[self.matched..];
        let count = rest.len().min(input.len());
        if rest[..count] != input[..count] {
            return First::Http1;
        }
        if count == rest.len() {
            return First::Http2;
        }
        self.matched += count;
        First::Open
    }
}
