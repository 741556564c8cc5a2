//! Parts of answers that the reactor sends by itself, past the output: a file from the kernel's cache, or memory of the
//! application's that is held until the kernel has taken it.
//!
//! ```text
//!   handle_answer(Stream { length }) ──► handle_file(length) ─────┐
//!                                   └──► handle_write_held(bytes) ┤  handle_write, handle_end: behind it
//!   handle_answer_held(Full(bytes)) ──────────────────────────────┤
//!   all before it is sent ──► poll_external ──► handle_external_sent … until nothing is missing
//!   or poll_together, with what is before it
//!                              under TLS a file ──► handle_external_bytes
//! ```
//! An answer has at most one such part at a time. What is written meanwhile is kept, and leaves together with the end
//! of the part.

use std::io::IoSlice;

use crate::answer::{Answer, AnswerError, Finish};
use crate::context::{Context, HIGH_WATER};
use crate::error::CloseReason;
use crate::event::RequestId;
use crate::http1::Connection;
use crate::http1::encode::{self, Piece};
use crate::http1::pipeline::{Pending, PendingState, Stream};
use crate::http1::writing::Offer;
use crate::output::{Send, VECTORED_BYTES, total_of};

/// What comes next on the wire, and isn't in the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct External<'a> {
    /// The request whose answer it is a part of.
    pub request_id: RequestId,
    /// How many bytes are missing, counted from the end of the part.
    pub missing: u64,
    /// What follows it at once; it counts as sent with the bytes of the part.
    pub behind: &'a [u8],
}

impl Connection {
    pub(crate) fn handle_file(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        length: u64,
    ) -> Result<bool, AnswerError> {
        let (_, pending) = self.pipeline.find_mut(request_id).ok_or(AnswerError::Stale)?;
        let state = pending.state.as_mut().filter(|state| state.external == 0).ok_or(AnswerError::Stale)?;
        match &mut state.stream {
            Some(Stream::Silent) => return Ok(false),
            Some(Stream::Length(missing)) if length <= *missing => *missing -= length,
            Some(Stream::Length(_)) => return Err(AnswerError::TooLong),
            _ => return Err(AnswerError::Stale),
        }
        state.external = length;
        self.rearm(cx);
        Ok(length > 0)
    }

    /// Like `handle_answer_vectored`; what the socket doesn't take of a large body isn't copied. Returns how many bytes
    /// at its end are an external part now.
    pub(crate) fn handle_answer_held(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        answer: Answer<'_>,
        send: Send<'_>,
    ) -> Result<usize, AnswerError> {
        self.begin_answer(cx, request_id, answer, Some(Offer { send, holds: true }))?;
        self.rearm_after_sending(cx);
        Ok(self.pipeline.external_bytes(request_id) as usize)
    }

    /// Like `handle_write_vectored`, with a piece whose bytes may lie in several places; what the socket doesn't take of a
    /// large one isn't copied. Returns how many bytes at its end are an external part now.
    pub(crate) fn handle_write_held(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        piece: &[IoSlice<'_>],
        send: Send<'_>,
    ) -> Result<usize, AnswerError> {
        let length = total_of(piece);
        let (at, pending) = self.pipeline.find_mut(request_id).ok_or(AnswerError::Stale)?;
        let state = pending.state.as_mut().ok_or(AnswerError::Stale)?;
        let stream = state.stream.as_mut().ok_or(AnswerError::Stale)?;
        let is_too_long = matches!(stream, Stream::Length(missing) if (length as u64) > *missing);
        // Before its turn a source may go on as far as it may with a client that reads slowly.
        let is_ahead = at > 0 && length <= HIGH_WATER;
        if length < VECTORED_BYTES || is_ahead || state.external > 0 || is_too_long {
            return piece.iter().try_for_each(|part| self.handle_write(cx, request_id, part)).map(|()| 0);
        }
        if *stream == Stream::Silent {
            return Ok(0);
        }
        let held = if at == 0 {
            let out = self.output.buffer(cx);
            let before = out.len();
            let Piece { suffix, .. } = encode::put_piece_start(stream, length, out);
            state.put += out.len() - before;
            let held = self.output.put_or_hold(cx, piece, suffix, send);
            // Of a piece that is held only what the socket took was put.
            if held == 0 {
                state.put += length + suffix.len();
            }
            state.hold(held, suffix);
            held
        } else {
            let Piece { suffix, .. } = encode::put_piece_start(stream, length, &mut state.early);
            state.hold(length, suffix);
            length
        };
        self.rearm_after_sending(cx);
        Ok(held)
    }

    /// Whether bytes follow the next `count` of an answer that is being written and is next on the wire.
    pub(crate) fn continues_behind(&self, request_id: RequestId, count: usize) -> bool {
        let first = self.pipeline.first().filter(|first| first.request_id == request_id);
        match first.and_then(|first| first.state.as_ref()?.stream.as_ref()) {
            Some(Stream::Length(missing)) => *missing > count as u64,
            Some(Stream::Chunked | Stream::UntilClose) => true,
            Some(Stream::Silent) | None => false,
        }
    }

    pub(crate) fn poll_external(&self) -> Option<External<'_>> {
        self.pipeline.first().filter(|_| self.output.is_empty())?.external_part()
    }

