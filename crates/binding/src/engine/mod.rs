//! The cold API of one server: it is made, listens, starts and stops.

mod client_facts;
mod error;
mod limits;
mod tls;
mod versions;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::rc::Rc;

use napi::bindgen_prelude::{Env, JsValue, Unknown};
use napi::{Error, Result, Status};
use napi_derive::napi;
use reactor::{Bind, HeadBlock};

use crate::bridge::Bridge;
use crate::engine::client_facts::{BoundAddress, ClientFacts};
use crate::engine::error::{listen_error, system_error};
use crate::engine::limits::EngineLimits;
use crate::engine::tls::{TlsAnswer, TlsContext};
use crate::hot;
use crate::mode::InLoop;
use crate::node::typed_array;

/// Where to listen: at `path` for a unix socket, else at `host` and `port`.
#[napi(object, use_nullable = true)]
pub struct ListenOptions {
    /// IP literal; `null` for all interfaces, by IPv4 and IPv6.
    pub host: Option<String>,
    /// Port; 0 lets the system choose one.
    pub port: u16,
    /// Path of a unix socket; `null` for TCP.
    pub path: Option<String>,
    /// Descriptor of a socket that listens already, instead of an address; `null` for none.
    pub fd: Option<i32>,
    /// How many connections may wait to be accepted.
    pub backlog: i32,
    /// Whether several sockets may share the port (SO_REUSEPORT).
    pub reuse_port: bool,
    /// Whether an IPv6 wildcard address accepts no IPv4 (IPV6_V6ONLY).
    pub ipv6_only: bool,
    /// Permission bits of the unix socket's file; `null` leaves them to the umask.
    pub mode: Option<u32>,
    /// Whether each connection begins with a PROXY header.
    pub proxy_protocol: bool,
}

