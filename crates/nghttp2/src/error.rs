//! Error codes as they stand in frames. RFC 9113 §7.

use std::fmt;

/// Why a stream or a connection ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorCode(pub u32);

impl ErrorCode {
    /// Nothing was wrong.
    pub const NO_ERROR: ErrorCode = ErrorCode(0);
    /// The peer broke the protocol.
    pub const PROTOCOL_ERROR: ErrorCode = ErrorCode(1);
    /// The sender of the frame failed.
    pub const INTERNAL_ERROR: ErrorCode = ErrorCode(2);
    /// More was sent than a window allowed, or a window outgrew 2^31-1.
    pub const FLOW_CONTROL_ERROR: ErrorCode = ErrorCode(3);
    /// SETTINGS weren't acknowledged in time.
    pub const SETTINGS_TIMEOUT: ErrorCode = ErrorCode(4);
    /// A frame for a stream that had ended.
    pub const STREAM_CLOSED: ErrorCode = ErrorCode(5);
    /// A frame of a size that its type doesn't allow.
    pub const FRAME_SIZE_ERROR: ErrorCode = ErrorCode(6);
    /// The request was not processed at all and may be sent again.
    pub const REFUSED_STREAM: ErrorCode = ErrorCode(7);
    /// The stream is no longer needed.
    pub const CANCEL: ErrorCode = ErrorCode(8);
    /// A header block couldn't be decoded.
    pub const COMPRESSION_ERROR: ErrorCode = ErrorCode(9);
    /// The connection of a CONNECT failed.
    pub const CONNECT_ERROR: ErrorCode = ErrorCode(10);
    /// The peer makes too much work.
    pub const ENHANCE_YOUR_CALM: ErrorCode = ErrorCode(11);
    /// The transport isn't secure enough.
    pub const INADEQUATE_SECURITY: ErrorCode = ErrorCode(12);
    /// The request needs HTTP/1.1.
    pub const HTTP_1_1_REQUIRED: ErrorCode = ErrorCode(13);

    /// The name of RFC 9113 §7; None for a code it doesn't list.
    pub fn name(self) -> Option<&'static str> {
        const NAMES: [&str; 14] = [
            "NO_ERROR",
            "PROTOCOL_ERROR",
            "INTERNAL_ERROR",
            "FLOW_CONTROL_ERROR",
            "SETTINGS_TIMEOUT",
            "STREAM_CLOSED",
            "FRAME_SIZE_ERROR",
            "REFUSED_STREAM",
            "CANCEL",
            "COMPRESSION_ERROR",
            "CONNECT_ERROR",
            "ENHANCE_YOUR_CALM",
            "INADEQUATE_SECURITY",
            "HTTP_1_1_REQUIRED",
        ];
        NAMES.get(self.0 as usize).copied()
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "error code {:#x}", self.0),
        }
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a session can't go on and has nothing more to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// The first bytes aren't HTTP/2's preface.
    Preface,
    /// There is no memory for nghttp2, or it failed within.
    Internal,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Error::Preface => "the connection doesn't begin with the preface of HTTP/2",
            Error::Internal => "nghttp2 failed",
        })
    }
}

impl std::error::Error for Error {}

/// The stream isn't open for what was asked: it has ended, was reset, or never was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone;

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the stream has ended")
    }
}

impl std::error::Error for Gone {}
