//! One connection in the reactor's table: its socket, its protocol state and what is pending on it.

mod body_delivery;
mod file_range;
mod table;
mod unacknowledged;

use std::sync::Arc;

use protocol::proxy;
use protocol::{Connection, Context, Event, RequestId, Timestamp};

use crate::application::{Facts, Kind, Notice, Outbox};
use crate::io::Socket;
use crate::time::Timers;

pub use body_delivery::RecvBuffer;
use body_delivery::Step;
pub(crate) use body_delivery::{BodyDeliveries, BodyEnd};
pub(crate) use file_range::FileRange;
pub(crate) use table::Clients;
use table::Listed;
pub use unacknowledged::Unacknowledged;

/// Time after which a handshake that isn't done is the first to give way to new connections.
const OLD_HANDSHAKE_MILLIS: u64 = 2000;

/// Where a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The PROXY header has to come first.
    AwaitingProxy { until: Timestamp },
    /// The TLS handshake isn't done.
    Handshaking,
    /// The application has to assign a driver first; nothing is read.
    Unassigned,
    /// Requests are read and answered, or raw bytes are passed on.
    Serving,
    /// All answers are sent and the sending side is closed; input is discarded.
    Lingering { until: Timestamp },
}

/// A client.
pub(crate) struct Client {
    pub(crate) socket: Socket,
    pub(crate) connection: Connection,
    pub(crate) facts: Arc<Facts>,
    /// Its PROXY header, as long as it is awaited.
    pub(crate) proxy_header: Option<Box<proxy::Header>>,
    /// Input that the connection has not taken yet.
    pub(crate) unread: Vec<u8>,
    /// Bodies on their way to the application.
    pub(crate) bodies: BodyDeliveries,
    /// Parts of files that answers contain.
    pub(crate) files: Vec<FileRange>,
    /// Notices that follow when bytes have been sent.
    pub(crate) sent_notices: Vec<SentNotice>,
    pub(crate) phase: Phase,
    /// Bytes that the peer hadn't acknowledged when the socket became blocked, or at the last check since.
    unacknowledged: u32,
    /// Tick of its entry in the timer queue; 0 when it has none.
    pub(crate) armed: u64,
    /// Requests passed to the application so far.
    pub(crate) requests: u32,
    /// The kernel may have bytes to read. Readiness is edge-triggered, so this is kept until a read says
    /// otherwise.
    pub(crate) is_readable: bool,
    /// The peer has closed its sending side: a short read doesn't mean that the kernel has no more.
    pub(crate) is_read_closed: bool,
    /// The connection was reset.
    pub(crate) is_reset: bool,
    /// The peer has closed both sides, which only a unix socket reports before a write fails. Bytes that it
    /// sent before can still be read.
    pub(crate) is_hung_up: bool,
    /// Our sending side is closed.
    pub(crate) is_write_shut: bool,
    /// The kernel's send buffer is full until it reports the socket as writable.
    pub(crate) is_blocked: bool,
    /// The lists of the table that it is on.
    listed: Listed,
}

/// A notice about an answer, or a raw connection, that is due when bytes have been handed to the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SentNotice {
    /// The answer's request; without meaning for a raw connection.
    pub(crate) request_id: RequestId,
    pub(crate) when: When,
    /// The application's mark, which the notice carries.
    pub(crate) mark: Option<u32>,
}

/// When it is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// The answer is complete and sent.
    Written,
    /// All bytes that were written to the answer so far are sent.
    Drained,
    /// The same on a raw connection.
    RawDrained,
}

/// Where a TLS handshake stands among idle connections when one has to give way: an old one before all of them,
/// because honest clients need less time, and a young one behind.
#[cold]
fn rank_of_handshake(begun: Timestamp, now: Timestamp) -> Timestamp {
    if now >= begun.after_millis(OLD_HANDSHAKE_MILLIS) { begun } else { Timestamp(u64::MAX) }
}

impl Client {
    pub(crate) fn new(socket: Socket, connection: Connection, facts: Arc<Facts>) -> Client {
        let phase = Client::first_phase(&connection);
        Client {
            socket,
            connection,
            facts,
            proxy_header: None,
            unread: Vec::new(),
            bodies: BodyDeliveries::default(),
            files: Vec::new(),
            sent_notices: Vec::new(),
            phase,
            unacknowledged: 0,
            armed: 0,
            requests: 0,
            is_readable: false,
            is_read_closed: false,
            is_reset: false,
            is_hung_up: false,
            is_write_shut: false,
            is_blocked: false,
            listed: Listed::default(),
        }
    }

    fn first_phase(connection: &Connection) -> Phase {
        if connection.is_secured() { Phase::Handshaking } else { Phase::Serving }
    }

