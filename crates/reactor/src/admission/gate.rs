//! A reactor's part in the admission of connections.

use std::net::SocketAddr;
use std::sync::Arc;

use protocol::Context;

use super::eviction::{self, Eviction};
use super::{Admission, Consequence, Limit, Location};
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
    /// The client at this slot, which is idle, has to be closed first, because of this limit.
    Evict(u32, Limit),
    /// It is not taken.
    Reject(Limit),
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
    pub(crate) fn check_address(&self, peer: Option<SocketAddr>, clients: &Clients, cx: &Context) -> Verdict {
        match self.admission.at_limit(peer) {
            None => Verdict::Admit,
            Some(locations) => self.evict_of(&locations, clients, cx),
        }
    }

    #[cold]
    fn evict_of(&self, locations: &[Location], clients: &Clients, cx: &Context) -> Verdict {
        let own = locations.iter().filter(|location| location.reactor == self.reactor);
        let slot = eviction::longest_idle_of(clients, own.map(|location| location.slot), cx);
        verdict(slot, Limit::PerAddress)
    }

    /// Whether a connection is taken as far as the server is concerned.
    pub(crate) fn admit(&mut self, clients: &Clients, cx: &Context) -> Verdict {
        if self.admission.try_admit() { Verdict::Admit } else { self.evict_any(clients, cx) }
    }

    #[cold]
    fn evict_any(&mut self, clients: &Clients, cx: &Context) -> Verdict {
        verdict(self.eviction.longest_idle(clients, cx), Limit::Total)
    }

    /// Whether a peer belongs to the server's operator: a proxy, or a host of a private network.
    pub(crate) fn is_exempt(&self, peer: Option<SocketAddr>) -> bool {
        self.admission.is_exempt(peer)
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

    /// Whether a rejected connection may linger. It is counted then.
    pub(crate) fn try_linger(&self) -> bool {
        self.admission.try_linger()
    }

    /// A rejected connection that lingered has ended.
    pub(crate) fn end_lingering(&self) {
        self.admission.end_lingering();
    }

    /// Counts a consequence of a limit; returns how many there were when a notice about them is due.
    pub(crate) fn count(&self, consequence: Consequence, cx: &Context) -> Option<u32> {
        self.admission.count(consequence, cx.now)
    }
}

fn verdict(idle: Option<u32>, limit: Limit) -> Verdict {
    idle.map_or(Verdict::Reject(limit), |slot| Verdict::Evict(slot, limit))
}
