//! Why a request was refused, and why a connection ended.

use std::fmt;

use llhttp::ErrorKind;
use nghttp2::ErrorCode;

use crate::http1::Refused;
use crate::http2::Malformed;
use crate::limits::Limits;

/// Why a request could not be accepted, or its body not received. Always the client's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestError {
    /// llhttp refused the bytes; `offset` counts from the start of the input that failed.
    Syntax {
        /// What was wrong.
        kind: ErrorKind,
        /// Where.
        offset: usize,
    },
    /// The first bytes are those of TLS.
    Tls,
    /// The first bytes are a PROXY header, which isn't expected.
    ProxyHeader,
    /// The method is a token, but none that is known.
    UnknownMethod,
    /// A version other than 1.0 and 1.1.
    Version,
    /// The request line has no version.
    VersionMissing,
    /// Method, target and version aren't separated by one space each, or the protocol isn't HTTP. RFC 9112 §3.
    RequestLine,
    /// The target has a form that its method doesn't allow, or a fragment. RFC 9112 §3.2.
    Target,
    /// Host is missing in HTTP/1.1 or comes more than once. RFC 9112 §3.2.
    HostCount {
        /// How many there were.
        found: usize,
    },
    /// Host, or the authority of the target, isn't a valid host and port.
    HostInvalid,
    /// The authority that CONNECT names differs from Host.
    HostMismatch,
    /// A target with the scheme `https` over plaintext. RFC 9110 §7.4.
    Misdirected,
    /// The authority belongs to another certificate of the listener than the one that was chosen. RFC 9113 §9.1.1.
    MisdirectedHost,
    /// The message breaks a rule of HTTP/2. RFC 9113 §8.1.1.
    Malformed(Malformed),
    /// The client does too much of what brings nothing, or has more acknowledged than it reads: ENHANCE_YOUR_CALM.
    Flood,
    /// A frame breaks a rule that the connection depends on. RFC 9113 §5.4.1.
    Frames,
    /// Transfer-Encoding in HTTP/1.0. RFC 9112 §6.1.
    EncodingInHttp10,
    /// A transfer coding other than one `chunked`.
    UnknownEncoding,
    /// Transfer-Encoding with an empty element.
    EmptyEncoding,
    /// Content-Length isn't a plain number below 2^63.
    ContentLength,
    /// CONNECT with content, which it can't have. RFC 9110 §9.3.6.
    ConnectContent,
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
    /// No byte of the body came for `Limits::body_timeout`.
    BodyTimeout,
    /// The body fell below `Limits::minimum_body_rate`.
    BodyTooSlow,
    /// The whole request took longer than `Limits::request_timeout`.
    RequestTimeout,
    /// The client's address has as many connections as one may have.
    AddressFull,
    /// The server has as many connections as it takes, and none of them is idle.
    ServerFull,
}

/// What belongs to each error.
struct Reason {
    /// The status owed to the client.
    status: u16,
    /// A stable name, for counters.
    code: &'static str,
    /// The text for a log line and for the client.
    text: &'static str,
}

const fn reason(status: u16, code: &'static str, text: &'static str) -> Reason {
    Reason { status, code, text }
}

