//! The reactor itself: what it owns, listening, accepting, and the end of clients.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mio::{Events, Poll, Registry, Token, Waker};
use protocol::{Connection, Context, Limits, RequestError, Timestamp};
use slab::Slab;

use crate::admission::{Admission, ConnectionLimits, Doorkeeper};
use crate::client::{Client, Phase, Until};
use crate::clock::{Clock, unix_millis_now};
use crate::expiry::Unacknowledged;
use crate::facts::Facts;
use crate::listener::{Bind, ListenError, Listener, ListenerFacts};
use crate::notice::{Kind, Notice};
use crate::threaded::{Company, Newcomer};
use crate::timers::Timers;

/// Token of the waker.
pub(crate) const WAKER: Token = Token(usize::MAX);
/// Tokens from here on are listeners, those below are slots of clients.
pub(crate) const FIRST_LISTENER: usize = usize::MAX / 2;

/// Connections accepted in one turn, so that a storm of new ones doesn't stall those being served.
const ACCEPTS_PER_TURN: usize = 64;
/// Readiness events taken from the kernel at once.
const EVENTS: usize = 1024;
/// One receive buffer serves all connections; a read that fills it goes on next turn.
const RECEIVE_BUFFER: usize = 64 * 1024;
/// Pause after the system refused a connection for want of descriptors or memory.
const ACCEPT_RETRY_MILLIS: u64 = 100;

/// Client ids of the whole process, from 1, never given twice.
static NEXT_CLIENT_ID: AtomicU64 = AtomicU64::new(1);

/// Owns the sockets of one server and everything known about their connections.
pub struct Reactor {
    /// None once it was released.
    pub(crate) poll: Option<Poll>,
    pub(crate) events: Events,
    waker: Option<Arc<Waker>>,
    pub(crate) listeners: Vec<Option<Listener>>,
    listener_facts: Vec<Arc<ListenerFacts>>,
    is_accepting: bool,
    accept_retry: Option<Timestamp>,
    pub(crate) clients: Slab<Box<Client>>,
    pub(crate) cx: Context,
    pub(crate) clock: Clock,
    date_second: u64,
    pub(crate) timers: Timers,
    pub(crate) due: Vec<(u32, u64)>,
    pub(crate) unacknowledged: Unacknowledged,
    /// Clients that may have input to be read, in the order in which they became ready.
    pub(crate) ready: VecDeque<u32>,
    /// Clients that have output or a decision waiting for the next flush.
    pub(crate) dirty: Vec<u32>,
    /// Clients whose visit in the last flush ended before their file.
    pub(crate) unfinished: Vec<u32>,
    pub(crate) notices: VecDeque<Notice>,
    pub(crate) buffer: Box<[u8]>,
    /// The client being worked on: what a caught panic closes.
    pub(crate) current: Option<u32>,
    is_stopping: bool,
    /// Connections are announced, and wait for their driver.
    announces_accepted: bool,
    /// How many connections ended with a request that was refused, by the reason's code.
    refusals: BTreeMap<&'static str, u64>,
    explains_refusals: bool,
    /// No further requests are begun; and who would begin one.
    pub(crate) holds_requests: bool,
    pub(crate) held_back: Vec<u32>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) doorkeeper: Doorkeeper,
    /// The other reactors of its server, where there are any.
    pub(crate) company: Option<Company>,
}

