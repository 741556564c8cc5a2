//! How many connections a server has, in all and of one address.
//!
//! At a limit the connection that has been idle for longest makes room for a new one, and a new one is refused
//! only when none is idle. Addresses are counted under a key that is hashed at random, so that nobody can
//! choose which ones share a place; those of one IPv6 site (a /56, what providers give to a household) count as
//! one.
//!
//! The counts are one server's. On threads each reactor looks for idle connections among its own.

mod network;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::{RequestError, Timestamp};

pub use network::{Network, NotANetwork};

use crate::application::{Kind, Notice};
use crate::client::{Client, Phase};
use crate::reactor::Reactor;
use crate::threaded::Newcomer;

/// Connections that are chosen at once to make room, so that a storm of new ones doesn't look through all
/// others again for each.
const CHOSEN_AT_ONCE: usize = 64;
/// After too few were found nobody is looked for again for a millisecond for each so many connections: looking
/// through them must not become the work of the server.
const LOOKED_THROUGH: usize = 1000;
/// Between two announcements of refusals, in milliseconds.
const TELL_MILLIS: u64 = 1000;

/// How many connections a server takes.
#[derive(Debug, Clone)]
pub struct ConnectionLimits {
    /// In all.
    pub total: usize,
    /// Of one IPv4 address, or one IPv6 /56.
    pub per_address: usize,
    /// Whose addresses aren't counted. Peers of unix sockets have none.
    pub exempt: Vec<Network>,
}

impl Default for ConnectionLimits {
    fn default() -> ConnectionLimits {
        ConnectionLimits { total: 10_000, per_address: 30, exempt: Network::local() }
    }
}

/// Why a connection was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// The server has as many as it takes.
    Total = 0,
    /// Its address has.
    PerAddress = 1,
}

/// The connections of one server, shared by its reactors.
#[derive(Debug)]
pub struct Admission {
    limits: ConnectionLimits,
    count: AtomicUsize,
    addresses: Mutex<HashMap<u64, Vec<Seat>>>,
    /// By denial: how many since that was last announced, and when it may be again, in milliseconds.
    denied: [AtomicU32; 2],
    tell_at: [AtomicU64; 2],
}

/// Where a connection is: its reactor, and its slot there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seat {
    pub(crate) reactor: usize,
    pub(crate) slot: u32,
}

impl Admission {
    /// Nobody is there yet.
    pub fn new(limits: ConnectionLimits) -> Arc<Admission> {
        Arc::new(Admission {
            limits,
            count: AtomicUsize::new(0),
            addresses: Mutex::default(),
            denied: Default::default(),
            tell_at: Default::default(),
        })
    }

    /// Whether the server has as many connections as it takes.
    pub(crate) fn is_full(&self) -> bool {
        self.count.load(Relaxed) >= self.limits.total
    }

    /// Under which an address is counted; None when it isn't.
    fn key_of(&self, peer: Option<SocketAddr>) -> Option<u64> {
        let ip = peer?.ip();
        let is_exempt = self.limits.exempt.iter().any(|network| network.contains(ip));
        (!is_exempt).then(|| match ip {
            IpAddr::V4(v4) => u64::from(v4.to_bits()),
            IpAddr::V6(v6) => 1 << 63 | (v6.to_bits() >> 72) as u64,
        })
    }

    /// The connections of an address that has as many as it may.
    fn crowd(&self, key: u64) -> Option<Vec<Seat>> {
        self.lock().get(&key).filter(|seats| seats.len() >= self.limits.per_address).cloned()
    }

    /// Counts one more connection, if it may be.
    fn take_place(&self) -> bool {
        let more = |count| (count < self.limits.total).then_some(count + 1);
        self.count.fetch_update(Relaxed, Relaxed, more).is_ok()
    }

    fn give_place_back(&self) {
        self.count.fetch_sub(1, Relaxed);
    }

    fn enter(&self, peer: Option<SocketAddr>, seat: Seat) {
        if let Some(key) = self.key_of(peer) {
            self.lock().entry(key).or_default().push(seat);
        }
    }