impl ListenOptions {
    fn to_bind(&self) -> Result<Bind> {
        if let Some(fd) = self.fd {
            return inherited(fd).map_err(|error| system_error(&format!("descriptor {fd}"), &error));
        }
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

/// A copy of a descriptor that the process was given.
#[cfg(unix)]
fn inherited(fd: i32) -> std::io::Result<Bind> {
    if fd < 0 {
        return Err(std::io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: the descriptor isn't -1. It is copied at once, and if it isn't open the copy fails with EBADF.
    let borrowed = unsafe { std::os::fd::BorrowedFd::borrow_raw(fd) };
    Ok(Bind::Inherited(std::sync::Arc::new(borrowed.try_clone_to_owned()?)))
}

/// Descriptors are a matter of unix.
#[cfg(not(unix))]
fn inherited(_: i32) -> std::io::Result<Bind> {
    Err(std::io::Error::new(std::io::ErrorKind::Unsupported, "this system gives no sockets by descriptor"))
}

/// The native half of one `HttpServer`.
#[napi]
pub struct Engine {
    bridge: Rc<Bridge>,
}

#[napi]
impl Engine {
    /// Makes an engine that doesn't listen yet.
    ///
    /// `words` is memory for records of eight words each, which notices are written to; its last eight carry
    /// the numbers of an answer (see `HotFunctions`). It must not be transferred. `onNotices(first, count,
    /// slab)` is called for `count` records from record `first` on; offsets in them refer to `slab`. With 0
    /// `threads` the engine runs on the event loop, which needs libuv; else on so many threads of its own,
    /// which call the loop by libuv if `hasLibuv`, and by Node-API if not.
    ///
    /// Throws when the system has no descriptors or threads left, or one of `limits.proxies` isn't a network.
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
            let in_loop = InLoop::new(limits, connections);
            let in_loop = in_loop.map_err(|error| system_error("poller", &error))?;
            // SAFETY: the environment is that of the running call, and the values are its arguments. `words`
            // is a private field of our own JavaScript, which neither transfers nor shows it.
            unsafe { Bridge::in_loop(env, in_loop, words, on_notices) }
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

    /// Names of request methods, by the number that `Request` notices carry; unused numbers have an empty
    /// name.
    #[napi]
    pub fn methods() -> Vec<String> {
        let last = protocol::Method::all().map(|method| method.number()).max().unwrap_or(0);
        (0..=last)
            .map(|number| {
                protocol::Method::from_number(number).map_or(String::new(), |method| method.name().to_owned())
            })
            .collect()
    }

    /// Binds a listening socket and returns its address; with `tls` its connections speak TLS. Throws an error whose message begins with the
    /// system's name of the error (`EADDRINUSE …`).
    #[napi(catch_unwind)]
    pub fn listen(&self, options: ListenOptions, tls: Option<&TlsContext>) -> Result<BoundAddress> {
        let bind = options.to_bind()?;
        let bound = self.bridge.listen(&bind, options.backlog);
        let closed = || Error::new(Status::GenericFailure, "the engine is closed".to_owned());
        let facts = bound.ok_or_else(closed)?.map_err(|error| listen_error(&error))?;
        if options.proxy_protocol {
            facts.expect_proxy_header();
        }
        if let Some(tls) = tls {
            facts.secure(tls.setup().clone());
        }
        Ok(BoundAddress::of(&facts.address))
    }

    /// Begins to accept connections. From now on the server keeps the process alive.
    #[napi(catch_unwind)]
    pub fn start(&self) {
        self.bridge.keep_alive(true);
        self.bridge.start();
    }

    /// Accepts the connections that wait, then closes the listening sockets.
    #[napi(catch_unwind)]
    pub fn stop_listening(&self) {
        self.bridge.stop_listening();
    }

    /// Closes each client once its requests are answered; an `Idle` notice follows when none is left.
    #[napi(catch_unwind)]
    pub fn stop_gracefully(&self) {
        self.bridge.stop_gracefully();
    }

    /// Closes all clients at once; an `Idle` notice follows. Returns how many requests without a complete answer,
    /// and upgraded connections, that has cut off.
    #[napi(catch_unwind)]
    pub fn close_all(&self) -> u32 {
        self.bridge.close_all() as u32
    }

    /// Closes the clients that have never sent a whole request: the application knows none of them.
    #[napi(catch_unwind)]
    pub fn close_silent(&self) {
        self.bridge.close_silent();
    }

    /// Closes everything that is left and leaves the event loop. `onNotices` isn't called again.
    #[napi(catch_unwind)]
    pub fn dispose(&self) {
        self.bridge.dispose();
    }

    /// Has the server keep the process alive while it is open.
    #[napi(js_name = "ref", catch_unwind)]
    pub fn reference(&self) {
        self.bridge.keep_alive(true);
    }

    /// Has the server no longer keep the process alive.
    #[napi(js_name = "unref", catch_unwind)]
    pub fn unreference(&self) {
        self.bridge.keep_alive(false);
    }

    /// How many requests the engine has refused, before their handler or while their body came: by error
    /// code.
    #[napi(catch_unwind)]
    pub fn refusals(&self) -> HashMap<String, f64> {
        let mut refusals = HashMap::new();
        for (code, count) in self.bridge.refusals() {
            *refusals.entry(code.to_owned()).or_default() += count as f64;
        }
        refusals
    }

    /// How many connections are open.
    #[napi(catch_unwind)]
    pub fn client_count(&self) -> f64 {
        self.bridge.client_count() as f64
    }

    /// Pauses or resumes beginning further requests. Requests that have begun go on.
    #[napi(catch_unwind)]
    pub fn pause_requests(&self, is_paused: bool) {
        self.bridge.pause_requests(is_paused);
    }

    /// Has JavaScript asked by `Unparsed` notices for the pages of what is no request, as far as a turn's budget goes.
    /// `respond` gives one within a second; otherwise a short text is sent.
    #[napi(catch_unwind)]
    pub fn ask_for_pages(&self) {
        self.bridge.ask_for_pages();
    }

    /// Puts other limits of connections and requests in force. How many connections there may be, and the proxies, stay
    /// as they were.
    #[napi(catch_unwind)]
    pub fn replace_limits(&self, limits: EngineLimits) {
        self.bridge.replace_limits(&limits.to_limits());
    }

    /// Has each refused request announced by a `Refused` notice.
    #[napi(catch_unwind)]
    pub fn explain_refusals(&self) {
        self.bridge.explain_refusals();
    }

    /// Has each new connection announced by an `Accepted` notice. It then waits until `serve` gives it to
    /// HTTP or `takeRaw` to JavaScript. To be called before `start`.
    #[napi(catch_unwind)]
    pub fn announce_accepted(&self) {
        self.bridge.announce_accepted();
    }

    /// Answers a `ServerName` notice; with `null` the default certificate is used, and nothing is kept.
    #[napi(catch_unwind)]
    pub fn answer_certificate(&self, slot: u32, client: f64, answer: Option<&TlsAnswer>) {
        let answer = answer.map(|answer| answer.answer().clone());
        self.bridge.answer_certificate(slot, client as u64, answer);
    }

    /// The facts of a client that an `Accepted` notice has announced; null when it has closed. A `Closed`
    /// notice will follow.
    #[napi(catch_unwind)]
    pub fn open_accepted(&self, slot: u32, client: f64) -> Option<ClientFacts> {
        let facts = self.bridge.watch_accepted(slot, client as u64)?;
        Some(ClientFacts::new(facts, slot, Rc::downgrade(&self.bridge)))
    }

    /// The facts of the client that sent the request with the head block at `head` in `slab`, also after its
    /// close. A `Closed` notice follows unless it has closed already.
    #[napi(catch_unwind, ts_args_type = "slot: number, slab: Buffer, head: number")]
    pub fn open_client(&self, env: Env, slot: u32, slab: Unknown<'_>, head: u32) -> Result<ClientFacts> {
        // SAFETY: environment and value are those of the running call; the bytes are last used before it
        // returns to JavaScript.
        let bytes = unsafe { typed_array(env.raw(), slab.raw()) };
        let block = bytes.as_deref().and_then(|bytes| HeadBlock::at(bytes, head as usize));
        let block = block.ok_or_else(|| {
            Error::new(Status::InvalidArg, "the slab has no head block at this offset".to_owned())
        })?;
        let facts = self.bridge.watch(slot, &block);
        Ok(ClientFacts::new(facts, slot, Rc::downgrade(&self.bridge)))
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // The engine was collected without a stop: nothing can reach the server any more.
        self.bridge.dispose();
    }
}
