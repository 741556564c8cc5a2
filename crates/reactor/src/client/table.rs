//! The table of clients, and the lists of those that need attention.
//!
//! A client is on a list once or not at all. Which lists it is on is kept beside it, and only this file
//! changes either.

use std::collections::VecDeque;

use protocol::{AnswerError, Timestamp};
use slab::Slab;

use super::Client;
use crate::io::ClientReadiness;

/// The lists that a client is on.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Listed {
    to_read: bool,
    to_flush: bool,
    unfinished: bool,
    paused: bool,
}

/// Clients by slot.
#[derive(Default)]
pub(crate) struct Clients {
    table: Slab<Box<Client>>,
    /// Those that may have input to be read, in the order in which they became ready.
    to_read: VecDeque<u32>,
    /// Those with output, or a decision, for the next flush.
    to_flush: Vec<u32>,
    /// Those whose visit in the last flush ended before their file did.
    unfinished: Vec<u32>,
    /// Those that aren't read because requests are paused: since when, slot and id.
    paused: VecDeque<(Timestamp, u32, u64)>,
}

impl Client {
    /// Whether it is on the list of clients to be read.
    pub(super) fn is_queued_to_read(&self) -> bool {
        self.listed.to_read
    }
}

impl Clients {
    /// The client at `slot`.
    #[inline]
    pub(crate) fn get(&self, slot: u32) -> Option<&Client> {
        self.table.get(slot as usize).map(|client| &**client)
    }

    /// The client at `slot`, to be changed.
    #[inline]
    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut Client> {
        self.table.get_mut(slot as usize).map(|client| &mut **client)
    }

    /// The client at `slot`, if it has this id: a slot is used again.
    pub(crate) fn with_id(&self, slot: u32, id: u64) -> Option<&Client> {
        self.get(slot).filter(|client| client.facts.id() == id)
    }

    /// The same, to be changed.
    pub(crate) fn with_id_mut(&mut self, slot: u32, id: u64) -> Option<&mut Client> {
        self.get_mut(slot).filter(|client| client.facts.id() == id)
    }

    /// The slot that the next client will have.
    pub(crate) fn next_slot(&self) -> u32 {
        self.table.vacant_key() as u32
    }

    /// Adds a client at [`Clients::next_slot`].
    pub(crate) fn insert(&mut self, client: Box<Client>) {
        self.table.insert(client);
    }

    /// Takes a client out. Its slots on lists are skipped later.
    pub(crate) fn remove(&mut self, slot: u32) -> Option<Box<Client>> {
        self.table.try_remove(slot as usize)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// All clients with their slots.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Client)> {
        self.table.iter().map(|(slot, client)| (slot as u32, &**client))
    }

    /// The slots of all clients.
    pub(crate) fn slots(&self) -> Vec<u32> {
        self.iter().map(|(slot, _)| slot).collect()
    }

    /// Marks a client with what the kernel reports, and puts it on the lists that it belongs on.
    #[inline]
    pub(crate) fn mark_ready(&mut self, ready: &ClientReadiness) {
        let Some(client) = self.table.get_mut(ready.slot as usize) else { return };
        if ready.is_writable && client.is_blocked {
            client.is_blocked = false;
            if !client.listed.to_flush {
                client.listed.to_flush = true;
                self.to_flush.push(ready.slot);
            }
        }
        // With our own side closed a hang-up only means that the peer has closed its side.
        let is_hung_up = ready.is_write_closed && !client.is_write_shut;
        let is_read_closed = ready.is_read_closed || ready.is_error || is_hung_up;
        if ready.is_readable || is_read_closed {
            client.is_readable = true;
            client.is_read_closed |= is_read_closed;
            if !client.listed.to_read && (is_read_closed || client.can_read()) {
                client.listed.to_read = true;
                self.to_read.push_back(ready.slot);
            }
            client.is_reset |= ready.is_error;
            client.is_hung_up |= is_hung_up;
        }
    }

    /// Has a client read in this turn or the next, if that would make progress.
    #[inline]
    pub(crate) fn queue_read(&mut self, slot: u32) {
        if let Some(client) = self.table.get_mut(slot as usize)
            && !client.listed.to_read
            && client.can_read()
        {
            client.listed.to_read = true;
            self.to_read.push_back(slot);
        }
    }

