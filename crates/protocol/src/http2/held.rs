//! Answers that are sent from the memory in which they are.
//!
//! ```text
//!   handle_answer_vectored, handle_write_vectored ──► send ──► what it doesn't take is copied
//!   handle_answer_held, handle_write_held ──► send_held, with all memory that is held, until nothing `holds` it
//! ```
//! The session frames the content of all answers in the order of their priorities, wherever it lies.

use crate::answer::{Answer, AnswerError};
use crate::context::{Context, HIGH_WATER};
use crate::event::RequestId;
use crate::http2::Connection;
use crate::http2::framed::Memory;
use crate::http2::stream::Answering;
use crate::output::{Send, is_large, total_of};

/// Bytes that one answer may give to the socket at once: a client that reads as fast as it is written to would hold up
/// others.
const SENT_AT_ONCE: usize = 2 * 1024 * 1024;
/// Bytes of frames that are made for one write, and that another answer, however urgent it is, may have to wait for.
const WRITTEN_TOGETHER: usize = 256 * 1024;

impl Connection {
    /// Like `handle_answer`, with a body that goes in frames to `send` from where it is. As far as windows, other streams
    /// or `send` don't let it leave, it is copied.
    ///
    /// # Errors
    /// As `handle_answer`.
    pub fn handle_answer_vectored(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        answer: Answer<'_>,
        send: Send<'_>,
    ) -> Result<(), AnswerError> {
        let Some(bytes) = answer.payload.whole() else {
            return self.handle_answer(cx, request_id, answer);
        };
        self.answer(cx, request_id, answer, true)?;
        self.send_and_keep(cx, request_id, bytes, send);
        Ok(())
    }

    /// Like `handle_write`, with bytes that are copied as far as they can't leave at once.
    ///
    /// # Errors
    /// As `handle_write`.
    pub fn handle_write_vectored(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        bytes: &[u8],
        send: Send<'_>,
    ) -> Result<(), AnswerError> {
        if self.handle_write_held(cx, request_id, bytes)? > 0 {
            self.send_and_keep(cx, request_id, bytes, send);
        }
        Ok(())
    }

    /// Like `handle_answer`, with a body that stays where it is. The result is how many bytes `send_held` has to be given.
    ///
    /// # Errors
    /// As `handle_answer`.
    pub fn handle_answer_held(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        answer: Answer<'_>,
    ) -> Result<usize, AnswerError> {
        self.answer(cx, request_id, answer, answer.payload.whole().is_some())?;
        Ok(self.streams.of(request_id).map_or(0, |stream| self.session.lent(stream.id)))
    }

    /// Like `handle_write`, with bytes that stay where they are unless others of the answer wait. The result is how many
    /// bytes `send_held` has to be given.
    ///
    /// # Errors
    /// As `handle_write`.
    pub fn handle_write_held(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        bytes: &[u8],
    ) -> Result<usize, AnswerError> {
        let stream = self.streams.of_mut(request_id).ok_or(AnswerError::Stale)?;
        let length = bytes.len() as u64;
        let Answering::Streaming { missing, is_silent: false } = &mut stream.answering else {
            return self.handle_write(cx, request_id, bytes).map(|()| 0);
        };
        // Memory of an earlier piece has to be all sent: there is one for each answer.
        let is_free = is_large(bytes) && !self.output.uses(request_id);
        if !is_free
            || missing.is_some_and(|missing| missing < length)
            || !self.session.lend(stream.id, bytes.len()).map_err(|_| AnswerError::Stale)?
        {
            return self.handle_write(cx, request_id, bytes).map(|()| 0);
        }
        if let Some(missing) = missing {
            *missing -= length;
        }
        stream.sending.get_or_insert((cx.now, 0));
        Ok(bytes.len())
    }

    /// Sends what is unsent, content from `memory` included, until `send` takes no more, or has taken `most` bytes.
    /// Returns how many it has taken.
    pub fn send_held(&mut self, cx: &mut Context, memory: Memory<'_>, most: usize, send: Send<'_>) -> usize {
        self.send(cx, memory, (WRITTEN_TOGETHER, most), send)
    }

    /// The same, with `together` bytes of frames at a time.
    fn send(
        &mut self,
        cx: &mut Context,
        memory: Memory<'_>,
        (together, most): (usize, usize),
        send: Send<'_>,
    ) -> usize {
        let mut sent = 0;
        while sent < most {
            self.flush_up_to(cx, together);
            let parts = self.output.parts(memory);
            let length = total_of(&parts);
            let count = if length == 0 { 0 } else { send(&parts) };
            if count > 0 {
                drop(parts);
                self.output.handle_sent(cx, count);
                self.sent = cx.now;
                sent += count;
            }
            if count == 0 || count < length {
                break;
            }
        }
        sent
    }

    /// Whether `send_held` has to be given the memory of an answer.
    pub fn holds(&self, request_id: RequestId) -> bool {
        let is_waiting = self
            .streams
            .of(request_id)
            .is_some_and(|stream| !stream.is_closed && self.session.lent(stream.id) > 0);
        is_waiting || self.output.uses(request_id)
    }

    /// The memory of an answer is gone: its stream is reset.
    #[cold]
    pub fn handle_held_lost(&mut self, request_id: RequestId) {
        self.output.forget(request_id);
        let Some(stream) = self.streams.of_mut(request_id) else { return };
        let id = stream.id;
        stream.answering = Answering::Given;
        self.session.reset(id, nghttp2::ErrorCode::INTERNAL_ERROR);
        self.lose(id);
    }

    fn send_and_keep(&mut self, cx: &mut Context, request_id: RequestId, bytes: &[u8], send: Send<'_>) {
        // What a peer that doesn't read leaves behind stays in the session, where it counts as the answer's backlog.
        let together = if self.output.is_empty() { WRITTEN_TOGETHER } else { HIGH_WATER };
        self.send(cx, &[(request_id, bytes)], (together, SENT_AT_ONCE), send);
        self.output.keep(cx, request_id, bytes);
        if let Some(stream) = self.streams.of(request_id) {
            self.session.keep_lent(stream.id, bytes);
        }
    }
}
