//! The cold API of one server's engine: made once, listening, started, stopped.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::rc::Rc;

use napi::bindgen_prelude::{Env, JsValue, Unknown};
use napi::{Error, Result, Status};
use napi_derive::napi;
use reactor::{Admission, Bind, HeadBlock, Reactor};

use crate::bridge::Bridge;
use crate::error::{listen_error, system_error};
use crate::facts::{BoundAddress, ClientFacts};
use crate::hot;
use crate::limits::EngineLimits;
use crate::unacknowledged::unacknowledged;
use crate::value::typed_array;

/// Where to listen: `path` for a unix socket, else `host` and `port`.
#[napi(object, use_nullable = true)]
pub struct ListenOptions {
    /// IP literal, `null` for all interfaces on both families.
    pub host: Option<String>,
    /// 0 lets the system choose.
    pub port: u16,
    /// Path of a unix socket.
    pub path: Option<String>,
    /// Connections that may wait to be accepted.
    pub backlog: i32,
    /// Several sockets may share the port.
    pub reuse_port: bool,
    /// An IPv6 wildcard takes no IPv4.
    pub ipv6_only: bool,
    /// Permissions of the unix socket's file.
    pub mode: Option<u32>,
}

impl ListenOptions {
    fn to_bind(&self) -> Result<Bind> {
        if let Some(path) = &self.path {
            return Ok(Bind::Unix { path: PathBuf::from(path), mode: self.mode });
        }
        let Some(host) = &self.host else {
            return Ok(Bind::Everywhere { port: self.port, reuse_port: self.reuse_port });
        };
        let ip: IpAddr = host
            .parse()
            .map_err(|_| Error::new(Status::InvalidArg, format!("EINVAL {host}: not an IP address")))?;
        Ok(Bind::Internet {
            address: SocketAddr::new(ip, self.port),
            ipv6_only: self.ipv6_only,
            reuse_port: self.reuse_port,
        })
    }
}

/// The native half of one `HttpServer`.
#[napi]
pub struct Engine {
    bridge: Rc<Bridge>,
}

