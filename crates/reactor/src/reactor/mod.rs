//! The reactor itself: what it owns, and how it is set up, timed and released.
//!
//! The files below extend it: `turn` reads, `secure` decrypts, `flush` writes, `external` sends files and held memory,
//! `accept`, `proxy`, `expire` and `close` begin and end clients, `commands` are what the application calls between turns.

mod accept;
mod close;
mod commands;
mod expire;
mod external;
mod flush;
mod proxy;
mod secure;
mod siblings;
mod turn;

use std::io;
use std::sync::Arc;

use protocol::{Context, Limits, Timestamp};

use crate::admission::{Admission, ConnectionLimits, Gate};
use crate::application::{Kind, Outbox};
use crate::client::{Clients, Unacknowledged};
use crate::io::{
    Bind, Disk, ListenError, Listener, ListenerFacts, ListenerRegistry, Listeners, Poller, Waker,
};
use crate::time::{Clock, Timers, unix_millis_now};

pub use commands::{Stale, UpgradeError};
pub(crate) use siblings::Siblings;

/// Bytes of the receive buffer that serves all connections; a read that fills it continues in the next turn.
const RECEIVE_BUFFER: usize = 64 * 1024;

/// For so long a request may wait in the kernel while requests are paused; then it is read, to be refused.
const WAITING_MILLIS: u64 = 5000;

/// Pages for what is no request that the application makes in one turn; short texts take the place of more, so that
/// clients can't keep it busy with nonsense.
const PAGES_PER_TURN: u32 = 32;

/// Owns the sockets of one server, or of one of its threads, and the state of their connections.
pub struct Reactor {
    poller: Poller,
    listeners: Listeners,
    clients: Clients,
    cx: Context,
    clock: Clock,
    /// Unix time in seconds for which the Date field was last written.
    date_second: u64,
    timers: Timers,
    /// Entries of the timer queue that are due; empty between turns, unless one has panicked.
    due: Vec<(u32, u64)>,
    unacknowledged: Unacknowledged,
    outbox: Outbox,
    /// Input is received here; empty while a turn reads.
    buffer: Box<[u8]>,
    /// Plaintext of what was received under TLS; empty between turns.
    plaintext: Vec<u8>,
    disk: Disk,
    /// Steps of TLS handshakes in this turn.
    handshake_steps: usize,
    /// The client that is worked on: it is closed after a panic.
    current: Option<u32>,
    is_stopping: bool,
    /// Slots and ids of clients that are to be stopped once requests are read that have reached the kernel.
    stopping: Vec<(u32, u64)>,
    /// New connections are announced, and the application assigns their driver.
    announces_accepted: bool,
    /// No further requests are read.
    pauses_requests: bool,
    /// The first record of a client that was read nevertheless.
    waited_from: Option<usize>,
    gate: Gate,
    /// The other reactors of its server, where there are any.
    siblings: Option<Box<dyn Siblings>>,
}

impl Reactor {
    /// A reactor without listeners.
    ///
    /// # Errors
    /// The system has no descriptors left for the poller or its waker.
    pub fn new(limits: Limits) -> io::Result<Reactor> {
        let poller = Poller::new()?;
        let disk = Disk::new(poller.waker().cloned());
        let mut reactor = Reactor {
            poller,
            listeners: Listeners::default(),
            clients: Clients::default(),
            cx: Context::new(limits),
            clock: Clock::start(),
            date_second: 0,
            timers: Timers::new(),
            due: Vec::new(),
            unacknowledged: |_| None,
            outbox: Outbox::default(),
            buffer: vec![0; RECEIVE_BUFFER].into_boxed_slice(),
            plaintext: Vec::new(),
            disk,
            handshake_steps: 0,
            current: None,
            is_stopping: false,
            stopping: Vec::new(),
            announces_accepted: false,
            pauses_requests: false,
            waited_from: None,
            gate: Gate::new(Admission::new(ConnectionLimits::default())),
            siblings: None,
        };
        reactor.tick();
        Ok(reactor)
    }

    /// Has it share a server with other reactors: it is number `index` of `count`, and knows the others by
    /// `siblings`.
    pub(crate) fn join(&mut self, siblings: Box<dyn Siblings>, index: usize, count: usize) {
        self.cx.share_request_ids(index as u64, count as u64);
        self.gate.set_reactor(index);
        self.siblings = Some(siblings);
    }

    /// Has connections admitted by `admission` from now on, which the reactors of one server share.
    pub fn admit_by(&mut self, admission: Arc<Admission>) {
        self.gate.share(admission);
    }

    /// Before a client that doesn't read is closed, `ask` is called to learn whether the peer still
    /// acknowledges bytes: what the kernel holds for it may take longer to send than the deadline allows.
    pub fn ask_unacknowledged(&mut self, ask: Unacknowledged) {
        self.unacknowledged = ask;
    }

    /// The poller's descriptor, readable when a turn has something to do; None once it was released.
    #[cfg(unix)]
    pub fn poller_fd(&self) -> Option<std::os::fd::RawFd> {
        self.poller.fd()
    }

    /// Closes all descriptors and frees most memory, for good: further turns do nothing. The reactor itself
    /// may be kept longer by objects that are garbage collected late.
    pub fn release(&mut self) {
        self.close_listeners();
        self.close_all();
        self.outbox.clear();
        self.buffer = Box::default();
        self.plaintext = Vec::new();
        self.disk = Disk::default();
        self.poller.close();
    }

