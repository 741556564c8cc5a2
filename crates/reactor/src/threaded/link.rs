//! The application's end of one I/O thread.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use mio::Registry;
use protocol::{Answer, RequestId};

use crate::facts::Facts;
use crate::listener::{Bind, ListenError, ListenerFacts};
use crate::reactor::{Reactor, bind_registered};
use crate::threaded::company::Roster;
use crate::threaded::notices::{Notices, SLOT_BITS};
use crate::threaded::orders::Orders;
use crate::threaded::sleep::Mailbox;
use crate::threaded::thread::Message;

/// Bytes of commands above which they are handed over at once, so that memory for them is reused.
const MANY_BYTES: usize = 256 * 1024;

/// One thread, as the application sees it. Commands are collected until [`Link::hand_over`]; those
/// that come too late change nothing.
pub struct Link {
    mailbox: Mailbox,
    notices: Receiver<Box<Notices>>,
    emptied: SyncSender<Box<Notices>>,
    spare: Receiver<Orders>,
    orders: Orders,
    roster: Arc<Roster>,
    /// Only that of the thread that accepts: what watches its sockets, and its listeners so far.
    accepting: Option<(Registry, Vec<Arc<ListenerFacts>>)>,
    thread: Option<JoinHandle<()>>,
}

impl Link {
    pub(crate) fn new(
        mailbox: Mailbox,
        notices: Receiver<Box<Notices>>,
        emptied: SyncSender<Box<Notices>>,
        spare: Receiver<Orders>,
        roster: Arc<Roster>,
        registry: Option<Registry>,
        thread: JoinHandle<()>,
    ) -> Link {
        let accepting = registry.map(|registry| (registry, Vec::new()));
        Link {
            mailbox,
            notices,
            emptied,
            spare,
            orders: Orders::default(),
            roster,
            accepting,
            thread: Some(thread),
        }
    }

    /// Number of the thread and slot on it behind a slot that the application was told.
    pub fn split(slot: u32) -> (usize, u32) {
        ((slot >> SLOT_BITS) as usize, slot & ((1 << SLOT_BITS) - 1))
    }

    /// Binds a listening socket for all threads, on this one: nothing is waited for.
    ///
    /// # Errors
    /// The address can't be bound, or this isn't the link to the thread that accepts.
    pub fn listen(&mut self, bind: &Bind, backlog: i32) -> Result<Arc<ListenerFacts>, ListenError> {
        let index = self.accepting.as_ref().map_or(0, |(_, listeners)| listeners.len()) as u32;
        let registry = self.accepting.as_ref().map(|(registry, _)| registry);
        let listener = bind_registered(bind, backlog, index, registry)?;
        let facts = listener.facts.clone();
        if let Some((_, listeners)) = &mut self.accepting {
            listeners.push(facts.clone());
        }
        self.mailbox.send(Message::Listener(listener));
        Ok(facts)
    }

    /// What is known of listener number `index`, also after it was closed.
    pub fn listener(&self, index: u32) -> Option<&Arc<ListenerFacts>> {
        self.accepting.as_ref()?.1.get(index as usize)
    }

    /// Answers a request.
    pub fn respond(&mut self, slot: u32, request_id: RequestId, answer: &Answer<'_>, tells_written: bool) {
        self.orders.respond(slot, request_id, answer, tells_written);
        self.relieve();
    }

    /// Has `run` done on the thread, with these bytes, on behalf of the client at `slot`, which is closed
    /// should it panic.
    pub fn run(&mut self, slot: u32, bytes: &[u8], run: impl FnOnce(&mut Reactor, &[u8]) + Send + 'static) {
        self.orders.run(slot, bytes, run);
        self.relieve();
    }

    /// Has `ask` done on the thread and waits for what it returns: at most for the length of a turn. None
    /// when the thread has ended.
    pub fn ask<R: Send + 'static>(
        &mut self,
        ask: impl FnOnce(&mut Reactor) -> R + Send + 'static,
    ) -> Option<R> {
        self.begin_ask(ask).recv().ok()
    }

    /// The same, to be waited for later: several threads can be asked at once.
    pub fn begin_ask<R: Send + 'static>(
        &mut self,
        ask: impl FnOnce(&mut Reactor) -> R + Send + 'static,
    ) -> Receiver<R> {
        let (answer, answered) = sync_channel(1);
        self.run(u32::MAX, &[], move |reactor, _| {
            let _ = answer.try_send(ask(reactor));
        });
        self.hand_over();
        answered
    }

    /// Has the thread end behind the commands given so far, which its drop waits for.
    pub fn begin_end(&mut self) {
        self.hand_over();
        self.mailbox.send(Message::End);
    }

    /// Hands the commands collected so far to the thread.
    pub fn hand_over(&mut self) {
        if !self.orders.is_empty() {
            let fresh = self.spare.try_recv().unwrap_or_default();
            self.mailbox.send(Message::Orders(std::mem::replace(&mut self.orders, fresh)));
        }
    }

    fn relieve(&mut self) {
        if self.orders.len() > MANY_BYTES {
            self.hand_over();
        }
    }

    /// The next batch of notices; None when there is none now.
    pub fn next_notices(&self) -> Option<Box<Notices>> {
        self.notices.try_recv().ok()
    }

    /// Gives back a batch, to be filled again.
    pub fn give_back(&self, notices: Box<Notices>) {
        let _ = self.emptied.try_send(notices);
        self.mailbox.feed();
    }

    /// The facts of an open client; None when it is closed.
    pub fn facts(&self, slot: u32, id: u64) -> Option<Arc<Facts>> {
        self.roster.find(slot, id)
    }
}

impl Drop for Link {
    /// Closes everything on the thread, and waits until it has ended.
    fn drop(&mut self) {
        self.begin_end();
        if let Some(thread) = self.thread.take() {
            // An error is a panic, which was reported when it came.
            let _ = thread.join();
        }
    }
}
