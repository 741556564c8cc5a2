//! From the application's answers to the session.

use nghttp2::{Content, ErrorCode, StreamId};

use crate::answer::{Answer, AnswerError, Own, Payload, Taken};
use crate::context::Context;
use crate::error::RequestError;
use crate::event::RequestId;
use crate::http2::Connection;
use crate::http2::fields::{self, Numbers};
use crate::http2::stream::{Answering, Stream};

/// 501: an extended CONNECT for a protocol that isn't spoken. RFC 9220 §3.
const NOT_IMPLEMENTED: u16 = 501;

impl Connection {
    /// Answers a request.
    ///
    /// # Errors
    /// `Stale` when the request isn't open or its answer has begun.
    pub fn handle_answer(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        answer: Answer<'_>,
    ) -> Result<(), AnswerError> {
        self.answer(cx, request_id, answer, false)
    }

    pub(super) fn answer(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        answer: Answer<'_>,
        is_lent: bool,
    ) -> Result<(), AnswerError> {
        let stream = self.streams.of_mut(request_id).ok_or(AnswerError::Stale)?;
        if stream.answering != Answering::Owed || stream.head.is_some() {
            return Err(AnswerError::Stale);
        }
        let id = stream.id;
        if stream.is_closed {
            // It was reset while its handler ran, which has now settled.
            self.drop_stream(id);
            return Err(AnswerError::Stale);
        }
        if stream.checked.is_extended {
            return self.decline(cx, id, answer);
        }
        let is_head = stream.is_head();
        if stream.page.is_some() {
            self.note_page(request_id, &answer, is_head);
            return self.submit(cx, id, answer, is_head, is_lent);
        }
        if let Some(receiving) = &mut stream.receiving {
            if receiving.exceeds_limit() && receiving.is_unasked() && answer.status < 400 {
                let error = RequestError::BodyTooLarge;
                stream.answering = Answering::Given;
                receiving.discard();
                self.unread -= std::mem::take(&mut stream.unread);
                self.note_lost_body(id, error);
                self.send_text(cx, id, error.status(), &error.to_string(), is_head, false);
                return Ok(());
            }
            // A streamed answer may go on with the body that it answers.
            let goes_on = matches!(answer.payload, Payload::Stream { .. } | Payload::UntilClose)
                && !receiving.may_never_come();
            if !goes_on {
                self.discard_body(id);
            }
        }
        self.submit(cx, id, answer, is_head, is_lent)
    }

    fn submit(
        &mut self,
        cx: &Context,
        id: StreamId,
        answer: Answer<'_>,
        is_head: bool,
        is_lent: bool,
    ) -> Result<(), AnswerError> {
        let is_silent = is_head || matches!(answer.status, 204 | 205 | 304);
        let (content, answering, is_cut) = plan(&answer.payload, is_silent);
        let content = match content {
            Content::Full(bytes) if is_lent => Content::Lent(bytes.len()),
            content => content,
        };
        let mut numbers = Numbers::default();
        let list = fields::of_answer(cx, &answer, &mut numbers);
        self.session.submit_response(id, list, content).map_err(|_| AnswerError::Stale)?;
        if let Some(stream) = self.streams.get_mut(id) {
            self.counts.running = self.counts.running.saturating_sub(1);
            if !stream.is_receiving() {
                self.counts.waiting = self.counts.waiting.saturating_sub(1);
            }
            stream.answering = answering;
            let has_content = matches!(content, Content::Full(_) | Content::Lent(_));
            stream.sending = has_content.then_some((cx.now, 0));
        }
        if is_cut {
            self.reset_when_sent(id);
        }
        self.drop_rest(id);
        if answer.close {
            self.announce_end();
        }
        Ok(())
    }

    /// An ordinary answer to an extended CONNECT: the stream isn't taken over. One that tells of success would have the
    /// client speak a protocol that is not answered; with HTTP/1 the same answer is one without an upgrade.
    #[cold]
    fn decline(&mut self, cx: &Context, id: StreamId, answer: Answer<'_>) -> Result<(), AnswerError> {
        self.discard_body(id);
        let Some(stream) = self.streams.get_mut(id) else { return Err(AnswerError::Stale) };
        let has_ended = stream.has_ended;
        if (200..300).contains(&answer.status) {
            stream.answering = Answering::Given;
            let text = "the protocol that was asked for isn't spoken here";
            self.send_text(cx, id, NOT_IMPLEMENTED, text, false, has_ended);
            return Ok(());
        }
        self.submit(cx, id, answer, false, false)
    }

    /// A request is answered: its stream is reset when all of that is sent, where what still comes is not taken. That is
    /// so behind a conversation that isn't read on, which has no other end, and a body that was refused.
    fn drop_rest(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        let is_of_no_use = stream.is_lost || stream.checked.is_conversation && !stream.is_read_on();
        if is_of_no_use && stream.answering == Answering::Given && !stream.has_ended {
            self.leftover.push(id);
        }
    }

