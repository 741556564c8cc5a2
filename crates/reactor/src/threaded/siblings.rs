//! A thread's view of the other threads of its server.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use super::client_index::ClientIndex;
use super::mailbox::Mailbox;
use super::message::Message;
use crate::application::Facts;
use crate::io::Accepted;
use crate::reactor::Siblings;

/// The threads of one server, seen from one of them.
pub(super) struct ThreadSiblings {
    index: usize,
    /// Connections of each thread, those on their way to it included.
    loads: Arc<[AtomicUsize]>,
    mailboxes: Vec<Mailbox<Message>>,
    /// The search for the least loaded thread begins here, so that equally loaded ones take turns.
    next: usize,
    clients: Arc<ClientIndex>,
}

impl ThreadSiblings {
    /// The view from thread number `index`, whose clients are in `clients`.
    pub(super) fn new(
        index: usize,
        loads: Arc<[AtomicUsize]>,
        mailboxes: Vec<Mailbox<Message>>,
        clients: Arc<ClientIndex>,
    ) -> ThreadSiblings {
        ThreadSiblings { index, loads, mailboxes, next: 0, clients }
    }
}

impl Siblings for ThreadSiblings {
    /// The connection goes to the thread with the fewest; when the server is full to one of those with the
    /// most, where an idle connection is most likely found.
    fn place(&mut self, accepted: Accepted, is_full: bool) -> Option<Accepted> {
        let count = self.loads.len();
        let mut turns = (0..count).map(|turn| (self.next + turn) % count);
        let load = |at: &usize| self.loads[*at].load(Relaxed);
        let chosen = if is_full {
            let most = (0..count).map(|at| load(&at)).max().unwrap_or(0);
            // Connections on their way make equal loads differ a little.
            turns.find(|at| load(at) * 8 >= most * 7)
        } else {
            turns.min_by_key(load)
        };
        let chosen = chosen.unwrap_or(self.index);
        self.next = (chosen + 1) % count;
        self.loads[chosen].fetch_add(1, Relaxed);
        if chosen == self.index {
            return Some(accepted);
        }
        self.mailboxes[chosen].send(Message::Accepted(accepted));
        None
    }

    fn taken(&self, facts: &Arc<Facts>) {
        self.clients.insert(facts);
    }

    fn not_taken(&self) {
        self.loads[self.index].fetch_sub(1, Relaxed);
    }

    fn ended(&self, slot: u32) {
        self.not_taken();
        self.clients.remove(slot);
    }
}
