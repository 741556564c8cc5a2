//! Heads of answers as servers of node:http write them: the application's fields come first, the connection's own
//! names have capital letters, and what is refused has no page.

use crate::answer::Answer;
use crate::context::{Context, KeepAlive};
use crate::http1::encode::put_status_line;

/// Writes a head. `framing` is the length, if any, and whether the body is chunked.
#[inline]
pub(super) fn put_head(
    cx: &Context,
    keep_alive: &KeepAlive,
    answer: &Answer<'_>,
    closes: bool,
    (length, is_chunked): (Option<u64>, bool),
    out: &mut Vec<u8>,
) {
    if answer.status == 200 && answer.reason.is_none() {
        out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
    } else {
        put_status_line(answer.status, answer.reason, out);
    }
    let (fields, keep_alive_lines) = match answer.own.keep_alive {
        true => split_connection(answer.fields),
        false => (answer.fields, &keep_alive.lines[..]),
    };
    out.extend_from_slice(fields);
    if !answer.own.date {
        out.extend_from_slice(b"Date: ");
        out.extend_from_slice(cx.date.value());
        out.extend_from_slice(b"\r\n");
    }
    // A close that the application hasn't asked for isn't in its lines.
    if answer.own.connection && (!closes || answer.close) {
    } else if closes {
        out.extend_from_slice(b"Connection: close\r\n");
    } else {
        out.extend_from_slice(keep_alive_lines);
    }
    if answer.own.framing {
    } else if let Some(length) = length {
        out.extend_from_slice(b"Content-Length: ");
        out.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
        out.extend_from_slice(b"\r\n");
    } else if is_chunked {
        out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

/// The fields, and what Connection says, with which they end.
#[cold]
fn split_connection(fields: &[u8]) -> (&[u8], &[u8]) {
    const NAME: &[u8] = b"Connection: ";
    let at = fields.windows(NAME.len()).rposition(|window| window == NAME);
    fields.split_at(at.unwrap_or(fields.len()))
}

/// The lines that keep a connection open, for so many seconds if they are given.
pub(crate) fn keep_alive_lines(seconds: Option<u64>) -> Vec<u8> {
    let mut lines = b"Connection: keep-alive\r\n".to_vec();
    if let Some(seconds) = seconds {
        lines.extend_from_slice(format!("Keep-Alive: timeout={seconds}\r\n").as_bytes());
    }
    lines
}

/// What is sent in place of an answer to bytes that are no request.
#[cold]
pub(super) fn error_answer(status: u16) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    // Node's phrase is that of RFC 7231.
    put_status_line(status, (status == 413).then_some(b"Payload Too Large"), &mut out);
    out.extend_from_slice(b"Connection: close\r\n\r\n");
    out
}
