//! Request bodies on an HTTP/1 connection: from framed bytes to content. RFC 9112 §6 and §7.
//!
//! There is at most one at a time, since the next request stands after it.

use llhttp::{Progress, Record, State};

use crate::answer::{AnswerError, Credit, Finish};
use crate::body::Receiving;
use crate::context::Context;
use crate::error::{CloseReason, RequestError};
use crate::event::{Direct, Event, Expectation, RequestId, Step};
use crate::http::trailers::Trailers;
use crate::http1::head::{self, Checked};
use crate::http1::{Connection, Reading, encode};

/// The body that is arriving, or isn't delivered yet.
pub(super) struct Incoming {
    pub(super) body: Receiving,
    /// What the parser saw of it in the present input, and its trailer section so far.
    record: Record,
    /// Its request is answered, and the application still reads it.
    is_kept: bool,
}

impl Incoming {
    /// Takes the content that the parser found in `input`.
    fn take(&mut self, input: &[u8]) {
        for span in &self.record.body {
            self.body.take(span.of(input));
        }
        self.record.clear_body();
    }

    /// Moves the content that the parser found in `bytes`, which are the application's memory, to their beginning. Returns
    /// how much it is.
    fn gather(&mut self, bytes: &mut [u8]) -> usize {
        let mut content = 0;
        for span in &self.record.body {
            if span.start as usize != content {
                bytes.copy_within(span.range(), content);
            }
            content += span.len();
        }
        self.record.clear_body();
        if content > 0 {
            self.body.take_direct(content);
        }
        content
    }

    /// Whether the application has asked for it, or will.
    pub(super) fn may_be_read(&self) -> bool {
        self.is_kept || !self.body.is_unasked()
    }

    fn complete(&mut self) {
        let trailers = std::mem::take(&mut self.record.trailers);
        let bytes = std::mem::take(&mut self.record.trailer_bytes);
        self.body.complete(Trailers::of(bytes, trailers));
    }
}

impl Connection {
    /// A request has a body that isn't delivered with its head; `input` may hold the first of it, or all.
    #[cold]
    pub(super) fn begin_body(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        checked: &Checked,
        declared: Option<u64>,
        input: &[u8],
        is_complete: bool,
    ) {
        let record = cx.record.split_off_body();
        let awaits_continue = checked.expectation == Expectation::Continue;
        let body = Receiving::new(cx, request_id, declared, awaits_continue);
        let mut incoming = Incoming { body, record, is_kept: false };
        incoming.take(input);
        if is_complete {
            incoming.complete();
            self.message_complete();
        } else {
            self.reading = Reading::Body;
        }
        self.incoming = Some(Box::new(incoming));
    }

