//! What a reactor knows of the others that serve the same listeners.

use std::net::SocketAddr;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::application::Facts;
use crate::io::ListenerFacts;
use crate::io::Socket;
use crate::threaded::park::Mailbox;
use crate::threaded::thread::Message;

/// A connection that was just accepted.
pub(crate) struct Newcomer {
    pub(crate) socket: Socket,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) listener: Arc<ListenerFacts>,
}

/// A reactor's place among those of its server.
pub(crate) struct Company {
    index: usize,
    /// Connections of each, those on their way to it included.
    loads: Arc<[AtomicUsize]>,
    mailboxes: Vec<Mailbox>,
    /// Where the search for the least loaded one begins, so that equal ones take turns.
    next: usize,
    roster: Arc<Roster>,
}

impl Company {
    pub(crate) fn new(
        index: usize,
        loads: Arc<[AtomicUsize]>,
        mailboxes: Vec<Mailbox>,
        roster: Arc<Roster>,
    ) -> Company {
        Company { index, loads, mailboxes, next: 0, roster }
    }

    /// Which of the reactors this is, counted from 0.
    pub(crate) fn index(&self) -> usize {
        self.index
    }

    /// Gives a new connection to the reactor that has the fewest; back it comes if that is this one. With the
    /// server full it goes to one of those that have the most, where somebody can make room.
    pub(crate) fn place(&mut self, newcomer: Newcomer, is_full: bool) -> Option<Newcomer> {
        let count = self.loads.len();
        let mut turns = (0..count).map(|turn| (self.next + turn) % count);
        let load = |at: &usize| self.loads[*at].load(Relaxed);
        let chosen = if is_full {
            let most = (0..count).map(|at| load(&at)).max().unwrap_or(0);
            // Those on their way make some differ a little.
            turns.find(|at| load(at) * 8 >= most * 7)
        } else {
            turns.min_by_key(load)
        };
        let chosen = chosen.unwrap_or(self.index);
        self.next = (chosen + 1) % count;
        self.loads[chosen].fetch_add(1, Relaxed);
        if chosen == self.index {
            return Some(newcomer);
        }
        self.mailboxes[chosen].send(Message::Newcomer(newcomer));
        None
    }

    /// A connection was taken up.
    pub(crate) fn remember(&self, facts: &Arc<Facts>) {
        let mut clients = self.roster.lock();
        let slot = facts.slot() as usize;
        if clients.len() <= slot {
            clients.resize(slot + 1, None);
        }
        clients[slot] = Some(facts.clone());
    }

    /// A connection that was placed here was not taken up.
    pub(crate) fn turn_away(&self) {
        self.loads[self.index].fetch_sub(1, Relaxed);
    }

    /// A connection has ended.
    pub(crate) fn forget(&self, slot: u32) {
        self.turn_away();
        if let Some(place) = self.roster.lock().get_mut(slot as usize) {
            *place = None;
        }
    }
}

/// The facts of a thread's clients by slot, for the application that asks for one.
#[derive(Default)]
pub(crate) struct Roster(Mutex<Vec<Option<Arc<Facts>>>>);

impl Roster {
    /// The client with this id, if it is open.
    pub(crate) fn find(&self, slot: u32, id: u64) -> Option<Arc<Facts>> {
        self.lock().get(slot as usize)?.clone().filter(|facts| facts.id() == id)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Option<Arc<Facts>>>> {
        // Nothing that holds it can panic half-way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
