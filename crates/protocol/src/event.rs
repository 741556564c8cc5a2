//! Events: what a connection has for the application.

use llhttp::{Field, Method, Span};
use nghttp2::ErrorCode;

use crate::error::RequestError;
use crate::http::trailers::Trailers;

/// Identity of one request. One context gives ids in increasing order, below 2^53, and none twice: a stale
/// answer can't reach another request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// What one call of `handle_input` did.
#[derive(Debug)]
pub struct Step<'a> {
    /// How many bytes were taken from the front of the input.
    pub taken: usize,
    /// What they meant. None when more is needed, or the rest isn't wanted now.
    pub event: Option<Event<'a>>,
}

impl<'a> Step<'a> {
    pub(crate) fn none(taken: usize) -> Step<'a> {
        Step { taken, event: None }
    }
}

/// Something the application has to know.
#[derive(Debug)]
pub enum Event<'a> {
    /// The head of a request has come, perhaps with its body.
    Request(Request<'a>),
    /// A piece of the body that was asked for, or its end.
    Body {
        /// The request it belongs to.
        request_id: RequestId,
        /// The piece; empty only at the end.
        bytes: Vec<u8>,
        /// This is the last piece.
        end: bool,
        /// The trailer section; only at the end, and only if there is one.
        trailers: Option<Trailers>,
    },
    /// The body asked for is larger than its limit; it continues if the limit is raised.
    BodyLimit {
        /// The request it belongs to.
        request_id: RequestId,
        /// How often the limit had been raised. If the application has raised it more often, this event is out of
        /// date.
        raises: u32,
    },
    /// The body asked for can't be received.
    BodyFailed {
        /// The request it belongs to.
        request_id: RequestId,
        /// Why.
        error: RequestError,
    },
    /// What came is no request. The application may answer it with a page, for a second: then, or when its connection has
    /// been given up, a short text is sent in the page's place. Only where `Context::ask_for_pages` was called.
    Unparsed {
        /// The identity under which it is answered.
        request_id: RequestId,
        /// Why it is refused.
        error: RequestError,
    },
    /// The stream of a request was reset before all of its answer was sent: with HTTP/2 a request ends without its
    /// connection. It counts against the limits until the application has answered or aborted it.
    Reset {
        /// The request it belongs to.
        request_id: RequestId,
        /// Why, as the side says that has reset it.
        code: ErrorCode,
        /// It was reset because the peer has taken too little of its content for too long.
        is_late: bool,
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
        /// At most as many as were asked for; empty when the ask was taken back.
        bytes: Vec<u8>,
    },
    /// The peer of a raw connection has closed its sending side.
    RawEnd,
}

/// The version of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
    /// HTTP/2
    Http2,
}

/// What a client expects before it sends the body. RFC 9110 §10.1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expectation {
    /// Nothing.
    None,
    /// A 100, which is sent when the body is first asked for.
    Continue,
    /// Something else: the answer should be 417, and the body must not be asked for.
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
    /// The client allows further requests on this connection.
    pub keep_alive: bool,
    /// It is CONNECT or asks for an upgrade: what follows is parsed only after its answer.
    pub upgrade: bool,
    /// It is for `https:` although it came in cleartext, from a peer that may be a proxy which has ended TLS.
    pub claims_https: bool,
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
    /// From the first byte of the request line to the end of the last field, or of the target if there are no fields.
    pub bytes: &'a [u8],
    /// The request target in `bytes`.
    pub target: Span,
    /// The fields in `bytes`, in order.
    pub fields: &'a [Field],
}

/// What is known of a body when its head is given to the application.
#[derive(Debug)]
pub enum Body<'a> {
    /// There is no body.
    None,
    /// It came together with the head.
    Whole(Pieces<'a>),
    /// It is on its way.
    Arriving {
        /// Its declared length is above its limit.
        is_over: bool,
    },
}

/// What was found in bytes of a body that were received into the application's memory.
#[derive(Debug, Default)]
pub struct Direct {
    /// How many bytes of content there are now, at the beginning of the memory.
    pub content: usize,
    /// How many of the bytes were taken; what follows is no part of the body.
    pub taken: usize,
    /// The event that follows.
    pub event: Option<Event<'static>>,
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

    /// Whether all pieces are empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The pieces in order.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let input = self.input;
        self.spans.iter().map(move |span| span.of(input))
    }
}
