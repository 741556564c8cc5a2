//! One HTTP/2 connection. RFC 9113.
//!
//! ```text
//!   handle_input ───►┌────────────┐──► its events, poll_event: requests, ┌──────────┐
//!   handle_answer ──►│ Connection │    bodies, resets                    │ nghttp2  │
//!   handle_credit ──►│            │◄────────────────────────────────────►│ Session  │
//!   handle_timeout ─►└────────────┘──► flush, unsent, finish             └──────────┘
//! ```
//! Bytes are always taken: a WINDOW_UPDATE, or the rest of a body, is the way out of pressure. What gives way is
//! windows, which open as the application reads, and new streams. A turn is: `handle_input` until it takes nothing
//! and gives no event, `poll_event` until it gives none, commands, then `flush` once, so that the answers of a turn
//! leave together.
//!
//! ```text
//!   head ──► waits in `ready` ──► handed over ──► answered ──► END_STREAM sent ──► body read on ──► dropped
//!     │            │ reset             │ reset: an event, and kept until it is answered
//!     │            └──► dropped        └──────────────────────────────────────────► dropped
//!     └──► refused: RST_STREAM, an answer of ours, or a page of the application's
//! ```
//! `head` and `syntax` say what a message must be, `stream` keeps the table, `receiving` takes content and opens
//! windows, `answers` gives the application's answers to the session, `refusal` answers what isn't handed over, `abuse`
//! says what is a flood, `ending` how a connection ends.

mod abuse;
mod answers;
mod coverage;
mod ending;
mod fields;
mod framed;
mod head;
mod held;
mod input;
mod malformed;
mod pings;
mod receiving;
mod refusal;
mod stream;
mod syntax;

use std::collections::VecDeque;

use llhttp::Span;
use nghttp2::{ErrorCode, ListLimits, Received, Session, Settings, StreamId};

use crate::answer::Finish;
use crate::context::{Context, HIGH_WATER};
use crate::error::{CloseReason, Refusal};
use crate::event::RequestId;
use crate::handoff::Handoff;
use crate::http2::abuse::Abuse;
pub(crate) use crate::http2::coverage::Coverage;
use crate::http2::ending::Ending;
use crate::http2::framed::Framed;
pub use crate::http2::framed::Memory;
use crate::http2::head::{HeadBytes, Served};
pub use crate::http2::malformed::Malformed;
use crate::http2::pings::Pings;
use crate::http2::stream::{Answering, Stream, Streams};
use crate::timestamp::Timestamp;
use crate::way::Way;

/// The receive window that a stream begins with: as much as may lie unread of a body that is not asked for.
const STREAM_WINDOW: u32 = 64 * 1024;
/// The receive window of a connection. It opens on receipt, so it bounds only what is under way.
const CONNECTION_WINDOW: i32 = 16 * 1024 * 1024;
/// Crumbs of cookies in one header list (CVE-2026-49975).
const CRUMBS: usize = 1000;
/// Heads kept for reuse.
const POOLED_HEADS: usize = 64;

/// Memory that all connections of one reactor share.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    received: Received,
    #[expect(clippy::vec_box, reason = "a head moves to its stream and back, and is large")]
    heads: Vec<Box<HeadBytes>>,
}

impl Scratch {
    fn take_head(&mut self) -> Box<HeadBytes> {
        self.heads.pop().unwrap_or_default()
    }

    fn give_head(&mut self, mut head: Box<HeadBytes>) {
        if self.heads.len() < POOLED_HEADS {
            head.clear();
            self.heads.push(head);
        }
    }
}

/// How many requests of a connection, of those that were handed over, are in a state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StreamCounts {
    /// Their body is still arriving.
    pub receiving: usize,
    /// Their handler hasn't answered.
    pub running: usize,
    /// Their handler hasn't answered, and all of them has come.
    pub waiting: usize,
    /// Their answer isn't all sent.
    pub incomplete: usize,
}