    /// Gives the stream of an extended CONNECT to the application, behind the head of a 200. RFC 8441 §5. Any other
    /// stream is reset, so that the client repeats the request by HTTP/1.1.
    ///
    /// # Errors
    /// `Stale` when the request isn't open or its answer has begun.
    pub fn handle_upgrade(
        &mut self,
        cx: &Context,
        request_id: RequestId,
        fields: &[u8],
    ) -> Result<Taken, AnswerError> {
        let stream = self.streams.of_mut(request_id).ok_or(AnswerError::Stale)?;
        if stream.answering != Answering::Owed || stream.head.is_some() {
            return Err(AnswerError::Stale);
        }
        if !stream.checked.is_extended || stream.is_closed {
            self.handle_abort(request_id, ErrorCode::HTTP_1_1_REQUIRED)?;
            return Ok(Taken::Nothing);
        }
        let id = stream.id;
        stream.is_taken = true;
        let payload = Payload::Stream { length: None };
        self.submit(
            cx,
            id,
            Answer { status: 200, reason: None, fields, payload, close: false, own: Own::default() },
            false,
            false,
        )?;
        Ok(Taken::Stream)
    }

    /// What still comes of a body is dropped, and gives its window back.
    fn discard_body(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        let Some(receiving) = &mut stream.receiving else { return };
        stream.is_lost |= receiving.exceeds_limit();
        if receiving.is_over() {
            stream.receiving = None;
        } else {
            receiving.discard();
        }
        let unread = std::mem::take(&mut stream.unread);
        self.unread -= unread;
        self.session.consume_stream(id, unread);
    }

    /// An answer with less content than it declared: the client must see that. RFC 9113 §8.1.1.
    fn reset_when_sent(&mut self, id: StreamId) {
        self.session.reset(id, ErrorCode::INTERNAL_ERROR);
    }

    /// Sends more of a streamed answer.
    ///
    /// # Errors
    /// `Stale` when no stream is open for the request; `TooLong` when it outgrows its declared length.
    pub fn handle_write(
        &mut self,
        cx: &Context,
        request_id: RequestId,
        bytes: &[u8],
    ) -> Result<(), AnswerError> {
        let stream = self.streams.of_mut(request_id).ok_or(AnswerError::Stale)?;
        let Answering::Streaming { missing, is_silent } = &mut stream.answering else {
            return Err(AnswerError::Stale);
        };
        if *is_silent || bytes.is_empty() {
            return Ok(());
        }
        let room = missing.map_or(usize::MAX, |missing| usize::try_from(missing).unwrap_or(usize::MAX));
        let fits = &bytes[..bytes.len().min(room)];
        if let Some(missing) = missing {
            *missing -= fits.len() as u64;
        }
        self.session.push(stream.id, fits).map_err(|_| AnswerError::Stale)?;
        stream.sending.get_or_insert((cx.now, 0));
        if fits.len() < bytes.len() { Err(AnswerError::TooLong) } else { Ok(()) }
    }

    /// Ends a streamed answer, with trailer fields as `name: value\r\n` lines.
    ///
    /// # Errors
    /// `Stale` when no stream is open for the request.
    pub fn handle_end(&mut self, request_id: RequestId, trailers: &[u8]) -> Result<(), AnswerError> {
        if self.streams.of(request_id).is_some_and(Stream::is_read_on) {
            self.drop_kept(request_id);
            return Ok(());
        }
        self.end_answer(request_id, trailers, false)
    }

    /// The same while the content of the request still arrives, and is read: the client's side of the stream stays open.
    /// RFC 9113 §8.1. `handle_end` then drops the rest.
    ///
    /// # Errors
    /// As `handle_end`.
    pub fn handle_end_early(&mut self, request_id: RequestId, trailers: &[u8]) -> Result<(), AnswerError> {
        self.end_answer(request_id, trailers, true)
    }

    fn end_answer(
        &mut self,
        request_id: RequestId,
        trailers: &[u8],
        keeps_body: bool,
    ) -> Result<(), AnswerError> {
        let stream = self.streams.of_mut(request_id).ok_or(AnswerError::Stale)?;
        let Answering::Streaming { missing, is_silent } = stream.answering else {
            return Err(AnswerError::Stale);
        };
        let id = stream.id;
        stream.answering = Answering::Given;
        // What is lost and wasn't asked for is of no use.
        stream.is_kept = keeps_body
            && stream.receiving.as_ref().is_some_and(|body| !(stream.is_lost && body.is_unasked()))
            && !stream.is_taken;
        if stream.is_taken {
            // The other direction continues.
            return self.session.finish(id).map_err(|_| AnswerError::Stale);
        }
        let is_read_on = stream.is_read_on();
        if stream.is_closed {
            if !is_read_on {
                self.drop_stream(id);
            }
            return Ok(());
        }
        if !is_read_on {
            self.discard_body(id);
        }
        self.drop_rest(id);
        if missing.is_some_and(|missing| missing > 0) && !is_silent {
            self.session.reset(id, ErrorCode::INTERNAL_ERROR);
            return Ok(());
        }
        let ended = match (is_silent, trailers.is_empty()) {
            (true, _) => Ok(()),
            (false, true) => self.session.finish(id),
            (false, false) => self.session.finish_with_trailers(id, fields::pairs(trailers)),
        };
        ended.map_err(|_| AnswerError::Stale)
    }

