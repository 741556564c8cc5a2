//! Why llhttp refused bytes.

use crate::ffi;

/// A refusal, and where it happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseError {
    /// What was wrong.
    pub kind: ErrorKind,
    /// Offset of the byte that was refused, in the input of the call that failed.
    pub offset: usize,
}

/// What was wrong with the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The method isn't one llhttp knows.
    Method,
    /// The request target has a byte it may not have.
    Target,
    /// The version isn't `HTTP/` with two digits, or one that doesn't exist.
    Version,
    /// A field name or value, or what stands around them. RFC 9112 §5.
    Field,
    /// Content-Length isn't a number, or comes twice. RFC 9112 §6.3.
    ContentLength,
    /// Content-Length beside Transfer-Encoding, or the other way round. RFC 9112 §6.1.
    LengthAndEncoding,
    /// Transfer-Encoding that doesn't end in chunked.
    TransferEncoding,
    /// A chunk's size line, or data that doesn't end where it said. RFC 9112 §7.1.
    Chunk,
    /// A line that doesn't end in CR LF.
    LineEnd,
    /// A byte that has no place in a line, or where its end is due.
    Line,
    /// A space where none may be.
    Space,
    /// The connection preface of HTTP/2. RFC 9113 §3.4.
    Http2Preface,
    /// Bytes behind a message that said it is the last one.
    AfterClose,
    /// Anything else that is no request.
    Syntax,
}

impl ErrorKind {
    pub(crate) fn from_code(code: i32) -> ErrorKind {
        match code {
            ffi::HPE_INVALID_METHOD => ErrorKind::Method,
            ffi::HPE_INVALID_URL => ErrorKind::Target,
            ffi::HPE_INVALID_VERSION | ffi::HPE_INVALID_CONSTANT => ErrorKind::Version,
            ffi::HPE_INVALID_HEADER_TOKEN => ErrorKind::Field,
            ffi::HPE_INVALID_CONTENT_LENGTH => ErrorKind::ContentLength,
            ffi::HPE_UNEXPECTED_CONTENT_LENGTH => ErrorKind::LengthAndEncoding,
            ffi::HPE_INVALID_TRANSFER_ENCODING => ErrorKind::TransferEncoding,
            ffi::HPE_INVALID_CHUNK_SIZE => ErrorKind::Chunk,
            ffi::HPE_LF_EXPECTED | ffi::HPE_CR_EXPECTED => ErrorKind::LineEnd,
            ffi::HPE_STRICT => ErrorKind::Line,
            ffi::HPE_UNEXPECTED_SPACE => ErrorKind::Space,
            ffi::HPE_PAUSED_H2_UPGRADE => ErrorKind::Http2Preface,
            ffi::HPE_CLOSED_CONNECTION => ErrorKind::AfterClose,
            _ => ErrorKind::Syntax,
        }
    }

    /// In a few words, for a log line or an error page.
    pub fn reason(self) -> &'static str {
        match self {
            ErrorKind::Method => "unknown method",
            ErrorKind::Target => "invalid request target",
            ErrorKind::Version => "invalid HTTP version",
            ErrorKind::Field => "invalid header field",
            ErrorKind::ContentLength => "invalid Content-Length",
            ErrorKind::LengthAndEncoding => "Content-Length repeated or beside Transfer-Encoding",
            ErrorKind::TransferEncoding => "invalid Transfer-Encoding",
            ErrorKind::Chunk => "invalid chunk",
            ErrorKind::Line => "invalid line",
            ErrorKind::LineEnd => "line not ended by CR LF",
            ErrorKind::Space => "unexpected space",
            ErrorKind::Http2Preface => "HTTP/2 connection preface",
            ErrorKind::AfterClose => "bytes after the last request",
            ErrorKind::Syntax => "not an HTTP request",
        }
    }
}