impl Reactor {
    /// A reactor with no listeners yet.
    ///
    /// # Errors
    /// The system has no descriptors left for the poller or its waker.
    pub fn new(limits: Limits) -> io::Result<Reactor> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let mut reactor = Reactor {
            poll: Some(poll),
            events: Events::with_capacity(EVENTS),
            waker: Some(waker),
            listeners: Vec::new(),
            listener_facts: Vec::new(),
            is_accepting: false,
            accept_retry: None,
            clients: Slab::new(),
            cx: Context::new(limits),
            clock: Clock::start(),
            date_second: 0,
            timers: Timers::new(),
            due: Vec::new(),
            unacknowledged: |_| None,
            ready: VecDeque::new(),
            dirty: Vec::new(),
            unfinished: Vec::new(),
            notices: VecDeque::new(),
            buffer: vec![0; RECEIVE_BUFFER].into_boxed_slice(),
            current: None,
            is_stopping: false,
            announces_accepted: false,
            refusals: BTreeMap::new(),
            explains_refusals: false,
            holds_requests: false,
            held_back: Vec::new(),
            admission: Admission::new(ConnectionLimits::default()),
            doorkeeper: Doorkeeper::default(),
            company: None,
        };
        reactor.tick();
        Ok(reactor)
    }

    /// The poller's descriptor: readable when a turn has something to do. None once it was released.
    #[cfg(unix)]
    pub fn poller_fd(&self) -> Option<std::os::fd::RawFd> {
        self.poll.as_ref().map(std::os::fd::AsRawFd::as_raw_fd)
    }

    /// Gives back every descriptor and what memory it can, for good: a turn does nothing any more. The
    /// reactor itself may be held for long by objects that wait to be collected.
    pub fn release(&mut self) {
        self.stop_listening();
        self.close_all();
        self.notices = VecDeque::new();
        self.buffer = Box::default();
        self.waker = None;
        self.poll = None;
    }

    /// Binds a listening socket; nothing is accepted before [`Reactor::start`].
    ///
    /// # Errors
    /// The address can't be bound; the error names it.
    pub fn listen(&mut self, bind: &Bind, backlog: i32) -> Result<Arc<ListenerFacts>, ListenError> {
        let index = self.listener_facts.len() as u32;
        let poll = self.poll.as_ref();
        let listener = bind_registered(bind, backlog, index, poll.map(Poll::registry))?;
        let facts = listener.facts.clone();
        self.add_listener(listener);
        Ok(facts)
    }

    /// Takes over a listener whose socket is watched already.
    pub(crate) fn add_listener(&mut self, listener: Listener) {
        self.listener_facts.push(listener.facts.clone());
        self.listeners.push(Some(listener));
    }

    /// What watches sockets for it, from any thread.
    pub(crate) fn registry(&self) -> io::Result<Registry> {
        let poll = self.poll.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        poll.registry().try_clone()
    }

    /// What is known of listener number `index`, also after it was closed.
    pub(crate) fn listener(&self, index: u32) -> Option<&Arc<ListenerFacts>> {
        self.listener_facts.get(index as usize)
    }

    /// Begins to accept connections.
    pub fn start(&mut self) {
        self.is_accepting = true;
        self.wake();
    }

    /// From now on each connection is announced by `Accepted` and waits for [`Reactor::serve`] or
    /// [`Reactor::take_raw`]; nothing is read before.
    pub fn announce_accepted(&mut self) {
        self.announces_accepted = true;
    }

    /// Closes all listening sockets; connections live on.
    pub fn stop_listening(&mut self) {
        self.is_accepting = false;
        self.listeners.iter_mut().for_each(|listener| *listener = None);
    }

    /// Ends every client as soon as it owes nothing: idle ones now, others after their last answer.
    /// `Idle` is announced when none is left.
    pub fn stop_gracefully(&mut self) {
        self.is_stopping = true;
        self.tick();
        for slot in self.slots() {
            self.stop_client(slot);
        }
        self.announce_idle();
    }

    /// Closes every client now. `Idle` is announced.
    pub fn close_all(&mut self) {
        self.is_stopping = true;
        for slot in self.slots() {
            self.close_client(slot);
        }
        self.announce_idle();
    }

    /// Connections in the table.
    pub fn client_count(&self) -> usize {
        self.clients.len()
    }

    /// How many requests were refused that no handler has seen, or whose body failed, by code.
    pub fn refusals(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.refusals.iter().map(|(code, count)| (*code, *count))
    }

    /// From now on each refusal is announced as well, with a text that says why.
    pub fn explain_refusals(&mut self) {
        self.explains_refusals = true;
    }

    #[cold]
    pub(crate) fn count_refusal(&mut self, slot: u32, error: RequestError) {
        self.count(error.code());
        if self.explains_refusals
            && let Some(client) = self.clients.get(slot as usize)
        {
            let text =
                format!("a request of {} was refused: {error} ({})", client.facts.remote(), error.code());
            let notice = Notice::of(Kind::Refused, slot, client.facts.id());
            self.notices.push_back(Notice { body: text.into_bytes(), ..notice });
        }
    }

    pub(crate) fn count(&mut self, code: &'static str) {
        *self.refusals.entry(code).or_default() += 1;
    }

    /// Makes the poller's descriptor readable, so that another turn follows.
    pub fn wake(&self) {
        // It can fail only when the counter behind it is full, and then it is readable already.
        let _ = self.waker.as_ref().map(|waker| waker.wake());
    }

    /// What wakes it from other threads.
    pub(crate) fn waker(&self) -> Option<Arc<Waker>> {
        self.waker.clone()
    }

    /// Whether another turn has something to do at once.
    pub fn has_work(&self) -> bool {
        !self.ready.is_empty()
            || !self.unfinished.is_empty()
            || !self.notices.is_empty()
            || self.is_accepting && self.listeners.iter().flatten().any(|listener| listener.is_ready)
    }

    /// Milliseconds until a turn is due for the sake of time alone.
    pub fn next_timeout(&self) -> Option<u64> {
        let retry = self.accept_retry.map(|at| at.0.saturating_sub(self.cx.now.0).max(1));
        let timer = self.timers.next_in(self.cx.now);
        [retry, timer].into_iter().flatten().min()
    }

    /// Reads the clock. Turns do it themselves; commands given between turns want it done once before.
    pub fn tick(&mut self) {
        self.cx.now = self.clock.now();
        let second = self.clock.unix_millis(self.cx.now) / 1000;
        if second != self.date_second {
            self.date_second = second;
            self.cx.set_date(unix_millis_now() / 1000);
        }
    }

    /// The clock as last read, in milliseconds since the reactor began.
    pub fn now_millis(&self) -> u64 {
        self.cx.now.0
    }

    pub(crate) fn accept_waiting(&mut self) {
        if !self.is_accepting {
            return;
        }
        if self.accept_retry.is_some_and(|at| self.cx.now >= at) {
            self.accept_retry = None;
            self.listeners.iter_mut().flatten().for_each(|listener| listener.is_ready = true);
        }
        let mut budget = ACCEPTS_PER_TURN;
        for index in 0..self.listeners.len() {
            while budget > 0 {
                let Some(Some(listener)) = self.listeners.get_mut(index) else { break };
                if !listener.is_ready {
                    break;
                }
                budget -= 1;
                match listener.accept() {
                    Ok((socket, peer)) => {
                        let newcomer = Newcomer { socket, peer, listener: listener.facts.clone() };
                        match &mut self.company {
                            Some(company) => {
                                if let Some(newcomer) = company.place(newcomer, self.admission.is_full()) {
                                    self.add_client(newcomer);
                                }
                            }
                            None => self.add_client(newcomer),
                        }
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => listener.is_ready = false,
                    Err(error) if concerns_one_connection(&error) => {}
                    Err(_) => {
                        // Out of descriptors or memory: those already accepted are served, and
                        // accepting goes on by itself. Trying at once would only spin.
                        listener.is_ready = false;
                        self.accept_retry = Some(Timestamp(self.cx.now.0 + ACCEPT_RETRY_MILLIS));
                    }
                }
            }
        }
    }

    /// Takes over a connection that was just accepted, by this reactor or another of the same server.
    pub(crate) fn add_client(&mut self, newcomer: Newcomer) {
        if !self.admits(&newcomer) {
            if let Some(company) = &self.company {
                company.turn_away();
            }
            return;
        }
        let Newcomer { mut socket, peer, listener } = newcomer;
        let entry = self.clients.vacant_entry();
        let slot = entry.key();
        let is_registered =
            self.poll.as_ref().is_some_and(|poll| socket.register(poll.registry(), Token(slot)).is_ok());
        if !is_registered {
            if let Some(company) = &self.company {
                company.turn_away();
            }
            return self.turn_back();
        }
        let id = NEXT_CLIENT_ID.fetch_add(1, Ordering::Relaxed);
        let facts = Arc::new(Facts::new(id, slot as u32, peer, listener, self.clock));
        let connection = Connection::new(&self.cx);
        let mut client = Box::new(Client::new(socket, connection, facts));
        if let Some(company) = &self.company {
            client.learn_local_address();
            company.remember(&client.facts);
        }
        if self.announces_accepted {
            client.phase = Phase::Unclaimed;
            self.notices.push_back(Notice::of(Kind::Accepted, slot as u32, id));
        }
        entry.insert(client);
        self.seat(peer, slot as u32);
        self.schedule(slot as u32);
    }

    /// Notes a client's deadline and stands it in the timer queue if it isn't there early enough.
    pub(crate) fn schedule(&mut self, slot: u32) {
        let Some(client) = self.clients.get_mut(slot as usize) else { return };
        let deadline = client.deadline();
        client.facts.set_phase(deadline);
        if let Some(deadline) = deadline {
            let tick = Timers::tick_of(deadline);
            if client.armed == 0 || tick < client.armed {
                client.armed = self.timers.arm(slot, tick);
            }
        }
    }

    /// The single exit of a connection: tells who must know, and gives everything back. `Closed` is the
    /// last that is heard of it, and `Idle` the last of all.
    pub(crate) fn close_client(&mut self, slot: u32) {
        let Some(client) = self.clients.try_remove(slot as usize) else { return };
        self.unseat(&client);
        if let Some(company) = &self.company {
            company.forget(slot);
        }
        for request_id in client.connection.unanswered() {
            self.notices.push_back(Notice::of(Kind::Aborted, slot, request_id.0));
        }
        if let Some(request_id) = client.connection.upgrading() {
            self.notices.push_back(Notice::of(Kind::Aborted, slot, request_id.0));
        }
        for waiter in &client.waiters {
            // The answer is given, and its last bytes never leave.
            if waiter.until != Until::RawDrained && client.connection.is_written(waiter.request_id) {
                self.notices.push_back(Notice::of(Kind::Aborted, slot, waiter.request_id.0));
            }
        }
        if client.facts.close() {
            self.notices.push_back(Notice::of(Kind::Closed, slot, client.facts.id()));
        }
        self.announce_idle();
    }

    fn announce_idle(&mut self) {
        let is_told = self.notices.back().is_some_and(|notice| notice.kind == Kind::Idle);
        if self.is_stopping && self.clients.is_empty() && !is_told {
            self.notices.push_back(Notice::of(Kind::Idle, 0, 0));
        }
    }

    /// After a panic was caught: closes the client that was being worked on and restores what the
    /// interrupted turn had taken out. Returns the id of the closed client.
    pub fn recover(&mut self) -> Option<u64> {
        if self.buffer.len() != RECEIVE_BUFFER {
            self.buffer = vec![0; RECEIVE_BUFFER].into_boxed_slice();
        }
        let slot = self.current.take()?;
        let id = self.clients.get(slot as usize)?.facts.id();
        self.close_client(slot);
        Some(id)
    }

    fn slots(&self) -> Vec<u32> {
        self.clients.iter().map(|(slot, _)| slot as u32).collect()
    }
}

/// Binds listener number `index` and has it watched.
pub(crate) fn bind_registered(
    bind: &Bind,
    backlog: i32,
    index: u32,
    registry: Option<&Registry>,
) -> Result<Listener, ListenError> {
    let mut listener = Listener::bind(bind, backlog, index)?;
    let registry = registry.ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected));
    registry
        .and_then(|registry| listener.register(registry, Token(FIRST_LISTENER + index as usize)))
        .map_err(|source| ListenError { address: listener.facts.address.to_string(), source })?;
    Ok(listener)
}

/// Errors of `accept` that belong to a connection which is gone before we took it.
fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::Interrupted
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::PermissionDenied
    )
}
