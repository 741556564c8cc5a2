//! What is known about one connection, readable from any thread.
//!
//! The application asks for a client's addresses, counters, status and deadline at any moment, also
//! after the connection has gone, and on another thread than the reactor's when there is one. So
//! these few words live in a block of their own that outlives the socket. Each has one writer:
//!
//! | word | writer |
//! |---|---|
//! | `life` | both, by compare-and-swap |
//! | `status`, `dispatched`, `returned`, `written`, `receiving`, `phase`, `local` | the reactor |
//! | `floor` | the application's side; the reactor when it closes, after which nobody reads it |
//!
//! Nothing else is published through these words, so every access is relaxed; only `life` orders. With
//! the reactor on another thread the application sees them change when that thread comes to it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64};
use std::sync::{Arc, OnceLock};

use protocol::Timestamp;

use crate::application::HeadBlock;
use crate::io::{Address, ListenerFacts};
use crate::time::Clock;

/// Nobody watches this connection: its close is announced to no one.
const OPEN: u8 = 0;
/// The application holds an object for it and is to be told of its close.
const WATCHED: u8 = 1;
/// It is closed.
const CLOSED: u8 = 2;

/// The peer has closed its sending side (`Client.CLOSED_RD`).
pub const CLOSED_RD: u8 = 1;
/// Both sides are closed (`Client.CLOSED_RDWR`).
pub const CLOSED_RDWR: u8 = 3;

/// The shared block of one connection.
#[derive(Debug)]
pub struct Facts {
    id: u64,
    slot: u32,
    life: AtomicU8,
    status: AtomicU8,
    clock: Clock,
    remote: Option<SocketAddr>,
    local: OnceLock<SocketAddr>,
    listener: Arc<ListenerFacts>,
    dispatched: AtomicU32,
    returned: AtomicU32,
    written: AtomicU32,
    receiving: AtomicU32,
    phase: AtomicU64,
    floor: AtomicU64,
}

impl Facts {
    pub(crate) fn new(
        id: u64,
        slot: u32,
        remote: Option<SocketAddr>,
        listener: Arc<ListenerFacts>,
        clock: Clock,
    ) -> Facts {
        Facts {
            id,
            slot,
            life: AtomicU8::new(OPEN),
            status: AtomicU8::new(0),
            clock,
            remote,
            local: OnceLock::new(),
            listener,
            dispatched: AtomicU32::new(0),
            returned: AtomicU32::new(0),
            written: AtomicU32::new(0),
            receiving: AtomicU32::new(0),
            phase: AtomicU64::new(0),
            floor: AtomicU64::new(0),
        }
    }

    /// Facts of a client that has gone, made anew from the head block of one of its requests.
    pub fn of_gone(slot: u32, head: &HeadBlock<'_>, listener: Option<Arc<ListenerFacts>>) -> Arc<Facts> {
        let index = head.listener();
        let unknown = || Arc::new(ListenerFacts { address: Address::Unix(PathBuf::new()), index });
        let listener = listener.unwrap_or_else(unknown);
        let facts = Facts::new(head.client_id(), slot, head.remote(), listener, Clock::start());
        facts.close();
        Arc::new(facts)
    }

    /// Unique in the process, counted from 1, never given twice.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Place in the reactor's client table; may be taken by another connection after the close.
    pub fn slot(&self) -> u32 {
        self.slot
    }

    /// The peer's address, IPv4-mapped ones as IPv4; for a unix socket, whose peer has no name, the
    /// listener's path.
    pub fn remote(&self) -> Address {
        match self.remote {
            Some(address) => Address::Internet(address),
            None => self.listener.address.clone(),
        }
    }

    /// The address the connection arrived on: concrete where it is known, else the listener's.
    pub fn local(&self) -> Address {
        match self.local.get() {
            Some(address) => Address::Internet(*address),
            None => self.listener.address.clone(),
        }
    }

