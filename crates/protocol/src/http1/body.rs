//! A request body that didn't come together with its head.
//!
//! Bytes are kept until the application asks for them, up to a receive window; then they are delivered as far as
//! its credit reaches. What comes while nothing is kept may be received straight into the application's
//! memory. Nothing is reserved for what a client merely declares, and nobody who doesn't read is sent more
//! than one receive window.

use llhttp::{Record, State};

use crate::answer::{Credit, Finish};
use crate::context::Context;
use crate::error::{CloseReason, RequestError};
use crate::event::{Event, RequestId, Step};
use crate::http1::data_rate::DataRate;
use crate::http1::{Connection, Reading, head, trailers, writing};
use crate::timestamp::Timestamp;

/// Bytes of a body kept ahead of what was asked for.
const UNASKED_BYTES: usize = 64 * 1024;

/// What the application wants of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// Nothing yet.
    Unasked,
    /// So many more bytes, as they come; perhaps all that is left of it. Somebody waits for them, until they
    /// have come.
    Pieces { credit: u64, is_whole: bool, is_awaited: bool },
    /// Nothing any more: it was answered. The rest is read and dropped, so that the connection can go on.
    Discard,
}

/// A body being received.
pub(super) struct Receiving {
    pub(super) request_id: RequestId,
    /// When all of it must have come: the limit of the whole request.
    pub(super) complete_by: Timestamp,
    pub(super) data_rate: DataRate,
    pub(super) record: Box<Record>,
    limit: u64,
    received: u64,
    delivered: u64,
    declared: Option<u64>,
    bytes: Vec<u8>,
    wish: Wish,
    awaits_continue: bool,
    is_complete: bool,
    is_limit_told: bool,
    /// How often the limit was raised, or was to be.
    raises: u32,
    failure: Option<RequestError>,
}

impl Receiving {
    pub(super) fn new(
        cx: &Context,
        request_id: RequestId,
        declared: Option<u64>,
        awaits_continue: bool,
        record: Record,
    ) -> Receiving {
        Receiving {
            request_id,
            complete_by: cx.limits.request_deadline(cx.now),
            data_rate: DataRate::new(cx),
            record: Box::new(record),
            limit: cx.limits.body_size_limit,
            received: 0,
            delivered: 0,
            declared,
            bytes: Vec::new(),
            wish: Wish::Unasked,
            awaits_continue,
            is_complete: false,
            is_limit_told: false,
            raises: 0,
            failure: None,
        }
    }

    pub(super) fn fail(&mut self, error: RequestError) {
        self.failure = Some(error);
    }

    /// The request's first byte came at `begun`.
    pub(super) fn begin_at(&mut self, cx: &Context, begun: Timestamp) {
        self.complete_by = cx.limits.request_deadline(begun);
    }

    pub(super) fn complete(&mut self) {
        self.is_complete = true;
    }

    pub(super) fn has_room(&self) -> bool {
        if self.is_complete || self.failure.is_some() {
            return false;
        }
        match self.wish {
            Wish::Unasked => !self.is_over() && self.bytes.len() < UNASKED_BYTES,
            // What lies below the limit can be had, whatever was declared, unless all is wanted. Between two
            // asks the rest stays where it is, so that it needn't be copied when it is asked for.
            Wish::Pieces { is_whole, is_awaited, .. } => {
                is_awaited
                    && self.received <= self.limit
                    && self.bytes.len() < UNASKED_BYTES
                    && !(is_whole && self.is_over())
            }
            Wish::Discard => !self.is_over(),
        }
    }

    /// Larger than its limit, by its own word or by count.
    pub(super) fn is_over(&self) -> bool {
        self.received.max(self.declared.unwrap_or(0)) > self.limit
    }

    pub(super) fn is_unasked(&self) -> bool {
        self.wish == Wish::Unasked
    }

    pub(super) fn ask(&mut self, credit: Credit) {
        let (more, wants_all) = match credit {
            Credit::Bytes(more) => (more, false),
            Credit::Whole(more) => (more, true),
        };
        let (credit, is_whole) = match self.wish {
            Wish::Discard => return,
            Wish::Unasked => (0, false),
            Wish::Pieces { credit, is_whole, .. } => (credit, is_whole),
        };
        self.wish = Wish::Pieces {
            credit: credit.saturating_add(more),
            is_whole: is_whole || wants_all,
            is_awaited: true,
        };
    }

    /// How many bytes may be received straight into the application's memory: everything that comes next
    /// is content, and asked for.
    fn direct_room(&self) -> u64 {
        let (Some(declared), Wish::Pieces { credit, .. }) = (self.declared, self.wish) else { return 0 };
        if !self.bytes.is_empty() || !self.has_room() {
            return 0;
        }
        credit.min(declared.min(self.limit).saturating_sub(self.received))
    }

