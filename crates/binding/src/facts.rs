//! What JavaScript can ask of one connection, answered at once, also after its close.

use std::rc::Weak;
use std::sync::Arc;

use napi_derive::napi;
use reactor::{Address, Facts};

use crate::bridge::Bridge;

/// An address: `host` is an IP literal, or the path of a unix socket with port 0.
#[napi(object)]
pub struct BoundAddress {
    /// Which kind of address.
    #[napi(ts_type = "'IPv4' | 'IPv6' | 'unix'")]
    pub family: String,
    /// IP without brackets, or path.
    pub host: String,
    /// 0 for unix sockets.
    pub port: u16,
}

impl BoundAddress {
    pub(crate) fn of(address: &Address) -> BoundAddress {
        match address {
            Address::Internet(address) => BoundAddress {
                family: if address.is_ipv4() { "IPv4" } else { "IPv6" }.to_owned(),
                host: address.ip().to_string(),
                port: address.port(),
            },
            Address::Unix(path) => {
                BoundAddress { family: "unix".to_owned(), host: path.to_string_lossy().into_owned(), port: 0 }
            }
        }
    }
}

/// One connection's facts and the two commands that end it.
#[napi]
pub struct ClientFacts {
    facts: Arc<Facts>,
    /// Where commands about it go.
    slot: u32,
    bridge: Weak<Bridge>,
}

impl ClientFacts {
    pub(crate) fn new(facts: Arc<Facts>, slot: u32, bridge: Weak<Bridge>) -> ClientFacts {
        ClientFacts { facts, slot, bridge }
    }
}

#[napi]
impl ClientFacts {
    /// Unique in the process, from 1.
    #[napi]
    pub fn id(&self) -> f64 {
        self.facts.id() as f64
    }

    /// The peer's address.
    #[napi]
    pub fn remote_address(&self) -> BoundAddress {
        BoundAddress::of(&self.facts.remote())
    }

    /// The address the connection arrived on.
    #[napi]
    pub fn local_address(&self) -> BoundAddress {
        BoundAddress::of(&self.facts.local())
    }

    /// 0 open, 1 the peer has closed its side, 3 closed.
    #[napi]
    pub fn status(&self) -> u8 {
        self.facts.status()
    }

    /// Requests whose body is being read.
    #[napi]
    pub fn pending_requests(&self) -> u32 {
        self.facts.pending_requests()
    }

    /// Requests dispatched and not wholly answered.
    #[napi]
    pub fn pending_responses(&self) -> u32 {
        self.facts.pending_responses()
    }

    /// Handlers that have not answered yet.
    #[napi]
    pub fn running_handlers(&self) -> u32 {
        self.facts.running_handlers()
    }

    /// Unix time in whole seconds at which the connection expires; 0 when none is set.
    #[napi]
    pub fn expiration(&self) -> f64 {
        self.facts.expiration() as f64
    }

    /// Puts the expiration off.
    #[napi]
    pub fn extend_expiration(&self, unix_seconds: f64) {
        self.facts.extend_expiration(unix_seconds);
    }

    /// Closes the connection; true for the call that closed it. A `Closed` notice follows.
    #[napi(catch_unwind)]
    pub fn close(&self) -> bool {
        self.bridge.upgrade().is_some_and(|bridge| bridge.close_client(self.slot, &self.facts))
    }

    /// Ends the connection as soon as it owes nothing.
    #[napi(catch_unwind)]
    pub fn stop(&self) {
        if let Some(bridge) = self.bridge.upgrade() {
            bridge.stop_client(self.slot, &self.facts);
        }
    }
}