    pub(crate) fn poll_together(&self) -> Option<(&[u8], External<'_>)> {
        Some((self.output.unsent(), self.pipeline.first()?.external_part()?))
    }

    /// Whether the answer to this request has an external part.
    pub(crate) fn holds(&self, request_id: RequestId) -> bool {
        self.pipeline.external_bytes(request_id) > 0
    }

    /// Whether an external part is next on the wire.
    pub(super) fn awaits_external(&self) -> bool {
        self.poll_external().is_some()
    }

    pub(crate) fn handle_external_sent(&mut self, cx: &mut Context, count: u64) {
        let Some(state) = self.pipeline.first_mut().and_then(|first| first.state.as_mut()) else { return };
        let of_part = count.min(state.external);
        state.external -= of_part;
        if state.external == 0 {
            let behind = std::mem::take(&mut state.behind);
            let sent = usize::try_from(count - of_part).unwrap_or(usize::MAX);
            if let Some(unsent @ [_, ..]) = behind.get(sent..) {
                state.put += unsent.len();
                self.output.put(cx, unsent);
            }
            self.advance(cx);
        }
        self.rearm_after_sending(cx);
    }

    /// The next bytes of the part; they are copied only as far as `send` doesn't take them.
    pub(crate) fn handle_external_bytes(&mut self, cx: &mut Context, bytes: &[u8], send: Send<'_>) {
        if let Some(state) = self.pipeline.first_mut().and_then(|first| first.state.as_mut()) {
            state.put += bytes.len();
        }
        self.output.put_vectored(cx, bytes, b"", send);
        self.handle_external_sent(cx, bytes.len() as u64);
    }

    pub(crate) fn handle_external_failed(&mut self, cx: &mut Context) {
        let Some(first) = self.pipeline.first_mut() else { return };
        // Its body may have no other end than that of the connection, which must not look like one in order.
        let is_unframed = first.flags.is_http10;
        let state = first.state();
        state.external = 0;
        state.behind = Vec::new();
        state.stream = None;
        state.is_done = true;
        state.is_aborted = true;
        if is_unframed {
            self.end(CloseReason::Aborted, Finish::Reset);
        }
        self.advance(cx);
        self.rearm_after_sending(cx);
    }
}

impl Pending {
    #[inline]
    fn external_part(&self) -> Option<External<'_>> {
        let state = self.state.as_ref().filter(|state| state.external > 0)?;
        Some(External { request_id: self.request_id, missing: state.external, behind: &state.behind })
    }
}

impl PendingState {
    /// The next `count` bytes are an external part, and `suffix` follows it. A part without bytes is none.
    pub(super) fn hold(&mut self, count: usize, suffix: &[u8]) {
        if count > 0 {
            self.external = count as u64;
            self.behind.extend_from_slice(suffix);
        }
    }
}