impl RequestError {
    fn reason(&self) -> Reason {
        match self {
            RequestError::Syntax { kind, .. } => reason(400, syntax_code(*kind), kind.reason()),
            RequestError::Tls => {
                reason(400, "BUSBAR_TLS_ON_PLAIN_PORT", "this is TLS; the port speaks plain HTTP")
            }
            RequestError::ProxyHeader => reason(
                400,
                "BUSBAR_PROXY_HEADER_UNEXPECTED",
                "this is a PROXY header; the listener has no proxyProtocol",
            ),
            RequestError::UnknownMethod => reason(501, "BUSBAR_UNKNOWN_METHOD", "unknown method"),
            RequestError::Version => {
                reason(505, "BUSBAR_VERSION", "only HTTP/1.0 and HTTP/1.1 are supported")
            }
            RequestError::VersionMissing => {
                reason(400, "BUSBAR_VERSION_MISSING", "the request line has no version")
            }
            RequestError::RequestLine => reason(
                400,
                "BUSBAR_REQUEST_LINE",
                "the request line must be method, target and version, separated by one space each",
            ),
            RequestError::Target => {
                reason(400, "BUSBAR_TARGET", "the request target has a form that this method doesn't allow")
            }
            RequestError::HostCount { found: 0 } => {
                reason(400, "BUSBAR_HOST_MISSING", "HTTP/1.1 requires a Host field")
            }
            RequestError::HostCount { .. } => reason(400, "BUSBAR_HOST_REPEATED", "more than one Host field"),
            RequestError::HostInvalid => reason(400, "BUSBAR_HOST_INVALID", "invalid host"),
            RequestError::HostMismatch => {
                reason(400, "BUSBAR_HOST_MISMATCH", "the authority in CONNECT and Host differ")
            }
            RequestError::Misdirected => {
                reason(421, "BUSBAR_MISDIRECTED", "a request for https must come over TLS")
            }
            RequestError::MisdirectedHost => {
                reason(421, "BUSBAR_MISDIRECTED", "this connection has the certificate of another host")
            }
            RequestError::Malformed(what) => reason(400, "BUSBAR_HTTP2_MALFORMED", what.text()),
            RequestError::Flood => {
                reason(400, "BUSBAR_HTTP2_FLOOD", "too many frames or streams that bring nothing")
            }
            RequestError::Frames => reason(400, "BUSBAR_HTTP2_FRAMES", "a frame breaks a rule of HTTP/2"),
            RequestError::EncodingInHttp10 => {
                reason(400, "BUSBAR_ENCODING_IN_HTTP10", "Transfer-Encoding in HTTP/1.0")
            }
            RequestError::UnknownEncoding => {
                reason(501, "BUSBAR_UNKNOWN_ENCODING", "unknown transfer coding")
            }
            RequestError::EmptyEncoding => {
                reason(400, "BUSBAR_EMPTY_ENCODING", "Transfer-Encoding has an empty element")
            }
            RequestError::ContentLength => reason(400, "BUSBAR_CONTENT_LENGTH", "invalid Content-Length"),
            RequestError::ConnectContent => {
                reason(400, "BUSBAR_CONNECT_CONTENT", "CONNECT can't have content")
            }
            RequestError::RequestLineTooLong => {
                reason(414, "BUSBAR_REQUEST_LINE_TOO_LONG", "the request line is too long")
            }
            RequestError::HeadersTooLarge => {
                reason(431, "BUSBAR_HEADERS_TOO_LARGE", "the header section is too large")
            }
            RequestError::TooManyFields => reason(431, "BUSBAR_TOO_MANY_FIELDS", "too many header fields"),
            RequestError::TrailersTooLarge => {
                reason(431, "BUSBAR_TRAILERS_TOO_LARGE", "the trailer section is too large")
            }
            RequestError::ExtensionsTooLarge => {
                reason(413, "BUSBAR_EXTENSIONS_TOO_LARGE", "too many chunk extensions")
            }
            RequestError::BodyTooLarge => reason(413, "BUSBAR_BODY_TOO_LARGE", "the body is too large"),
            RequestError::HeadTimeout => reason(408, "BUSBAR_HEAD_TIMEOUT", "the request head took too long"),
            RequestError::BodyTimeout => {
                reason(408, "BUSBAR_BODY_TIMEOUT", "no byte of the request body came for too long")
            }
            RequestError::BodyTooSlow => {
                reason(408, "BUSBAR_BODY_TOO_SLOW", "the request body came too slowly")
            }
            RequestError::RequestTimeout => {
                reason(408, "BUSBAR_REQUEST_TIMEOUT", "the request took too long")
            }
            RequestError::AddressFull => reason(
                503,
                "BUSBAR_CONNECTIONS_PER_IP_LIMIT",
                "there are too many connections from this address",
            ),
            RequestError::ServerFull => {
                reason(503, "BUSBAR_CONNECTION_LIMIT", "the server has too many connections")
            }
        }
    }

