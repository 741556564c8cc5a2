//! What the application tells a connection.

use crate::output::is_large;

/// An answer to a request.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// 200 to 599.
    pub status: u16,
    /// A phrase other than the standard one.
    pub reason: Option<&'a [u8]>,
    /// `name: value\r\n` lines, checked by the caller. Without date, connection, keep-alive,
    /// transfer-encoding and content-length, which are the connection's own.
    pub fields: &'a [u8],
    /// The body.
    pub payload: Payload<'a>,
    /// The connection ends behind this answer.
    pub close: bool,
}

/// The body of an answer.
#[derive(Debug, Clone, Copy)]
pub enum Payload<'a> {
    /// All of it.
    Full(&'a [u8]),
    /// All there will be, under a length the application set itself: what a GET would have, for
    /// HEAD; with fewer bytes than that the connection is cut.
    Declared {
        /// The Content-Length.
        length: u64,
        /// The bytes.
        bytes: &'a [u8],
    },
    /// It follows by `handle_write` and `handle_end`.
    Stream {
        /// Its length, if known.
        length: Option<u64>,
    },
}

impl Payload<'_> {
    /// Whether it is so large that it is better written from where it is than copied.
    #[inline]
    pub fn is_large(&self) -> bool {
        matches!(self, Payload::Full(bytes) | Payload::Declared { bytes, .. } if is_large(bytes))
    }
}

/// An answer, or a part of one, wasn't taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerError {
    /// The request isn't open: never was, is answered, or its client has gone.
    Stale,
    /// More bytes than declared; those up to the length were taken.
    TooLong,
    /// The connection can't be taken over: other requests stand behind this one, its body hasn't come
    /// whole, or a 101 was wanted of HTTP/1.0.
    Occupied,
}

/// How much of a body the application is ready to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credit {
    /// So many more bytes, piece by piece as they come. RFC 9112 §9.3: what nobody takes stays with the
    /// peer.
    Bytes(u64),
    /// The same, and all that follows will be asked for: one that says that it is larger than its limit
    /// isn't begun.
    Whole(u64),
}

/// What becomes of the connection once its output is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// Close it: the client expects nothing else.
    Close,
    /// Close the sending side and read on for a while: the client may still be sending.
    Linger,
    /// Reset it: what was sent is incomplete, or the client doesn't read.
    Reset,
}
