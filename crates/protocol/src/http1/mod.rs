//! One HTTP/1 connection. RFC 9112.
//!
//! ```text
//!            first byte          head complete, body to come
//!   ┌──────┐ ─────────► ┌──────┐ ─────────► ┌──────┐
//!   │ Idle │            │ Head │            │ Body │
//!   └──────┘ ◄───────── └──────┘            └──────┘
//!     ▲  head complete, no body                │ body complete
//!     └────────────────────────────────────────┘
//! ```
//! Any of them goes to `Closed` when no further request will be read: the last one has come, a request
//! was refused, the peer has closed its side, or the server stops. Answers still owed are written all the same.
//! Behind a request that asks for an upgrade reading waits in `AwaitingUpgrade` for its answer. If that takes
//! the connection over, `TakenOver` is the last state, and another protocol continues from what is left.
//!
//! What the methods mean for a caller is said where `crate::Connection` forwards them.

mod body;
mod deadline;
mod encode;
mod external;
mod head;
pub(crate) mod node_style;
mod pipeline;
mod reading;
mod refusal;
pub(crate) mod repeated;
mod upgrade;
mod vectored;
mod writing;

pub use encode::error_answer;
pub use external::External;

use llhttp::{ParseError, Parser, Record};

use crate::answer::{AnswerError, Finish};
use crate::context::{Context, HIGH_WATER};
use crate::error::{CloseReason, RequestError};
use crate::event::{Event, RequestId};
use crate::handoff::Handoff;
use crate::http1::body::Incoming;
use crate::http1::deadline::Deadline;
use crate::http1::pipeline::Pipeline;
pub(crate) use crate::http1::refusal::PAGE_MILLIS;
use crate::http1::refusal::Refusal;
pub use crate::http1::refusal::Refused;
use crate::http1::repeated::Place;
use crate::output::Output;
use crate::timestamp::Timestamp;
use crate::way::Way;

/// Where the request side stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// Between messages.
    Idle,
    /// A head has begun; its bytes are in `partial`.
    Head,
    /// A body is arriving; it is in `incoming`.
    Body,
    /// Behind a request that may end HTTP on this connection.
    AwaitingUpgrade,
    /// HTTP has ended: the connection is to be handed off.
    TakenOver,
    /// No more requests will be read.
    Closed,
}

/// A head that hasn't come whole.
struct Partial {
    bytes: Vec<u8>,
    record: Record,
    begun: Timestamp,
    undecided: Option<Undecided>,
}

/// What can't be decided before more of a head has come. Until then none of its bytes are parsed, or no further
/// ones.
#[derive(Debug, Clone, Copy)]
enum Undecided {
    /// Whether it may start beside the requests that run: its method isn't complete.
    MayBegin,
    /// Whether the method that the parser refused is one at all.
    Method(ParseError),
}

/// One HTTP/1 connection.
pub(crate) struct Connection {
    parser: Parser,
    reading: Reading,
    partial: Option<Box<Partial>>,
    incoming: Option<Box<Incoming>>,
    pipeline: Pipeline,
    /// The header section of its last request, if that may be repeated.
    section: Place,
    /// Requests that can't be answered any more: those after an answer that ended the connection, and the one whose
    /// body failed, which was refused.
    abandoned: Vec<RequestId>,
    /// The request after which `reading` is `TakenOver`.
    taken_over_by: Option<RequestId>,
    output: Output,
    deadline: Deadline,
    /// What becomes of the connection when `output` is sent.
    ending: Option<Finish>,
    reason: CloseReason,
    /// Bytes that were unsent when the client left.
    lost: usize,
    /// What came was no request.
    refusal: Option<Box<Refusal>>,
    /// Milliseconds that unsent bytes may take; an answer may set its own until the connection is idle.
    write_timeout: u64,
    /// The next request waits, unparsed, for an answer to begin, or to be complete.
    is_paused: bool,
    /// No requests follow those in the pipeline: the peer has closed its side, or the server stops.
    is_last: bool,
    /// The peer may still be sending what we no longer read.
    leaves_unread: bool,
    /// The peer is local or a proxy, and has the idle time of these.
    is_local: bool,
    /// Its idle time, in milliseconds.
    idle_time: u64,
    /// `HalfClosed` is still to be given.
    has_half_closed: bool,
    /// The peer has closed its side.
    has_peer_ended: bool,
    /// Requests for `https:` are served: the connection has TLS, or a proxy in front of it.
    serves_https: bool,
}

