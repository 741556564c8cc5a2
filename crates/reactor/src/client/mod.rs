//! One connection in the reactor's table: its socket, its protocol state and what is pending on it.

mod age;
mod body_delivery;
mod external_part;
mod file_range;
mod table;
mod unacknowledged;

use std::sync::Arc;

use protocol::{Connection, Context, Event, RequestId, Timestamp, proxy};

use crate::application::{Facts, Kind, Notice, Outbox};
use crate::io::Socket;
use crate::time::Timers;

use age::Age;
pub(crate) use body_delivery::RAW;
pub use body_delivery::RecvBuffer;
use body_delivery::Step;
pub(crate) use body_delivery::{BodyDeliveries, BodyEnd};
pub use external_part::SendBuffer;
pub(crate) use external_part::{ExternalPart, Sent};
pub(crate) use table::Clients;
use table::Listed;
pub use unacknowledged::Unacknowledged;

/// For so long a connection that has sent nothing yet isn't idle, in milliseconds.
const FRESH_MILLIS: u64 = 1000;

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
    /// Parts of answers that aren't in the connection's output.
    pub(crate) external_parts: Vec<ExternalPart>,
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
    /// The last bytes of a raw connection were many, so that the next are received into a buffer of the application's.
    brings_many: bool,
    /// Long pieces that were written since its last visit.
    pub(crate) burst: Burst,
    /// How old it may become.
    age: Age,
    /// It is to be stopped.
    pub(crate) stop: Option<Stop>,
    /// Its next request has waited for so long that it is read although requests are paused.
    pub(crate) has_waited: bool,
    /// It was rejected, and isn't counted as a connection.
    pub(crate) is_rejected: bool,
    /// The lists of the table that it is on.
    listed: Listed,
}

/// Long pieces of an answer that were sent since the client's last visit. The second and later ones are sent with MSG_MORE:
/// TCP keeps the end that fills no packet, and puts the next piece behind it. The next visit sends the last end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Burst {
    None,
    /// Pieces were sent, and TCP keeps nothing.
    Begun,
    /// TCP may keep the end of the last piece.
    Kept,
}

