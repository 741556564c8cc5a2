//! Why llhttp refused bytes.

use crate::ffi;

/// What llhttp refused, and where.
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
    /// An unknown method.
    Method,
    /// A byte that a request target can't have.
    Target,
    /// The version isn't `HTTP/` with two digits, or doesn't exist.
    Version,
    /// A field line that is malformed. RFC 9112 §5.
    Field,
    /// Content-Length isn't a number. RFC 9112 §6.3.
    ContentLength,
    /// Content-Length given twice, or together with Transfer-Encoding. RFC 9112 §6.1 and §6.3.
    LengthAndEncoding,
    /// Transfer-Encoding that doesn't end in chunked.
    TransferEncoding,
    /// A malformed chunk size, or a chunk whose data has another length. RFC 9112 §7.1.
    Chunk,
    /// A line that doesn't end in CR LF.
    LineEnd,
    /// A byte where a line must end.
    Line,
    /// A space that the grammar doesn't allow.
    Space,
    /// The connection preface of HTTP/2. RFC 9113 §3.4.
    Http2Preface,
    /// Anything else that isn't a request.
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
            _ => ErrorKind::Syntax,
        }
    }

    /// A short text for a log line or an error page.
    pub fn reason(self) -> &'static str {
        match self {
            ErrorKind::Method => "unknown method",
            ErrorKind::Target => "invalid request target",
            ErrorKind::Version => "invalid HTTP version",
            ErrorKind::Field => "invalid header field",
            ErrorKind::ContentLength => "invalid Content-Length",
            ErrorKind::LengthAndEncoding => "Content-Length repeated or together with Transfer-Encoding",
            ErrorKind::TransferEncoding => "invalid Transfer-Encoding",
            ErrorKind::Chunk => "invalid chunk",
            ErrorKind::Line => "invalid line",
            ErrorKind::LineEnd => "a line doesn't end in CR LF",
            ErrorKind::Space => "unexpected space",
            ErrorKind::Http2Preface => "HTTP/2 connection preface",
            ErrorKind::Syntax => "not an HTTP request",
        }
    }
}
