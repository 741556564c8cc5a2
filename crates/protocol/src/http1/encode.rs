//! Answers as bytes. RFC 9112 §4, §6 and §7.

use crate::answer::{Answer, AnswerError, Payload};
use crate::context::{Context, KeepAlive};
use crate::error::RequestError;
use crate::http::status::reason_phrase;
use crate::http1::node_style;
use crate::http1::pipeline::{RequestFlags, Stream};
use crate::output::VECTORED_BYTES;

/// What an answer means for its connection.
pub(super) struct Outcome {
    /// More of the body follows.
    pub(super) stream: Option<Stream>,
    /// The connection ends after it.
    pub(super) closes: bool,
    /// It has fewer bytes than declared.
    pub(super) is_aborted: bool,
}

/// Writes the head of an answer; returns which bytes of its body follow. The hot path: everything that can be is
/// copied from tables.
#[inline]
pub(super) fn put_head<'a>(
    cx: &Context,
    (flags, keep_alive): (RequestFlags, &KeepAlive),
    answer: &Answer<'a>,
    closes: bool,
    out: &mut Vec<u8>,
) -> (Outcome, &'a [u8]) {
    let has_no_body = flags.is_head || matches!(answer.status, 204 | 205 | 304);
    let mut outcome = Outcome { stream: None, closes, is_aborted: false };
    let mut body: &'a [u8] = b"";
    let length = match answer.payload {
        Payload::Full(bytes) => {
            if !has_no_body {
                body = bytes;
            }
            // A length in a 304 would be that of another answer. RFC 9110 §8.6.
            (!matches!(answer.status, 204 | 304)).then_some(bytes.len() as u64)
        }
        Payload::Declared { length, bytes } => {
            if !has_no_body {
                body = &bytes[..bytes.len().min(usize::try_from(length).unwrap_or(usize::MAX))];
                outcome.is_aborted = (body.len() as u64) < length;
            }
            (answer.status != 204).then_some(length)
        }
        Payload::Stream { length } => {
            outcome.stream = Some(match length {
                _ if has_no_body => Stream::Silent,
                Some(length) => Stream::Length(length),
                None if flags.is_http10 => Stream::UntilClose,
                None => Stream::Chunked,
            });
            outcome.closes |= outcome.stream == Some(Stream::UntilClose);
            length.filter(|_| answer.status != 204)
        }
        Payload::UntilClose => {
            outcome.stream = Some(if has_no_body { Stream::Silent } else { Stream::UntilClose });
            outcome.closes = true;
            None
        }
    };
    let is_unframed = matches!(answer.payload, Payload::UntilClose);
    // A 205 says that it is empty, or by its close. RFC 9110 §15.3.6.
    let length = if answer.status == 205 && !is_unframed { Some(0) } else { length };
    // HEAD gets what a GET would get, which for a 204 and a 304 is no coding either. RFC 9112 §6.1.
    let is_chunked = outcome.stream == Some(Stream::Chunked)
        || outcome.stream == Some(Stream::Silent)
            && length.is_none()
            && !is_unframed
            && !matches!(answer.status, 204 | 304)
            && !flags.is_http10;
    out.reserve(answer.fields.len() + body.len().min(VECTORED_BYTES) + 256);
    if cx.limits.node_style {
        node_style::put_head(cx, keep_alive, answer, outcome.closes, (length, is_chunked), out);
        return (outcome, body);
    }
    if answer.status == 200 && answer.reason.is_none() && !outcome.closes && !answer.own.date {
        out.extend_from_slice(&keep_alive.usual_opening);
    } else {
        put_opening(cx, keep_alive, answer, outcome.closes, out);
    }
    out.extend_from_slice(answer.fields);
    match length {
        Some(length) => put_length_and_end(length, out),
        None if is_chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n"),
        None => out.extend_from_slice(b"\r\n"),
    }
    (outcome, body)
}

/// Writes the content-length line and the end of the section. They are put together from their end, so that the output
/// is appended to once.
#[inline]
fn put_length_and_end(mut length: u64, out: &mut Vec<u8>) {
    const NAME: &[u8; 16] = b"content-length: ";
    const END: &[u8; 4] = b"\r\n\r\n";
    /// Digits of the largest length.
    const DIGITS: usize = 20;
    let mut line = [0; NAME.len() + DIGITS + END.len()];
    let mut at = NAME.len() + DIGITS;
    line[at..].copy_from_slice(END);
    loop {
        at -= 1;
        line[at] = b'0' + (length % 10) as u8;
        length /= 10;
        if length == 0 {
            break;
        }
    }
    at -= NAME.len();
    line[at..at + NAME.len()].copy_from_slice(NAME);
    out.extend_from_slice(&line[at..]);
}

