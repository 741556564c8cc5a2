//! Listening sockets: binding, with errors that name the address, and accepting. What unix alone has, unix sockets
//! and inherited descriptors, is in the child module.

#[cfg(unix)]
mod unix;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
#[cfg(unix)]
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use mio::net::TcpListener;
#[cfg(unix)]
use mio::net::UnixListener;
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, SockAddr, Socket as RawSocket, TcpKeepalive, Type};

use super::socket::{Socket, unmapped};
use super::tls_setup::TlsSetup;

/// Idle time after which the kernel probes whether the peer still exists. Without it the connections of peers
/// that vanished would stay open.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// Where to listen.
#[derive(Debug, Clone)]
pub enum Bind {
    /// An address; with port 0 the system chooses one.
    Internet {
        /// Address and port.
        address: SocketAddr,
        /// IPv6 only; otherwise an IPv6 wildcard takes IPv4 as well.
        ipv6_only: bool,
        /// Several sockets may share the port, and the system spreads connections over them.
        reuse_port: bool,
    },
    /// All interfaces on a port, both families where the system has both.
    Everywhere {
        /// The port; with 0 the system chooses one.
        port: u16,
        /// As above.
        reuse_port: bool,
    },
    /// A unix socket. A file that no server listens on any more is replaced. Windows has none.
    Unix {
        /// Path of the socket file.
        path: PathBuf,
        /// Permissions of the file; None for those of the umask.
        mode: Option<u32>,
    },
    /// A socket that listens already, given by the process that has started this one. A copy of the descriptor is
    /// taken, and a unix socket's file stays when the listener is closed.
    #[cfg(unix)]
    Inherited(Arc<OwnedFd>),
}

impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bind::Internet { address, .. } => address.fmt(f),
            Bind::Everywhere { port, .. } => write!(f, "*:{port}"),
            Bind::Unix { path, .. } => write!(f, "unix:{}", path.display()),
            #[cfg(unix)]
            Bind::Inherited(descriptor) => write!(f, "descriptor {}", descriptor.as_raw_fd()),
        }
    }
}

/// An address as it is shown to users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// IPv4 or IPv6 with a port.
    Internet(SocketAddr),
    /// The path of a unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Internet(address) => address.fmt(f),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// What all connections of a listener share.
#[derive(Debug)]
pub struct ListenerFacts {
    /// The bound address, with the real port.
    pub address: Address,
    /// Its number, counted from 0 in the order of `listen` calls.
    pub index: u32,
    has_proxy_header: AtomicBool,
    tls: OnceLock<Arc<TlsSetup>>,
}

impl ListenerFacts {
    pub(crate) fn new(address: Address, index: u32) -> ListenerFacts {
        ListenerFacts { address, index, has_proxy_header: AtomicBool::new(false), tls: OnceLock::new() }
    }

    /// Each connection begins with a PROXY header from now on. To be called before connections are accepted.
    pub fn expect_proxy_header(&self) {
        self.has_proxy_header.store(true, Relaxed);
    }

    /// Whether each connection begins with a PROXY header.
    pub(crate) fn has_proxy_header(&self) -> bool {
        self.has_proxy_header.load(Relaxed)
    }

    /// Has the connections accepted from now on speak TLS. Of several calls the first counts.
    pub fn secure(&self, setup: Arc<TlsSetup>) {
        let _ = self.tls.set(setup);
    }

    /// The TLS of the listener's connections; None for plaintext.
    pub fn tls(&self) -> Option<&TlsSetup> {
        self.tls.get().map(Arc::as_ref)
    }

    pub(crate) fn is_wildcard(&self) -> bool {
        matches!(self.address, Address::Internet(address) if address.ip().is_unspecified())
    }
}

/// Binding failed.
#[derive(Debug)]
pub struct ListenError {
    /// The requested address, as `host:port` or `unix:path`.
    pub address: String,
    /// The error of the system.
    pub source: io::Error,
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.address, self.source)
    }
}

impl std::error::Error for ListenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

enum Kind {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener),
}

/// One listening socket.
pub(crate) struct Listener {
    kind: Kind,
    pub(crate) facts: Arc<ListenerFacts>,
    /// The file of a unix socket is removed with the listener.
    owns_file: bool,
    /// Connections may wait: set by readiness, cleared when `accept` would block.
    pub(super) is_ready: bool,
}

