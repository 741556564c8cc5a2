//! One request body that didn't come together with its head.
//!
//! ```text
//!   take, take_direct ──►┌───────────┐
//!   complete, fail ─────►│ Receiving │──► poll: Body, BodyLimit, BodyFailed
//!   ask, raise, revoke ─►└───────────┘
//! ```
//! Bytes are kept until the application asks for them, up to a receive window, and delivered as far as its credit
//! reaches. Memory is reserved for bytes that have come, never for a declared length. While nothing is kept,
//! content may go from the socket straight into the application's memory.
//!
//! How a body is framed on the wire is not known here: see `http1::body`.

use crate::answer::Credit;
use crate::body::data_rate::DataRate;
use crate::context::Context;
use crate::error::RequestError;
use crate::event::{Event, RequestId};
use crate::http::trailers::Trailers;
use crate::timestamp::Timestamp;

/// The receive window: bytes of a body kept ahead of the application's credit.
const RECEIVE_WINDOW: usize = 64 * 1024;

/// With less room than this, bytes with framing between them don't go straight into the application's memory: of many
/// reads for a few bytes each, one would cost more than a copy.
pub const FRAMED_ROOM: u64 = 512;

/// What the application wants of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Demand {
    /// It hasn't asked yet.
    None,
    /// `credit` more bytes as they come, perhaps as parts of the whole body. `is_awaited` until they have come.
    Bytes { credit: u64, is_whole: bool, is_awaited: bool },
    /// Its request is answered: the rest is read and dropped, so that the connection can go on.
    Discard,
}

/// A body being received.
#[derive(Debug)]
pub(crate) struct Receiving {
    request_id: RequestId,
    /// When all of it must have come, by the limit of the whole request.
    complete_by: Timestamp,
    data_rate: DataRate,
    limit: u64,
    received: u64,
    delivered: u64,
    declared: Option<u64>,
    /// Received and not delivered.
    bytes: Vec<u8>,
    trailers: Option<Trailers>,
    demand: Demand,
    /// The client waits for a 100 before it sends the body. RFC 9110 §10.1.1.
    awaits_continue: bool,
    is_complete: bool,
    /// `BodyLimit` was given since the limit was raised last.
    is_limit_reported: bool,
    /// How often the application has raised the limit.
    raises: u32,
    failure: Option<RequestError>,
    /// Its last event was given.
    is_finished: bool,
}

impl Receiving {
    pub(crate) fn new(
        cx: &Context,
        request_id: RequestId,
        declared: Option<u64>,
        awaits_continue: bool,
    ) -> Receiving {
        Receiving {
            request_id,
            complete_by: cx.limits.request_deadline(cx.now),
            data_rate: DataRate::new(cx),
            limit: cx.limits.body_size_limit,
            received: 0,
            delivered: 0,
            declared,
            bytes: Vec::new(),
            trailers: None,
            demand: Demand::None,
            awaits_continue,
            is_complete: false,
            is_limit_reported: false,
            raises: 0,
            failure: None,
            is_finished: false,
        }
    }

    /// Bytes of a stream that is no message: there is no limit for all of them together. With `has_ended` there are none.
    pub(crate) fn of_tunnel(cx: &Context, request_id: RequestId, has_ended: bool) -> Receiving {
        let receiving = Receiving::new(cx, request_id, None, false);
        Receiving { limit: u64::MAX, complete_by: Timestamp(u64::MAX), is_complete: has_ended, ..receiving }
    }

    /// The request's first byte came at `begun`.
    pub(crate) fn begin_at(&mut self, cx: &Context, begun: Timestamp) {
        self.complete_by = cx.limits.request_deadline(begun);
    }

    pub(crate) fn request_id(&self) -> RequestId {
        self.request_id
    }

    /// Bytes of the body, without framing, have come.
    pub(crate) fn take(&mut self, piece: &[u8]) {
        self.received += piece.len() as u64;
        self.awaits_continue = false;
        if self.demand != Demand::Discard {
            self.bytes.extend_from_slice(piece);
        }
    }

