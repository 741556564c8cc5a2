//! Answers: from what the application gives to bytes on the wire. RFC 9112 §6.
//!
//! An answer goes straight into the connection's output when it is its turn, which is nearly always,
//! and into memory of its own when earlier answers are still owed.

use crate::answer::{Answer, AnswerError, Finish, Payload};
use crate::context::Context;
use crate::error::{CloseReason, RequestError};
use crate::event::RequestId;
use crate::http1::long::{LONG_BYTES, Send};
use crate::http1::pipeline::{Extra, Stream, Traits};
use crate::http1::{Connection, Reading};
use crate::status::reason_phrase;

/// What an answer means for its connection.
struct Outcome {
    /// More of the body follows.
    stream: Option<Stream>,
    closes: bool,
    /// Fewer bytes than declared.
    is_cut: bool,
}

impl Connection {
    /// Answers a request.
    ///
    /// # Errors
    /// `Stale` when the request isn't open or its answer has begun.
    #[inline]
    pub fn handle_answer(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        answer: Answer<'_>,
    ) -> Result<(), AnswerError> {
        self.take_answer(cx, request_id, answer, None)
    }

    #[inline]
    pub(super) fn take_answer(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        answer: Answer<'_>,
        send: Option<Send<'_>>,
    ) -> Result<(), AnswerError> {
        let at = self.pipeline.position(request_id).ok_or(AnswerError::Stale)?;
        let is_alone = self.is_last && self.pipeline.len() == at + 1;
        let pending = self.pipeline.get_mut(at).ok_or(AnswerError::Stale)?;
        if pending.has_begun {
            return Err(AnswerError::Stale);
        }
        let traits = pending.traits;
        let mut closes = answer.close || traits.wants_close || is_alone;
        if self.receiving.is_some() {
            if self.must_refuse_body(request_id, answer.status) {
                let refusal = error_answer(cx, &RequestError::BodyTooLarge, traits.is_head);
                self.receiving = None;
                self.finish_with(cx, at, &refusal, CloseReason::Refused(RequestError::BodyTooLarge));
                self.rearm(cx);
                return Ok(());
            }
            closes |= match answer.payload {
                // A streamed answer may go on with the body that it answers; one that the client won't
                // send unasked can't be asked for behind the answer's head.
                Payload::Stream { .. } if !self.may_never_come(request_id) => false,
                _ => self.let_body_go(request_id),
            };
        }
        if at == 0 {
            self.answer_first(cx, traits, &answer, closes, send);
        } else {
            self.answer_early(cx, at, traits, &answer, closes);
        }
        self.rearm(cx);
        Ok(())
    }

    #[inline]
    fn answer_first(
        &mut self,
        cx: &mut Context,
        traits: Traits,
        answer: &Answer<'_>,
        closes: bool,
        send: Option<Send<'_>>,
    ) {
        if self.out.capacity() == 0 {
            self.out = cx.take_buffer();
        }
        let (outcome, body) = serialise(cx, traits, answer, closes, &mut self.out);
        match send {
            None => self.out.extend_from_slice(body),
            Some(send) => self.put_long(body, b"", send),
        }
        self.is_held = false;
        if outcome.stream.is_none() && !outcome.closes && !outcome.is_cut {
            self.pipeline.pop_first();
            if traits.is_upgrade && self.reading == Reading::Barrier {
                self.reading = Reading::Idle;
            }
            if self.pipeline.first_mut().is_some_and(|next| next.extra.is_some()) {
                self.advance(cx);
            }
            return;
        }
        if outcome.closes {
            self.take_no_more();
        }
        if let Some(first) = self.pipeline.first_mut() {
            first.has_begun = true;
            note(first.extra(), &outcome);
        }
        self.advance(cx);
    }

    /// The client is told that this answer is the last: what it has sent behind the request mustn't be begun.
    /// RFC 9112 §9.6.
    #[cold]
    pub(super) fn take_no_more(&mut self) {
        self.is_last = true;
        if matches!(self.reading, Reading::Idle | Reading::Head) {
            self.partial = None;
            self.reading = Reading::Closed;
        }
    }