impl Connection {
    /// A connection that has just been accepted.
    pub(crate) fn new(cx: &Context) -> Connection {
        Connection {
            parser: Parser::new(),
            reading: Reading::Idle,
            partial: None,
            incoming: None,
            pipeline: Pipeline::new(),
            section: Place::NONE,
            abandoned: Vec::new(),
            taken_over_by: None,
            output: Output::default(),
            deadline: Deadline::first(cx, cx.keep_alive(false).idle_time),
            ending: None,
            reason: CloseReason::Open,
            lost: 0,
            refusal: None,
            write_timeout: cx.limits.write_timeout,
            is_paused: false,
            is_last: false,
            leaves_unread: false,
            is_local: false,
            idle_time: cx.keep_alive(false).idle_time,
            has_half_closed: false,
            has_peer_ended: false,
            serves_https: false,
        }
    }

    /// One whose bytes come by `way`.
    pub(crate) fn by_way(cx: &Context, way: Way) -> Connection {
        let mut connection = Connection::new(cx);
        connection.serves_https = way.is_encrypted || way.is_exempt;
        if way.is_exempt {
            connection.is_local = true;
            connection.idle_time = cx.keep_alive(true).idle_time;
            connection.deadline = Deadline::first(cx, connection.idle_time);
        }
        connection
    }

    /// A connection whose first bytes were looked at, and kept, before it was known to be one.
    pub(crate) fn begun(cx: &Context, way: Way, kept: &[u8]) -> Connection {
        let mut connection = Connection::by_way(cx, way);
        // Empty lines ahead of a request mean nothing. RFC 9112 §2.2.
        if !matches!(kept, [] | [b'\r' | b'\n', ..]) {
            connection.keep_undecided(cx, kept);
        }
        connection
    }

    /// A connection that another protocol has left, and the bytes that are to be given to `handle_input` first.
    pub(crate) fn resume(cx: &Context, handoff: Handoff) -> (Connection, Vec<u8>) {
        let Handoff { output, unread, has_peer_ended, serves_https, is_last, is_local } = handoff;
        let idle_time = cx.keep_alive(is_local).idle_time;
        let fresh = Connection::new(cx);
        let mut connection =
            Connection { output, has_peer_ended, serves_https, is_last, is_local, idle_time, ..fresh };
        connection.rearm(cx);
        (connection, unread)
    }

    pub(crate) fn wants_input(&self) -> bool {
        match self.reading {
            // Bytes are dropped, but the end of the stream must be seen.
            Reading::Closed => self.ending.is_none(),
            Reading::AwaitingUpgrade | Reading::TakenOver => false,
            Reading::Idle | Reading::Head => {
                !self.is_paused && self.output.len() < HIGH_WATER && self.incoming.is_none()
            }
            Reading::Body => self.incoming.as_ref().is_some_and(|incoming| incoming.body.has_room()),
        }
    }