/// One client connection.
pub struct Connection {
    session: Session,
    served: Served,
    /// Some: the listener has other certificates than that of this connection.
    coverage: Option<Box<Coverage>>,
    pings: Pings,
    streams: Streams,
    /// Streams whose head waits to be handed over.
    ready: VecDeque<StreamId>,
    /// Streams whose body may have something for the application.
    awake: VecDeque<StreamId>,
    /// Requests whose stream was reset, which the application hasn't been told.
    reset: VecDeque<(RequestId, ErrorCode, bool)>,
    /// Refusals that haven't been counted, since the last step.
    refusals: VecDeque<Refusal>,
    /// The failure of the connection is among them, or was.
    is_failure_noted: bool,
    /// Streams to be reset when their answer is sent: what still comes is not read.
    leftover: Vec<StreamId>,
    /// The head that was handed over last.
    current: Option<Box<HeadBytes>>,
    /// The body that was handed over with it, and where it lies: all of these bytes.
    whole: (Vec<u8>, Span),
    /// How far the requests had come when they were last counted, and what was answered since.
    counts: StreamCounts,
    abuse: Abuse,
    /// The peer has acknowledged our settings.
    knows_settings: bool,
    /// When it must have done so.
    settings_due: Timestamp,
    /// Bytes of all bodies that lie unread.
    unread: usize,
    output: Framed,
    /// When a request or content came last, or an answer ended: idleness counts from here.
    active: Timestamp,
    /// When the kernel last took bytes, or had none to take.
    sent: Timestamp,
    /// When a header block began that hasn't ended.
    head_since: Option<Timestamp>,
    /// When streams are looked at for those that are late.
    look_at: Timestamp,
    /// How long the connection may have no stream, in milliseconds.
    idle_timeout: u64,
    ending: Ending,
    reason: CloseReason,
    has_peer_ended: bool,
    /// Bytes have come.
    has_begun: bool,
}

impl Connection {
    /// A connection that has just been accepted, or whose first bytes are the preface. None when there is no memory.
    pub fn new(cx: &Context, way: Way) -> Option<Connection> {
        let limits = &cx.limits;
        let size = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
        let list = ListLimits {
            bytes: size(limits.header_size_limit),
            fields: size(limits.header_field_limit),
            crumbs: CRUMBS,
        };
        let settings = Settings {
            concurrent_streams: limits.concurrent_stream_limit,
            stream_window: STREAM_WINDOW,
            connection_window: CONNECTION_WINDOW,
            list_bytes: u32::try_from(limits.header_size_limit).unwrap_or(u32::MAX),
            extended_connect: limits.extended_connect,
        };
        let mut session = Session::new(settings, list).ok()?;
        if way.is_encrypted && !limits.origins.is_empty() {
            let origins: Vec<_> = limits.origins.iter().map(String::as_str).collect();
            session.submit_origins(&origins);
        }
        let idle_timeout = if way.is_exempt { limits.local_http2_timeout } else { limits.http2_timeout };
        Some(Connection {
            session,
            served: Served { is_encrypted: way.is_encrypted, is_exempt: way.is_exempt },
            coverage: None,
            pings: Pings::new(cx),
            streams: Streams::default(),
            ready: VecDeque::new(),
            awake: VecDeque::new(),
            reset: VecDeque::new(),
            refusals: VecDeque::new(),
            is_failure_noted: false,
            leftover: Vec::new(),
            current: None,
            whole: (Vec::new(), Span::default()),
            counts: StreamCounts::default(),
            abuse: Abuse::default(),
            knows_settings: false,
            settings_due: Timestamp(u64::MAX),
            unread: 0,
            output: Framed::default(),
            active: cx.now,
            sent: cx.now,
            head_since: None,
            look_at: cx.now,
            idle_timeout,
            ending: Ending::Open,
            reason: CloseReason::Open,
            has_peer_ended: false,
            has_begun: false,
        })
    }

    /// Has requests refused that belong to another certificate of the listener.
    pub(crate) fn set_coverage(&mut self, coverage: Option<Coverage>) {
        self.coverage = coverage.map(Box::new);
    }

    /// A connection that takes over from another protocol. Gives the bytes that were read and not used.
    pub(crate) fn resume(cx: &Context, way: Way, handoff: Handoff) -> Option<(Connection, Vec<u8>)> {
        let Handoff { output, unread, has_peer_ended: _, serves_https: _, is_last, is_local: _ } = handoff;
        let mut connection = Connection::new(cx, way)?;
        connection.output = Framed::new(output);
        if is_last {
            connection.handle_stop();
        }
        Some((connection, unread))
    }

    /// Bytes are always taken, as long as some may come.
    pub fn wants_input(&self) -> bool {
        !self.has_peer_ended && !matches!(self.ending, Ending::Over(_))
    }