    /// The same, before all others.
    pub(crate) fn queue_read_first(&mut self, slot: u32) {
        if let Some(client) = self.table.get_mut(slot as usize)
            && !client.listed.to_read
            && client.can_read()
        {
            client.listed.to_read = true;
            self.to_read.push_front(slot);
        }
    }

    /// Has a client visited as if it were to be read, although it may have nothing to read: its end is
    /// noticed so.
    pub(crate) fn queue_visit(&mut self, slot: u32) {
        if let Some(client) = self.table.get_mut(slot as usize)
            && !client.listed.to_read
        {
            client.listed.to_read = true;
            self.to_read.push_back(slot);
        }
    }

    /// How many entries the list of clients to be read has.
    pub(crate) fn to_read(&self) -> usize {
        self.to_read.len()
    }

    /// Takes the first entry from the list of clients to be read; None when it is outdated.
    #[inline]
    pub(crate) fn next_to_read(&mut self) -> Option<u32> {
        let slot = self.to_read.pop_front()?;
        let client = self.table.get_mut(slot as usize)?;
        std::mem::take(&mut client.listed.to_read).then_some(slot)
    }

    /// Runs a command on a client; when it succeeds the next flush services the client.
    ///
    /// # Errors
    /// Those of `run`, and `Stale` when the client is closed.
    #[inline]
    pub(crate) fn command<R>(
        &mut self,
        slot: u32,
        run: impl FnOnce(&mut Client) -> Result<R, AnswerError>,
    ) -> Result<R, AnswerError> {
        let client = self.table.get_mut(slot as usize).ok_or(AnswerError::Stale)?;
        let result = run(client)?;
        if !client.listed.to_flush {
            client.listed.to_flush = true;
            self.to_flush.push(slot);
        }
        Ok(result)
    }

    /// Has a client serviced by the next flush.
    pub(crate) fn mark_dirty(&mut self, slot: u32) {
        if let Some(client) = self.table.get_mut(slot as usize)
            && !client.listed.to_flush
        {
            client.listed.to_flush = true;
            self.to_flush.push(slot);
        }
    }

    /// How many clients the next flush services.
    pub(crate) fn dirty_count(&self) -> usize {
        self.to_flush.len()
    }

    /// The entry of the flush list at index `at`, which is incremented; None at the end, where the list is
    /// emptied.
    #[inline]
    pub(crate) fn next_dirty(&mut self, at: &mut usize) -> Option<u32> {
        let Some(slot) = self.to_flush.get(*at).copied() else {
            self.to_flush.clear();
            return None;
        };
        *at += 1;
        if let Some(client) = self.table.get_mut(slot as usize) {
            client.listed.to_flush = false;
        }
        Some(slot)
    }

    /// Takes the entry that was added last from the flush list.
    pub(crate) fn take_last_dirty(&mut self) -> Option<u32> {
        let slot = self.to_flush.pop()?;
        if let Some(client) = self.table.get_mut(slot as usize) {
            client.listed.to_flush = false;
        }
        Some(slot)
    }

    /// Has a client whose file isn't finished serviced again in the next turn.
    pub(crate) fn mark_unfinished(&mut self, slot: u32) {
        if let Some(client) = self.table.get_mut(slot as usize)
            && !client.listed.unfinished
        {
            client.listed.unfinished = true;
            self.unfinished.push(slot);
        }
    }

    /// Marks the clients with unfinished parts as dirty.
    #[inline]
    pub(crate) fn resume_unfinished(&mut self) {
        if !self.unfinished.is_empty() {
            self.mark_all_unfinished_dirty();
        }
    }

    #[cold]
    fn mark_all_unfinished_dirty(&mut self) {
        for slot in std::mem::take(&mut self.unfinished) {
            if let Some(client) = self.get_mut(slot) {
                client.listed.unfinished = false;
            }
            self.mark_dirty(slot);
        }
    }