    pub(crate) fn leave(&self, peer: Option<SocketAddr>, seat: Seat) {
        self.give_place_back();
        let Some(key) = self.key_of(peer) else { return };
        let mut addresses = self.lock();
        if let Some(seats) = addresses.get_mut(&key) {
            seats.retain(|other| *other != seat);
            if seats.is_empty() {
                addresses.remove(&key);
            }
        }
    }

    /// Counts a denial; returns how many there were when that is to be announced. The clocks of a server's
    /// reactors began together.
    fn deny(&self, denial: Denial, now: Timestamp) -> Option<u32> {
        let at = denial as usize;
        self.denied[at].fetch_add(1, Relaxed);
        let due = self.tell_at[at].load(Relaxed);
        let next = now.after_millis(TELL_MILLIS).0;
        let is_mine = now.0 >= due && self.tell_at[at].compare_exchange(due, next, Relaxed, Relaxed).is_ok();
        is_mine.then(|| self.denied[at].swap(0, Relaxed))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Vec<Seat>>> {
        // Nothing that holds it can panic half-way through a change.
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a reactor keeps about making room.
#[derive(Default)]
pub(crate) struct Doorkeeper {
    /// Connections that had been idle for longest when they were looked for, the longest last: when that ends,
    /// and who they are.
    chosen: Vec<(Timestamp, u32, u64)>,
    /// Before then looking again is no use.
    look_at: Timestamp,
}

impl Reactor {
    /// From now on connections are taken as `admission` allows, which the reactors of one server share.
    pub fn admit_by(&mut self, admission: Arc<Admission>) {
        self.admission = admission;
    }

    /// Whether a new connection is let in, having made room for it if need be. Refused it is told so, as far as
    /// that is cheap.
    pub(crate) fn admits(&mut self, newcomer: &Newcomer) -> bool {
        let denial = match self.crowd_of(newcomer) {
            Some(seats) if !self.make_room_among(&seats) => Denial::PerAddress,
            _ if self.admission.take_place() || self.make_room() && self.admission.take_place() => {
                return true;
            }
            _ => Denial::Total,
        };
        self.deny(newcomer, denial);
        false
    }

    /// A connection that was let in could not be taken up.
    pub(crate) fn turn_back(&self) {
        self.admission.give_place_back();
    }

    /// One was.
    pub(crate) fn seat(&self, peer: Option<SocketAddr>, slot: u32) {
        self.admission.enter(peer, Seat { reactor: self.index(), slot });
    }

    /// A connection has ended.
    pub(crate) fn unseat(&self, client: &Client) {
        let seat = Seat { reactor: self.index(), slot: client.facts.slot() };
        self.admission.leave(client.facts.peer(), seat);
    }

    fn index(&self) -> usize {
        self.company.as_ref().map_or(0, |company| company.index())
    }

    fn crowd_of(&self, newcomer: &Newcomer) -> Option<Vec<Seat>> {
        self.admission.crowd(self.admission.key_of(newcomer.peer)?)
    }

    #[cold]
    fn make_room_among(&mut self, seats: &[Seat]) -> bool {
        let index = self.index();
        let ours = seats.iter().filter(|seat| seat.reactor == index);
        let idle = ours.filter_map(|seat| Some((self.idle_until(seat.slot)?, seat.slot)));
        let mut idle: Vec<_> = idle.collect();
        idle.sort_unstable();
        idle.into_iter().any(|(_, slot)| self.close_idle(slot))
    }

    #[cold]
    fn make_room(&mut self) -> bool {
        self.close_chosen() || self.cx.now >= self.doorkeeper.look_at && self.choose() && self.close_chosen()
    }

    /// Closes the first of those chosen that is still what it was.
    fn close_chosen(&mut self) -> bool {
        while let Some((until, slot, id)) = self.doorkeeper.chosen.pop() {
            let is_same = self.clients.get(slot as usize).is_some_and(|client| client.facts.id() == id);
            if is_same && self.idle_until(slot) == Some(until) && self.close_idle(slot) {
                return true;
            }
        }
        false
    }

    /// Looks for the connections that have been idle for longest.
    fn choose(&mut self) -> bool {
        let all = self.clients.iter().filter_map(|(slot, client)| {
            let slot = slot as u32;
            Some((self.idle_until(slot)?, slot, client.facts.id()))
        });
        let mut chosen: Vec<_> = all.collect();
        if chosen.len() > CHOSEN_AT_ONCE {
            chosen.select_nth_unstable(CHOSEN_AT_ONCE);
            chosen.truncate(CHOSEN_AT_ONCE);
        } else {
            self.doorkeeper.look_at = self.cx.now.after_millis((self.clients.len() / LOOKED_THROUGH) as u64);
        }
        chosen.sort_unstable_by(|a, b| b.cmp(a));
        self.doorkeeper.chosen = chosen;
        !self.doorkeeper.chosen.is_empty()
    }

    /// When a connection will have been idle for too long; None for one that isn't idle, as far as is known.
    fn idle_until(&self, slot: u32) -> Option<Timestamp> {
        let client = self.clients.get(slot as usize)?;
        let is_idle = client.phase == Phase::Serving && client.connection.is_idle();
        let has_sent = client.is_queued || client.is_readable;
        if is_idle && !has_sent { client.deadline() } else { None }
    }

    /// Closes an idle connection, unless the kernel has something of it that nobody has looked at.
    fn close_idle(&mut self, slot: u32) -> bool {
        let is_idle = self.clients.get(slot as usize).is_some_and(|client| client.socket.waiting() == 0);
        if is_idle {
            self.close_client(slot);
        }
        is_idle
    }

    #[cold]
    fn deny(&mut self, newcomer: &Newcomer, denial: Denial) {
        let code = match denial {
            Denial::Total => "BUSBAR_CONNECTION_LIMIT",
            Denial::PerAddress => {
                let answer = protocol::error_answer(&self.cx, &RequestError::TooManyConnections, false);
                // It may be too early for the request, or too late; there is no waiting for either.
                let _ = newcomer.socket.write(&answer);
                let _ = newcomer.socket.read(&mut self.buffer);
                newcomer.socket.shutdown_write();
                RequestError::TooManyConnections.code()
            }
        };
        self.count(code);
        let Some(count) = self.admission.deny(denial, self.cx.now) else { return };
        let address = newcomer.peer.map_or(String::new(), |peer| peer.ip().to_string());
        self.notices.push_back(Notice {
            detail: denial as u32,
            count,
            body: address.into_bytes(),
            ..Notice::of(Kind::Denied, 0, 0)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(ip: &str) -> Option<u64> {
        let admission = Admission::new(ConnectionLimits::default());
        admission.key_of(Some(SocketAddr::new(ip.parse().unwrap(), 1)))
    }

    #[test]
    fn the_addresses_of_one_ipv6_site_count_as_one() {
        assert_eq!(key("2001:db8:1:2200::1"), key("2001:db8:1:22ff:ffff::"));
        assert_ne!(key("2001:db8:1:2200::1"), key("2001:db8:1:2300::1"));
        assert_ne!(key("203.0.113.1"), key("203.0.113.2"));
        assert!(key("203.0.113.1").is_some());
    }

    #[test]
    fn local_addresses_and_unix_sockets_are_not_counted() {
        for ip in ["127.0.0.1", "10.0.0.1", "fd00::1"] {
            assert_eq!(key(ip), None);
        }
        assert_eq!(Admission::new(ConnectionLimits::default()).key_of(None), None);
    }

    #[test]
    fn nothing_is_kept_of_an_address_that_has_left() {
        let admission = Admission::new(ConnectionLimits::default());
        let peer = Some(SocketAddr::from(([203, 0, 113, 1], 1)));
        for slot in 0..3 {
            assert!(admission.take_place());
            admission.enter(peer, Seat { reactor: 0, slot });
        }
        for slot in [1, 0, 2] {
            admission.leave(peer, Seat { reactor: 0, slot });
        }
        assert!(admission.lock().is_empty());
        assert_eq!(admission.count.load(Relaxed), 0);
    }
}