    #[cold]
    fn answer_early(
        &mut self,
        cx: &mut Context,
        at: usize,
        traits: Traits,
        answer: &Answer<'_>,
        closes: bool,
    ) {
        self.is_held = false;
        let Some(pending) = self.pipeline.get_mut(at) else { return };
        pending.has_begun = true;
        let extra = pending.extra();
        let (outcome, body) = serialise(cx, traits, answer, closes, &mut extra.early);
        extra.early.extend_from_slice(body);
        note(extra, &outcome);
        if outcome.closes {
            self.take_no_more();
        }
    }

    /// Sends more of a streamed answer.
    ///
    /// # Errors
    /// `Stale` when no stream is open for the request id, or a file is being sent on it; `TooLong` when it
    /// outgrows its declared length.
    pub fn handle_write(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        bytes: &[u8],
    ) -> Result<(), AnswerError> {
        let at = self.pipeline.position(request_id).ok_or(AnswerError::Stale)?;
        let pending = self.pipeline.get_mut(at).ok_or(AnswerError::Stale)?;
        let extra = pending.extra.as_mut().ok_or(AnswerError::Stale)?;
        if extra.file > 0 {
            return Err(AnswerError::Stale);
        }
        let stream = extra.stream.as_mut().ok_or(AnswerError::Stale)?;
        let out = if at == 0 { &mut self.out } else { &mut extra.early };
        if out.capacity() == 0 {
            *out = cx.take_buffer();
        }
        let result = write_piece(stream, bytes, out);
        self.rearm(cx);
        result
    }

    /// Ends a streamed answer, with trailer fields as `name: value\r\n` lines; they go out only where
    /// the body is chunked.
    ///
    /// # Errors
    /// `Stale` when no stream is open for the request id.
    pub fn handle_end(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        trailers: &[u8],
    ) -> Result<(), AnswerError> {
        let at = self.pipeline.position(request_id).ok_or(AnswerError::Stale)?;
        let pending = self.pipeline.get_mut(at).ok_or(AnswerError::Stale)?;
        let extra = pending.extra.as_mut().ok_or(AnswerError::Stale)?;
        let stream = extra.stream.take().ok_or(AnswerError::Stale)?;
        extra.is_done = true;
        extra.is_cut |= matches!(stream, Stream::Length(missing) if missing > 0);
        if stream == Stream::Chunked {
            let out = if at == 0 { &mut self.out } else { &mut extra.early };
            if out.capacity() == 0 {
                *out = cx.take_buffer();
            }
            out.extend_from_slice(b"0\r\n");
            out.extend_from_slice(trailers);
            out.extend_from_slice(b"\r\n");
        }
        if self.let_body_go(request_id)
            && let Some(pending) = self.pipeline.get_mut(at)
        {
            pending.extra().closes = true;
        }
        if at == 0 {
            self.advance(cx);
        }
        self.rearm(cx);
        Ok(())
    }

    /// Sends an informational answer ahead of the final one. RFC 9110 §15.2.
    ///
    /// # Errors
    /// `Stale` when the request isn't open, has begun to be answered, or is HTTP/1.0.
    pub fn handle_inform(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        status: u16,
        fields: &[u8],
    ) -> Result<(), AnswerError> {
        let at = self.pipeline.position(request_id).ok_or(AnswerError::Stale)?;
        let pending = self.pipeline.get_mut(at).ok_or(AnswerError::Stale)?;
        if pending.has_begun || pending.traits.is_http10 {
            return Err(AnswerError::Stale);
        }
        let out = if at == 0 { &mut self.out } else { &mut pending.extra().early };
        if out.capacity() == 0 {
            *out = cx.take_buffer();
        }
        put_status_line(status, None, out);
        out.extend_from_slice(fields);
        out.extend_from_slice(b"\r\n");
        self.rearm(cx);
        Ok(())
    }