    /// The application has answered, and drops the rest of the request's content.
    #[cold]
    fn drop_kept(&mut self, request_id: RequestId) {
        let Some(stream) = self.streams.of_mut(request_id) else { return };
        let id = stream.id;
        stream.is_kept = false;
        if stream.is_closed {
            self.drop_stream(id);
        } else {
            self.discard_body(id);
            self.drop_rest(id);
        }
        self.end_if_read();
    }

    /// The same, and the client must not send the rest: behind the whole answer the server resets the stream with NO_ERROR.
    /// RFC 9113 §8.1.
    #[cold]
    fn refuse_kept(&mut self, request_id: RequestId) {
        self.drop_kept(request_id);
        self.leftover.extend(self.streams.of(request_id).map(|stream| stream.id));
        if !self.session.wants_write() {
            self.reset_leftover();
        }
    }

    /// The connection is to end: it drops the content that the application still reads behind its answers, and resets those
    /// streams.
    #[cold]
    pub fn leave_rest(&mut self) {
        let kept = self.streams.iter().filter(|stream| stream.is_read_on());
        let kept: Vec<_> = kept.map(|stream| stream.request_id).collect();
        for request_id in kept {
            self.refuse_kept(request_id);
            self.reset.push_back((request_id, ErrorCode::NO_ERROR, false));
        }
    }

    /// Sets how many milliseconds this answer may make too little progress because its stream isn't read.
    ///
    /// # Errors
    /// `Stale` when the request isn't open.
    pub fn handle_write_timeout(&mut self, request_id: RequestId, millis: u64) -> Result<(), AnswerError> {
        let stream = self.streams.of_mut(request_id).filter(|stream| stream.is_owed());
        stream.ok_or(AnswerError::Stale)?.write_timeout = Some(millis);
        Ok(())
    }

    /// Sends an informational answer ahead of the final one. RFC 9110 §15.2.
    ///
    /// # Errors
    /// `Stale` when the request isn't open or its answer has begun.
    pub fn handle_inform(
        &mut self,
        request_id: RequestId,
        status: u16,
        lines: &[u8],
    ) -> Result<(), AnswerError> {
        let stream = self.streams.of(request_id).ok_or(AnswerError::Stale)?;
        if stream.answering != Answering::Owed || stream.is_closed {
            return Err(AnswerError::Stale);
        }
        let mut buffer = itoa::Buffer::new();
        let status = (&b":status"[..], buffer.format(status).as_bytes());
        let list = std::iter::once(status).chain(fields::pairs(lines));
        self.session.submit_inform(stream.id, list).map_err(|_| AnswerError::Stale)
    }

    /// The answer to this request can't be completed: its stream is reset, and the connection lives.
    ///
    /// # Errors
    /// `Stale` when the request isn't open.
    pub fn handle_abort(&mut self, request_id: RequestId, code: ErrorCode) -> Result<(), AnswerError> {
        let stream = self.streams.of_mut(request_id).ok_or(AnswerError::Stale)?;
        let id = stream.id;
        let is_closed = stream.is_closed;
        if stream.is_read_on() && stream.sending.is_none() {
            self.refuse_kept(request_id);
            return Ok(());
        }
        // What TCP has a reset for. RFC 8441 §5.
        let code = if stream.is_taken { ErrorCode::CANCEL } else { code };
        // The application knows.
        stream.answering = Answering::Given;
        if is_closed {
            self.drop_stream(id);
            return Err(AnswerError::Stale);
        }
        self.output.forget(request_id);
        self.session.reset(id, code);
        self.lose(id);
        Ok(())
    }
}

/// What of an answer goes to the session, where that leaves the answer, and whether it falls short of its length.
fn plan<'a>(payload: &Payload<'a>, is_silent: bool) -> (Content<'a>, Answering, bool) {
    let full =
        |bytes: &'a [u8]| if bytes.is_empty() || is_silent { Content::None } else { Content::Full(bytes) };
    match *payload {
        Payload::Full(bytes) => (full(bytes), Answering::Given, false),
        Payload::Declared { length, bytes } => {
            let room = usize::try_from(length).unwrap_or(usize::MAX);
            let bytes = &bytes[..bytes.len().min(room)];
            let is_cut = !is_silent && (bytes.len() as u64) < length;
            (full(bytes), Answering::Given, is_cut)
        }
        Payload::UntilClose => plan(&Payload::Stream { length: None }, is_silent),
        Payload::Stream { length } => {
            let content = if is_silent { Content::None } else { Content::Stream };
            (content, Answering::Streaming { missing: length, is_silent }, false)
        }
    }
}
