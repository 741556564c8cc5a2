//! How many connections a server has, in all and of one address.
//!
//! At a limit the connection that has been idle for longest is closed for a new one; a new one is rejected
//! only when none is idle. Addresses are counted in a map with a random hash, so that a client can't choose
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

use protocol::proxy::ProxyError;
use protocol::{RequestError, Timestamp};

pub(crate) use gate::{Gate, Verdict};
pub use network::{Network, NotANetwork};

/// Between two notices about rejections, in milliseconds.
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
            per_address: 30,
            exempt: Network::local(),
            proxies: Vec::new(),
            trusts_unix: false,
        }
    }
}

/// Why a connection was rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// The server has as many connections as it takes.
    Total,
    /// Its address has as many as one may have.
    PerAddress,
    /// It must begin with a PROXY header, and its peer is no proxy.
    NoProxy,
    /// It has no PROXY header that can be read.
    ProxyHeader(ProxyError),
}

/// How many rejections there are.
const REJECTIONS: usize = 9;

impl Rejection {
    /// Its number in notices, below [`REJECTIONS`].
    pub fn number(self) -> u32 {
        match self {
            Rejection::Total => 0,
            Rejection::PerAddress => 1,
            Rejection::NoProxy => 2,
            Rejection::ProxyHeader(ProxyError::Missing) => 3,
            Rejection::ProxyHeader(ProxyError::Timeout) => 4,
            Rejection::ProxyHeader(ProxyError::Version1) => 5,
            Rejection::ProxyHeader(ProxyError::Version2) => 6,
            Rejection::ProxyHeader(ProxyError::TooLarge) => 7,
            Rejection::ProxyHeader(ProxyError::Checksum) => 8,
        }
    }

    /// A stable name, for counters.
    pub fn code(self) -> &'static str {
        match self {
            Rejection::Total => "BUSBAR_CONNECTION_LIMIT",
            Rejection::PerAddress => RequestError::TooManyConnections.code(),
            Rejection::NoProxy => "BUSBAR_PROXY_UNTRUSTED",
            Rejection::ProxyHeader(error) => error.code(),
        }
    }
}

/// The connections of one server, shared by its reactors.
#[derive(Debug)]
pub struct Admission {
    limits: ConnectionLimits,
    count: AtomicUsize,
    addresses: Mutex<HashMap<u64, Vec<Location>>>,
    /// By [`Rejection`]: how many since the last notice.
    rejected: [AtomicU32; REJECTIONS],
    /// By [`Rejection`]: when the next notice may be sent, in milliseconds.
    notice_at: [AtomicU64; REJECTIONS],
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
            rejected: Default::default(),
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

    /// Counts a rejection; returns how many there were when a notice is due. The clocks of a server's
    /// reactors started together.
    fn reject(&self, rejection: Rejection, now: Timestamp) -> Option<u32> {
        let at = rejection.number() as usize;
        self.rejected[at].fetch_add(1, Relaxed);
        let due = self.notice_at[at].load(Relaxed);
        let next = now.after_millis(NOTICE_MILLIS).0;
        let is_due = now.0 >= due && self.notice_at[at].compare_exchange(due, next, Relaxed, Relaxed).is_ok();
        is_due.then(|| self.rejected[at].swap(0, Relaxed))
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
