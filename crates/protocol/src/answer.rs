//! What the application gives a connection, and what becomes of it.

use crate::output::is_large;

/// An answer to a request.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// 200 to 599.
    pub status: u16,
    /// A phrase other than the standard one.
    pub reason: Option<&'a [u8]>,
    /// `name: value\r\n` lines, checked by the caller. Without date, connection, keep-alive, transfer-encoding and
    /// content-length, which are the connection's own, but for those that `own` names.
    pub fields: &'a [u8],
    /// The body.
    pub payload: Payload<'a>,
    /// The connection ends after this answer.
    pub close: bool,
    /// What the application answers for.
    pub own: Own,
}

/// Lines of the connection's own that the application answers for: they are in the fields, or aren't sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Own {
    /// Date.
    pub date: bool,
    /// Connection and Keep-Alive, where answers look as Node's. A close that it doesn't know of is added.
    pub connection: bool,
    /// What Connection says where it isn't `close`, where answers look as Node's: the fields end with that.
    pub keep_alive: bool,
    /// Content-Length or Transfer-Encoding, where answers look as Node's. They have to say what the payload does.
    pub framing: bool,
}

/// The body of an answer.
#[derive(Debug, Clone, Copy)]
pub enum Payload<'a> {
    /// All of it.
    Full(&'a [u8]),
    /// All of it, under a length that the application set: for HEAD the length that GET would have. With fewer
    /// bytes than that the connection is aborted.
    Declared {
        /// The Content-Length.
        length: u64,
        /// The bytes, at most `length` of which are sent.
        bytes: &'a [u8],
    },
    /// `handle_write` brings it piece by piece, `handle_end` ends it.
    Stream {
        /// Its length in bytes, if known.
        length: Option<u64>,
    },
    /// As a stream, but HTTP/1 says neither a length nor a coding: the end of the connection is its end. RFC 9112 §6.3.
    UntilClose,
}

impl<'a> Payload<'a> {
    /// The bytes of a body that is all there; None for a stream, and for bytes under a length of another body.
    pub(crate) fn whole(&self) -> Option<&'a [u8]> {
        match *self {
            Payload::Full(bytes) => Some(bytes),
            Payload::Declared { length, bytes } => (length == bytes.len() as u64).then_some(bytes),
            Payload::Stream { .. } | Payload::UntilClose => None,
        }
    }

    /// Whether it is so large that it is better written from where it is than copied.
    #[inline]
    pub fn is_large(&self) -> bool {
        matches!(self, Payload::Full(bytes) | Payload::Declared { bytes, .. } if is_large(bytes))
    }
}

/// Why an answer, or a part of one, wasn't taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerError {
    /// The request isn't open: its answer is complete, its client has gone, or the id is unknown.
    Stale,
    /// More bytes than declared; those up to the length were taken.
    TooLong,
    /// The connection can't be taken over: other requests follow this one, its body isn't complete, or a 101 was
    /// asked for in HTTP/1.0.
    Occupied,
}

/// What an upgrade has given to the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// The connection: it is raw once all earlier answers are sent.
    Connection,
    /// One stream of it, for which the commands of bodies and streamed answers go on.
    Stream,
    /// Nothing: the stream is one that can't be taken, and was reset.
    Nothing,
}

/// How much of a body the application is ready to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credit {
    /// So many more bytes, piece by piece as they come.
    Bytes(u64),
    /// The same, as a part of the whole body: one whose declared length is above its limit isn't begun.
    Whole(u64),
}

/// How the connection is to be closed once its output is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// Close it: the client expects that.
    Close,
    /// Close the sending side and read on for a while: the client may still be sending, and a reset would destroy
    /// what it hasn't read yet.
    Linger,
    /// Reset it: what was sent is incomplete, or the client doesn't read.
    Reset,
}