    /// So many bytes were received into the application's memory.
    fn note_direct(&mut self, count: usize) {
        self.record.clear_body();
        self.awaits_continue = false;
        self.received += count as u64;
        self.spend(count);
    }

    fn spend(&mut self, count: usize) {
        self.delivered += count as u64;
        if let Wish::Pieces { credit, is_awaited, .. } = &mut self.wish {
            *credit -= count as u64;
            *is_awaited &= *credit > 0;
        }
    }

    fn is_asked(&self) -> bool {
        matches!(self.wish, Wish::Pieces { .. })
    }

    /// Its request is answered: what still comes is dropped.
    pub(super) fn is_let_go(&self) -> bool {
        self.wish == Wish::Discard
    }

    pub(super) fn raise(&mut self, limit: u64) {
        self.limit = self.limit.max(limit);
        self.is_limit_told = false;
        self.raises = self.raises.wrapping_add(1);
    }

    /// True once, when the client waits for a 100 that is now due.
    pub(super) fn take_continue(&mut self) -> bool {
        self.is_asked() && !self.is_over() && std::mem::take(&mut self.awaits_continue)
    }

    /// Whether the client may not send the body at all: it waits for a 100 and nothing has come.
    pub(super) fn may_never_come(&self) -> bool {
        self.awaits_continue && self.received == 0
    }

    pub(super) fn take_in(&mut self, input: &[u8]) {
        for span in &self.record.body {
            let piece = span.of(input);
            self.received += piece.len() as u64;
            self.awaits_continue = false;
            if self.wish != Wish::Discard {
                self.bytes.extend_from_slice(piece);
            }
        }
        self.record.clear_body();
    }

    /// What may be delivered now: as much as was asked for and is within the limit.
    fn take_out(&mut self, credit: u64) -> Vec<u8> {
        let allowed = credit.min(self.limit.saturating_sub(self.delivered));
        let count = self.bytes.len().min(usize::try_from(allowed).unwrap_or(usize::MAX));
        if count == 0 {
            return Vec::new();
        }
        let rest = self.bytes.split_off(count);
        self.spend(count);
        std::mem::replace(&mut self.bytes, rest)
    }

    /// Notes how the body comes along: called whenever anything has happened to it.
    pub(super) fn note_data_rate(&mut self, now: Timestamp) {
        // A client that waits for its 100 isn't late.
        let is_awaited = self.has_room() && !self.may_never_come();
        let pause = self.data_rate.note(now, self.received, is_awaited);
        self.complete_by = self.complete_by.after_millis(pause);
    }
}