    /// Whether requests wait that `handle_input` gives without further input.
    #[inline]
    pub fn has_ready_requests(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Whether nothing waits to be sent but what windows hold back.
    pub fn is_all_sent(&self) -> bool {
        self.output.is_empty()
    }

    /// How far the requests that were handed over have come.
    pub fn counts(&mut self) -> StreamCounts {
        let mut counts = StreamCounts::default();
        for stream in self.streams.iter().filter(|stream| stream.is_handed_over()) {
            let is_receiving = stream.is_receiving();
            let is_running = stream.answering == Answering::Owed;
            counts.receiving += usize::from(is_receiving);
            counts.running += usize::from(is_running);
            counts.waiting += usize::from(is_running && !is_receiving);
            counts.incomplete += usize::from(stream.is_incomplete());
        }
        self.counts = counts;
        counts
    }

    /// The same without looking at each of them: as they were counted last, less those that have begun to be answered
    /// since. What was sent or has come since then isn't in it.
    pub fn last_counts(&self) -> StreamCounts {
        self.counts
    }

    /// Whether the answer to a request isn't complete.
    pub fn is_open(&self, request_id: RequestId) -> bool {
        self.streams.of(request_id).is_some_and(Stream::is_owed)
    }

    /// Moves what the session has to say to the output, up to a bound. To be called before `unsent`, once all
    /// commands of a turn are given.
    pub fn flush(&mut self, cx: &mut Context) {
        self.flush_up_to(cx, HIGH_WATER);
    }

    /// The same, as long as fewer than `most` bytes are unsent.
    fn flush_up_to(&mut self, cx: &mut Context, most: usize) {
        if self.output.is_full(most) || matches!(self.ending, Ending::Over(_)) {
            return;
        }
        if self.output.is_empty() {
            self.sent = cx.now;
        }
        let mut received = std::mem::take(&mut cx.http2.received);
        let out = self.output.buffer(cx);
        let limit = out.len() + most;
        let result = self.session.poll_transmit(out, limit, &mut received);
        for lent in &received.lent {
            let request_id = self.streams.get_mut(lent.stream).map(|stream| stream.request_id);
            self.output.add(lent, request_id);
        }
        // An idle connection has no buffer.
        self.output.release_unused(cx);
        self.abuse_of(cx, &received);
        self.handle_events(cx, &received, &[]);
        received.clear();
        cx.http2.received = received;
        if result.is_err() {
            self.end(CloseReason::ClientLeft, Finish::Reset);
        }
        if !self.session.wants_write() {
            self.reset_leftover();
        }
        if self.session.waiting_frames() == 0 {
            self.follow_announcement(cx);
        }
        self.end_if_over();
    }

    /// Streams whose answers are sent and whose requests go on: RFC 9113 §8.1 has them reset without an error.
    fn reset_leftover(&mut self) {
        let session = &mut self.session;
        self.leftover.retain(|&stream| {
            // Content that waits for the peer's window is sent first.
            let waits = session.queued(stream) > 0;
            if !waits && session.is_open(stream) {
                session.reset(stream, ErrorCode::NO_ERROR);
            }
            waits
        });
    }

    /// Bytes to be sent now.
    pub fn unsent(&self) -> &[u8] {
        self.output.unsent()
    }

    /// The peer has acknowledged so many bytes of what was sent before.
    pub fn handle_acknowledged(&mut self, cx: &Context, bytes: u32) {
        if u64::from(bytes) >= cx.limits.least_read(self.write_timeout(cx)) {
            self.restart_write_timeout(cx);
        }
    }

    pub(crate) fn restart_write_timeout(&mut self, cx: &Context) {
        self.sent = cx.now;
    }

    /// `count` bytes of `unsent` are with the kernel.
    pub fn handle_sent(&mut self, cx: &mut Context, count: usize) {
        self.output.handle_sent(cx, count);
        self.sent = cx.now;
        self.flush(cx);
    }

    /// Requests handed over to which the application hasn't given all of the answer, in order.
    pub fn open_request_ids(&self) -> impl Iterator<Item = RequestId> {
        let owed = self.streams.iter().filter(|stream| stream.is_handed_over() && stream.is_owed());
        owed.map(|stream| stream.request_id)
    }

    /// Requests to which no complete answer will have been sent if the connection ends now, or whose content the
    /// application won't have had.
    pub fn unanswered(&self) -> impl Iterator<Item = RequestId> {
        let is_cut = |stream: &&Stream| stream.is_incomplete() || stream.is_read_on();
        let cut = self.streams.iter().filter(|stream| stream.is_handed_over()).filter(is_cut);
        cut.map(|stream| stream.request_id)
    }

    /// Whether the answer to a request is complete, and in the output.
    pub fn is_written(&self, request_id: RequestId) -> bool {
        self.streams.of(request_id).is_none_or(|stream| !stream.is_incomplete())
    }

    /// Bytes that wait before a streamed answer can go on; those that are held count until they are with the kernel.
    pub fn backlog(&self, request_id: RequestId) -> usize {
        let Some(stream) = self.streams.of(request_id) else { return 0 };
        self.session.queued(stream.id) + usize::from(self.output.uses(request_id))
    }
}
