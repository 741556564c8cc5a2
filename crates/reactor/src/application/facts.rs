//! The facts of one connection, readable from any thread.
//!
//! The application reads a client's addresses, counters, status and deadline at any time, also after the
//! connection was closed, and perhaps on another thread than the reactor's. So these few words live in a
//! block that outlives the socket. Each has one writer:
//!
//! | word | writer |
//! |---|---|
//! | `life` | both, by compare-and-swap |
//! | `status`, `dispatched`, `returned`, `written`, `receiving`, `waiting`, `phase`, `local` | the reactor |
//! | `announced`, `security` | the reactor, once |
//! | `has_more` | the reactor, which alone reads it |
//! | `floor` | the application; the reactor only when it closes, after which it isn't read |
//!
//! These words publish no other data, so every access is relaxed; only `life` orders. With the reactor on
//! another thread the application sees each change a little later.

use std::net::SocketAddr;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64};
use std::sync::{Arc, OnceLock};

use protocol::Timestamp;
use protocol::http2::StreamCounts;
use protocol::proxy::{Announced, Source};

use super::security::Security;
use crate::io::{Address, ListenerFacts};
use crate::time::Clock;

/// `waiting` isn't counted: HTTP/1 has one body at a time, so the other counts tell.
const BY_NUMBERS: u32 = u32::MAX;

/// Its close isn't announced: the application has no object for it.
const OPEN: u8 = 0;
/// Its close is announced: the application has an object for it.
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
    /// The other end of the socket; None for a unix socket, which has no name there.
    peer: Option<SocketAddr>,
    /// What its PROXY header announces; empty until that has come, and for ever without one.
    announced: OnceLock<Box<Announced>>,
    local: OnceLock<SocketAddr>,
    listener: Arc<ListenerFacts>,
    security: OnceLock<Security>,
    /// One of the two is set, and goes along with each request.
    has_more: AtomicBool,
    dispatched: AtomicU32,
    returned: AtomicU32,
    written: AtomicU32,
    receiving: AtomicU32,
    /// Handlers that run for a request that has wholly arrived; `BY_NUMBERS` where the others say that.
    waiting: AtomicU32,
    phase: AtomicU64,
    floor: AtomicU64,
}

impl Facts {
    pub(crate) fn new(
        id: u64,
        slot: u32,
        peer: Option<SocketAddr>,
        listener: Arc<ListenerFacts>,
        clock: Clock,
    ) -> Facts {
        Facts {
            id,
            slot,
            life: AtomicU8::new(OPEN),
            status: AtomicU8::new(0),
            clock,
            peer,
            announced: OnceLock::new(),
            local: OnceLock::new(),
            listener,
            security: OnceLock::new(),
            has_more: AtomicBool::new(false),
            dispatched: AtomicU32::new(0),
            returned: AtomicU32::new(0),
            written: AtomicU32::new(0),
            receiving: AtomicU32::new(0),
            waiting: AtomicU32::new(BY_NUMBERS),
            phase: AtomicU64::new(0),
            floor: AtomicU64::new(0),
        }
    }

    /// The facts of a client that is closed already.
    pub(super) fn closed(
        id: u64,
        slot: u32,
        peer: Option<SocketAddr>,
        (announced, security): (Option<Announced>, Option<Security>),
        listener: Arc<ListenerFacts>,
    ) -> Facts {
        let facts = Facts::new(id, slot, peer, listener, Clock::start());
        if let Some(announced) = announced {
            facts.announce(announced);
        }
        if let Some(security) = security {
            facts.set_security(security);
        }
        facts.close();
        facts
    }

    /// Unique in the process, counted from 1, never given twice.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Index in the reactor's client table; another connection may have it after the close.
    pub fn slot(&self) -> u32 {
        self.slot
    }

    /// The client's address: what a PROXY header announces, or else the peer's.
    pub fn remote(&self) -> Address {
        match self.announced().and_then(|announced| announced.source.as_ref()) {
            Some(Source::Internet(address)) => Address::Internet(*address),
            Some(Source::Unix(path)) => Address::Unix(path.into()),
            None => self.peer_address(),
        }
    }

    /// The address of the proxy that has sent a PROXY header; None without one.
    pub fn proxy(&self) -> Option<Address> {
        self.announced().map(|_| self.peer_address())
    }

    /// The peer's address, IPv4-mapped ones as IPv4; for a unix socket, whose peer has no name, the
    /// listener's path.
    fn peer_address(&self) -> Address {
        match self.peer {
            Some(address) => Address::Internet(address),
            None => self.listener.address.clone(),
        }
    }

    /// Whether the client has reached its proxy by TLS, as a PROXY header tells.
    pub fn is_encrypted_to_proxy(&self) -> bool {
        self.announced().is_some_and(|announced| announced.is_encrypted)
    }

    /// What the PROXY header announces; None before it has come, and without one.
    #[inline]
    pub(crate) fn announced(&self) -> Option<&Announced> {
        self.announced.get().map(Box::as_ref)
    }

    pub(crate) fn announce(&self, announced: Announced) {
        // There is one header.
        let _ = self.announced.set(Box::new(announced));
        self.has_more.store(true, Relaxed);
    }

    /// The address at which the connection was accepted: the socket's where it is known, else the listener's.
    pub fn local(&self) -> Address {
        match self.local.get() {
            Some(address) => Address::Internet(*address),
            None => self.listener.address.clone(),
        }
    }

