//! The facts of one client, which JavaScript can read at any time, also after its close.

use std::rc::Weak;
use std::sync::Arc;

use napi_derive::napi;
use reactor::{Address, Facts};

use crate::bridge::Bridge;
use crate::engine::tls::{TlsDetails, now};

/// A socket's address.
#[napi(object)]
pub struct BoundAddress {
    /// Its address family.
    #[napi(ts_type = "'IPv4' | 'IPv6' | 'unix'")]
    pub family: String,
    /// IP address without brackets, or path of a unix socket.
    pub host: String,
    /// Port; 0 for unix sockets.
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

/// The facts of one client, and the commands that end it.
#[napi]
pub struct ClientFacts {
    facts: Arc<Facts>,
    /// Where the client stands in the reactor's table, and on which thread.
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
    /// Its number, from 1, unique in the process.
    #[napi]
    pub fn id(&self) -> f64 {
        self.facts.id() as f64
    }

    /// The client's address: what a PROXY header announces, or else the peer's.
    #[napi]
    pub fn remote_address(&self) -> BoundAddress {
        BoundAddress::of(&self.facts.remote())
    }

    /// The address of the proxy that has sent a PROXY header; `null` without one.
    #[napi]
    pub fn proxy_address(&self) -> Option<BoundAddress> {
        self.facts.proxy().map(|address| BoundAddress::of(&address))
    }

    /// Whether the client has reached its proxy by TLS, as the PROXY header tells.
    #[napi]
    pub fn is_encrypted_to_proxy(&self) -> bool {
        self.facts.is_encrypted_to_proxy()
    }

    /// The address the connection arrived on.
    #[napi]
    pub fn local_address(&self) -> BoundAddress {
        BoundAddress::of(&self.facts.local())
    }

    /// Whether it has TLS, or will have behind its handshake.
    #[napi]
    pub fn is_secured(&self) -> bool {
        self.facts.is_secured()
    }

    /// Whether a TLS handshake is done.
    #[napi]
    pub fn is_encrypted(&self) -> bool {
        self.facts.security().is_some()
    }

    /// What TLS has negotiated; `null` on plaintext and before the handshake is done.
    #[napi(catch_unwind)]
    pub fn tls(&self) -> Option<TlsDetails> {
        let security = self.facts.security()?;
        Some(TlsDetails::of(&security.info()?, security.is_peer_asked()))
    }

    /// Why the client's certificate isn't good by the settings that are in force now: a code and a message. `null`
    /// when it is good.
    #[napi(catch_unwind)]
    pub fn peer_error(&self) -> Option<Vec<String>> {
        let security = self.facts.security()?;
        let (Some(info), Some(tls)) = (security.info(), self.facts.listener().tls()) else {
            return Some(vec!["unknown".to_owned(), "the settings of the listener aren't known".to_owned()]);
        };
        let error = info.verify_peer(&tls.config(), now()).err()?;
        Some(vec![error.code.to_owned(), error.message])
    }

    /// 0: open; 1: the peer has closed its sending side; 3: closed.
    #[napi]
    pub fn status(&self) -> u8 {
        self.facts.status()
    }

    /// How many requests' bodies are still being received.
    #[napi]
    pub fn pending_requests(&self) -> u32 {
        self.facts.pending_requests()
    }

    /// How many dispatched requests aren't completely answered.
    #[napi]
    pub fn pending_responses(&self) -> u32 {
        self.facts.pending_responses()
    }

    /// Whether a handler runs for a request that has wholly arrived.
    #[napi]
    pub fn is_waiting_on_response(&self) -> bool {
        self.facts.is_waiting_on_response()
    }

    /// Unix time in whole seconds at which the connection expires; 0 when none is set.
    #[napi]
    pub fn expiration(&self) -> f64 {
        self.facts.expiration() as f64
    }

    /// Moves the expiration to a later Unix time, in whole seconds; an earlier one changes nothing.
    #[napi]
    pub fn extend_expiration(&self, unix_seconds: f64) {
        self.facts.extend_expiration(unix_seconds);
    }

    /// Closes the connection at once. True if it was open; a `Closed` notice follows then.
    #[napi(catch_unwind)]
    pub fn close(&self) -> bool {
        self.bridge.upgrade().is_some_and(|bridge| bridge.close_client(self.slot, &self.facts))
    }

    /// Makes the close that follows a reset.
    #[napi(catch_unwind)]
    pub fn reset_on_close(&self) {
        if let Some(bridge) = self.bridge.upgrade() {
            bridge.reset_client_on_close(self.slot, &self.facts);
        }
    }

    /// Closes the connection once its requests are answered; further ones are not taken. With `leaves_rest`, the rest
    /// of a body whose request is answered isn't awaited: the sending side is closed, and what comes is dropped for
    /// up to a second.
    #[napi(catch_unwind)]
    pub fn stop(&self, leaves_rest: Option<bool>) {
        if let Some(bridge) = self.bridge.upgrade() {
            bridge.stop_client(self.slot, &self.facts, leaves_rest == Some(true));
        }
    }
}
