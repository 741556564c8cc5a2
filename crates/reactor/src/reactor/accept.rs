//! New connections: accepted, admitted or rejected, and registered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use protocol::{Connection, RequestError, Way};

use super::Reactor;
use crate::admission::{Consequence, Limit, Verdict};
use crate::application::{Facts, Kind, Notice};
use crate::client::Client;
use crate::io::{Accepted, ListenerFacts};

/// Connections accepted in one turn, so that a burst of new ones doesn't delay those being served.
const ACCEPTS_PER_TURN: usize = 64;

/// Connections accepted when listening ends; more than any queue of a listener holds by default.
const ACCEPTS_AT_STOP: usize = 8192;

/// Client ids of the whole process, from 1, never given twice.
static NEXT_CLIENT_ID: AtomicU64 = AtomicU64::new(1);

impl Reactor {
    /// Accepts connections as far as the turn's budget allows.
    pub(super) fn accept_waiting(&mut self) {
        self.accept_up_to(ACCEPTS_PER_TURN);
    }

    /// Accepts every connection that waits: closing their listener would reset them.
    #[cold]
    pub(super) fn accept_all_waiting(&mut self) {
        self.listeners.mark_all_ready();
        self.accept_up_to(ACCEPTS_AT_STOP);
    }

    /// It is inlined into the hot path although it has a second, rare caller.
    #[inline(always)]
    fn accept_up_to(&mut self, mut budget: usize) {
        while let Some(accepted) = self.listeners.accept(self.cx.now, &mut budget) {
            let placed = match &mut self.siblings {
                Some(siblings) => siblings.place(accepted, self.gate.is_full()),
                None => Some(accepted),
            };
            if let Some(accepted) = placed {
                self.add_client(accepted);
            }
        }
    }

    /// Takes a connection that was just accepted, by this reactor or a sibling.
    pub(crate) fn add_client(&mut self, accepted: Accepted) {
        if let Err(consequence) = self.admit(&accepted) {
            self.reject(accepted, consequence);
            return self.notify_not_taken();
        }
        let peer = accepted.peer;
        let Some(mut client) = self.make_client(accepted) else {
            self.gate.undo_admission();
            return self.notify_not_taken();
        };
        let (slot, id) = (client.facts.slot(), client.facts.id());
        if let Some(siblings) = &self.siblings {
            client.learn_local_address();
            siblings.taken(&client.facts);
        }
        if client.facts.listener().has_proxy_header() {
            client.await_proxy(&self.cx);
        } else if self.announces_accepted {
            client.leave_unassigned();
            self.outbox.notify(Kind::Accepted, slot, id);
        }
        client.schedule(&mut self.timers);
        client.begin_age(&self.cx, &mut self.timers);
        self.clients.insert(client);
        self.gate.enter(peer, slot);
    }

    /// A client for the next slot. None when the poller can't take its socket.
    fn make_client(&self, mut accepted: Accepted) -> Option<Box<Client>> {
        let slot = self.clients.next_slot();
        self.poller.register(&mut accepted.socket, slot).ok()?;
        let Accepted { socket, peer, listener } = accepted;
        let id = NEXT_CLIENT_ID.fetch_add(1, Ordering::Relaxed);
        let facts = Arc::new(Facts::new(id, slot, peer, listener, self.clock));
        let connection = self.connection_of(&facts);
        Some(Box::new(Client::new(socket, connection, facts)))
    }

    /// What is spoken on a connection from now on: behind its PROXY header, where it has one.
    pub(super) fn connection_of(&self, facts: &Facts) -> Connection {
        let way = self.way_of(facts);
        match facts.listener().tls() {
            None => Connection::cleartext(&self.cx, way),
            Some(tls) => Connection::secured(&self.cx, tls.config(), way.is_exempt),
        }
    }

    /// How a client's bytes come, as far as its address and its PROXY header tell.
    pub(super) fn way_of(&self, facts: &Facts) -> Way {
        Way {
            is_encrypted: facts.is_encrypted_to_proxy(),
            is_exempt: self.gate.is_exempt(facts.client_address()),
        }
    }