impl Connection {
    /// More of a body.
    pub(super) fn read_body<'a>(&'a mut self, cx: &'a mut Context, input: &'a [u8]) -> Step<'a> {
        let Some(body) = &mut self.receiving else { return Step::none(0) };
        if !body.has_room() {
            return Step::none(0);
        }
        let progress = self.parser.execute(input, &mut body.record);
        body.take_in(input);
        let failure = match progress.state {
            State::Failed(error) => Some(RequestError::Syntax { kind: error.kind, offset: error.offset }),
            _ => head::check_framing(&body.record, &cx.limits),
        };
        let is_complete = progress.state == State::Complete;
        body.is_complete = is_complete;
        if let Some(error) = failure {
            self.fail_body(cx, error);
        } else if is_complete {
            self.message_complete();
        }
        self.discard_what_is_unwanted(cx);
        let event = self.poll_body();
        self.rearm(cx);
        Step { taken: progress.consumed, event }
    }

    /// How many bytes may be received straight into the application's memory, to be told by `handle_direct`.
    pub fn direct_room(&self) -> usize {
        let Some(body) = self.receiving.as_ref().filter(|_| self.reading == Reading::Body) else { return 0 };
        usize::try_from(body.direct_room()).unwrap_or(usize::MAX)
    }

    /// How many bytes are kept of the body of this request; None when the application isn't to have any.
    pub fn kept_of_body(&self, request_id: RequestId) -> Option<usize> {
        let body = self.receiving.as_ref().filter(|body| body.request_id == request_id && body.is_asked());
        body.map(|body| body.bytes.len())
    }

    /// Takes back what is left of the credit for the body of this request. Until it is asked for again its
    /// client isn't late.
    pub fn take_back_credit(&mut self, cx: &Context, request_id: RequestId) {
        let body = self.receiving.as_mut().filter(|body| body.request_id == request_id);
        if let Some(Wish::Pieces { credit, is_awaited, .. }) = body.map(|body| &mut body.wish) {
            (*credit, *is_awaited) = (0, false);
            self.rearm(cx);
        }
    }

    /// Takes bytes of a body that lie in the application's memory already, at most `direct_room`; the event
    /// that follows tells no bytes of its own, but may tell the end.
    pub fn handle_direct(&mut self, cx: &mut Context, bytes: &[u8]) -> Option<Event<'static>> {
        let body = self.receiving.as_mut()?;
        let progress = self.parser.execute(bytes, &mut body.record);
        body.note_direct(bytes.len());
        match progress.state {
            State::Complete => {
                body.is_complete = true;
                self.message_complete();
            }
            State::More => {}
            State::Failed(error) => {
                self.fail_body(cx, RequestError::Syntax { kind: error.kind, offset: error.offset });
            }
        }
        self.rearm(cx);
        self.poll_body()
    }

    /// Where reading goes once a message has come whole.
    pub(super) fn message_complete(&mut self) {
        if self.reading != Reading::Closed {
            self.reading = match self.pipeline.last_traits() {
                _ if self.is_last => Reading::Closed,
                Some(traits) if traits.is_upgrade => Reading::Barrier,
                Some(traits) if traits.wants_close => Reading::Closed,
                _ => Reading::Idle,
            };
        }
    }

    pub(super) fn poll_body(&mut self) -> Option<Event<'static>> {
        let body = self.receiving.as_mut()?;
        let request_id = body.request_id;
        let Wish::Pieces { credit, is_whole, is_awaited } = body.wish else { return None };
        if let Some(error) = body.failure {
            self.receiving = None;
            return Some(Event::BodyFailed { request_id, error });
        }
        let is_late = body.is_over() && (is_whole || body.delivered == body.limit || body.awaits_continue);
        if is_late && is_awaited {
            return (!std::mem::replace(&mut body.is_limit_told, true))
                .then_some(Event::BodyLimit { request_id, raises: body.raises });
        }
        let bytes = body.take_out(credit);
        let end = body.is_complete && body.bytes.is_empty();
        if bytes.is_empty() && !end {
            return None;
        }
        let trailers = if end { trailers::take(&mut body.record) } else { None };
        if end {
            self.receiving = None;
        }
        Some(Event::Body { request_id, bytes, end, trailers })
    }

    /// The body can't be had: its request is answered by us if nothing has been said yet, and nothing
    /// that follows on this connection is read.
    #[cold]
    pub(super) fn fail_body(&mut self, cx: &mut Context, error: RequestError) {
        self.reading = Reading::Closed;
        self.is_last = true;
        let Some(body) = &mut self.receiving else { return };
        let request_id = body.request_id;
        body.fail(error);
        let Some(at) = self.pipeline.position(request_id) else {
            // Answered already: all that is left is to end the connection behind that answer.
            self.receiving = None;
            match self.pipeline.last_mut() {
                Some(answered) => {
                    let extra = answered.extra();
                    extra.closes = true;
                    extra.refusal = Some(error);
                }
                None => self.end(CloseReason::Refused(error), Finish::Linger),
            }
            return;
        };
        let Some(pending) = self.pipeline.get_mut(at) else { return };
        if pending.has_begun {
            self.end(CloseReason::Refused(error), Finish::Reset);
            return;
        }
        let answer = writing::error_answer(cx, &error, pending.traits.is_head);
        self.left_behind.push(request_id);
        self.finish_with(cx, at, &answer, CloseReason::Refused(error));
    }

    /// Whether the body is one that the client doesn't send before it is asked for it.
    pub(super) fn may_never_come(&self, request_id: RequestId) -> bool {
        self.receiving.as_ref().is_some_and(|body| body.request_id == request_id && body.may_never_come())
    }

    /// Decides about the body of a request that has just been answered.
    pub(super) fn let_body_go(&mut self, request_id: RequestId) -> bool {
        let Some(body) = self.receiving.as_mut().filter(|body| body.request_id == request_id) else {
            return false;
        };
        if body.is_complete || body.failure.is_some() {
            self.receiving = None;
            return false;
        }
        if body.is_over() || body.may_never_come() {
            self.receiving = None;
            self.reading = Reading::Closed;
            self.leaves_unread = true;
            return true;
        }
        body.wish = Wish::Discard;
        body.bytes = Vec::new();
        false
    }

    fn discard_what_is_unwanted(&mut self, cx: &mut Context) {
        let Some(body) = &self.receiving else { return };
        if body.wish == Wish::Discard && (body.is_complete || body.is_over()) {
            let is_over = body.is_over();
            if let Some(body) = self.receiving.take() {
                let mut record = *body.record;
                record.clear();
                cx.record = record;
            }
            if is_over {
                self.reading = Reading::Closed;
                self.is_last = true;
                self.leaves_unread = true;
            }
            if self.is_last && self.pipeline.is_empty() {
                self.end(CloseReason::Done, Finish::Linger);
            }
        }
    }

    pub(super) fn end(&mut self, reason: CloseReason, finish: Finish) {
        if self.ending.is_none() {
            self.reason = reason;
            self.ending = Some(finish);
        }
    }
}