    /// Begins with `connection`, in place of the one it has, which has seen no byte.
    pub(crate) fn begin(&mut self, connection: Connection) {
        self.phase = Client::first_phase(&connection);
        self.connection = connection;
    }

    /// Has the application assign a driver first, or behind the TLS handshake.
    pub(crate) fn leave_unassigned(&mut self) {
        if self.phase == Phase::Serving {
            self.phase = Phase::Unassigned;
        }
    }

    /// Whether reading it now would make progress.
    pub(crate) fn can_read(&self) -> bool {
        match self.phase {
            Phase::Serving => match self.bodies.step() {
                Step::Read => (self.is_readable || !self.unread.is_empty()) && self.connection.wants_input(),
                Step::Announce => self.has_body_bytes(),
                Step::AwaitBuffer => false,
            },
            Phase::Unassigned => false,
            Phase::AwaitingProxy { .. } | Phase::Handshaking | Phase::Lingering { .. } => self.is_readable,
        }
    }

    /// Whether its PROXY header isn't complete.
    pub(crate) fn awaits_proxy(&self) -> bool {
        matches!(self.phase, Phase::AwaitingProxy { .. })
    }

    /// When it needs attention next.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        match self.phase {
            Phase::Serving | Phase::Handshaking => self.connection.poll_timeout(self.facts.floor()),
            Phase::Unassigned => None,
            Phase::AwaitingProxy { until } | Phase::Lingering { until } => Some(until),
        }
    }

    /// Publishes its deadline, and adds it to the timer queue unless its entry there is early enough.
    #[inline]
    pub(crate) fn schedule(&mut self, timers: &mut Timers) {
        let deadline = self.deadline();
        self.facts.set_phase(deadline);
        if let Some(deadline) = deadline {
            let tick = Timers::tick_of(deadline);
            if self.armed == 0 || tick < self.armed {
                self.armed = timers.arm(self.facts.slot(), tick);
            }
        }
    }

    /// Whether its deadline has passed. Input that arrived in time is read first; but input doesn't extend
    /// the deadline of a client that doesn't take its answers, or that is lingering.
    pub(crate) fn has_expired(&self, now: Timestamp) -> bool {
        let is_in_time =
            self.is_queued_to_read() && self.phase == Phase::Serving && !self.connection.is_sending();
        !is_in_time && self.deadline().is_some_and(|at| now >= at)
    }

    /// When the client will have been idle for too long; None when it isn't idle, or has sent something
    /// since.
    pub(crate) fn idle_until(&self, now: Timestamp) -> Option<Timestamp> {
        if let Some(begun) = self.connection.handshake_begun() {
            return Some(rank_of_handshake(begun, now));
        }
        let is_idle = matches!(self.phase, Phase::Serving | Phase::Handshaking) && self.connection.is_idle();
        let has_sent = self.is_queued_to_read() || self.is_readable;
        if is_idle && !has_sent { self.deadline() } else { None }
    }

    /// Takes the connection's events other than those that follow from input.
    pub(crate) fn poll_events(&mut self, cx: &mut Context, outbox: &mut Outbox) {
        while let Some(event) = self.connection.poll_event(cx) {
            match event {
                Event::Body { request_id, bytes, end, trailers } => {
                    let end = end.then_some(BodyEnd { trailers });
                    self.deliver_body(cx, outbox, request_id, &bytes, end);
                }
                event => outbox.push_event(self.facts.slot(), self.facts.id(), event),
            }
        }
    }

    /// Moves the notices that are due to the outbox. All output was handed to the kernel.
    #[cold]
    pub(crate) fn notify_sent(&mut self, outbox: &mut Outbox) {
        let (slot, client_id) = (self.facts.slot(), self.facts.id());
        let connection = &self.connection;
        self.sent_notices.retain(|notice| {
            let RequestId(request_id) = notice.request_id;
            let (kind, id, is_due) = match notice.when {
                When::Written => (Kind::Written, request_id, connection.is_written(notice.request_id)),
                When::Drained => (Kind::Drained, request_id, connection.backlog(notice.request_id) == 0),
                When::RawDrained => (Kind::RawDrained, client_id, true),
            };
            if is_due {
                outbox.push(Notice {
                    detail: notice.mark.unwrap_or(0),
                    count: notice.mark.is_some().into(),
                    ..Notice::of(kind, slot, id)
                });
            }
            !is_due
        });
    }

    /// Reads the socket's local address from the kernel, unless it is known or the listener has a concrete
    /// one.
    pub(crate) fn learn_local_address(&mut self) {
        if !self.facts.local_is_known()
            && let Some(address) = self.socket.local_address()
        {
            self.facts.set_local(address);
        }
    }
}