    /// Binds a listening socket; nothing is accepted before [`Reactor::start`].
    ///
    /// # Errors
    /// The address can't be bound; the error names it.
    pub fn listen(&mut self, bind: &Bind, backlog: i32) -> Result<Arc<ListenerFacts>, ListenError> {
        let listener = self.poller.bind(bind, backlog, self.listeners.next_index())?;
        let facts = listener.facts.clone();
        self.listeners.add(listener);
        Ok(facts)
    }

    /// Adds a listener that is registered with the poller.
    pub(crate) fn add_listener(&mut self, listener: Listener) {
        self.listeners.add(listener);
    }

    /// Registers listeners from other threads.
    ///
    /// # Errors
    /// The system has no descriptors left, or the reactor was released.
    pub(crate) fn listener_registry(&self) -> io::Result<ListenerRegistry> {
        self.poller.listener_registry()
    }

    /// Begins to accept connections.
    pub fn start(&mut self) {
        self.listeners.start();
        self.wake();
    }

    /// From now on each connection is announced by `Accepted` and not read before [`Reactor::serve`] or
    /// [`Reactor::take_raw`].
    pub fn announce_accepted(&mut self) {
        self.announces_accepted = true;
    }

    /// Accepts the connections that wait, then closes all listening sockets; connections stay open.
    pub fn stop_listening(&mut self) {
        self.tick();
        self.accept_all_waiting();
        self.listeners.close();
    }

    /// Closes all listening sockets; connections that wait are reset.
    pub fn close_listeners(&mut self) {
        self.listeners.close();
    }

    /// Connections in the table.
    pub fn client_count(&self) -> usize {
        self.clients.len()
    }

    /// How many requests and connections were refused without a handler's part, by code.
    pub fn refusals(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.outbox.refusals()
    }

    /// From now on each refusal is announced as well, with a text that says why.
    pub fn explain_refusals(&mut self) {
        self.outbox.explain_refusals();
    }

    /// From now on the application is asked for the pages of what is no request, up to so many a turn.
    pub fn ask_for_pages(&mut self) {
        self.cx.ask_for_pages(PAGES_PER_TURN);
    }

    /// Puts other limits of connections and requests in force.
    pub fn replace_limits(&mut self, limits: Limits) {
        self.cx.replace_limits(limits);
        for slot in self.clients.slots() {
            let Some(client) = self.clients.get_mut(slot) else { continue };
            client.connection.renew_idle_time(&self.cx);
            client.schedule(&mut self.timers);
        }
    }

    /// Sends the application a notice without detail about a request or a client: the outcome of a command
    /// that couldn't be returned, because it was given on another thread.
    #[cold]
    pub fn notify(&mut self, kind: Kind, slot: u32, id: u64) {
        self.outbox.notify(kind, slot, id);
    }

    /// Makes the poller's descriptor readable, so that another turn follows.
    pub fn wake(&self) {
        // It fails only when the counter behind it is full, and then the descriptor is readable already.
        let _ = self.poller.waker().map(|waker| waker.wake());
    }

    /// Wakes it from other threads.
    pub(crate) fn waker(&self) -> Option<Arc<Waker>> {
        self.poller.waker().cloned()
    }

    /// Whether another turn has something to do at once.
    pub fn has_work(&self) -> bool {
        self.clients.has_work() || !self.outbox.is_empty() || self.listeners.has_work()
    }

    /// Milliseconds until a turn is due without any readiness.
    pub fn next_timeout(&mut self) -> Option<u64> {
        let retry = self.listeners.next_retry(self.cx.now);
        let timer = self.timers.next_in(self.cx.now);
        let paused = self.clients.paused_since().map(|since| {
            let Timestamp(until) = since.after_millis(WAITING_MILLIS);
            until.saturating_sub(self.cx.now.0)
        });
        [retry, timer, paused].into_iter().flatten().min()
    }

    /// Reads the clock. A turn does it; before commands between turns it has to be done once.
    pub fn tick(&mut self) {
        self.cx.now = self.clock.now();
        let second = self.clock.unix_millis(self.cx.now) / 1000;
        if second != self.date_second {
            self.date_second = second;
            self.cx.set_date(unix_millis_now() / 1000);
        }
    }

    /// The clock as last read, in milliseconds since the reactor was made.
    pub fn now_millis(&self) -> u64 {
        let Timestamp(millis) = self.cx.now;
        millis
    }

    /// Runs `run` on behalf of the client at `slot`, which is closed should it panic.
    pub(crate) fn on_behalf_of(&mut self, slot: u32, run: impl FnOnce(&mut Reactor)) {
        self.current = Some(slot);
        run(self);
        self.current = None;
    }

    /// After a panic was caught: closes the client that was worked on and restores what the interrupted turn
    /// had taken out. Another turn follows at once, for what was left undone. Returns the id of the closed client.
    pub fn recover(&mut self) -> Option<u64> {
        self.wake();
        if self.buffer.len() != RECEIVE_BUFFER {
            self.buffer = vec![0; RECEIVE_BUFFER].into_boxed_slice();
        }
        let slot = self.current.take()?;
        let id = self.clients.get(slot)?.facts.id();
        self.close_client(slot);
        Some(id)
    }
}