    /// More of a body.
    pub(super) fn read_body<'a>(&'a mut self, cx: &'a mut Context, input: &'a [u8]) -> Step<'a> {
        let Some(incoming) = &mut self.incoming else { return Step::none(0) };
        if !incoming.body.has_room() {
            return Step::none(0);
        }
        let progress = self.parser.execute(input, &mut incoming.record);
        incoming.take(input);
        let failure = failure_of(cx, &progress, &incoming.record);
        self.follow(cx, &progress, failure, || input.to_vec());
        self.end_discarded_body(cx);
        let event = self.poll_body().or_else(|| self.take_unparsed());
        self.rearm(cx);
        Step { taken: progress.consumed, event }
    }

    /// How many bytes may go straight into the application's memory.
    pub(crate) fn direct_room(&self) -> usize {
        if self.reading != Reading::Body {
            return 0;
        }
        let room = self.incoming.as_ref().map_or(0, |incoming| incoming.body.direct_room());
        usize::try_from(room).unwrap_or(usize::MAX)
    }

    pub(crate) fn handle_direct(&mut self, cx: &mut Context, bytes: &mut [u8]) -> Direct {
        let Some(incoming) = &mut self.incoming else { return Direct::default() };
        let progress = self.parser.execute(bytes, &mut incoming.record);
        let failure = failure_of(cx, &progress, &incoming.record);
        // The content is moved among the bytes.
        let packet = failure.map(|_| bytes.to_vec());
        let content = incoming.gather(bytes);
        self.follow(cx, &progress, failure, || packet.unwrap_or_default());
        self.rearm(cx);
        Direct { content, taken: progress.consumed, event: self.poll_body() }
    }

    /// The parser has come so far in the body; `packet` are the bytes that it was given.
    fn follow(
        &mut self,
        cx: &mut Context,
        progress: &Progress,
        failure: Option<RequestError>,
        packet: impl FnOnce() -> Vec<u8>,
    ) {
        let Some(incoming) = &mut self.incoming else { return };
        let is_complete = progress.state == State::Complete;
        if is_complete {
            incoming.complete();
        }
        if let Some(error) = failure {
            self.fail_body(cx, error);
            if self.has_refused_body() {
                self.note_packet(packet);
            }
        } else if is_complete {
            self.message_complete();
        }
    }

    pub(super) fn poll_body(&mut self) -> Option<Event<'static>> {
        let incoming = self.incoming.as_mut()?;
        let event = incoming.body.poll();
        if incoming.body.is_finished() {
            self.incoming = None;
            // One that is read behind its answer.
            if self.is_last && self.pipeline.is_empty() {
                self.end(CloseReason::Done, self.closing_finish(false));
            }
        }
        event
    }

    /// The body of this request, as long as something of it is to be received or delivered.
    fn body_of(&mut self, request_id: RequestId) -> Result<&mut Receiving, AnswerError> {
        let body = self.incoming.as_mut().map(|incoming| &mut incoming.body);
        body.filter(|body| body.request_id() == request_id).ok_or(AnswerError::Stale)
    }

    pub(crate) fn handle_credit(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        credit: Credit,
    ) -> Result<(), AnswerError> {
        let body = self.body_of(request_id)?;
        if body.is_discarded() {
            return Err(AnswerError::Stale);
        }
        body.ask(credit);
        self.put_continue_if_due(cx);
        self.rearm(cx);
        Ok(())
    }

    pub(crate) fn handle_revoke(&mut self, cx: &Context, request_id: RequestId) {
        if let Ok(body) = self.body_of(request_id)
            && body.is_asked()
        {
            body.revoke();
            self.rearm(cx);
        }
    }

    pub(crate) fn handle_raise(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        limit: u64,
    ) -> Result<(), AnswerError> {
        self.body_of(request_id)?.raise(limit);
        self.put_continue_if_due(cx);
        self.rearm(cx);
        Ok(())
    }

    pub(crate) fn handle_data_rate(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        timeout: Option<u64>,
        minimum_rate: Option<u64>,
    ) -> Result<(), AnswerError> {
        self.body_of(request_id)?.set_data_rate(timeout, minimum_rate);
        self.rearm(cx);
        Ok(())
    }

    pub(crate) fn kept_of_body(&self, request_id: RequestId) -> Option<usize> {
        let body = self.incoming.as_ref().map(|incoming| &incoming.body)?;
        (body.request_id() == request_id && body.is_asked()).then(|| body.kept())
    }

    /// Sends the 100 that the client waits for, once the body is asked for and all earlier answers are complete.
    pub(super) fn put_continue_if_due(&mut self, cx: &mut Context) {
        let Some(incoming) = &mut self.incoming else { return };
        if self.pipeline.is_first(incoming.body.request_id()) && incoming.body.take_continue() {
            self.output.put(cx, b"HTTP/1.1 100 Continue\r\n\r\n");
        }
    }

    /// A message has come whole: decides what is read next.
    pub(super) fn message_complete(&mut self) {
        if self.reading != Reading::Closed {
            self.reading = match self.pipeline.last_flags() {
                _ if self.is_last => Reading::Closed,
                Some(flags) if flags.is_upgrade => Reading::AwaitingUpgrade,
                Some(flags) if flags.wants_close => Reading::Closed,
                _ => Reading::Idle,
            };
        }
    }

    /// A body can't be received: nothing that follows is read. A request whose answer hasn't begun is answered here.
    #[cold]
    pub(super) fn fail_body(&mut self, cx: &mut Context, error: RequestError) {
        if self.refuse_body(cx, error) {
            return;
        }
        self.reading = Reading::Closed;
        self.is_last = true;
        let Some(incoming) = &mut self.incoming else { return };
        let request_id = incoming.body.request_id();
        incoming.body.fail(error);
        let Some((at, pending)) = self.pipeline.find_mut(request_id) else {
            // Its answer is complete: the connection ends after that.
            self.incoming.take_if(|incoming| !incoming.is_kept);
            match self.pipeline.last_mut() {
                Some(answered) => {
                    let state = answered.state();
                    state.closes = true;
                    state.refusal = Some(error);
                }
                None => self.end(CloseReason::Refused(error), Finish::Linger),
            }
            return;
        };
        if pending.has_begun {
            self.end(CloseReason::Refused(error), Finish::Reset);
            return;
        }
        let answer = encode::error_answer(cx, &error, pending.flags.is_head);
        self.abandoned.push(request_id);
        self.finish_with(cx, at, &answer, CloseReason::Refused(error));
    }

    /// The peer has closed its side within a body. Requests before that one are answered; it can't be.
    #[cold]
    pub(super) fn cut_body(&mut self) {
        let request_id = self.incoming.as_ref().map(|incoming| incoming.body.request_id());
        let found =
            request_id.and_then(|request_id| self.pipeline.index_of(request_id).zip(Some(request_id)));
        match found {
            Some((0, _)) if self.pipeline.first().is_some_and(|first| first.has_begun) => {
                self.leave(CloseReason::ClientLeft);
            }
            Some((at, request_id)) if at > 0 => {
                if let Some(pending) = self.pipeline.get_mut(at) {
                    pending.has_begun = true;
                    pending.abort();
                }
                self.abandoned.push(request_id);
                self.incoming = None;
                self.reading = Reading::Closed;
            }
            _ => {
                self.reading = Reading::Closed;
                self.end(CloseReason::ClientLeft, Finish::Close);
            }
        }
    }

    /// Whether the client waits for a 100 before it sends this body.
    pub(super) fn may_never_come(&self, request_id: RequestId) -> bool {
        let body = self.incoming.as_ref().map(|incoming| &incoming.body);
        body.is_some_and(|body| body.request_id() == request_id && body.may_never_come())
    }

    /// Whether the answer must be replaced by a 413: the body is over its limit and was never asked for, and the
    /// answer isn't an error, which would say more than the 413.
    pub(super) fn must_refuse_body(&self, request_id: RequestId, status: u16) -> bool {
        let body = self.incoming.as_ref().map(|incoming| &incoming.body);
        body.is_some_and(|body| {
            body.request_id() == request_id && body.exceeds_limit() && body.is_unasked() && status < 400
        })
    }

    /// Decides about the body of a request that has just been answered: the rest is read and dropped, or, which is
    /// true, the connection has to end after the answer.
    pub(super) fn discard_body(&mut self, request_id: RequestId) -> bool {
        let Ok(body) = self.body_of(request_id) else { return false };
        if body.is_over() {
            self.incoming = None;
            return false;
        }
        if body.exceeds_limit() || body.may_never_come() {
            self.incoming = None;
            self.reading = Reading::Closed;
            self.leaves_unread = true;
            return true;
        }
        body.discard();
        false
    }

    /// Lets the body of a request whose answer is complete continue, since the application reads it. True when the
    /// connection has to end after the answer.
    pub(super) fn keep_body(&mut self, request_id: RequestId) -> bool {
        let of_request = |incoming: &&mut Box<Incoming>| incoming.body.request_id() == request_id;
        let Some(incoming) = self.incoming.as_mut().filter(of_request) else { return false };
        incoming.is_kept = true;
        let never_comes = incoming.body.may_never_come();
        if never_comes {
            self.reading = Reading::Closed;
            self.leaves_unread = true;
        }
        never_comes
    }

    /// The rest of a body that is read behind its answer isn't wanted: what of it still comes isn't read.
    #[cold]
    pub(crate) fn leave_rest(&mut self) {
        if self.pipeline.is_empty() && self.incoming.take().is_some() {
            self.reading = Reading::Closed;
            self.leaves_unread = true;
        }
    }

    /// The request whose body is read behind its answer.
    pub(super) fn reading_on(&self) -> Option<RequestId> {
        let incoming = self.incoming.as_ref().filter(|incoming| incoming.is_kept)?;
        Some(incoming.body.request_id())
    }

    /// Whether a body that has come whole is still to be read behind its answer.
    pub(super) fn has_body_to_read(&self) -> bool {
        self.incoming.as_ref().is_some_and(|incoming| incoming.is_kept && incoming.body.is_over())
    }

    /// Drops a discarded body that is complete, or turned out to be over its limit.
    fn end_discarded_body(&mut self, cx: &mut Context) {
        let is_done = |incoming: &mut Box<Incoming>| {
            let body = &incoming.body;
            body.is_discarded() && (body.is_over() || body.exceeds_limit())
        };
        let Some(incoming) = self.incoming.take_if(is_done) else { return };
        let exceeds_limit = incoming.body.exceeds_limit();
        // Its memory serves the next head.
        cx.record = incoming.record;
        cx.record.clear();
        if exceeds_limit {
            self.reading = Reading::Closed;
            self.is_last = true;
            self.leaves_unread = true;
        }
        if self.is_last && self.pipeline.is_empty() {
            self.end(CloseReason::Done, Finish::Linger);
        }
    }
}

/// What is wrong with a body that was parsed so far.
fn failure_of(cx: &Context, progress: &Progress, record: &Record) -> Option<RequestError> {
    match progress.state {
        State::Failed(error) => Some(RequestError::Syntax { kind: error.kind, offset: error.offset }),
        _ => head::check_framing(record, &cx.limits),
    }
}