    /// Keeps a client unread until [`Clients::resume_paused`] or [`Clients::resume_paused_before`].
    pub(crate) fn pause(&mut self, slot: u32, now: Timestamp) {
        if let Some(client) = self.table.get_mut(slot as usize)
            && !client.listed.paused
        {
            client.listed.paused = true;
            self.paused.push_back((now, slot, client.facts.id()));
        }
    }

    /// Has the clients read that were paused.
    pub(crate) fn resume_paused(&mut self) {
        for (_, slot, id) in std::mem::take(&mut self.paused) {
            self.resume(slot, id);
        }
    }

    /// Has the clients read that were paused before `since`: they have waited for too long.
    pub(crate) fn resume_paused_before(&mut self, since: Timestamp) {
        while let Some((_, slot, id)) = self.paused.front().copied().filter(|(at, ..)| *at <= since) {
            self.paused.pop_front();
            if let Some(client) = self.with_id_mut(slot, id) {
                client.has_waited = true;
            }
            self.resume(slot, id);
        }
    }

    /// Since when the client has been paused that was paused first.
    pub(crate) fn paused_since(&self) -> Option<Timestamp> {
        self.paused.front().map(|(at, ..)| *at)
    }

    fn resume(&mut self, slot: u32, id: u64) {
        if let Some(client) = self.with_id_mut(slot, id) {
            client.listed.paused = false;
            self.queue_read(slot);
        }
    }

    /// Whether a further turn has something to do at once.
    pub(crate) fn has_work(&self) -> bool {
        !self.to_read.is_empty() || !self.unfinished.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use protocol::{Connection, Context, Limits};

    use super::*;
    use crate::application::Facts;
    use crate::io::{Address, ListenerFacts, Socket};
    use crate::time::Clock;

    /// A table with so many clients that can be read.
    fn clients(count: u32) -> Clients {
        let mut clients = Clients::default();
        for id in 0..count {
            insert(&mut clients, u64::from(id));
        }
        clients
    }

    fn insert(clients: &mut Clients, id: u64) {
        let (stream, _) = mio::net::UnixStream::pair().unwrap();
        let listener = Arc::new(ListenerFacts::new(Address::Unix("/x".into()), 0));
        let facts = Facts::new(id, clients.next_slot(), None, listener, Clock::start());
        let connection = Connection::new(&Context::new(Limits::default()));
        let mut client = Client::new(Socket::Unix(stream), connection, Arc::new(facts));
        client.is_readable = true;
        clients.insert(Box::new(client));
    }

    fn taken(clients: &mut Clients) -> Vec<Option<u32>> {
        (0..clients.to_read()).map(|_| clients.next_to_read()).collect()
    }

    #[test]
    fn a_client_is_on_a_list_once_until_it_is_taken_from_it() {
        let mut clients = clients(3);
        for slot in [1, 0, 1, 0] {
            clients.queue_read(slot);
            clients.mark_dirty(slot);
            clients.mark_unfinished(slot);
            clients.pause(slot, Timestamp(0));
        }
        clients.queue_visit(1);
        clients.queue_read_first(2);
        assert_eq!(taken(&mut clients), [Some(2), Some(1), Some(0)]);
        clients.resume_paused();
        assert_eq!(taken(&mut clients), [Some(1), Some(0)]);
        clients.resume_unfinished();
        assert_eq!(clients.dirty_count(), 2, "dirty clients aren't added again");
        let mut at = 0;
        assert_eq!([(); 3].map(|()| clients.next_dirty(&mut at)), [Some(1), Some(0), None]);
        clients.mark_dirty(0);
        assert_eq!(clients.take_last_dirty(), Some(0));
        assert!(!clients.has_work() && clients.dirty_count() == 0);
    }

    #[test]
    fn the_entries_of_a_client_that_was_removed_are_outdated() {
        let mut clients = clients(2);
        clients.queue_read(0);
        clients.queue_read(1);
        clients.remove(0);
        insert(&mut clients, 7);
        assert!(clients.with_id(0, 0).is_none() && clients.with_id(0, 7).is_some());
        assert_eq!(taken(&mut clients), [None, Some(1)]);
        clients.queue_read(0);
        assert_eq!(taken(&mut clients), [Some(0)]);
    }
}
