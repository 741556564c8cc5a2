//! What a connection tells the application.

use llhttp::{Field, Method, Span};

use crate::error::RequestError;
use crate::http::trailers::Trailers;

/// Identity of one request. Given out in increasing order, below 2^53, and never twice by one
/// context: a stale answer can't reach another request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// What one call of `handle_input` did.
#[derive(Debug)]
pub struct Step<'a> {
    /// Bytes that were taken from the front of the input.
    pub taken: usize,
    /// What they meant. None: more is needed, or the rest isn't wanted now.
    pub event: Option<Event<'a>>,
}

impl<'a> Step<'a> {
    pub(crate) fn none(taken: usize) -> Step<'a> {
        Step { taken, event: None }
    }
}

/// Something the application must know.
#[derive(Debug)]
pub enum Event<'a> {
    /// A request's head has come, perhaps with its body.
    Request(Request<'a>),
    /// A piece of the body that was asked for, or all that was left of it.
    Body {
        /// Whose.
        request_id: RequestId,
        /// The piece; empty only at the end.
        bytes: Vec<u8>,
        /// Nothing follows.
        end: bool,
        /// The trailer section; only at the end, and only if there is one.
        trailers: Option<Trailers>,
    },
    /// The body asked for is larger than its limit; it goes on if that is raised.
    BodyLimit {
        /// Whose.
        request_id: RequestId,
        /// How often the limit has been raised: fewer than the application knows of, and the next is under way.
        raises: u32,
    },
    /// The body asked for can't be had.
    BodyFailed {
        /// Whose.
        request_id: RequestId,
        /// Why.
        error: RequestError,
    },
    /// The client has closed its sending side while requests are open.
    HalfClosed,
    /// Bytes that came on a raw connection.
    Raw {
        /// At most as many as were asked for.
        bytes: &'a [u8],
    },
    /// Bytes that had been read when the connection became raw.
    RawUnread {
        /// At most as many as were asked for; none when the ask was taken back.
        bytes: Vec<u8>,
    },
    /// The peer of a raw connection has closed its sending side: no more bytes will come.
    RawEnd,
}

/// HTTP/1's versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
}

/// What a client expects before it sends the body. RFC 9110 §10.1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expectation {
    /// Nothing.
    None,
    /// A 100, which goes out when the body is first asked for.
    Continue,
    /// Something else: 417 is owed, and nobody may ask for the body.
    Other,
}

/// One request.
#[derive(Debug)]
pub struct Request<'a> {
    /// Its identity.
    pub request_id: RequestId,
    /// Its method.
    pub method: Method,
    /// Its version.
    pub version: Version,
    /// The client is ready to send more on this connection.
    pub keep_alive: bool,
    /// It is CONNECT or asks for an upgrade: nothing behind it is parsed before its answer.
    pub upgrade: bool,
    /// What the client expects before it sends the body.
    pub expectation: Expectation,
    /// Request line and header section.
    pub head: Head<'a>,
    /// Its body.
    pub body: Body<'a>,
}

/// Request line and header section as received.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// From the first byte of the request line to the end of the last field; of the target if there is none.
    pub bytes: &'a [u8],
    /// The request target in `bytes`.
    pub target: Span,
    /// The fields in `bytes`, in order.
    pub fields: &'a [Field],
}

/// What is known of a body when the head is handed over.
#[derive(Debug)]
pub enum Body<'a> {
    /// There is none.
    None,
    /// It came together with the head.
    Whole(Pieces<'a>),
    /// It is on its way.
    Arriving {
        /// It is larger than its limit, by the head's own word.
        is_over: bool,
    },
}

/// A body in pieces of the input, without chunk framing.
#[derive(Debug, Clone, Copy)]
pub struct Pieces<'a> {
    pub(crate) input: &'a [u8],
    pub(crate) spans: &'a [Span],
}

impl<'a> Pieces<'a> {
    /// Bytes in all pieces together.
    pub fn len(&self) -> usize {
        self.spans.iter().map(|span| span.len()).sum()
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The pieces in order.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let input = self.input;
        self.spans.iter().map(move |span| span.of(input))
    }
}