    /// `count` bytes, at most `direct_room`, have come into the application's memory.
    pub(crate) fn take_direct(&mut self, count: usize) {
        self.awaits_continue = false;
        self.received += count as u64;
        self.spend(count);
    }

    /// No more bytes will come.
    pub(crate) fn complete(&mut self, trailers: Option<Trailers>) {
        self.is_complete = true;
        self.trailers = trailers;
    }

    /// The body can't be received.
    pub(crate) fn fail(&mut self, error: RequestError) {
        self.failure = Some(error);
    }

    /// Nothing more will come, for good or bad.
    pub(crate) fn is_over(&self) -> bool {
        self.is_complete || self.failure.is_some()
    }

    /// Its last event was given: it can be dropped.
    pub(crate) fn is_finished(&self) -> bool {
        self.is_finished
    }

    /// Whether more may be read from the peer now.
    pub(crate) fn has_room(&self) -> bool {
        if self.is_over() {
            return false;
        }
        match self.demand {
            Demand::None => !self.exceeds_limit() && self.bytes.len() < RECEIVE_WINDOW,
            // Bytes below the limit are delivered whatever was declared, unless the whole body is asked for.
            // Between two asks nothing is read, so that the next bytes can go straight to the application.
            Demand::Bytes { is_whole, is_awaited, .. } => {
                is_awaited
                    && self.received <= self.limit
                    && self.bytes.len() < RECEIVE_WINDOW
                    && !(is_whole && self.exceeds_limit())
            }
            Demand::Discard => !self.exceeds_limit(),
        }
    }

    /// How many bytes may go from the socket straight into the application's memory: so much content at least is asked
    /// for, and nothing is kept that comes before it. Without a declared length there is framing between.
    pub(crate) fn direct_room(&self) -> u64 {
        let Demand::Bytes { credit, .. } = self.demand else { return 0 };
        if !self.bytes.is_empty() || !self.has_room() {
            return 0;
        }
        let room =
            credit.min(self.declared.unwrap_or(u64::MAX).min(self.limit).saturating_sub(self.received));
        if self.declared.is_none() && room < FRAMED_ROOM { 0 } else { room }
    }

    /// Bytes kept for the application.
    pub(crate) fn kept(&self) -> usize {
        self.bytes.len()
    }

    /// Larger than its limit, as declared or as received.
    pub(crate) fn exceeds_limit(&self) -> bool {
        self.received.max(self.declared.unwrap_or(0)) > self.limit
    }

    /// The application hasn't asked for any of it.
    pub(crate) fn is_unasked(&self) -> bool {
        self.demand == Demand::None
    }

    /// The application has asked for it, and its request isn't answered.
    pub(crate) fn is_asked(&self) -> bool {
        matches!(self.demand, Demand::Bytes { .. })
    }

    /// Its request is answered: what still comes is dropped.
    pub(crate) fn is_discarded(&self) -> bool {
        self.demand == Demand::Discard
    }

    pub(crate) fn discard(&mut self) {
        self.demand = Demand::Discard;
        // The server sends no 100 any more, so the body's timeout holds for a client that waits for one, too.
        self.awaits_continue = false;
        self.bytes = Vec::new();
    }

    /// Adds credit.
    pub(crate) fn ask(&mut self, more: Credit) {
        let (more, wants_all) = match more {
            Credit::Bytes(more) => (more, false),
            Credit::Whole(more) => (more, true),
        };
        let (credit, is_whole) = match self.demand {
            Demand::Discard => return,
            Demand::None => (0, false),
            Demand::Bytes { credit, is_whole, .. } => (credit, is_whole),
        };
        self.demand = Demand::Bytes {
            credit: credit.saturating_add(more),
            is_whole: is_whole || wants_all,
            is_awaited: true,
        };
    }

    /// Takes back what is left of the credit.
    pub(crate) fn revoke(&mut self) {
        if let Demand::Bytes { credit, is_awaited, .. } = &mut self.demand {
            (*credit, *is_awaited) = (0, false);
        }
    }

    fn spend(&mut self, count: usize) {
        self.delivered += count as u64;
        if let Demand::Bytes { credit, is_awaited, .. } = &mut self.demand {
            *credit -= count as u64;
            *is_awaited &= *credit > 0;
        }
    }