    pub(crate) fn poll_event(&mut self, cx: &mut Context) -> Option<Event<'static>> {
        if std::mem::take(&mut self.has_half_closed) {
            return Some(Event::HalfClosed);
        }
        if let Some(event) = self.take_unparsed() {
            return Some(event);
        }
        let event = self.poll_body()?;
        // What was delivered has made room for more.
        self.rearm(cx);
        Some(event)
    }

    pub(crate) fn handle_eof(&mut self, cx: &mut Context) {
        self.has_peer_ended = true;
        if self.reading == Reading::Head && cx.limits.node_style {
            self.refuse(cx, RequestError::HeadCut);
            self.rearm(cx);
            return;
        }
        // A request that is cut off within its head never came.
        self.partial = None;
        if self.reading == Reading::Body {
            self.cut_body();
        }
        if self.pipeline.is_empty() && self.has_body_to_read() {
            self.reading = Reading::Closed;
            self.is_last = true;
        } else if self.pipeline.is_empty() {
            let is_cut = self.reading == Reading::Head;
            let reason = if is_cut { CloseReason::ClientLeft } else { CloseReason::Done };
            self.end(reason, Finish::Close);
        } else if self.ending.is_none() {
            self.reading = Reading::Closed;
            self.is_last = true;
            self.has_half_closed = !cx.limits.allow_half_close;
        }
        self.rearm(cx);
    }

    pub(crate) fn handle_stop(&mut self, cx: &mut Context) {
        self.close_reading();
        if self.pipeline.is_empty() && self.incoming.is_none() && self.ending.is_none() {
            self.reason = CloseReason::Stopped;
            self.ending = Some(Finish::Linger);
        }
        self.rearm(cx);
    }

    /// The connection has served enough: the next request that is answered is the last.
    #[cold]
    pub(crate) fn handle_last(&mut self) {
        self.is_last = true;
        if self.reading == Reading::Idle && !self.pipeline.is_empty() {
            self.close_reading();
        }
    }

    /// No request is begun any more: the server stops, or an answer announces that it is the last.
    /// RFC 9112 §9.6.
    #[cold]
    fn close_reading(&mut self) {
        self.is_last = true;
        if matches!(self.reading, Reading::Idle | Reading::Head) {
            self.partial = None;
            self.reading = Reading::Closed;
        }
    }

    pub(crate) fn handle_abort(&mut self, request_id: RequestId) -> Result<(), AnswerError> {
        let at = self.pipeline.index_of(request_id).ok_or(AnswerError::Stale)?;
        if at == 0 {
            self.ending = Some(Finish::Reset);
            self.reason = CloseReason::Aborted;
            self.reading = Reading::Closed;
            return Ok(());
        }
        if self.abandoned.contains(&request_id) {
            return Err(AnswerError::Stale);
        }
        if let Some(pending) = self.pipeline.get_mut(at) {
            pending.has_begun = true;
            pending.abort();
        }
        self.abandoned.push(request_id);
        self.discard_body(request_id);
        self.close_reading();
        Ok(())
    }

    #[inline]
    pub(crate) fn is_all_sent(&self) -> bool {
        self.output.is_empty()
    }

    #[inline]
    pub(crate) fn unsent(&self) -> &[u8] {
        self.output.unsent()
    }

    #[inline]
    pub(crate) fn handle_sent(&mut self, cx: &mut Context, count: usize) {
        self.output.handle_sent(cx, count);
        self.rearm_after_sending(cx);
    }

    pub(crate) fn finish(&self) -> Option<Finish> {
        match self.ending {
            Some(Finish::Reset) => Some(Finish::Reset),
            ending if self.output.is_empty() => ending,
            _ => None,
        }
    }

    pub(crate) fn close_reason(&self) -> CloseReason {
        self.reason
    }

    pub(crate) fn is_receiving(&self) -> bool {
        self.reading == Reading::Body
    }

    pub(crate) fn is_between_requests(&self) -> bool {
        self.reading == Reading::Idle
    }

    pub(crate) fn has_peer_ended(&self) -> bool {
        self.has_peer_ended
    }

    pub(crate) fn has_begun_head(&self) -> bool {
        self.reading == Reading::Head
    }

    pub(crate) fn takes_requests(&self) -> bool {
        matches!(self.reading, Reading::Idle | Reading::Head) && !self.is_last && self.ending.is_none()
    }

    pub(crate) fn unsent_answers(&self) -> usize {
        self.owed() + usize::from(self.pipeline.is_empty() && !self.output.is_empty())
    }

    pub(crate) fn owed(&self) -> usize {
        self.pipeline.owed()
    }

    pub(crate) fn open_request_ids(&self) -> impl Iterator<Item = RequestId> {
        self.pipeline.open_request_ids()
    }

    pub(crate) fn unanswered(&self) -> impl Iterator<Item = RequestId> {
        let abandoned = self.abandoned.iter().copied().filter(|request_id| !self.is_open(*request_id));
        let reading_on = self.reading_on().filter(|request_id| !self.is_open(*request_id));
        self.pipeline.open_request_ids().chain(abandoned).chain(reading_on)
    }

    pub(crate) fn is_written(&self, request_id: RequestId) -> bool {
        !self.is_open(request_id) && !self.abandoned.contains(&request_id)
    }

    pub(crate) fn is_open(&self, request_id: RequestId) -> bool {
        self.pipeline.is_open(request_id)
    }

    pub(crate) fn backlog(&self, request_id: RequestId) -> usize {
        let unsent = self.pipeline.put_of(request_id, self.output.len());
        let external = usize::try_from(self.pipeline.external_bytes(request_id)).unwrap_or(usize::MAX);
        (unsent + self.pipeline.kept_bytes(request_id)).saturating_add(external)
    }

    /// Bytes of an answer that the kernel hasn't taken; those of later answers count as well.
    pub(crate) fn unsent_of(&self, request_id: RequestId) -> u64 {
        let is_waiting = self.is_open(request_id) && !self.pipeline.is_first(request_id);
        let unsent = if is_waiting { 0 } else { self.output.len() + self.lost };
        self.pipeline.external_bytes(request_id) + (self.pipeline.kept_bytes(request_id) + unsent) as u64
    }

    /// The client has gone within a request: nothing more is sent.
    fn leave(&mut self, reason: CloseReason) {
        self.reading = Reading::Closed;
        self.reason = reason;
        self.lost = self.output.len();
        self.output.clear();
        self.ending = Some(Finish::Close);
    }

    /// Ends the connection, if nothing has ended it before.
    fn end(&mut self, reason: CloseReason, finish: Finish) {
        if self.ending.is_none() {
            self.reason = reason;
            self.ending = Some(finish);
        }
    }
}
