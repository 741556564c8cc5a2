//! The cold API of one server's engine: made once, listening, started, stopped.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::rc::Rc;

use napi::bindgen_prelude::{Env, Function, JsObjectValue, Object, Uint8Array, Uint32Array, Unknown};
use napi::{Error, JsValue, Result, Status};
use napi_derive::napi;
use reactor::{Bind, HeadBlock, Reactor};

use crate::error::{listen_error, system_error};
use crate::facts::{BoundAddress, ClientFacts};
use crate::hot;
use crate::in_loop::Driver;
use crate::limits::EngineLimits;

/// Where to listen: `path` for a unix socket, else `host` (an IP literal, `null` for all interfaces) and `port`.
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
    /// An IPv6 address takes no IPv4.
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
        let ip: IpAddr = host.parse().map_err(|_| {
            Error::new(Status::InvalidArg, format!("EINVAL {host}: not an IP address"))
        })?;
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
    driver: Rc<Driver>,
}

#[napi]
impl Engine {
    /// `words` takes the records of notices, eight words each; `onNotices` is called with the first
    /// record, their count, and the slab that they refer to.
    #[napi(
        constructor,
        catch_unwind,
        ts_args_type = "limits: EngineLimits, words: Uint32Array, onNotices: (first: number, count: number, slab: Buffer) => void"
    )]
    pub fn new(env: Env, limits: EngineLimits, words: Uint32Array, on_notices: Unknown<'_>) -> Result<Engine> {
        let _ = &words;
        let reactor = Reactor::new(limits.to_limits()).map_err(|error| system_error("poller", &error))?;
        Err(Error::new(Status::GenericFailure, format!("{:?}", (env.raw(), on_notices.raw(), reactor.client_count()))))
    }
}