    /// Raises the limit; a lower one changes nothing.
    pub(crate) fn raise(&mut self, limit: u64) {
        self.limit = self.limit.max(limit);
        self.is_limit_reported = false;
        self.raises = self.raises.wrapping_add(1);
    }

    /// True once, when the client waits for a 100 that is now due.
    pub(crate) fn take_continue(&mut self) -> bool {
        self.is_asked() && !self.exceeds_limit() && std::mem::take(&mut self.awaits_continue)
    }

    /// The client waits for a 100 and has sent no byte of the body: it may never send any.
    pub(crate) fn may_never_come(&self) -> bool {
        self.awaits_continue && self.received == 0
    }

    /// The next event that the application is due.
    pub(crate) fn poll(&mut self) -> Option<Event<'static>> {
        let request_id = self.request_id;
        let Demand::Bytes { credit, is_whole, is_awaited } = self.demand else { return None };
        if let Some(error) = self.failure {
            self.is_finished = true;
            return Some(Event::BodyFailed { request_id, error });
        }
        let is_at_limit =
            self.exceeds_limit() && (is_whole || self.delivered == self.limit || self.awaits_continue);
        if is_at_limit && is_awaited {
            return (!std::mem::replace(&mut self.is_limit_reported, true))
                .then_some(Event::BodyLimit { request_id, raises: self.raises });
        }
        let bytes = self.deliver(credit);
        let end = self.is_complete && self.bytes.is_empty();
        if bytes.is_empty() && !end {
            return None;
        }
        self.is_finished = end;
        let trailers = if end { self.trailers.take() } else { None };
        Some(Event::Body { request_id, bytes, end, trailers })
    }

    /// All of it, when it has come within its limit, without trailers and before anything was asked of it: it can be
    /// handed over with its request.
    pub(crate) fn take_whole(&mut self) -> Option<Vec<u8>> {
        let is_whole = self.is_complete
            && self.trailers.is_none()
            && self.failure.is_none()
            && self.is_unasked()
            && !self.exceeds_limit();
        is_whole.then(|| std::mem::take(&mut self.bytes))
    }

    /// Takes out as much as credit and limit allow.
    fn deliver(&mut self, credit: u64) -> Vec<u8> {
        let allowed = credit.min(self.limit.saturating_sub(self.delivered));
        let count = self.bytes.len().min(usize::try_from(allowed).unwrap_or(usize::MAX));
        if count == 0 {
            return Vec::new();
        }
        let rest = self.bytes.split_off(count);
        self.spend(count);
        std::mem::replace(&mut self.bytes, rest)
    }

    /// Changes how slowly it may come; None leaves a value as it is.
    pub(crate) fn set_data_rate(&mut self, timeout: Option<u64>, minimum_rate: Option<u64>) {
        self.data_rate.set(timeout, minimum_rate);
    }

    /// Brings its clocks up to date; called after every change.
    pub(crate) fn update_deadlines(&mut self, now: Timestamp) {
        // A client that waits for its 100 isn't late.
        let is_awaited = self.has_room() && !self.may_never_come();
        let pause = self.data_rate.update(now, self.received, is_awaited);
        self.complete_by = self.complete_by.after_millis(pause);
    }

    /// When its bytes have been missing for too long; None while none are read.
    pub(crate) fn inactive_at(&self) -> Option<Timestamp> {
        self.data_rate.is_awaited().then(|| self.data_rate.inactive_at())
    }

    /// When it is too slow whatever the application does: over the time of its request or, with `has_minimum`, below
    /// its minimum rate.
    pub(crate) fn too_slow_at(&self, has_minimum: bool) -> Timestamp {
        if has_minimum { self.data_rate.too_slow_at().min(self.complete_by) } else { self.complete_by }
    }

    /// Which of its deadlines has passed.
    pub(crate) fn lateness(&self, now: Timestamp) -> RequestError {
        if now >= self.complete_by {
            RequestError::RequestTimeout
        } else if now < self.data_rate.inactive_at() {
            RequestError::BodyTooSlow
        } else {
            RequestError::BodyTimeout
        }
    }
}
