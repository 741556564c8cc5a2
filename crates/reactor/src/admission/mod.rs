//! How many connections a server has, in all and of one address.
//!
//! At a limit the connection that has been idle for longest is closed for a new one; a new one is rejected
//! only when none is idle. A rejected one gets a short answer and lingers outside the limits, so that no reset
//! destroys the answer. Addresses are counted in a map with a random hash, so that a client can't choose
//! addresses that collide; those of one IPv6 site (a /56, what a provider assigns to a household) count as
//! one.
//!
//! The counts are those of one server. With I/O threads each reactor closes idle connections of its own only.

mod eviction;
mod gate;
mod network;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::Timestamp;
use protocol::proxy::ProxyError;

pub(crate) use gate::{Gate, Verdict};
pub use network::{Network, NotANetwork};

/// Rejected connections of one server that linger at the same time.
const LINGERING: usize = 256;

/// Between two notices of one kind, in milliseconds.
const NOTICE_MILLIS: u64 = 1000;

/// How many connections a server takes.
#[derive(Debug, Clone)]
pub struct ConnectionLimits {
    /// In all.
    pub total: usize,
    /// Of one IPv4 address, or one IPv6 /56.
    pub per_address: usize,
    /// Networks whose addresses aren't counted. Peers of unix sockets have no address.
    pub exempt: Vec<Network>,
    /// Networks of proxies: they aren't counted either, and their PROXY headers are believed.
    pub proxies: Vec<Network>,
    /// PROXY headers that come by unix sockets are believed.
    pub trusts_unix: bool,
}

impl Default for ConnectionLimits {
    fn default() -> ConnectionLimits {
        ConnectionLimits {
            total: 10_000,
            per_address: 1_000,
            exempt: Network::local(),
            proxies: Vec::new(),
            trusts_unix: false,
        }
    }
}

/// A limit that was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    /// The server has as many connections as it takes.
    Total,
    /// An address has as many as one may have.
    PerAddress,
}

/// What has happened to connections that can't all be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consequence {
    /// A new connection was rejected: the server is full.
    RejectedInAll,
    /// A new connection was rejected: its address has its share.
    RejectedOfAddress,
    /// An idle connection was closed for a new one: the server is full.
    EvictedInAll,
    /// An idle connection was closed for a new one of its address.
    EvictedOfAddress,
    /// A new connection was rejected: it must begin with a PROXY header, and its peer is no proxy.
    RejectedNoProxy,
    /// A connection was rejected: it has no PROXY header that can be accepted.
    RejectedProxyHeader(ProxyError),
}

/// How many consequences there are.
const CONSEQUENCES: usize = 11;

impl Consequence {
    /// The number that notices carry, below [`CONSEQUENCES`].
    pub fn number(self) -> u32 {
        match self {
            Consequence::RejectedInAll => 0,
            Consequence::RejectedOfAddress => 1,
            Consequence::EvictedInAll => 2,
            Consequence::EvictedOfAddress => 3,
            Consequence::RejectedNoProxy => 4,
            Consequence::RejectedProxyHeader(ProxyError::Missing) => 5,
            Consequence::RejectedProxyHeader(ProxyError::Timeout) => 6,
            Consequence::RejectedProxyHeader(ProxyError::Version1) => 7,
            Consequence::RejectedProxyHeader(ProxyError::Version2) => 8,
            Consequence::RejectedProxyHeader(ProxyError::TooLarge) => 9,
            Consequence::RejectedProxyHeader(ProxyError::Checksum) => 10,
        }
    }

    /// A stable name, for counters.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Consequence::RejectedInAll => "BUSBAR_CONNECTION_LIMIT",
            Consequence::RejectedOfAddress => "BUSBAR_CONNECTIONS_PER_IP_LIMIT",
            Consequence::EvictedInAll => "BUSBAR_CONNECTION_LIMIT_EVICTED",
            Consequence::EvictedOfAddress => "BUSBAR_CONNECTIONS_PER_IP_LIMIT_EVICTED",
            Consequence::RejectedNoProxy => "BUSBAR_PROXY_UNTRUSTED",
            Consequence::RejectedProxyHeader(error) => error.code(),
        }
    }
}

impl Limit {
    /// A new connection is rejected because of it.
    pub(crate) fn rejected(self) -> Consequence {
        match self {
            Limit::Total => Consequence::RejectedInAll,
            Limit::PerAddress => Consequence::RejectedOfAddress,
        }
    }

    /// An idle connection is closed because of it.
    pub(crate) fn evicted(self) -> Consequence {
        match self {
            Limit::Total => Consequence::EvictedInAll,
            Limit::PerAddress => Consequence::EvictedOfAddress,
        }
    }
}

/// The connections of one server, shared by its reactors.
#[derive(Debug)]
pub struct Admission {
    limits: ConnectionLimits,
    count: AtomicUsize,
    addresses: Mutex<HashMap<u64, Vec<Location>>>,
    /// Rejected connections that linger.
    lingering: AtomicUsize,
    /// By [`Consequence`]: how many since the last notice.
    unannounced: [AtomicU32; CONSEQUENCES],
    /// By [`Consequence`]: when the next notice may be sent, in milliseconds.
    notice_at: [AtomicU64; CONSEQUENCES],
}

