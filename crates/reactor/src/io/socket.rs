//! A connected stream socket, internet or unix.
//!
//! Bytes are received and sent by rustix's system calls. On Linux these are made directly: libc's are
//! cancellation points of threads, which costs two atomic operations a call, and no thread here is ever
//! cancelled.

use std::io::{self, IoSlice};
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};

use mio::event::Source;
use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token};
use rustix::net::{RecvFlags, SendFlags};
use socket2::SockRef;

/// A send to a closed connection returns an error, without SIGPIPE.
#[cfg(not(target_vendor = "apple"))]
const WITHOUT_SIGNAL: SendFlags = SendFlags::NOSIGNAL;
/// These systems have no such flag; Rust's runtime and Node ignore the signal.
#[cfg(target_vendor = "apple")]
const WITHOUT_SIGNAL: SendFlags = SendFlags::empty();

/// One connected socket.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl AsFd for Socket {
    #[inline]
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Socket::Tcp(stream) => stream.as_fd(),
            Socket::Unix(stream) => stream.as_fd(),
        }
    }
}

impl Socket {
    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        // Both directions at once, edge-triggered: the interest never changes, which saves system calls.
        let both = Interest::READABLE | Interest::WRITABLE;
        match self {
            Socket::Tcp(stream) => stream.register(registry, token, both),
            Socket::Unix(stream) => stream.register(registry, token, both),
        }
    }

    /// Receives into `buffer`; returns how many bytes, 0 at the end.
    ///
    /// # Errors
    /// Those of recv(2).
    #[inline]
    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let (received, _) = rustix::net::recv(self, buffer, RecvFlags::empty())?;
        Ok(received)
    }

    /// Like [`Socket::read`], but the bytes stay in the kernel.
    ///
    /// # Errors
    /// Those of recv(2).
    pub(crate) fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let (received, _) = rustix::net::recv(self, buffer, RecvFlags::PEEK)?;
        Ok(received)
    }

    /// Sends as much of `bytes` as the kernel takes; returns how much.
    ///
    /// # Errors
    /// Those of send(2).
    #[inline]
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::net::send(self, bytes, WITHOUT_SIGNAL)?)
    }

    /// The same with several parts.
    ///
    /// # Errors
    /// Those of writev(2).
    pub(crate) fn write_vectored(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(rustix::io::writev(self, parts)?)
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
            Socket::Unix(stream) => stream.shutdown(Shutdown::Write),
        };
    }

    /// Makes the coming close a reset, so that the peer can't mistake a truncated answer for a complete one.
    pub(crate) fn reset_on_close(&self) {
        if let Socket::Tcp(stream) = self {
            // On an error the close is an ordinary one; nothing else depends on it.
            let _ = SockRef::from(stream).set_linger(Some(std::time::Duration::ZERO));
        }
    }

    pub(crate) fn local_address(&self) -> Option<SocketAddr> {
        match self {
            Socket::Tcp(stream) => stream.local_addr().ok().map(unmapped),
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