#[napi]
impl Engine {
    /// `words` takes the records of notices, eight words each; `onNotices` is called with the first
    /// record, their count, and the slab that they refer to. The reactor runs on the event loop, or on
    /// as many `threads` of its own, which call by libuv if the runtime has it.
    #[napi(
        constructor,
        catch_unwind,
        ts_args_type = "limits: EngineLimits, words: Uint32Array, onNotices: (first: number, count: number, slab: Buffer) => void, threads: number, hasLibuv: boolean"
    )]
    pub fn new(
        env: Env,
        limits: EngineLimits,
        words: Unknown<'_>,
        on_notices: Unknown<'_>,
        threads: u32,
        has_libuv: bool,
    ) -> Result<Engine> {
        let (env, words, on_notices) = (env.raw(), words.raw(), on_notices.raw());
        let connections = limits.to_connection_limits()?;
        let limits = limits.to_limits();
        let bridge = if threads == 0 {
            let mut reactor = Reactor::new(limits).map_err(|error| system_error("poller", &error))?;
            reactor.ask_unacknowledged(unacknowledged);
            reactor.admit_by(Admission::new(connections));
            // SAFETY: the environment is that of the running call, the values are its arguments.
            unsafe { Bridge::in_loop(env, reactor, words, on_notices) }
        } else {
            // SAFETY: as above.
            unsafe {
                Bridge::threaded(env, (&limits, connections), threads as usize, has_libuv, words, on_notices)
            }
        };
        let bridge = bridge.map_err(|reason| Error::new(Status::GenericFailure, reason))?;
        Ok(Engine { bridge })
    }

    /// The functions on the path of every request.
    #[napi(catch_unwind, ts_return_type = "HotFunctions")]
    pub fn hot(&self, env: Env) -> Result<Unknown<'_>> {
        // SAFETY: the environment is that of the running call.
        let raw = unsafe { hot::functions(env.raw(), &self.bridge)? };
        // SAFETY: the object was just made in the scope of this call.
        Ok(unsafe { Unknown::from_raw_unchecked(env.raw(), raw) })
    }

    /// Names of request methods by the number that notices give them; gaps are empty.
    #[napi]
    pub fn methods() -> Vec<String> {
        let last = protocol::Method::all().map(|method| method.number()).max().unwrap_or(0);
        (0..=last)
            .map(|number| {
                protocol::Method::from_number(number).map_or(String::new(), |method| method.name().to_owned())
            })
            .collect()
    }

    /// Binds a listening socket. Throws an error whose message begins with the system's name for it.
    #[napi(catch_unwind)]
    pub fn listen(&self, options: ListenOptions) -> Result<BoundAddress> {
        let bind = options.to_bind()?;
        let bound = self.bridge.listen(&bind, options.backlog);
        let closed = || Error::new(Status::GenericFailure, "the engine is closed".to_owned());
        let facts = bound.ok_or_else(closed)?.map_err(|error| listen_error(&error))?;
        Ok(BoundAddress::of(&facts.address))
    }

    /// Begins to accept connections; from now on the server keeps the process alive.
    #[napi(catch_unwind)]
    pub fn start(&self) {
        self.bridge.keep_alive(true);
        self.bridge.start();
    }

    /// Closes the listening sockets.
    #[napi(catch_unwind)]
    pub fn stop_listening(&self) {
        self.bridge.stop_listening();
    }

    /// Ends every client as soon as it owes nothing; an `Idle` notice follows when none is left.
    #[napi(catch_unwind)]
    pub fn stop_gracefully(&self) {
        self.bridge.stop_gracefully();
    }

    /// Closes every client now; an `Idle` notice follows.
    #[napi(catch_unwind)]
    pub fn close_all(&self) {
        self.bridge.close_all();
    }

    /// Closes everything that is left and lets go of the event loop. Nothing is called back afterwards.
    #[napi(catch_unwind)]
    pub fn dispose(&self) {
        self.bridge.dispose();
    }

    /// Keeps the process alive while the server is open.
    #[napi(js_name = "ref", catch_unwind)]
    pub fn reference(&self) {
        self.bridge.keep_alive(true);
    }

    /// Lets the process end although the server is open.
    #[napi(js_name = "unref", catch_unwind)]
    pub fn unreference(&self) {
        self.bridge.keep_alive(false);
    }

    /// How many requests were refused before a handler saw them, or while their body came, by code.
    #[napi(catch_unwind)]
    pub fn refusals(&self) -> HashMap<String, f64> {
        let mut refusals = HashMap::new();
        for (code, count) in self.bridge.refusals() {
            *refusals.entry(code.to_owned()).or_default() += count as f64;
        }
        refusals
    }

    /// From now on no further requests are begun, or they are again. What has begun goes on.
    #[napi(catch_unwind)]
    pub fn hold_requests(&self, is_held: bool) {
        self.bridge.hold_requests(is_held);
    }

    /// Has each refusal announced by a `Refused` notice.
    #[napi(catch_unwind)]
    pub fn explain_refusals(&self) {
        self.bridge.explain_refusals();
    }

    /// Has each connection announced by an `Accepted` notice, and wait until `serve` or `takeRaw` says
    /// who drives it. To be called before the start.
    #[napi(catch_unwind)]
    pub fn announce_accepted(&self) {
        self.bridge.announce_accepted();
    }

    /// The facts of a client that was announced by `Accepted`; null when it has gone. Its close will be
    /// announced.
    #[napi(catch_unwind)]
    pub fn open_accepted(&self, slot: u32, client: f64) -> Option<ClientFacts> {
        let facts = self.bridge.watch_accepted(slot, client as u64)?;
        Some(ClientFacts::new(facts, slot, Rc::downgrade(&self.bridge)))
    }

    /// The facts of the client that sent the request with this head block, also after it has gone. Its
    /// close will be announced.
    #[napi(catch_unwind, ts_args_type = "slot: number, slab: Buffer, head: number")]
    pub fn open_client(&self, env: Env, slot: u32, slab: Unknown<'_>, head: u32) -> Result<ClientFacts> {
        // SAFETY: environment and value are those of the running call; no JavaScript runs before the
        // bytes are done with.
        let bytes = unsafe { typed_array(env.raw(), slab.raw()) };
        let block = bytes.as_deref().and_then(|bytes| HeadBlock::at(bytes, head as usize));
        let block = block.ok_or_else(|| Error::new(Status::InvalidArg, "no head block there".to_owned()))?;
        let facts = self.bridge.watch(slot, &block);
        Ok(ClientFacts::new(facts, slot, Rc::downgrade(&self.bridge)))
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // Collected without having been stopped: only possible when nothing can reach it any more.
        self.bridge.dispose();
    }
}
