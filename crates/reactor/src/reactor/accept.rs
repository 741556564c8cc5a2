//! New connections: accepted, admitted or rejected, and registered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use protocol::{Connection, RequestError};

use super::Reactor;
use crate::admission::{Rejection, Verdict};
use crate::application::{Facts, Kind, Notice};
use crate::client::Client;
use crate::io::Accepted;

/// Connections accepted in one turn, so that a burst of new ones doesn't delay those being served.
const ACCEPTS_PER_TURN: usize = 64;

/// Client ids of the whole process, from 1, never given twice.
static NEXT_CLIENT_ID: AtomicU64 = AtomicU64::new(1);

impl Reactor {
    /// Accepts connections as far as the turn's budget allows.
    pub(super) fn accept_waiting(&mut self) {
        let mut budget = ACCEPTS_PER_TURN;
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
    pub(crate) fn add_client(&mut self, mut accepted: Accepted) {
        if let Err(rejection) = self.admit(&accepted) {
            self.reject(&accepted, rejection);
            return self.notify_not_taken();
        }
        let slot = self.clients.next_slot();
        if self.poller.register(&mut accepted.socket, slot).is_err() {
            self.gate.undo_admission();
            return self.notify_not_taken();
        }
        let Accepted { socket, peer, listener } = accepted;
        let id = NEXT_CLIENT_ID.fetch_add(1, Ordering::Relaxed);
        let has_proxy_header = listener.has_proxy_header();
        let facts = Arc::new(Facts::new(id, slot, peer, listener, self.clock));
        let connection = self.connection_of(&facts);
        let mut client = Box::new(Client::new(socket, connection, facts));
        if let Some(siblings) = &self.siblings {
            client.learn_local_address();
            siblings.taken(&client.facts);
        }
        if has_proxy_header {
            client.await_proxy(&self.cx);
        } else if self.announces_accepted {
            client.leave_unassigned();
            self.outbox.notify(Kind::Accepted, slot, id);
        }
        client.schedule(&mut self.timers);
        self.clients.insert(client);
        self.gate.enter(peer, slot);
    }

    /// What is spoken on a connection from now on: behind its PROXY header, where it has one.
    pub(super) fn connection_of(&self, facts: &Facts) -> Connection {
        match facts.listener().tls() {
            None => Connection::new(&self.cx),
            Some(tls) => Connection::secured(&self.cx, tls.config()),
        }
    }

    /// Counts a connection in, after an idle one was closed for it where a limit is reached.
    fn admit(&mut self, accepted: &Accepted) -> Result<(), Rejection> {
        if accepted.listener.has_proxy_header() && !self.gate.trusts(accepted.peer) {
            return Err(Rejection::NoProxy);
        }
        // Proxies aren't counted by their addresses, but their clients are, once they are announced.
        self.admit_address(accepted.peer)?;
        let mut verdict = self.gate.admit(&self.clients, self.cx.now);
        if let Verdict::Evict(slot) = verdict {
            self.close_client(slot);
            verdict = self.gate.admit(&self.clients, self.cx.now);
        }
        match verdict {
            Verdict::Admit => Ok(()),
            // A sibling was faster.
            Verdict::Evict(_) => Err(Rejection::Total),
            Verdict::Reject(rejection) => Err(rejection),
        }
    }

    /// Makes room for a connection of this address where that has as many as it may have.
    pub(super) fn admit_address(&mut self, address: Option<SocketAddr>) -> Result<(), Rejection> {
        match self.gate.check_address(address, &self.clients, self.cx.now) {
            Verdict::Admit => Ok(()),
            Verdict::Evict(slot) => {
                self.close_client(slot);
                Ok(())
            }
            Verdict::Reject(rejection) => Err(rejection),
        }
    }

    /// Counts a rejection, and answers a connection whose address has its share.
    #[cold]
    fn reject(&mut self, accepted: &Accepted, rejection: Rejection) {
        // Under TLS a handshake would have to come first.
        if rejection == Rejection::PerAddress && accepted.listener.tls().is_none() {
            self.answer_rejected(accepted);
        }
        self.count_rejection(rejection, accepted.peer);
    }

    /// Counts a rejection, and announces it unless one like it was announced just before.
    #[cold]
    pub(super) fn count_rejection(&mut self, rejection: Rejection, address: Option<SocketAddr>) {
        self.outbox.count_refusal(rejection.code());
        let Some(count) = self.gate.reject(rejection, self.cx.now) else { return };
        let body = address.map_or(String::new(), |address| address.ip().to_string()).into_bytes();
        let notice = Notice::of(Kind::Rejected, 0, 0);
        self.outbox.push(Notice { detail: rejection.number(), count, body, ..notice });
    }

    fn answer_rejected(&mut self, accepted: &Accepted) {
        let answer = protocol::error_answer(&self.cx, &RequestError::TooManyConnections, false);
        // One attempt each: the request may not have arrived, or the send may fail, and neither is worth
        // waiting for.
        let _ = accepted.socket.write(&answer);
        let _ = accepted.socket.read(&mut self.buffer);
        accepted.socket.shutdown_write();
    }

    fn notify_not_taken(&self) {
        if let Some(siblings) = &self.siblings {
            siblings.not_taken();
        }
    }
}
