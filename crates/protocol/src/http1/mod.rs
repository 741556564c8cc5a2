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
//! was refused, the peer has closed its side, or we stop. Answers still owed are written all the same.
//! Behind a request that asks for an upgrade reading stands at `Barrier` until that is answered. If the
//! answer takes the connection over it is `Raw` from then on.

mod body;
mod data_rate;
mod deadline;
mod file;
mod head;
mod host;
mod long;
mod pipeline;
mod raw;
mod reading;
mod target;
mod trailers;
mod writing;

pub use long::{Send, is_long};
pub use writing::error_answer;

use llhttp::{ParseError, Parser, Record};

use crate::answer::{Credit, Finish};
use crate::context::{Context, HIGH_WATER};
use crate::error::{CloseReason, RequestError};
use crate::event::{Event, RequestId};
use crate::http1::body::Receiving;
use crate::http1::deadline::Deadline;
use crate::http1::pipeline::Pipeline;
use crate::http1::raw::Raw;
use crate::{AnswerError, Timestamp};

/// Where the request side stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// Between messages.
    Idle,
    /// A head has begun; its bytes are in `partial`.
    Head,
    /// A body is arriving; it is in `receiving`.
    Body,
    /// Behind a request that may turn the connection into something else.
    Barrier,
    /// The connection is the application's, and not HTTP's any more.
    Raw,
    /// No more requests will be read.
    Closed,
}

/// A head that hasn't come whole.
struct Partial {
    bytes: Vec<u8>,
    record: Record,
    begun: Timestamp,
    doubt: Option<Doubt>,
}

/// What can't be decided before more of a head has come. None of its bytes are parsed until then, or
/// none that follow.
#[derive(Debug, Clone, Copy)]
enum Doubt {
    /// Whether it may start beside the requests that run: its method isn't complete.
    MayBegin,
    /// Whether the method that the parser refused is one at all.
    Method(ParseError),
}

/// One client connection.
pub struct Connection {
    parser: Parser,
    reading: Reading,
    partial: Option<Box<Partial>>,
    receiving: Option<Box<Receiving>>,
    raw: Option<Box<Raw>>,
    pipeline: Pipeline,
    /// Requests that the application can't answer any more: those behind an answer that ended the connection,
    /// and the one whose body failed, which got an answer of ours.
    left_behind: Vec<RequestId>,
    /// Bytes to be sent, from `sent` on.
    out: Vec<u8>,
    sent: usize,
    deadline: Deadline,
    /// What becomes of the connection when `out` is sent.
    ending: Option<Finish>,
    reason: CloseReason,
    /// The next request waits, unparsed, for an answer to begin, or to be complete.
    is_held: bool,
    /// No requests follow those in the pipeline: the peer has closed its side, or we stop.
    is_last: bool,
    /// The peer may still be sending what we no longer read.
    leaves_unread: bool,
    /// The peer has closed its side and the application hasn't been told.
    has_half_closed: bool,
    /// The peer has closed its side.
    has_peer_ended: bool,
}

impl Connection {
    /// A connection that has just been accepted.
    pub fn new(cx: &Context) -> Connection {
        Connection {
            parser: Parser::new(),
            reading: Reading::Idle,
            partial: None,
            receiving: None,
            raw: None,
            pipeline: Pipeline::new(),
            left_behind: Vec::new(),
            out: Vec::new(),
            sent: 0,
            deadline: Deadline::idle(cx),
            ending: None,
            reason: CloseReason::Open,
            is_held: false,
            is_last: false,
            leaves_unread: false,
            has_half_closed: false,
            has_peer_ended: false,
        }
    }

    /// Whether reading leads anywhere now.
    pub fn wants_input(&self) -> bool {
        match self.reading {
            // Bytes are dropped; the peer's departure is noticed.
            Reading::Closed => self.ending.is_none(),
            Reading::Barrier => false,
            Reading::Raw => self.wants_raw_input(),
            Reading::Idle | Reading::Head => {
                !self.is_held && self.unsent() < HIGH_WATER && self.receiving.is_none()
            }
            Reading::Body => self.receiving.as_ref().is_some_and(|body| body.has_room()),
        }
    }

