//! Answers: from the application's commands to bytes in the output. RFC 9112 §6.
//!
//! In its turn, which is nearly always, an answer is written straight into the connection's output. While earlier
//! answers are owed its bytes are kept with the request.

use std::io::IoSlice;

use crate::answer::{Answer, AnswerError, Finish, Payload};
use crate::context::Context;
use crate::error::{CloseReason, RequestError};
use crate::event::RequestId;
use crate::http1::encode::{self, Outcome};
use crate::http1::pipeline::{PendingState, RequestFlags, Stream};
use crate::http1::{Connection, Reading};
use crate::output::{Send, is_large};

/// The body of an answer is offered to the socket at once.
pub(super) struct Offer<'a> {
    pub(super) send: Send<'a>,
    /// What the socket doesn't take, if it is much, isn't copied: it becomes an external part.
    pub(super) holds: bool,
}

impl Connection {
    #[inline]
    pub(crate) fn handle_answer(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        answer: Answer<'_>,
    ) -> Result<(), AnswerError> {
        self.begin_answer(cx, request_id, answer, None)
    }

    #[inline]
    pub(super) fn begin_answer(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        answer: Answer<'_>,
        offer: Option<Offer<'_>>,
    ) -> Result<(), AnswerError> {
        let (at, pending) = self.pipeline.find_mut(request_id).ok_or(AnswerError::Stale)?;
        if pending.has_begun {
            return Err(AnswerError::Stale);
        }
        let flags = pending.flags;
        let is_alone = self.is_last && self.pipeline.len() == at + 1;
        let mut closes = answer.close || flags.wants_close || is_alone;
        if self.incoming.is_some() {
            if self.must_refuse_body(request_id, answer.status) {
                let refusal = encode::error_answer(cx, &RequestError::BodyTooLarge, flags.is_head);
                self.incoming = None;
                self.finish_with(cx, at, &refusal, CloseReason::Refused(RequestError::BodyTooLarge));
                self.rearm(cx);
                return Ok(());
            }
            closes |= match answer.payload {
                // A streamed answer and the body of its request may go on side by side. But a 100 can't follow the
                // answer's head, so a body that waits for one never comes.
                Payload::Stream { .. } | Payload::UntilClose if !self.may_never_come(request_id) => false,
                _ => self.discard_body(request_id),
            };
        }
        if at == 0 {
            self.answer_first(cx, flags, &answer, closes, offer);
        } else {
            self.answer_early(cx, at, (flags, offer.is_some_and(|offer| offer.holds)), &answer, closes);
        }
        self.rearm(cx);
        Ok(())
    }

    #[inline]
    fn answer_first(
        &mut self,
        cx: &mut Context,
        flags: RequestFlags,
        answer: &Answer<'_>,
        closes: bool,
        offer: Option<Offer<'_>>,
    ) {
        let out = self.output.buffer(cx);
        let (outcome, body) =
            encode::put_head(cx, (flags, cx.keep_alive(self.is_local)), answer, closes, out);
        let mut held = 0;
        match offer {
            None => out.extend_from_slice(body),
            Some(Offer { send, holds: false }) => self.output.put_vectored(cx, body, b"", send),
            Some(Offer { send, holds: true }) => {
                held = self.output.put_or_hold(cx, &[IoSlice::new(body)], b"", send);
            }
        }
        self.is_paused = false;
        if outcome.stream.is_none() && !outcome.closes && !outcome.is_aborted && held == 0 {
            self.pipeline.pop_first();
            if flags.is_upgrade && self.reading == Reading::AwaitingUpgrade {
                self.reading = Reading::Idle;
            }
            if self.pipeline.first_mut().is_some_and(|next| next.state.is_some()) {
                self.advance(cx);
            }
            return;
        }
        if outcome.closes {
            self.close_reading();
        }
        self.note_page(0, answer, flags.is_head);
        if let Some(first) = self.pipeline.first_mut() {
            first.has_begun = true;
            let state = first.state();
            state.begin(&outcome);
            state.hold(held, b"");
        }
        self.advance(cx);
    }

    #[cold]
    fn answer_early(
        &mut self,
        cx: &mut Context,
        at: usize,
        (flags, holds): (RequestFlags, bool),
        answer: &Answer<'_>,
        closes: bool,
    ) {
        self.is_paused = false;
        let Some(pending) = self.pipeline.get_mut(at) else { return };
        pending.has_begun = true;
        let state = pending.state();
        let (outcome, body) =
            encode::put_head(cx, (flags, cx.keep_alive(self.is_local)), answer, closes, &mut state.early);
        if holds && is_large(body) {
            state.hold(body.len(), b"");
        } else {
            state.early.extend_from_slice(body);
        }
        state.begin(&outcome);
        if outcome.closes {
            self.close_reading();
        }
        self.note_page(at, answer, flags.is_head);
    }

    pub(crate) fn handle_write(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        bytes: &[u8],
    ) -> Result<(), AnswerError> {
        let (at, pending) = self.pipeline.find_mut(request_id).ok_or(AnswerError::Stale)?;
        let state = pending.state.as_mut().ok_or(AnswerError::Stale)?;
        let stream = state.stream.as_mut().ok_or(AnswerError::Stale)?;
        let is_put = at == 0 && state.external == 0;
        let out = match at {
            _ if state.external > 0 => &mut state.behind,
            0 => self.output.buffer(cx),
            _ => early_buffer(cx, &mut state.early),
        };
        let before = out.len();
        let result = encode::put_piece(stream, bytes, out);
        if is_put {
            state.put += out.len() - before;
        }
        self.rearm(cx);
        result
    }