/// A connection that was just accepted.
pub(crate) struct Accepted {
    pub(crate) socket: Socket,
    /// The peer's address; None for a unix socket's unnamed peer.
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) listener: Arc<ListenerFacts>,
}

impl Listener {
    pub(super) fn bind(bind: &Bind, backlog: i32, index: u32) -> Result<Listener, ListenError> {
        let result = match bind {
            Bind::Internet { address, ipv6_only, reuse_port } => {
                bind_tcp(*address, *ipv6_only, *reuse_port, backlog, index)
            }
            Bind::Everywhere { port, reuse_port } => bind_everywhere(*port, *reuse_port, backlog, index),
            #[cfg(unix)]
            Bind::Unix { path, mode } => unix::bind(path, *mode, backlog, index),
            #[cfg(not(unix))]
            Bind::Unix { .. } => {
                Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no unix sockets"))
            }
            #[cfg(unix)]
            Bind::Inherited(descriptor) => unix::inherit(descriptor, backlog, index),
        };
        result.map_err(|source| ListenError { address: bind.to_string(), source })
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match &mut self.kind {
            Kind::Tcp(listener) => registry.register(listener, token, Interest::READABLE),
            #[cfg(unix)]
            Kind::Unix(listener) => registry.register(listener, token, Interest::READABLE),
        }
    }

    /// The next waiting connection.
    pub(super) fn accept(&self) -> io::Result<Accepted> {
        let (socket, peer) = match &self.kind {
            Kind::Tcp(listener) => {
                let (stream, peer) = listener.accept()?;
                (Socket::Tcp(stream), Some(unmapped(peer)))
            }
            #[cfg(unix)]
            Kind::Unix(listener) => (Socket::Unix(listener.accept()?.0), None),
        };
        Ok(Accepted { socket, peer, listener: self.facts.clone() })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if self.owns_file
            && let Address::Unix(path) = &self.facts.address
        {
            // It fails when the file was removed already, and then nothing is left to do.
            let _ = std::fs::remove_file(path);
        }
    }
}

#[cfg(target_os = "linux")]
const EAFNOSUPPORT: i32 = 97;
#[cfg(not(any(target_os = "linux", windows)))]
const EAFNOSUPPORT: i32 = 47;
/// WSAEAFNOSUPPORT.
#[cfg(windows)]
const EAFNOSUPPORT: i32 = 10047;

/// Binds a dual-stack socket, or an IPv4 one where the system has no IPv6.
fn bind_everywhere(port: u16, reuse_port: bool, backlog: i32, index: u32) -> io::Result<Listener> {
    let both = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    match bind_tcp(both, false, reuse_port, backlog, index) {
        Err(error) if is_without_ipv6(&error) => {
            let four = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
            bind_tcp(four, false, reuse_port, backlog, index)
        }
        result => result,
    }
}

fn is_without_ipv6(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::AddrNotAvailable)
        || error.raw_os_error() == Some(EAFNOSUPPORT)
}

#[cfg(unix)]
fn share_port(socket: &RawSocket) -> io::Result<()> {
    socket.set_reuse_port(true)
}

/// What comes nearest here lets any process take over the port.
#[cfg(not(unix))]
fn share_port(_: &RawSocket) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "sockets can't share a port on this system (reusePort)"))
}

fn bind_tcp(
    address: SocketAddr,
    ipv6_only: bool,
    reuse_port: bool,
    backlog: i32,
    index: u32,
) -> io::Result<Listener> {
    let socket = RawSocket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(ipv6_only || !address.ip().is_unspecified())?;
    }
    // A restarted server can bind its port while connections of the previous process are still in TIME_WAIT.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    if reuse_port {
        share_port(&socket)?;
    }
    set_inherited(&socket)?;
    socket.bind(&SockAddr::from(address))?;
    socket.listen(backlog)?;
    let listener = TcpListener::from_std(socket.into());
    let address = Address::Internet(listener.local_addr()?);
    Ok(Listener {
        kind: Kind::Tcp(listener),
        facts: Arc::new(ListenerFacts::new(address, index)),
        owns_file: false,
        is_ready: true,
    })
}

/// Sets what accepted sockets inherit, which saves two system calls per connection.
fn set_inherited(socket: &RawSocket) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEP_ALIVE).with_interval(KEEP_ALIVE / 4))
}