    /// The body is over its limit and nobody asked for it: a handler that settles as if all were well
    /// hasn't noticed. An error status of its own says more than ours would.
    fn must_refuse_body(&self, request_id: RequestId, status: u16) -> bool {
        self.receiving.as_ref().is_some_and(|body| {
            body.request_id == request_id && body.is_over() && body.is_unasked() && status < 400
        })
    }

    /// Gives request number `at` an answer of ours, the last on this connection.
    #[cold]
    pub(super) fn finish_with(&mut self, cx: &mut Context, at: usize, answer: &[u8], reason: CloseReason) {
        self.is_last = true;
        self.reading = Reading::Closed;
        if let Some(pending) = self.pipeline.get_mut(at) {
            pending.has_begun = true;
            let extra = pending.extra();
            extra.early.extend_from_slice(answer);
            extra.is_done = true;
            extra.closes = true;
            if let CloseReason::Refused(error) = reason {
                extra.refusal = Some(error);
            }
        }
        if at == 0 {
            self.advance(cx);
        }
    }

    /// Moves on through the pipeline: answers that came early go out as their turn comes.
    #[cold]
    pub(super) fn advance(&mut self, cx: &mut Context) {
        while let Some(first) = self.pipeline.first_mut() {
            let Some(extra) = &mut first.extra else { break };
            let early = std::mem::take(&mut extra.early);
            let is_done = extra.is_done && extra.file == 0;
            let (closes, is_cut) = (extra.closes, extra.is_cut);
            let refusal = extra.refusal;
            let (request_id, is_upgraded) = (first.request_id, extra.is_upgraded);
            let traits = first.traits;
            if !early.is_empty() {
                self.put(cx, &early);
            }
            if !is_done {
                break;
            }
            self.pipeline.pop_first();
            self.is_held = false;
            if is_upgraded {
                return self.become_raw(Some(request_id));
            }
            if is_cut || closes {
                // Whatever else was asked for is never answered: the client was told so.
                self.left_behind.extend(self.pipeline.open_request_ids());
                self.pipeline.clear();
                self.reading = Reading::Closed;
                let finish = self.farewell(traits.wants_close && self.receiving.is_none());
                self.receiving = self.receiving.take().filter(|body| !body.is_unasked());
                match refusal {
                    Some(error) => self.end(CloseReason::Refused(error), Finish::Linger),
                    None if is_cut => self.end(CloseReason::Cut, self.farewell(false)),
                    None => self.end(CloseReason::Done, finish),
                }
                break;
            }
            if traits.is_upgrade && self.reading == Reading::Barrier {
                self.reading = Reading::Idle;
            }
        }
        if self.pipeline.is_empty() && self.is_last && self.reading == Reading::Closed {
            self.end(CloseReason::Done, self.farewell(false));
        }
        self.put_continue_if_due(cx);
    }

    /// How a connection ends behind its last answer, whose client may have said itself that it is the last.
    /// One that may still be sending must not have what it hasn't read yet taken back by a reset.
    fn farewell(&self, is_expected: bool) -> Finish {
        match self.has_peer_ended || is_expected && !self.leaves_unread {
            true => Finish::Close,
            false => Finish::Linger,
        }
    }
}

fn note(extra: &mut Extra, outcome: &Outcome) {
    extra.stream = outcome.stream;
    extra.is_done = outcome.stream.is_none();
    extra.closes = outcome.closes;
    extra.is_cut = outcome.is_cut;
}

