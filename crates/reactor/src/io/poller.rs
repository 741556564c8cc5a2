//! The poller: waits for readiness, and says which socket an event belongs to.
//!
//! Every descriptor is registered once, edge-triggered, under a token: a client's is its slot, a listener's
//! its index from [`FIRST_LISTENER`] on, the waker's is [`WAKER`].

use std::io;
use std::sync::Arc;
use std::time::Duration;

use mio::event::Event;
use mio::{Events, Poll, Registry, Token};

use super::listener::{Bind, ListenError, Listener};
use super::socket::Socket;

pub(crate) use mio::Waker;

/// Token of the waker.
const WAKER: Token = Token(usize::MAX);
/// Tokens from here on are listeners; those below are slots of clients.
const FIRST_LISTENER: usize = usize::MAX / 2;
/// Readiness events taken from the kernel at once.
const EVENTS: usize = 1024;

/// Waits for sockets to become ready. It has no descriptors any more once it was closed, and then nothing is
/// ever ready.
pub(crate) struct Poller {
    system: Option<System>,
    events: Events,
}

struct System {
    poll: Poll,
    waker: Arc<Waker>,
}

/// What a readiness event is about.
pub(crate) enum Ready {
    /// The listener with this index has connections to accept.
    Listener(usize),
    /// A client's socket can be read or written.
    Client(ClientReadiness),
}

/// What the kernel reports about a client's socket.
pub(crate) struct ClientReadiness {
    pub(crate) slot: u32,
    pub(crate) is_readable: bool,
    pub(crate) is_writable: bool,
    /// The peer has closed its sending side.
    pub(crate) is_read_closed: bool,
    /// Both sides are closed.
    pub(crate) is_write_closed: bool,
    /// The connection was reset.
    pub(crate) is_error: bool,
}

impl Poller {
    /// # Errors
    /// The system has no descriptors left for the poller or its waker.
    pub(crate) fn new() -> io::Result<Poller> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        Ok(Poller { system: Some(System { poll, waker }), events: Events::with_capacity(EVENTS) })
    }

    /// The poller's descriptor, readable when something is ready; None once it was closed.
    #[cfg(unix)]
    pub(crate) fn fd(&self) -> Option<std::os::fd::RawFd> {
        self.system.as_ref().map(|system| std::os::fd::AsRawFd::as_raw_fd(&system.poll))
    }

    /// Closes the poller's descriptors, for good.
    pub(crate) fn close(&mut self) {
        self.system = None;
        self.events.clear();
    }

    /// Binds listener number `index` and registers it.
    ///
    /// # Errors
    /// The address can't be bound, or the poller is closed.
    pub(crate) fn bind(&self, bind: &Bind, backlog: i32, index: u32) -> Result<Listener, ListenError> {
        let registry = self.system.as_ref().map(|system| system.poll.registry());
        bind_registered(bind, backlog, index, registry)
    }

    /// Registers the socket of the client at `slot`.
    ///
    /// # Errors
    /// The system has no memory for it, or the poller is closed.
    pub(crate) fn register(&self, socket: &mut Socket, slot: u32) -> io::Result<()> {
        let system = self.system.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        socket.register(system.poll.registry(), Token(slot as usize))
    }

    /// Registers listeners with this poller from any thread.
    ///
    /// # Errors
    /// The system has no descriptors left, or the poller is closed.
    pub(crate) fn listener_registry(&self) -> io::Result<ListenerRegistry> {
        let system = self.system.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        system.poll.registry().try_clone().map(ListenerRegistry)
    }

    /// Interrupts [`Poller::wait`] from any thread; None once the poller was closed.
    pub(crate) fn waker(&self) -> Option<&Arc<Waker>> {
        self.system.as_ref().map(|system| &system.waker)
    }

    /// Waits for up to `timeout`, None for ever, until something is ready or the waker is used.
    ///
    /// # Errors
    /// The poller itself failed.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let Some(system) = &mut self.system else { return Ok(()) };
        match system.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            _ => Ok(()),
        }
    }

    /// What the last wait has found.
    #[inline]
    pub(crate) fn ready(&self) -> impl Iterator<Item = Ready> + '_ {
        self.events.iter().filter_map(ready)
    }
}

#[inline]
fn ready(event: &Event) -> Option<Ready> {
    match event.token() {
        WAKER => None,
        Token(token) if token >= FIRST_LISTENER => Some(Ready::Listener(token - FIRST_LISTENER)),
        Token(token) => Some(Ready::Client(ClientReadiness {
            slot: token as u32,
            is_readable: event.is_readable(),
            is_writable: event.is_writable(),
            is_read_closed: event.is_read_closed(),
            is_write_closed: event.is_write_closed(),
            is_error: event.is_error(),
        })),
    }
}

/// Binds listeners for a poller that is in use on another thread.
pub(crate) struct ListenerRegistry(Registry);

impl ListenerRegistry {
    /// Binds listener number `index` and registers it.
    ///
    /// # Errors
    /// The address can't be bound.
    pub(crate) fn bind(&self, bind: &Bind, backlog: i32, index: u32) -> Result<Listener, ListenError> {
        bind_registered(bind, backlog, index, Some(&self.0))
    }
}

fn bind_registered(
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