/// Where a connection is: its reactor, and its slot there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Location {
    reactor: usize,
    slot: u32,
}

impl Admission {
    /// Without connections yet.
    pub fn new(limits: ConnectionLimits) -> Arc<Admission> {
        Arc::new(Admission {
            limits,
            count: AtomicUsize::new(0),
            addresses: Mutex::default(),
            lingering: AtomicUsize::new(0),
            unannounced: Default::default(),
            notice_at: Default::default(),
        })
    }

    /// Whether the server has as many connections as it takes.
    fn is_full(&self) -> bool {
        self.count.load(Relaxed) >= self.limits.total
    }

    /// Whether the PROXY header of a peer is believed; None is the peer of a unix socket.
    fn trusts(&self, peer: Option<SocketAddr>) -> bool {
        match peer {
            Some(peer) => contains(&self.limits.proxies, peer.ip()),
            None => self.limits.trusts_unix,
        }
    }

    /// The key under which an address is counted; None when it isn't.
    fn key_of(&self, peer: Option<SocketAddr>) -> Option<u64> {
        let ip = peer?.ip();
        let is_exempt = contains(&self.limits.exempt, ip) || contains(&self.limits.proxies, ip);
        (!is_exempt).then(|| match ip {
            IpAddr::V4(v4) => u64::from(v4.to_bits()),
            IpAddr::V6(v6) => 1 << 63 | (v6.to_bits() >> 72) as u64,
        })
    }

    /// Whether a peer belongs to the server's operator: its address isn't counted, or it has none.
    fn is_exempt(&self, peer: Option<SocketAddr>) -> bool {
        self.key_of(peer).is_none()
    }

    /// The connections of the peer's address when it has as many as one may have.
    fn at_limit(&self, peer: Option<SocketAddr>) -> Option<Vec<Location>> {
        let key = self.key_of(peer)?;
        self.lock().get(&key).filter(|locations| locations.len() >= self.limits.per_address).cloned()
    }

    /// Counts one more connection, unless the server is full.
    fn try_admit(&self) -> bool {
        let more = |count| (count < self.limits.total).then_some(count + 1);
        self.count.fetch_update(Relaxed, Relaxed, more).is_ok()
    }

    /// Takes back [`Admission::try_admit`].
    fn undo_admission(&self) {
        self.count.fetch_sub(1, Relaxed);
    }

    /// Counts an admitted connection for its address.
    fn enter(&self, peer: Option<SocketAddr>, location: Location) {
        if let Some(key) = self.key_of(peer) {
            self.lock().entry(key).or_default().push(location);
        }
    }

    /// An admitted connection has ended.
    fn leave(&self, peer: Option<SocketAddr>, location: Location) {
        self.undo_admission();
        let Some(key) = self.key_of(peer) else { return };
        let mut addresses = self.lock();
        if let Some(locations) = addresses.get_mut(&key) {
            locations.retain(|other| *other != location);
            if locations.is_empty() {
                addresses.remove(&key);
            }
        }
    }

    /// Counts a rejected connection as lingering, unless enough do.
    fn try_linger(&self) -> bool {
        let more = |count| (count < LINGERING).then_some(count + 1);
        self.lingering.fetch_update(Relaxed, Relaxed, more).is_ok()
    }

    /// A rejected connection has ended.
    fn end_lingering(&self) {
        self.lingering.fetch_sub(1, Relaxed);
    }

    /// Counts a consequence; returns how many there were when a notice is due. The clocks of a server's
    /// reactors started together.
    fn count(&self, consequence: Consequence, now: Timestamp) -> Option<u32> {
        let at = consequence.number() as usize;
        self.unannounced[at].fetch_add(1, Relaxed);
        let due = self.notice_at[at].load(Relaxed);
        let next = now.after_millis(NOTICE_MILLIS).0;
        let is_due = now.0 >= due && self.notice_at[at].compare_exchange(due, next, Relaxed, Relaxed).is_ok();
        is_due.then(|| self.unannounced[at].swap(0, Relaxed))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Vec<Location>>> {
        // No change under this lock can panic half-way, so a poisoned map is complete.
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn contains(networks: &[Network], ip: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(ip))
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
    fn an_address_without_connections_takes_no_memory() {
        let admission = Admission::new(ConnectionLimits::default());
        let peer = Some(SocketAddr::from(([203, 0, 113, 1], 1)));
        for slot in 0..3 {
            assert!(admission.try_admit());
            admission.enter(peer, Location { reactor: 0, slot });
        }
        for slot in [1, 0, 2] {
            admission.leave(peer, Location { reactor: 0, slot });
        }
        assert!(admission.lock().is_empty());
        assert_eq!(admission.count.load(Relaxed), 0);
    }
}
