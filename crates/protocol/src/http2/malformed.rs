//! What makes a message of HTTP/2 malformed. RFC 9113 §8.

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// An unknown pseudo-header, or one behind a field. RFC 9113 §8.3.
    Pseudo,
    /// A pseudo-header that is empty, or comes twice.
    PseudoRepeated,
    /// CR, LF, NUL or outer blanks in the value of a pseudo-header.
    PseudoValue,
    /// The pseudo-headers aren't those that the method asks for. RFC 9113 §8.3.1 and §8.5, RFC 8441 §4.
    PseudoSet,
    /// The method isn't a token.
    Method,
    /// A scheme other than http and https.
    Scheme,
    /// The path doesn't begin with `/`, or has bytes that none may have.
    Path,
    /// The authority isn't a valid host and port.
    Authority,
    /// Host says otherwise than the authority, or comes twice.
    Host,
    /// A field's name or value has bytes that none may have. RFC 9113 §8.2.1.
    Field,
    /// A field that belongs to a connection of HTTP/1. RFC 9113 §8.2.2.
    ConnectionField,
    /// `content-length` isn't one number, or isn't the length of the content. RFC 9113 §8.1.1.
    ContentLength,
    /// Trailer fields without the end of the stream. RFC 9113 §8.1.
    Trailers,
}

impl Malformed {
    /// For a log line.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Malformed::Pseudo => "a pseudo-header is unknown or comes behind a field",
            Malformed::PseudoRepeated => "a pseudo-header is empty or comes twice",
            Malformed::PseudoValue => "a pseudo-header has an invalid value",
            Malformed::PseudoSet => "the pseudo-headers aren't those of its method",
            Malformed::Method => "invalid :method",
            Malformed::Scheme => "unknown :scheme",
            Malformed::Path => "invalid :path",
            Malformed::Authority => "invalid :authority",
            Malformed::Host => ":authority and host differ, or host comes twice",
            Malformed::Field => "a field has an invalid name or value",
            Malformed::ConnectionField => "a field of HTTP/1 connections",
            Malformed::ContentLength => "content-length isn't a number, or not that of the content",
            Malformed::Trailers => "trailers must end the stream",
        }
    }
}
