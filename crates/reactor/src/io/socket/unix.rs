//! Receiving and sending by rustix's system calls.
//!
//! On Linux these are made directly: libc's are cancellation points of threads, which costs two atomic
//! operations a call, and no thread here is ever cancelled.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd};

use rustix::net::{RecvFlags, SendFlags};

use super::Socket;

/// A send to a closed connection returns an error, without SIGPIPE.
#[cfg(not(target_vendor = "apple"))]
const WITHOUT_SIGNAL: SendFlags = SendFlags::NOSIGNAL;
/// These systems have no such flag; the runtimes ignore the signal.
#[cfg(target_vendor = "apple")]
const WITHOUT_SIGNAL: SendFlags = SendFlags::empty();

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

    /// The same with several parts, behind which more bytes follow at once: TCP keeps those that don't fill a packet for
    /// these, or until [`Socket::push`].
    ///
    /// # Errors
    /// Those of sendmsg(2).
    #[cfg(target_os = "linux")]
    pub(crate) fn write_ahead(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut none = rustix::net::SendAncillaryBuffer::default();
        Ok(rustix::net::sendmsg(self, parts, &mut none, WITHOUT_SIGNAL | SendFlags::MORE)?)
    }

    /// Sends what `write_ahead` has kept.
    #[cfg(target_os = "linux")]
    pub(crate) fn push(&self) {
        if let Socket::Tcp(_) = self {
            // It is set already. Each time it is set, the kernel sends what it has kept. An error is that of the next write.
            let _ = rustix::net::sockopt::set_tcp_nodelay(self, true);
        }
    }

    /// The same with several parts.
    ///
    /// # Errors
    /// Those of writev(2).
    pub(crate) fn write_vectored(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(rustix::io::writev(self, parts)?)
    }
}
