//! New connections: accepted, admitted or rejected, and registered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use protocol::{Connection, RequestError};

use super::Reactor;
use crate::admission::{Consequence, Limit, Verdict};
use crate::application::{Facts, Kind, Notice};
use crate::client::{Client, Phase};
use crate::io::Accepted;

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
        if let Err(limit) = self.admit(&accepted) {
            self.reject(accepted, limit);
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
        if self.announces_accepted {
            if client.phase == Phase::Serving {
                client.phase = Phase::Unassigned;
            }
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
        let is_exempt = self.gate.is_exempt(peer);
        let mut connection = match facts.listener().tls() {
            None => Connection::cleartext(&self.cx, is_exempt),
            Some(tls) => Connection::secured(&self.cx, tls.config(), is_exempt),
        };
        if is_exempt {
            connection.serve_https();
            connection.set_local(&self.cx);
        }
        Some(Box::new(Client::new(socket, connection, facts)))
    }

    /// Counts a connection in, after an idle one was closed for it where a limit is reached.
    fn admit(&mut self, accepted: &Accepted) -> Result<(), Limit> {
        match self.gate.check_address(accepted.peer, &self.clients, &self.cx) {
            Verdict::Admit => {}
            Verdict::Evict(slot, limit) => self.evict(slot, limit, accepted),
            Verdict::Reject(limit) => return Err(limit),
        }
        let mut verdict = self.gate.admit(&self.clients, &self.cx);
        if let Verdict::Evict(slot, limit) = verdict {
            self.evict(slot, limit, accepted);
            verdict = self.gate.admit(&self.clients, &self.cx);
        }
        match verdict {
            Verdict::Admit => Ok(()),
            // A sibling was faster.
            Verdict::Evict(_, limit) | Verdict::Reject(limit) => Err(limit),
        }
    }

    /// Closes an idle client for a new connection.
    #[cold]
    fn evict(&mut self, slot: u32, limit: Limit, accepted: &Accepted) {
        self.close_client(slot);
        self.count_consequence(limit.evicted(), accepted);
    }

    /// Answers a connection that isn't taken. It lingers for a moment, unless too many do: unread bytes would
    /// turn the close into a reset, which can destroy the answer.
    #[cold]
    fn reject(&mut self, accepted: Accepted, limit: Limit) {
        self.count_consequence(limit.rejected(), &accepted);
        if accepted.listener.tls().is_some() {
            // A handshake would have to come before an answer.
            return;
        }
        let error = match limit {
            Limit::Total => RequestError::ServerFull,
            Limit::PerAddress => RequestError::AddressFull,
        };
        let answer = protocol::error_answer(&self.cx, &error, false);
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

    /// Counts what a limit has led to for a new connection, and announces it once a second.
    #[cold]
    fn count_consequence(&mut self, consequence: Consequence, accepted: &Accepted) {
        self.outbox.count_refusal(consequence.code());
        let Some(count) = self.gate.count(consequence, &self.cx) else { return };
        let address = accepted.peer.map_or(String::new(), |peer| peer.ip().to_string());
        let notice = Notice::of(Kind::Rejected, 0, 0);
        self.outbox.push(Notice { detail: consequence as u32, count, body: address.into_bytes(), ..notice });
    }

    fn notify_not_taken(&self) {
        if let Some(siblings) = &self.siblings {
            siblings.not_taken();
        }
    }
}