/// Status line and the connection's own fields.
fn put_opening(cx: &Context, keep_alive: &KeepAlive, answer: &Answer<'_>, closes: bool, out: &mut Vec<u8>) {
    put_status_line(answer.status, answer.reason, out);
    if !answer.own.date {
        out.extend_from_slice(cx.date.line());
    }
    if closes {
        out.extend_from_slice(b"connection: close\r\n");
    } else {
        out.extend_from_slice(&keep_alive.lines);
    }
}

pub(super) fn put_status_line(status: u16, reason: Option<&[u8]>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(itoa::Buffer::new().format(status).as_bytes());
    out.push(b' ');
    out.extend_from_slice(reason.unwrap_or(reason_phrase(status).as_bytes()));
    out.extend_from_slice(b"\r\n");
}

/// An answer without a body: status line and fields as given, nothing added.
pub(super) fn put_informational(status: u16, fields: &[u8], out: &mut Vec<u8>) {
    put_status_line(status, None, out);
    out.extend_from_slice(fields);
    out.extend_from_slice(b"\r\n");
}

/// Writes a piece of a streamed body in its framing.
pub(super) fn put_piece(stream: &mut Stream, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), AnswerError> {
    // An empty chunk would be the last.
    if bytes.is_empty() {
        return Ok(());
    }
    let Piece { length, suffix, result } = put_piece_start(stream, bytes.len(), out);
    out.extend_from_slice(&bytes[..length]);
    out.extend_from_slice(suffix);
    result
}

/// The rest of a piece, after what `put_piece_start` wrote.
pub(super) struct Piece {
    /// How many of its bytes are sent.
    pub(super) length: usize,
    pub(super) suffix: &'static [u8],
    pub(super) result: Result<(), AnswerError>,
}

/// Writes what stands before the `length` bytes of a piece, which must not be empty; returns what is to follow.
pub(super) fn put_piece_start(stream: &mut Stream, length: usize, out: &mut Vec<u8>) -> Piece {
    match stream {
        Stream::Silent => Piece { length: 0, suffix: b"", result: Ok(()) },
        Stream::UntilClose => Piece { length, suffix: b"", result: Ok(()) },
        Stream::Chunked => {
            put_hex(length, out);
            out.extend_from_slice(b"\r\n");
            Piece { length, suffix: b"\r\n", result: Ok(()) }
        }
        Stream::Length(missing) => {
            let fits = length.min(usize::try_from(*missing).unwrap_or(usize::MAX));
            *missing -= fits as u64;
            let result = if fits < length { Err(AnswerError::TooLong) } else { Ok(()) };
            Piece { length: fits, suffix: b"", result }
        }
    }
}

/// Writes the last chunk and the trailer section.
pub(super) fn put_last_chunk(trailers: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"0\r\n");
    out.extend_from_slice(trailers);
    out.extend_from_slice(b"\r\n");
}

fn put_hex(value: usize, out: &mut Vec<u8>) {
    let digits = (usize::BITS - value.leading_zeros()).div_ceil(4).max(1);
    for place in (0..digits).rev() {
        let digit = (value >> (place * 4)) & 0xf;
        out.push(b"0123456789abcdef"[digit]);
    }
}

/// The length of the body of a complete answer.
#[cold]
pub(super) fn body_length(answer: &[u8]) -> usize {
    let head = answer.windows(4).position(|end| end == b"\r\n\r\n").map_or(answer.len(), |at| at + 4);
    answer.len() - head
}

/// A short text answer for bytes that are no request; the last on its connection.
#[cold]
pub fn error_answer(cx: &Context, error: &RequestError, is_head: bool) -> Vec<u8> {
    if cx.limits.node_style {
        return node_style::error_answer(error.status());
    }
    let mut out = Vec::with_capacity(256);
    let body = format!("{error}\n");
    put_status_line(error.status(), None, &mut out);
    out.extend_from_slice(b"content-type: text/plain; charset=utf-8\r\ncontent-length: ");
    out.extend_from_slice(itoa::Buffer::new().format(body.len()).as_bytes());
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(cx.date.line());
    if error.status() == 503 {
        out.extend_from_slice(b"retry-after: 1\r\n");
    }
    out.extend_from_slice(b"connection: close\r\n\r\n");
    if !is_head {
        out.extend_from_slice(body.as_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_length_is_written() {
        for length in [0, 9, 10, 13, 99, 100, 65_536, 1_234_567_890, u64::MAX] {
            let mut out = b"a: b\r\n".to_vec();
            put_length_and_end(length, &mut out);
            assert_eq!(out, format!("a: b\r\ncontent-length: {length}\r\n\r\n").into_bytes());
        }
    }
}