    /// Ends an answer; with `keeps_body` the application still reads the body of its request.
    pub(crate) fn handle_end(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        trailers: &[u8],
        keeps_body: bool,
    ) -> Result<(), AnswerError> {
        let (at, pending) = self.pipeline.find_mut(request_id).ok_or(AnswerError::Stale)?;
        let state = pending.state.as_mut().ok_or(AnswerError::Stale)?;
        let stream = state.stream.take().ok_or(AnswerError::Stale)?;
        state.is_done = true;
        state.is_aborted |= matches!(stream, Stream::Length(missing) if missing > 0);
        if stream == Stream::Chunked {
            let out = match at {
                _ if state.external > 0 => &mut state.behind,
                0 => self.output.buffer(cx),
                _ => early_buffer(cx, &mut state.early),
            };
            encode::put_last_chunk(trailers, out);
        }
        let closes = if keeps_body { self.keep_body(request_id) } else { self.discard_body(request_id) };
        if closes && let Some(pending) = self.pipeline.get_mut(at) {
            pending.state().closes = true;
        }
        if at == 0 {
            self.advance(cx);
        }
        self.rearm(cx);
        Ok(())
    }

    pub(crate) fn handle_inform(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        status: u16,
        fields: &[u8],
    ) -> Result<(), AnswerError> {
        let (at, pending) = self.pipeline.find_mut(request_id).ok_or(AnswerError::Stale)?;
        if pending.has_begun || pending.flags.is_http10 {
            return Err(AnswerError::Stale);
        }
        let out = if at == 0 { self.output.buffer(cx) } else { early_buffer(cx, &mut pending.state().early) };
        encode::put_informational(status, fields, out);
        self.rearm(cx);
        Ok(())
    }

    /// Answers request number `at` in the application's place; that is the last answer on this connection.
    #[cold]
    pub(super) fn finish_with(&mut self, cx: &mut Context, at: usize, answer: &[u8], reason: CloseReason) {
        self.is_last = true;
        self.reading = Reading::Closed;
        if let Some(pending) = self.pipeline.get_mut(at) {
            pending.has_begun = true;
            let state = pending.state();
            state.early.extend_from_slice(answer);
            state.is_done = true;
            state.closes = true;
            if let CloseReason::Refused(error) = reason {
                state.refusal = Some(error);
            }
        }
        if at == 0 {
            self.advance(cx);
        }
    }

    /// Goes on through the pipeline: answers that were kept are sent as their turn comes.
    #[cold]
    pub(super) fn advance(&mut self, cx: &mut Context) {
        while let Some(first) = self.pipeline.first_mut() {
            let Some(state) = &mut first.state else { break };
            let early = std::mem::take(&mut state.early);
            let is_done = state.is_done && state.external == 0;
            let (closes, is_aborted) = (state.closes, state.is_aborted);
            let refusal = state.refusal;
            let (request_id, is_upgraded) = (first.request_id, state.is_upgraded);
            let flags = first.flags;
            if !early.is_empty() {
                state.put += early.len();
                self.output.put(cx, &early);
            }
            if !is_done {
                break;
            }
            self.pipeline.pop_first();
            self.is_paused = false;
            if is_upgraded {
                self.reading = Reading::TakenOver;
                self.taken_over_by = Some(request_id);
                return;
            }
            if is_aborted || closes {
                // Later requests are never answered, which `connection: close` has announced.
                self.abandoned.extend(self.pipeline.open_request_ids());
                self.pipeline.clear();
                self.reading = Reading::Closed;
                let finish =
                    self.closing_finish(flags.wants_close && !flags.is_upgrade && self.incoming.is_none());
                self.incoming = self.incoming.take().filter(|incoming| incoming.may_be_read());
                match refusal {
                    Some(error) => self.end(CloseReason::Refused(error), Finish::Linger),
                    None if is_aborted => self.end(CloseReason::Aborted, self.closing_finish(false)),
                    None => self.end(CloseReason::Done, finish),
                }
                break;
            }
            if flags.is_upgrade && self.reading == Reading::AwaitingUpgrade {
                self.reading = Reading::Idle;
            }
        }
        if self.pipeline.is_empty() && self.is_last && self.reading == Reading::Closed {
            self.end(CloseReason::Done, self.closing_finish(false));
        }
        self.put_continue_if_due(cx);
    }

    /// How a connection ends after its last answer; `is_expected` when the client has asked for the end. A client that
    /// may still be sending needs a lingering close: a reset would destroy what it hasn't read yet.
    pub(super) fn closing_finish(&self, is_expected: bool) -> Finish {
        match self.has_peer_ended || is_expected && !self.leaves_unread {
            true => Finish::Close,
            false => Finish::Linger,
        }
    }
}

impl PendingState {
    /// The answer has begun.
    fn begin(&mut self, outcome: &Outcome) {
        self.stream = outcome.stream;
        self.is_done = outcome.stream.is_none();
        self.closes = outcome.closes;
        self.is_aborted = outcome.is_aborted;
    }
}

/// The buffer of an answer that waits for earlier ones.
fn early_buffer<'a>(cx: &mut Context, early: &'a mut Vec<u8>) -> &'a mut Vec<u8> {
    if early.capacity() == 0 {
        *early = cx.take_buffer();
    }
    early
}
