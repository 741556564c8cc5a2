//! New connections: accepted, admitted or rejected, and registered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use protocol::{Connection, RequestError};

use super::Reactor;
use crate::admission::{Rejection, Verdict};
use crate::application::{Facts, Kind, Notice};
use crate::client::{Client, Phase};
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
        let facts = Arc::new(Facts::new(id, slot, peer, listener, self.clock));
        let is_exempt = self.gate.is_exempt(peer);
        let mut connection = match facts.listener().tls() {
            None => Connection::cleartext(&self.cx, is_exempt),
            Some(tls) => Connection::secured(&self.cx, tls.config(), is_exempt),
        };
        if is_exempt {
            connection.serve_https();
        }
        let mut client = Box::new(Client::new(socket, connection, facts));
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
        self.clients.insert(client);
        self.gate.enter(peer, slot);
    }

    /// Counts a connection in, after an idle one was closed for it where a limit is reached.
    fn admit(&mut self, accepted: &Accepted) -> Result<(), Rejection> {
        match self.gate.check_address(accepted.peer, &self.clients, self.cx.now) {
            Verdict::Admit => {}
            Verdict::Evict(slot) => self.close_client(slot),
            Verdict::Reject(rejection) => return Err(rejection),
        }
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

    /// Counts a rejection, and answers a connection whose address has its share.
    #[cold]
    fn reject(&mut self, accepted: &Accepted, rejection: Rejection) {
        let code = match rejection {
            Rejection::Total => "BUSBAR_CONNECTION_LIMIT",
            Rejection::PerAddress => {
                // Under TLS a handshake would have to come first.
                if accepted.listener.tls().is_none() {
                    self.answer_rejected(accepted);
                }
                RequestError::TooManyConnections.code()
            }
        };
        self.outbox.count_refusal(code);
        let Some(count) = self.gate.reject(rejection, self.cx.now) else { return };
        let address = accepted.peer.map_or(String::new(), |peer| peer.ip().to_string());
        let notice = Notice::of(Kind::Rejected, 0, 0);
        self.outbox.push(Notice { detail: rejection as u32, count, body: address.into_bytes(), ..notice });
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