/// A stop that waits for requests which had reached the kernel when it began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stop {
    /// How many of those bytes aren't read yet.
    pub(crate) left: usize,
    /// No request ran when it began, so none of these requests is announced as not served.
    serves_all: bool,
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
            external_parts: Vec::new(),
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
            brings_many: false,
            burst: Burst::None,
            age: Age::default(),
            stop: None,
            has_waited: false,
            is_rejected: false,
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
                Step::Read => self.has_input() && self.connection.wants_input(),
                step => self.can_read_beside_body(&step),
            },
            Phase::Unassigned => false,
            Phase::AwaitingProxy { .. } | Phase::Handshaking | Phase::Lingering { .. } => self.is_readable,
        }
    }

    /// The same while a body is on its way to the application. With HTTP/2 other streams are read meanwhile.
    #[cold]
    fn can_read_beside_body(&self, step: &Step) -> bool {
        let reads_on = self.connection.is_http2() && self.has_input() && self.connection.wants_input();
        reads_on || matches!(step, Step::Announce) && self.has_body_bytes()
    }

    /// Whether something may be there to be read, or was read and not parsed or not delivered.
    #[inline]
    fn has_input(&self) -> bool {
        self.is_readable || !self.unread.is_empty() || self.connection.has_ready_requests()
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
        let is_in_time = self.is_queued_to_read()
            && self.phase == Phase::Serving
            && !self.connection.is_sending()
            && !self.connection.awaits_page();
        !is_in_time && self.deadline().is_some_and(|at| now >= at)
    }

    /// Since when the client has been idle; None when it isn't idle, or has sent something since. One that has
    /// never sent a request isn't idle at first: its request may be on the way. An old handshake counts as idle
    /// before all others, because honest clients need less time.
    pub(crate) fn idle_since(&self, cx: &Context) -> Option<Timestamp> {
        if let Some(begun) = self.connection.handshake_begun() {
            return (cx.now >= begun.after_millis(OLD_HANDSHAKE_MILLIS)).then_some(Timestamp(0));
        }
        let has_sent = self.is_queued_to_read() || self.is_readable;
        if !matches!(self.phase, Phase::Serving | Phase::Handshaking) || has_sent {
            return None;
        }
        let since = self.connection.idle_since(cx)?;
        let fresh = if self.requests == 0 { cx.limits.header_timeout.min(FRESH_MILLIS) } else { 0 };
        (cx.now >= since.after_millis(fresh)).then_some(since)
    }

    /// How many requests without a complete answer, or upgraded connections, a close would cut off.
    pub(crate) fn cut_off(&self) -> usize {
        match self.phase {
            Phase::Serving if self.connection.is_raw() => 1,
            Phase::Serving => self.connection.unsent_answers(),
            Phase::AwaitingProxy { .. }
            | Phase::Handshaking
            | Phase::Unassigned
            | Phase::Lingering { .. } => 0,
        }
    }

    /// Begins the stop of this client.
    pub(crate) fn begin_stop(&mut self) {
        let waiting = self.socket.waiting();
        self.stop = Some(Stop { left: waiting, serves_all: self.connection.owed() == 0 });
        // The poller may not have reported what is waiting yet.
        self.is_readable |= waiting > 0;
    }

    /// Once the requests are read that had reached the kernel when the stop began, and a head that has begun is
    /// complete, no further request is begun. Requests behind one that runs are read only as far as there is room
    /// for them: its answer announces that it is the last. True when the stop doesn't wait any more.
    pub(crate) fn stop_when_read(&mut self, cx: &mut Context) -> bool {
        let Some(Stop { left, serves_all }) = self.stop else { return true };
        // Its driver isn't assigned yet.
        if self.phase == Phase::Unassigned {
            return false;
        }
        let has_more = self.connection.has_begun_head()
            || !self.unread.is_empty()
            || left > 0 && self.socket.waiting() > 0;
        let is_awaited = has_more && (serves_all || self.connection.wants_input());
        if is_awaited && self.connection.takes_requests() {
            return false;
        }
        self.stop = None;
        self.connection.handle_stop(cx);
        true
    }

    /// Takes the connection's events other than those that follow from input.
    pub(crate) fn poll_events(&mut self, cx: &mut Context, outbox: &mut Outbox) {
        while let Some(event) = self.connection.poll_event(cx) {
            match event {
                Event::Body { request_id, bytes, end, trailers } => {
                    let end = end.then_some(BodyEnd { trailers });
                    self.deliver_body(cx, outbox, request_id, &bytes, end);
                }
                event => self.push_event(outbox, event),
            }
        }
    }

    /// Announces an event. Nothing more is expected of a request whose stream was reset.
    #[cold]
    pub(crate) fn push_event(&mut self, outbox: &mut Outbox, event: Event<'_>) {
        match event {
            Event::Reset { request_id, .. } => {
                self.sent_notices.retain(|notice| notice.request_id != request_id);
            }
            // It is counted like a request, since it is answered like one.
            Event::Unparsed { request_id, error } => {
                self.requests = self.requests.wrapping_add(1);
                self.facts.on_dispatched();
                let packet = self.connection.take_packet();
                let is_of_body = self.connection.has_refused_body();
                outbox.ask_for_page(&self.facts, (request_id, error), packet.as_deref(), is_of_body);
            }
            _ => {}
        }
        outbox.push_event(self.facts.slot(), self.facts.id(), event);
    }

    /// Moves the notices that are due to the outbox. All output was handed to the kernel; of HTTP/2 that of
    /// some answers may be, while others are being sent.
    #[cold]
    pub(crate) fn notify_sent(&mut self, outbox: &mut Outbox) {
        let (slot, client_id) = (self.facts.slot(), self.facts.id());
        let connection = &self.connection;
        let is_all_sent = connection.is_all_sent();
        self.sent_notices.retain(|notice| {
            let RequestId(request_id) = notice.request_id;
            let (kind, id, is_due) = match notice.when {
                When::Written => {
                    (Kind::Written, request_id, is_all_sent && connection.is_written(notice.request_id))
                }
                When::Drained => (Kind::Drained, request_id, connection.backlog(notice.request_id) == 0),
                When::RawDrained => (Kind::RawDrained, client_id, is_all_sent),
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

    /// Publishes that requests of an HTTP/2 connection were answered; the rest follows when it is served.
    #[cold]
    pub(crate) fn publish_answered_streams(&mut self) {
        if let Some(counts) = self.connection.last_stream_counts() {
            self.facts.set_answered_streams(self.requests, counts);
        }
    }

    /// Publishes how far the requests of an HTTP/2 connection have come, which isn't in order.
    #[cold]
    pub(crate) fn publish_streams(&mut self) {
        if let Some(counts) = self.connection.stream_counts() {
            self.facts.set_streams(self.requests, counts);
        }
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
