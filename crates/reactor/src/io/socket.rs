//! A connected stream socket, internet or unix.
//!
//! Its bytes are received and sent by the child module for the system.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::io::{self, IoSlice};
use std::net::{IpAddr, Shutdown, SocketAddr};

use mio::event::Source;
use mio::net::TcpStream;
#[cfg(unix)]
use mio::net::UnixStream;
use mio::{Interest, Registry, Token};
use socket2::SockRef;

/// Whether the poller reports the next readiness after a call that took less than it was asked for. On Windows mio
/// does so only after one that would have blocked.
pub(crate) const SHORT_CALLS_ARM: bool = cfg!(unix);

/// One connected socket.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Socket {
    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        // Both directions at once, edge-triggered: the interest never changes, which saves system calls.
        let both = Interest::READABLE | Interest::WRITABLE;
        match self {
            Socket::Tcp(stream) => stream.register(registry, token, both),
            #[cfg(unix)]
            Socket::Unix(stream) => stream.register(registry, token, both),
        }
    }

    /// Sends as much of `parts` as the kernel takes; returns how much.
    ///
    /// # Errors
    /// Those of send(2) and writev(2).
    pub(crate) fn write_parts(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut filled = parts.iter().filter(|part| !part.is_empty());
        match (filled.next(), filled.next()) {
            // The kernel copies from one range of memory faster than from a list of ranges.
            (Some(only), None) => self.write(only),
            _ => self.write_vectored(parts),
        }
    }

    /// Bytes that can be read at once; 0 also when the system can't say.
    pub(crate) fn waiting(&self) -> usize {
        rustix::io::ioctl_fionread(self).map_or(0, |count| count as usize)
    }

    /// Closes the sending side: the peer reads what was sent, then the end.
    pub(crate) fn shutdown_write(&self) {
        // It fails only when the connection has ended, which the next read reports.
        let _ = match self {
            Socket::Tcp(stream) => stream.shutdown(Shutdown::Write),
            #[cfg(unix)]
            Socket::Unix(stream) => stream.shutdown(Shutdown::Write),
        };
    }

    /// Makes the coming close a reset, so that the peer can't mistake a truncated answer for a complete one.
    pub(crate) fn reset_on_close(&self) {
        match self {
            // On an error the close is an ordinary one; nothing else depends on it.
            Socket::Tcp(stream) => {
                let _ = SockRef::from(stream).set_linger(Some(std::time::Duration::ZERO));
            }
            #[cfg(unix)]
            Socket::Unix(_) => {}
        }
    }

    pub(crate) fn local_address(&self) -> Option<SocketAddr> {
        match self {
            Socket::Tcp(stream) => stream.local_addr().ok().map(unmapped),
            #[cfg(unix)]
            Socket::Unix(_) => None,
        }
    }
}

/// The same address, an IPv4-mapped one as IPv4: a connection that a dual-stack listener accepts over IPv4 is
/// shown and compared as an IPv4 one.
pub(super) fn unmapped(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V6(v6) => match v6.ip().to_ipv4_mapped() {
            Some(v4) => SocketAddr::new(IpAddr::V4(v4), v6.port()),
            None => address,
        },
        SocketAddr::V4(_) => address,
    }
}

/// These systems have no MSG_MORE.
#[cfg(not(target_os = "linux"))]
impl Socket {
    /// Like `write_vectored`.
    ///
    /// # Errors
    /// As for that.
    pub(crate) fn write_ahead(&self, parts: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.write_vectored(parts)
    }

    /// Nothing was kept.
    pub(crate) fn push(&self) {}
}