    /// Counts a connection in, after an idle one was closed for it where a limit is reached.
    fn admit(&mut self, accepted: &Accepted) -> Result<(), Consequence> {
        if accepted.listener.has_proxy_header() && !self.gate.trusts(accepted.peer) {
            return Err(Consequence::RejectedNoProxy);
        }
        // Proxies aren't counted by their addresses, but their clients are, once they are announced.
        self.admit_address(accepted.peer)?;
        let mut verdict = self.gate.admit(&self.clients, &self.cx);
        if let Verdict::Evict(slot, limit) = verdict {
            self.evict(slot, limit, accepted.peer);
            verdict = self.gate.admit(&self.clients, &self.cx);
        }
        match verdict {
            Verdict::Admit => Ok(()),
            // A sibling was faster.
            Verdict::Evict(_, limit) | Verdict::Reject(limit) => Err(limit.rejected()),
        }
    }

    /// Makes room for a connection of this address where that has as many as it may have.
    pub(super) fn admit_address(&mut self, address: Option<SocketAddr>) -> Result<(), Consequence> {
        match self.gate.check_address(address, &self.clients, &self.cx) {
            Verdict::Admit => {}
            Verdict::Evict(slot, limit) => self.evict(slot, limit, address),
            Verdict::Reject(limit) => return Err(limit.rejected()),
        }
        Ok(())
    }

    /// Closes an idle client for a new connection of this address.
    #[cold]
    fn evict(&mut self, slot: u32, limit: Limit, address: Option<SocketAddr>) {
        self.close_client(slot);
        self.count_consequence(limit.evicted(), address);
    }

    /// Ends a connection that isn't taken, with an answer if a limit is the reason. It lingers then for a moment, unless
    /// too many do: unread bytes would turn the close into a reset, which can destroy the answer.
    #[cold]
    fn reject(&mut self, accepted: Accepted, consequence: Consequence) {
        self.count_consequence(consequence, accepted.peer);
        let Some(answer) = self.rejection(consequence, &accepted.listener) else { return };
        // The send buffer is empty, so an answer that isn't sent whole has no connection to be sent on.
        let _ = accepted.socket.write(&answer);
        if self.is_stopping || !self.gate.try_linger() {
            let _ = accepted.socket.read(&mut self.buffer);
            return accepted.socket.shutdown_write();
        }
        let Some(mut client) = self.make_client(accepted) else { return self.gate.end_lingering() };
        let slot = client.facts.slot();
        client.is_rejected = true;
        self.clients.insert(client);
        self.linger(slot);
    }

    /// What a connection is answered that isn't taken; None when it is closed without a byte. Under TLS a handshake
    /// would have to come before an answer.
    pub(super) fn rejection(&self, consequence: Consequence, listener: &ListenerFacts) -> Option<Vec<u8>> {
        let error = match consequence {
            Consequence::RejectedInAll => RequestError::ServerFull,
            Consequence::RejectedOfAddress => RequestError::AddressFull,
            _ => return None,
        };
        listener.tls().is_none().then(|| protocol::error_answer(&self.cx, &error, false))
    }

    /// Counts what has happened to connections, one of which is new and has this address, and announces it once a
    /// second.
    #[cold]
    pub(super) fn count_consequence(&mut self, consequence: Consequence, address: Option<SocketAddr>) {
        self.outbox.count_refusal(consequence.code());
        let Some(count) = self.gate.count(consequence, &self.cx) else { return };
        let body = address.map_or(String::new(), |address| address.ip().to_string()).into_bytes();
        let notice = Notice::of(Kind::Rejected, 0, 0);
        self.outbox.push(Notice { detail: consequence.number(), count, body, ..notice });
    }

    fn notify_not_taken(&self) {
        if let Some(siblings) = &self.siblings {
            siblings.not_taken();
        }
    }
}