    /// The peer's address; None for a unix socket's unnamed peer.
    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        self.remote
    }

    /// Number of the listener that accepted it.
    pub fn listener_index(&self) -> u32 {
        self.listener.index
    }

    pub(crate) fn local_is_known(&self) -> bool {
        self.local.get().is_some() || !self.listener.is_wildcard()
    }

    pub(crate) fn set_local(&self, address: SocketAddr) {
        // A second writer can only bring the same address.
        let _ = self.local.set(address);
    }

    /// Bits as in [`CLOSED_RD`] and [`CLOSED_RDWR`].
    pub fn status(&self) -> u8 {
        self.status.load(Relaxed)
    }

    pub(crate) fn set_status(&self, bits: u8) {
        self.status.fetch_or(bits, Relaxed);
    }

    /// The end of the peer's side is to be read, and told, again.
    pub(crate) fn forget_peer_closed(&self) {
        self.status.fetch_and(!CLOSED_RD, Relaxed);
    }

    /// Asks that the close be announced. False when the connection is closed already.
    pub fn watch(&self) -> bool {
        match self.life.compare_exchange(OPEN, WATCHED, AcqRel, Acquire) {
            Ok(_) => true,
            Err(state) => state == WATCHED,
        }
    }

    pub(crate) fn is_watched(&self) -> bool {
        self.life.load(Acquire) == WATCHED
    }

    /// Marks it closed; says whether somebody watches.
    pub(crate) fn close(&self) -> bool {
        self.status.store(CLOSED_RDWR, Relaxed);
        self.phase.store(0, Relaxed);
        self.floor.store(0, Relaxed);
        self.life.swap(CLOSED, AcqRel) == WATCHED
    }

    /// True once the reactor has closed it.
    pub fn is_closed(&self) -> bool {
        self.life.load(Acquire) == CLOSED
    }

    /// A request was handed to the application.
    pub(crate) fn on_dispatched(&self) {
        self.dispatched.store(self.dispatched.load(Relaxed).wrapping_add(1), Relaxed);
    }

    /// A handler has given its answer.
    pub(crate) fn on_returned(&self) {
        self.returned.store(self.returned.load(Relaxed).wrapping_add(1), Relaxed);
    }

    pub(crate) fn set_receiving(&self, bodies: u32) {
        self.receiving.store(bodies, Relaxed);
    }

    pub(crate) fn set_written(&self, requests: u32) {
        self.written.store(requests, Relaxed);
    }

    /// Requests whose body is still being read.
    pub fn pending_requests(&self) -> u32 {
        if self.is_closed() { 0 } else { self.receiving.load(Relaxed) }
    }

    /// Requests dispatched whose answer is not wholly written; 0 after the close.
    pub fn pending_responses(&self) -> u32 {
        if self.is_closed() {
            return 0;
        }
        self.dispatched.load(Relaxed).wrapping_sub(self.written.load(Relaxed))
    }

    /// Handlers that were called and have not answered yet; 0 after the close.
    pub fn running_handlers(&self) -> u32 {
        if self.is_closed() {
            return 0;
        }
        self.dispatched.load(Relaxed).wrapping_sub(self.returned.load(Relaxed))
    }

    pub(crate) fn set_phase(&self, deadline: Option<Timestamp>) {
        self.phase.store(deadline.map_or(0, |at| at.0), Relaxed);
    }

    pub(crate) fn floor(&self) -> Timestamp {
        Timestamp(self.floor.load(Relaxed))
    }

    /// Unix time in whole seconds, rounded up, at which the connection expires; 0 when none is set.
    pub fn expiration(&self) -> u64 {
        if self.is_closed() {
            return 0;
        }
        let phase = self.phase.load(Relaxed);
        let floor = self.floor.load(Relaxed);
        match phase.max(floor) {
            0 => 0,
            at => self.clock.unix_millis(Timestamp(at)).div_ceil(1000),
        }
    }

    /// Puts the expiration off to a Unix time in seconds; an earlier one than the present is ignored.
    pub fn extend_expiration(&self, unix_seconds: f64) {
        if self.is_closed() || !unix_seconds.is_finite() {
            return;
        }
        let at = self.clock.timestamp((unix_seconds * 1000.0).max(0.0) as u64).0.max(1);
        if at > self.floor.load(Relaxed) {
            self.floor.store(at, Relaxed);
        }
    }
}
