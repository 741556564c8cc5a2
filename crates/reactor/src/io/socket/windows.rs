//! Receiving and sending by mio.
//!
//! On Windows readiness isn't reported again before mio has seen that a call would block, so every call goes
//! through mio. There are no unix sockets: their listeners can't be bound.

use std::io::{self, IoSlice, Read, Write};
use std::os::windows::io::{AsSocket, BorrowedSocket};

use mio::net::TcpStream;

use super::Socket;

impl AsSocket for Socket {
    #[inline]
    fn as_socket(&self) -> BorrowedSocket<'_> {
        self.stream().as_socket()
    }
}

impl Socket {
    fn stream(&self) -> &TcpStream {
        let Socket::Tcp(stream) = self;
        stream
    }

    /// Receives into `buffer`; returns how many bytes, 0 at the end.
    ///
    /// # Errors
    /// Those of recv.
    #[inline]
    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream().read(buffer)
    }

    /// Like [`Socket::read`], but the bytes stay in the system.
    ///
    /// # Errors
    /// Those of recv.
    pub(crate) fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let Socket::Tcp(stream) = self;
        stream.peek(buffer)
    }

    /// Sends as much of `bytes` as the system takes; returns how much.
    ///
    /// # Errors
    /// Those of send.
    #[inline]
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.stream().write(bytes)
    }

    /// The same with several parts.
    ///
    /// # Errors
    /// Those of WSASend.
    pub(crate) fn write_vectored(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.stream().write_vectored(parts)
    }
}
