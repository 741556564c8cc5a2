//! A reactor's part in the admission of connections.

use std::net::SocketAddr;
use std::sync::Arc;

use protocol::Timestamp;

use super::eviction::{self, Eviction};
use super::{Admission, Location, Rejection};
use crate::application::Facts;
use crate::client::Clients;

/// Decides whether a new connection is taken, and which idle one is closed for it.
pub(crate) struct Gate {
    admission: Arc<Admission>,
    eviction: Eviction,
    /// The reactor's number among those that share `admission`.
    reactor: usize,
}

/// The next step for a new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is taken, and counted.
    Admit,
    /// The client at this slot, which is idle, has to be closed first.
    Evict(u32),
    /// It is not taken.
    Reject(Rejection),
}

impl Gate {
    /// For the first reactor of those that share `admission`.
    pub(crate) fn new(admission: Arc<Admission>) -> Gate {
        Gate { admission, eviction: Eviction::default(), reactor: 0 }
    }

    /// Connections are admitted by `admission` from now on.
    pub(crate) fn share(&mut self, admission: Arc<Admission>) {
        self.admission = admission;
    }

    /// Sets the reactor's number among those that share the admission.
    pub(crate) fn set_reactor(&mut self, reactor: usize) {
        self.reactor = reactor;
    }

    /// Whether the server has as many connections as it takes.
    pub(crate) fn is_full(&self) -> bool {
        self.admission.is_full()
    }

    /// Whether the PROXY header of a peer is believed.
    pub(crate) fn trusts(&self, peer: Option<SocketAddr>) -> bool {
        self.admission.trusts(peer)
    }

    /// Whether a connection from `peer` is taken as far as its address is concerned; an idle one of the same
    /// address is closed at its limit.
    pub(crate) fn check_address(
        &self,
        peer: Option<SocketAddr>,
        clients: &Clients,
        now: Timestamp,
    ) -> Verdict {
        match self.admission.at_limit(peer) {
            None => Verdict::Admit,
            Some(locations) => self.evict_of(&locations, clients, now),
        }
    }

    #[cold]
    fn evict_of(&self, locations: &[Location], clients: &Clients, now: Timestamp) -> Verdict {
        let own = locations.iter().filter(|location| location.reactor == self.reactor);
        let slot = eviction::longest_idle_of(clients, own.map(|location| location.slot), now);
        slot.map_or(Verdict::Reject(Rejection::PerAddress), Verdict::Evict)
    }

    /// Whether a connection is taken as far as the server is concerned.
    pub(crate) fn admit(&mut self, clients: &Clients, now: Timestamp) -> Verdict {
        if self.admission.try_admit() { Verdict::Admit } else { self.evict_any(clients, now) }
    }

    #[cold]
    fn evict_any(&mut self, clients: &Clients, now: Timestamp) -> Verdict {
        let slot = self.eviction.longest_idle(clients, now);
        slot.map_or(Verdict::Reject(Rejection::Total), Verdict::Evict)
    }

    /// An admitted connection could not be served.
    pub(crate) fn undo_admission(&self) {
        self.admission.undo_admission();
    }

    /// An admitted connection is a client now.
    pub(crate) fn enter(&self, peer: Option<SocketAddr>, slot: u32) {
        self.admission.enter(peer, Location { reactor: self.reactor, slot });
    }

    /// A client has ended.
    pub(crate) fn leave(&self, facts: &Facts) {
        self.admission.leave(facts.client_address(), Location { reactor: self.reactor, slot: facts.slot() });
    }

    /// Counts a rejection; returns how many there were when a notice about them is due.
    pub(crate) fn reject(&self, rejection: Rejection, now: Timestamp) -> Option<u32> {
        self.admission.reject(rejection, now)
    }
}