/// Writes the head of an answer, and tells which bytes of its body follow. The hot path: everything that
/// can be is copied from tables.
#[inline]
fn serialise<'a>(
    cx: &Context,
    traits: Traits,
    answer: &Answer<'a>,
    closes: bool,
    out: &mut Vec<u8>,
) -> (Outcome, &'a [u8]) {
    let has_no_body = traits.is_head || matches!(answer.status, 204 | 304);
    let mut outcome = Outcome { stream: None, closes, is_cut: false };
    let mut body: &'a [u8] = b"";
    let length = match answer.payload {
        Payload::Full(bytes) => {
            if !has_no_body {
                body = bytes;
            }
            // What a 304 says of a length is about another answer, so it says nothing.
            (!matches!(answer.status, 204 | 304)).then_some(bytes.len() as u64)
        }
        Payload::Declared { length, bytes } => {
            if !has_no_body {
                body = &bytes[..bytes.len().min(usize::try_from(length).unwrap_or(usize::MAX))];
                outcome.is_cut = (body.len() as u64) < length;
            }
            (answer.status != 204).then_some(length)
        }
        Payload::Stream { length } => {
            outcome.stream = Some(match length {
                _ if has_no_body => Stream::Silent,
                Some(length) => Stream::Length(length),
                None if traits.is_http10 => Stream::UntilClose,
                None => Stream::Chunked,
            });
            outcome.closes |= outcome.stream == Some(Stream::UntilClose);
            length.filter(|_| answer.status != 204)
        }
    };
    let is_chunked = outcome.stream == Some(Stream::Chunked)
        || outcome.stream == Some(Stream::Silent) && length.is_none() && traits.is_head && !traits.is_http10;
    out.reserve(answer.fields.len() + body.len().min(LONG_BYTES) + 256);
    if answer.status == 200 && answer.reason.is_none() && !outcome.closes {
        out.extend_from_slice(&cx.usual_opening);
    } else {
        put_opening(cx, answer, outcome.closes, out);
    }
    out.extend_from_slice(answer.fields);
    if let Some(length) = length {
        out.extend_from_slice(b"content-length: ");
        out.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
        out.extend_from_slice(b"\r\n");
    } else if is_chunked {
        out.extend_from_slice(b"transfer-encoding: chunked\r\n");
    }
    out.extend_from_slice(b"\r\n");
    (outcome, body)
}

/// Status line and the connection's own fields.
fn put_opening(cx: &Context, answer: &Answer<'_>, closes: bool, out: &mut Vec<u8>) {
    put_status_line(answer.status, answer.reason, out);
    out.extend_from_slice(cx.date.line());
    if closes {
        out.extend_from_slice(b"connection: close\r\n");
    } else {
        out.extend_from_slice(&cx.keep_alive_lines);
    }
}

pub(super) fn put_status_line(status: u16, reason: Option<&[u8]>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(itoa::Buffer::new().format(status).as_bytes());
    out.push(b' ');
    out.extend_from_slice(reason.unwrap_or(reason_phrase(status).as_bytes()));
    out.extend_from_slice(b"\r\n");
}

fn write_piece(stream: &mut Stream, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), AnswerError> {
    match stream {
        // A chunk of nothing would be the end.
        _ if bytes.is_empty() => {}
        Stream::Silent => {}
        Stream::UntilClose => out.extend_from_slice(bytes),
        Stream::Chunked => {
            put_hex(bytes.len(), out);
            out.extend_from_slice(b"\r\n");
            out.extend_from_slice(bytes);
            out.extend_from_slice(b"\r\n");
        }
        Stream::Length(missing) => {
            let fits = bytes.len().min(usize::try_from(*missing).unwrap_or(usize::MAX));
            out.extend_from_slice(&bytes[..fits]);
            *missing -= fits as u64;
            if fits < bytes.len() {
                return Err(AnswerError::TooLong);
            }
        }
    }
    Ok(())
}

pub(super) fn put_hex(value: usize, out: &mut Vec<u8>) {
    let digits = (usize::BITS - value.leading_zeros()).div_ceil(4).max(1);
    for place in (0..digits).rev() {
        let digit = (value >> (place * 4)) & 0xf;
        out.push(b"0123456789abcdef"[digit]);
    }
}

/// The answer to what can't be a request: short, plain, and the last.
#[cold]
pub fn error_answer(cx: &Context, error: &RequestError, is_head: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    let body = format!("{error}\n");
    put_status_line(error.status(), None, &mut out);
    out.extend_from_slice(b"content-type: text/plain; charset=utf-8\r\ncontent-length: ");
    out.extend_from_slice(itoa::Buffer::new().format(body.len()).as_bytes());
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(cx.date.line());
    out.extend_from_slice(b"connection: close\r\n\r\n");
    if !is_head {
        out.extend_from_slice(body.as_bytes());
    }
    out
}