    /// What the application must know, other than in answer to input.
    pub fn poll_event(&mut self, cx: &mut Context) -> Option<Event<'static>> {
        if std::mem::take(&mut self.has_half_closed) {
            return Some(Event::HalfClosed);
        }
        if self.raw.is_some() {
            return self.poll_raw();
        }
        let event = self.poll_body()?;
        // What was delivered has made room for more.
        self.rearm(cx);
        Some(event)
    }

    /// The peer has closed its sending side.
    pub fn handle_eof(&mut self, cx: &mut Context) {
        self.has_peer_ended = true;
        match self.reading {
            Reading::Raw => return self.end_raw_input(),
            Reading::Head | Reading::Body => {
                // A request cut in the middle: whoever sent it has gone.
                self.partial = None;
                self.leave(CloseReason::ClientLeft);
            }
            _ if self.pipeline.is_empty() => {
                if self.ending.is_none() {
                    self.reason = CloseReason::Done;
                    self.ending = Some(Finish::Close);
                }
            }
            _ => {
                self.reading = Reading::Closed;
                self.is_last = true;
                self.has_half_closed = !cx.limits.allow_half_close;
            }
        }
        self.rearm(cx);
    }

    /// Ends the connection as soon as nothing is owed; a raw one is the application's to end.
    pub fn handle_stop(&mut self, cx: &mut Context) {
        if self.reading == Reading::Raw {
            return;
        }
        self.is_last = true;
        if matches!(self.reading, Reading::Idle | Reading::Head) {
            self.partial = None;
            self.reading = Reading::Closed;
        }
        if self.pipeline.is_empty() && self.receiving.is_none() && self.ending.is_none() {
            self.reason = CloseReason::Stopped;
            self.ending = Some(Finish::Linger);
        }
        self.rearm(cx);
    }

    /// Grants credit for the body of a request.
    ///
    /// # Errors
    /// `Stale` when that body isn't to be had any more.
    pub fn handle_credit(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        credit: Credit,
    ) -> Result<(), AnswerError> {
        let body = self.receiving.as_mut().filter(|body| body.request_id == request_id && !body.is_let_go());
        body.ok_or(AnswerError::Stale)?.ask(credit);
        self.put_continue_if_due(cx);
        self.rearm(cx);
        Ok(())
    }

    /// A body that is asked for, and whose answer's turn it is, is asked of the client as well.
    fn put_continue_if_due(&mut self, cx: &mut Context) {
        let Some(body) = &mut self.receiving else { return };
        if self.pipeline.is_first(body.request_id) && body.take_continue() {
            self.put(cx, b"HTTP/1.1 100 Continue\r\n\r\n");
        }
    }

    /// Raises the body limit of one request; a lower one changes nothing.
    ///
    /// # Errors
    /// `Stale` when that body isn't to be had any more.
    pub fn handle_raise(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        limit: u64,
    ) -> Result<(), AnswerError> {
        let body = self.receiving.as_mut().filter(|body| body.request_id == request_id);
        body.ok_or(AnswerError::Stale)?.raise(limit);
        self.put_continue_if_due(cx);
        self.rearm(cx);
        Ok(())
    }

    /// Sets how slowly the body of one request may come: milliseconds without a byte, and bytes a second on
    /// average, 0 for no minimum. None leaves what is.
    ///
    /// # Errors
    /// `Stale` when that body isn't to be had any more.
    pub fn handle_data_rate(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        timeout: Option<u64>,
        minimum_rate: Option<u64>,
    ) -> Result<(), AnswerError> {
        let body = self.receiving.as_mut().filter(|body| body.request_id == request_id);
        body.ok_or(AnswerError::Stale)?.data_rate.set(timeout, minimum_rate);
        self.rearm(cx);
        Ok(())
    }

    /// Cuts the connection: the answer to this request can't be completed. Those before it are, first; of this
    /// one nothing is sent then.
    ///
    /// # Errors
    /// `Stale` when the request isn't open.
    pub fn handle_abort(&mut self, request_id: RequestId) -> Result<(), AnswerError> {
        let at = self.pipeline.place(request_id).ok_or(AnswerError::Stale)?;
        if at == 0 {
            self.ending = Some(Finish::Reset);
            self.reason = CloseReason::Cut;
            self.reading = Reading::Closed;
            return Ok(());
        }
        if self.left_behind.contains(&request_id) {
            return Err(AnswerError::Stale);
        }
        if let Some(pending) = self.pipeline.get_mut(at) {
            pending.has_begun = true;
            pending.cut();
        }
        self.left_behind.push(request_id);
        self.let_body_go(request_id);
        self.take_no_more();
        Ok(())
    }

    /// Bytes to be sent now.
    pub fn transmit(&self) -> &[u8] {
        self.out.get(self.sent..).unwrap_or(&[])
    }

    /// `count` bytes of `transmit` have been handed to the kernel.
    pub fn handle_sent(&mut self, cx: &mut Context, count: usize) {
        self.sent += count;
        if self.sent >= self.out.len() {
            self.sent = 0;
            cx.give_buffer(std::mem::take(&mut self.out));
        } else if self.sent > HIGH_WATER.max(self.out.len() / 2) {
            // What is left moves up seldom enough that every byte moves about once.
            self.out.drain(..self.sent);
            self.sent = 0;
        }
        self.rearm_after_sending(cx);
    }

    /// What to do with the connection; None while it goes on or has something to send.
    pub fn finish(&self) -> Option<Finish> {
        match self.ending {
            Some(Finish::Reset) => Some(Finish::Reset),
            ending if self.out.is_empty() => ending,
            _ => None,
        }
    }

    /// Why the connection ended.
    pub fn close_reason(&self) -> CloseReason {
        self.reason
    }

    /// Whether the body of a request is still arriving.
    pub fn is_receiving(&self) -> bool {
        self.reading == Reading::Body
    }

    /// Whether what comes next is the beginning of a request.
    pub fn is_between_requests(&self) -> bool {
        self.reading == Reading::Idle
    }

    /// Requests handed over and not wholly answered.
    pub fn owed(&self) -> usize {
        self.pipeline.owed()
    }

    /// Request ids of those requests, in order.
    pub fn open_request_ids(&self) -> impl Iterator<Item = RequestId> {
        self.pipeline.open_request_ids()
    }

    /// Request ids of requests to which no answer of the application's will have been sent if the connection ends
    /// now, each once.
    pub fn unanswered(&self) -> impl Iterator<Item = RequestId> {
        let left_behind = self.left_behind.iter().copied().filter(|request_id| !self.is_open(*request_id));
        self.pipeline.open_request_ids().chain(left_behind)
    }

    /// Whether an answer to this request is complete and handed over.
    pub fn is_written(&self, request_id: RequestId) -> bool {
        !self.is_open(request_id) && !self.left_behind.contains(&request_id)
    }

    /// Whether a request is not wholly answered.
    pub fn is_open(&self, request_id: RequestId) -> bool {
        self.pipeline.is_open(request_id)
    }

    /// Bytes that wait before a streamed answer can go on: all that is unsent when it is its turn, else
    /// what is kept of it until then.
    pub fn backlog(&self, request_id: RequestId) -> usize {
        if self.pipeline.is_first(request_id) { self.unsent() } else { self.pipeline.kept_bytes(request_id) }
    }

    fn unsent(&self) -> usize {
        self.out.len() - self.sent
    }

    /// The client has gone in the middle of something: nothing more is sent.
    fn leave(&mut self, reason: CloseReason) {
        self.reading = Reading::Closed;
        self.reason = reason;
        self.out = Vec::new();
        self.sent = 0;
        self.ending = Some(Finish::Close);
    }

    /// Refuses what can't be a request: a short answer behind those owed, then the end.
    #[cold]
    fn refuse(&mut self, cx: &mut Context, error: RequestError) {
        self.refuse_to(cx, error, false);
    }

    /// The same, to a client that may have asked for a head alone.
    #[cold]
    fn refuse_to(&mut self, cx: &mut Context, error: RequestError, is_head: bool) {
        self.reading = Reading::Closed;
        self.partial = None;
        self.is_last = true;
        let answer = writing::error_answer(cx, &error, is_head);
        if self.pipeline.is_empty() {
            self.put(cx, &answer);
            self.reason = CloseReason::Refused(error);
            self.ending = Some(Finish::Linger);
        } else {
            self.pipeline.push_refusal(answer, error);
        }
    }

    fn put(&mut self, cx: &mut Context, bytes: &[u8]) {
        if self.out.capacity() == 0 {
            self.out = cx.take_buffer();
        }
        self.out.extend_from_slice(bytes);
    }
}
