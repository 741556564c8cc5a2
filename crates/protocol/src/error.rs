//! Why a request was refused, and why a connection ended.

use std::fmt;

use llhttp::ErrorKind;

/// Whose fault an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The peer broke a rule or left; it may get a 4xx.
    Client,
    /// A handler broke a rule.
    Application,
    /// We did; it is logged as an error.
    Server,
}

/// Why a request could not be accepted, or its body not be received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestError {
    /// llhttp refused the bytes; `offset` counts from the start of the input that failed.
    Syntax {
        /// What was wrong.
        kind: ErrorKind,
        /// Where.
        offset: usize,
    },
    /// The method is a token, but none that is known.
    UnknownMethod,
    /// A version other than 1.0 and 1.1.
    Version,
    /// The request line has no version.
    VersionMissing,
    /// The target has a form that its method doesn't allow, or a fragment. RFC 9112 §3.2.
    Target,
    /// Host is missing in HTTP/1.1 or comes more than once. RFC 9112 §3.2.
    HostCount {
        /// How many there were.
        found: usize,
    },
    /// Host, or the authority of the target, is no valid host and port.
    HostInvalid,
    /// The authority of an absolute target isn't what Host says.
    HostMismatch,
    /// Transfer-Encoding in HTTP/1.0. RFC 9112 §6.1.
    EncodingInHttp10,
    /// A transfer coding other than one `chunked`.
    UnknownEncoding,
    /// Content-Length isn't a plain number.
    ContentLength,
    /// Expect with anything but 100-continue. RFC 9110 §10.1.1.
    Expectation,
    /// The request line outgrew `Limits::request_line_limit`.
    RequestLineTooLong,
    /// The header section outgrew `Limits::header_size_limit`.
    HeadersTooLarge,
    /// More fields than `Limits::header_field_limit`.
    TooManyFields,
    /// The trailer section outgrew the limits of the header section.
    TrailersTooLarge,
    /// Chunk extensions outgrew `Limits::chunk_extension_limit`.
    ExtensionsTooLarge,
    /// The body outgrew its limit.
    BodyTooLarge,
    /// The head took longer than `Limits::header_timeout`.
    HeadTimeout,
    /// The body stood still, or came too slowly.
    BodyTimeout,
}

impl RequestError {
    /// The status owed to the client.
    pub fn status(&self) -> u16 {
        match self {
            RequestError::Syntax { .. }
            | RequestError::VersionMissing
            | RequestError::Target
            | RequestError::HostCount { .. }
            | RequestError::HostInvalid
            | RequestError::HostMismatch
            | RequestError::EncodingInHttp10
            | RequestError::ContentLength => 400,
            RequestError::HeadTimeout | RequestError::BodyTimeout => 408,
            RequestError::ExtensionsTooLarge | RequestError::BodyTooLarge => 413,
            RequestError::RequestLineTooLong => 414,
            RequestError::Expectation => 417,
            RequestError::HeadersTooLarge | RequestError::TooManyFields | RequestError::TrailersTooLarge => {
                431
            }
            RequestError::UnknownMethod | RequestError::UnknownEncoding => 501,
            RequestError::Version => 505,
        }
    }

    /// All of these are the client's.
    pub fn fault(&self) -> Fault {
        Fault::Client
    }

    /// A stable name, for counters.
    pub fn code(&self) -> &'static str {
        match self {
            RequestError::Syntax { .. } => "BUSBAR_SYNTAX",
            RequestError::UnknownMethod => "BUSBAR_UNKNOWN_METHOD",
            RequestError::Version => "BUSBAR_VERSION",
            RequestError::VersionMissing => "BUSBAR_VERSION_MISSING",
            RequestError::Target => "BUSBAR_TARGET",
            RequestError::HostCount { .. } => "BUSBAR_HOST_COUNT",
            RequestError::HostInvalid => "BUSBAR_HOST_INVALID",
            RequestError::HostMismatch => "BUSBAR_HOST_MISMATCH",
            RequestError::EncodingInHttp10 => "BUSBAR_ENCODING_IN_HTTP10",
            RequestError::UnknownEncoding => "BUSBAR_UNKNOWN_ENCODING",
            RequestError::ContentLength => "BUSBAR_CONTENT_LENGTH",
            RequestError::Expectation => "BUSBAR_EXPECTATION",
            RequestError::RequestLineTooLong => "BUSBAR_REQUEST_LINE_TOO_LONG",
            RequestError::HeadersTooLarge => "BUSBAR_HEADERS_TOO_LARGE",
            RequestError::TooManyFields => "BUSBAR_TOO_MANY_FIELDS",
            RequestError::TrailersTooLarge => "BUSBAR_TRAILERS_TOO_LARGE",
            RequestError::ExtensionsTooLarge => "BUSBAR_EXTENSIONS_TOO_LARGE",
            RequestError::BodyTooLarge => "BUSBAR_BODY_TOO_LARGE",
            RequestError::HeadTimeout => "BUSBAR_HEAD_TIMEOUT",
            RequestError::BodyTimeout => "BUSBAR_BODY_TIMEOUT",
        }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RequestError::Syntax { kind, .. } => kind.reason(),
            RequestError::UnknownMethod => "unknown method",
            RequestError::Version => "only HTTP/1.0 and HTTP/1.1 are spoken here",
            RequestError::VersionMissing => "the request line has no version",
            RequestError::Target => "the request target has a form this method doesn't allow",
            RequestError::HostCount { found: 0 } => "HTTP/1.1 requires a Host field",
            RequestError::HostCount { .. } => "more than one Host field",
            RequestError::HostInvalid => "invalid host",
            RequestError::HostMismatch => "the target's authority and Host differ",
            RequestError::EncodingInHttp10 => "Transfer-Encoding in HTTP/1.0",
            RequestError::UnknownEncoding => "unknown transfer coding",
            RequestError::ContentLength => "invalid Content-Length",
            RequestError::Expectation => "only 100-continue can be expected",
            RequestError::RequestLineTooLong => "the request line is too long",
            RequestError::HeadersTooLarge => "the header section is too large",
            RequestError::TooManyFields => "too many header fields",
            RequestError::TrailersTooLarge => "the trailer section is too large",
            RequestError::ExtensionsTooLarge => "too many chunk extensions",
            RequestError::BodyTooLarge => "the body is too large",
            RequestError::HeadTimeout => "the request head took too long",
            RequestError::BodyTimeout => "the request body took too long",
        })
    }
}

impl std::error::Error for RequestError {}

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// It hasn't, as far as the protocol knows.
    Open,
    /// The last answer is sent: either side had said so.
    Done,
    /// The client left before its requests were answered, or in the middle of one.
    ClientLeft,
    /// Nothing came for `Limits::http1_timeout`.
    IdleTimeout,
    /// The client didn't read for `Limits::write_timeout`.
    WriteTimeout,
    /// A request was refused.
    Refused(RequestError),
    /// The server stops.
    Stopped,
    /// The application cut an answer short.
    Cut,
}