    /// The public option whose limit was exceeded, and its value in the option's unit; None for a broken rule. A limit
    /// that was changed for the request alone differs.
    pub fn limit(&self, limits: &Limits) -> Option<(&'static str, String)> {
        let seconds = |millis: u64| (millis as f64 / 1000.0).to_string();
        Some(match self {
            RequestError::RequestLineTooLong => ("requestLineLimit", limits.request_line_limit.to_string()),
            RequestError::HeadersTooLarge | RequestError::TrailersTooLarge => {
                ("headerSizeLimit", limits.header_size_limit.to_string())
            }
            RequestError::TooManyFields => ("headerFieldLimit", limits.header_field_limit.to_string()),
            RequestError::ExtensionsTooLarge => {
                ("chunkExtensionLimit", limits.chunk_extension_limit.to_string())
            }
            RequestError::BodyTooLarge => ("bodySizeLimit", limits.body_size_limit.to_string()),
            RequestError::HeadTimeout => ("headerTimeout", seconds(limits.header_timeout)),
            RequestError::BodyTimeout => ("bodyTimeout", seconds(limits.body_timeout)),
            RequestError::BodyTooSlow => ("minimumBodyRate", limits.minimum_body_rate.to_string()),
            RequestError::RequestTimeout => ("requestTimeout", seconds(limits.request_timeout)),
            _ => return None,
        })
    }

    /// Whether the client speaks another protocol than HTTP/1, so that a page is of no use to it.
    pub fn is_other_protocol(&self) -> bool {
        matches!(
            self,
            RequestError::Tls
                | RequestError::ProxyHeader
                | RequestError::Syntax { kind: ErrorKind::Http2Preface, .. }
        )
    }

    /// The status owed to the client.
    pub fn status(&self) -> u16 {
        self.reason().status
    }

    /// A stable name, for counters.
    pub fn code(&self) -> &'static str {
        self.reason().code
    }
}

const fn syntax_code(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Method => "BUSBAR_SYNTAX_METHOD",
        ErrorKind::Target => "BUSBAR_SYNTAX_TARGET",
        ErrorKind::Version => "BUSBAR_SYNTAX_VERSION",
        ErrorKind::Field => "BUSBAR_SYNTAX_FIELD",
        ErrorKind::ContentLength => "BUSBAR_SYNTAX_CONTENT_LENGTH",
        ErrorKind::LengthAndEncoding => "BUSBAR_SYNTAX_LENGTH_AND_ENCODING",
        ErrorKind::TransferEncoding => "BUSBAR_SYNTAX_TRANSFER_ENCODING",
        ErrorKind::Chunk => "BUSBAR_SYNTAX_CHUNK",
        ErrorKind::LineEnd => "BUSBAR_SYNTAX_LINE_END",
        ErrorKind::Line => "BUSBAR_SYNTAX_LINE",
        ErrorKind::Space => "BUSBAR_SYNTAX_SPACE",
        ErrorKind::Http2Preface => "BUSBAR_HTTP2_PREFACE",
        ErrorKind::Syntax => "BUSBAR_SYNTAX",
    }
}

impl RequestError {
    /// Where in what came the parser has stopped, if that has refused it.
    pub fn offset(&self) -> Option<usize> {
        match self {
            RequestError::Syntax { offset, .. } => Some(*offset),
            _ => None,
        }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason().text)
    }
}

impl std::error::Error for RequestError {}

/// A refusal that hasn't been counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub error: RequestError,
    /// Some: no request was handed over. The answer to what came then, or None within where there is none.
    pub unparsed: Option<Option<Refused>>,
}

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// It hasn't ended, as far as the protocol knows.
    Open,
    /// The last answer is sent, and either side had announced that it is the last.
    Done,
    /// The client closed the connection before its requests were answered, or within one.
    ClientLeft,
    /// No request came for `Limits::http1_timeout`.
    IdleTimeout,
    /// The client didn't read for `Limits::write_timeout`.
    WriteTimeout,
    /// A request was refused.
    Refused(RequestError),
    /// The server stops.
    Stopped,
    /// The application couldn't complete an answer.
    Aborted,
    /// The client broke HTTP/2's rules, or did too much that brings nothing: a GOAWAY told it so.
    Http2(ErrorCode),
}
