//! One connection in the reactor's table: its socket, its protocol state and what it waits for.

use std::sync::Arc;

use protocol::{Connection, RequestId, Timestamp};

use crate::facts::Facts;
use crate::file::Region;
use crate::intake::Intake;
use crate::socket::Socket;

/// How long a connection whose last answer is sent is read on, so that bytes still under way from
/// the peer don't turn the close into a reset that takes the answer with it. RFC 9112 §9.6.
pub(crate) const LINGER_MILLIS: u64 = 1000;

/// Where a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It waits for the application to choose who drives it; nothing is read.
    Unclaimed,
    /// Requests are read and answered, or raw bytes are passed on.
    Serving,
    /// Everything is sent and the sending side closed; what still comes is thrown away.
    Lingering { until: Timestamp },
}

/// A client.
pub(crate) struct Client {
    pub(crate) socket: Socket,
    pub(crate) connection: Connection,
    pub(crate) facts: Arc<Facts>,
    /// Bytes that were read but not wanted yet.
    pub(crate) held: Vec<u8>,
    /// How the body that is being received gets to the application.
    pub(crate) intake: Intake,
    /// Files that answers are to be filled with.
    pub(crate) files: Vec<Region>,
    /// Who waits for bytes of an answer to leave.
    pub(crate) waiters: Vec<Waiter>,
    pub(crate) phase: Phase,
    /// Bytes that the peer hadn't acknowledged when the kernel took no more, or when that was looked at last.
    pub(crate) unacknowledged: u32,
    /// The timer tick at which it stands in the queue; 0 when it doesn't.
    pub(crate) armed: u64,
    /// Requests handed to the application so far.
    pub(crate) requests: u32,
    /// The kernel may have bytes for us: readiness is edge-triggered, so this is remembered.
    pub(crate) is_readable: bool,
    /// The peer has closed its sending side: a short read doesn't mean that nothing is left.
    pub(crate) is_read_closed: bool,
    /// The connection was reset.
    pub(crate) is_lost: bool,
    /// The peer has closed both sides, which only a unix socket tells without having been written to. What it
    /// has sent before is there to be read.
    pub(crate) is_hung_up: bool,
    /// We have closed our sending side.
    pub(crate) is_write_shut: bool,
    /// The kernel takes no more bytes until it says so.
    pub(crate) is_blocked: bool,
    /// It stands in the list of clients to be read.
    pub(crate) is_queued: bool,
    /// It stands in the list of clients to be flushed.
    pub(crate) is_dirty: bool,
    /// It stands in the list of clients whose requests are held back.
    pub(crate) is_held_back: bool,
}

impl Client {
    pub(crate) fn new(socket: Socket, connection: Connection, facts: Arc<Facts>) -> Client {
        Client {
            socket,
            connection,
            facts,
            held: Vec::new(),
            intake: Intake::Idle,
            files: Vec::new(),
            waiters: Vec::new(),
            phase: Phase::Serving,
            unacknowledged: 0,
            armed: 0,
            requests: 0,
            is_readable: false,
            is_read_closed: false,
            is_lost: false,
            is_hung_up: false,
            is_write_shut: false,
            is_blocked: false,
            is_queued: false,
            is_dirty: false,
            is_held_back: false,
        }
    }

    /// Whether reading it now would lead anywhere.
    pub(crate) fn can_read(&self) -> bool {
        match self.phase {
            Phase::Serving => match self.intake {
                Intake::Awaited { .. } => self.has_body_bytes(),
                Intake::Announced { .. } => false,
                _ => (self.is_readable || !self.held.is_empty()) && self.connection.wants_input(),
            },
            Phase::Unclaimed => false,
            Phase::Lingering { .. } => self.is_readable,
        }
    }

    /// When something must happen on it next.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        match self.phase {
            Phase::Serving => self.connection.poll_timeout(self.facts.floor()),
            Phase::Unclaimed => None,
            Phase::Lingering { until } => Some(until),
        }
    }
}

/// An application that waits for bytes of one answer to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waiter {
    /// Whose answer; of no meaning for a raw connection.
    pub(crate) request_id: RequestId,
    pub(crate) until: Until,
}

/// What it waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// The answer is complete and handed to the kernel.
    Written,
    /// What was written so far is handed to the kernel.
    Drained,
    /// The same on a raw connection.
    RawDrained,
}