    /// The client's internet address, by which it is counted; None for a unix socket.
    pub(crate) fn client_address(&self) -> Option<SocketAddr> {
        match self.announced().and_then(|announced| announced.source.as_ref()) {
            None => self.peer,
            Some(Source::Internet(address)) => Some(*address),
            Some(Source::Unix(_)) => None,
        }
    }

    /// The other end of the socket; None for a unix socket, which has no name there.
    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// Number of the listener that accepted it.
    pub fn listener_index(&self) -> u32 {
        self.listener.index
    }

    pub(crate) fn local_is_known(&self) -> bool {
        self.local.get().is_some() || !self.listener.is_wildcard()
    }

    pub(crate) fn set_local(&self, address: SocketAddr) {
        // A second call can only bring the same address.
        let _ = self.local.set(address);
    }

    /// The listener that accepted it.
    pub fn listener(&self) -> &ListenerFacts {
        &self.listener
    }

    /// The result of the TLS handshake, also after the close; None on plaintext and before the handshake is done.
    pub fn security(&self) -> Option<&Security> {
        self.security.get()
    }

    /// Whether the connection has TLS, or will have once its handshake is done.
    pub fn is_secured(&self) -> bool {
        self.security().is_some() || self.listener.tls().is_some()
    }

    pub(crate) fn set_security(&self, security: Security) {
        // There is one handshake.
        let _ = self.security.set(security);
        self.has_more.store(true, Relaxed);
    }

    /// Whether there is an announcement of a proxy, or TLS.
    #[inline]
    pub(super) fn has_more(&self) -> bool {
        self.has_more.load(Relaxed)
    }

    /// Bits as in [`CLOSED_RD`] and [`CLOSED_RDWR`].
    pub fn status(&self) -> u8 {
        self.status.load(Relaxed)
    }

    pub(crate) fn set_status(&self, bits: u8) {
        self.status.fetch_or(bits, Relaxed);
    }

    /// Takes back [`CLOSED_RD`]: the end of the peer's bytes is read, and announced, once more.
    pub(crate) fn forget_peer_closed(&self) {
        self.status.fetch_and(!CLOSED_RD, Relaxed);
    }

    /// Requests that the close be announced. False when the connection is closed already.
    pub fn watch(&self) -> bool {
        match self.life.compare_exchange(OPEN, WATCHED, AcqRel, Acquire) {
            Ok(_) => true,
            Err(state) => state == WATCHED,
        }
    }

    pub(crate) fn is_watched(&self) -> bool {
        self.life.load(Acquire) == WATCHED
    }

    /// Marks it closed; true when the close must be announced.
    pub(crate) fn close(&self) -> bool {
        self.status.store(CLOSED_RDWR, Relaxed);
        self.phase.store(0, Relaxed);
        self.floor.store(0, Relaxed);
        self.life.swap(CLOSED, AcqRel) == WATCHED
    }

    /// Whether the reactor has closed it.
    pub fn is_closed(&self) -> bool {
        self.life.load(Acquire) == CLOSED
    }

    /// A request was passed to the application.
    pub(crate) fn on_dispatched(&self) {
        self.dispatched.store(self.dispatched.load(Relaxed).wrapping_add(1), Relaxed);
    }

    /// A handler has returned its answer.
    pub(crate) fn on_returned(&self) {
        self.returned.store(self.returned.load(Relaxed).wrapping_add(1), Relaxed);
    }

    pub(crate) fn set_receiving(&self, bodies: u32) {
        self.receiving.store(bodies, Relaxed);
    }

    pub(crate) fn set_written(&self, requests: u32) {
        self.written.store(requests, Relaxed);
    }

    /// How far the requests of an HTTP/2 connection have come, `dispatched` of which were passed to the application.
    #[cold]
    pub(crate) fn set_streams(&self, dispatched: u32, counts: StreamCounts) {
        self.receiving.store(counts.receiving as u32, Relaxed);
        self.returned.store(dispatched.wrapping_sub(counts.running as u32), Relaxed);
        self.written.store(dispatched.wrapping_sub(counts.incomplete as u32), Relaxed);
        self.waiting.store(counts.waiting as u32, Relaxed);
    }

    /// Requests of an HTTP/2 connection were answered.
    #[cold]
    pub(crate) fn set_answered_streams(&self, dispatched: u32, counts: StreamCounts) {
        self.returned.store(dispatched.wrapping_sub(counts.running as u32), Relaxed);
        self.waiting.store(counts.waiting as u32, Relaxed);
    }

    /// Whether a handler runs for a request that has wholly arrived; false after the close. Streams of HTTP/2 are
    /// judged one by one: an upload whose handler has answered doesn't hide another handler that runs.
    pub fn is_waiting_on_response(&self) -> bool {
        match self.waiting.load(Relaxed) {
            _ if self.is_closed() => false,
            BY_NUMBERS => self.running_handlers() > self.pending_requests(),
            waiting => waiting > 0,
        }
    }

    /// Requests whose body is still being received.
    pub fn pending_requests(&self) -> u32 {
        if self.is_closed() { 0 } else { self.receiving.load(Relaxed) }
    }

    /// Requests whose answer isn't completely written; 0 after the close.
    pub fn pending_responses(&self) -> u32 {
        if self.is_closed() {
            return 0;
        }
        self.dispatched.load(Relaxed).wrapping_sub(self.written.load(Relaxed))
    }

    /// Requests that were dispatched and not answered yet; 0 after the close.
    fn running_handlers(&self) -> u32 {
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

    /// Moves the expiration to a later Unix time, in seconds; an earlier one than the present is ignored.
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
