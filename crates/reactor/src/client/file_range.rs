//! A part of a file that an answer contains.

use std::fs::File;
use std::io;

use protocol::RequestId;

use crate::io::Socket;

/// Which bytes of a file are sent next, and for which answer.
#[cfg_attr(
    not(target_os = "linux"),
    expect(dead_code, reason = "files are sent by the kernel on Linux alone")
)]
pub(crate) struct FileRange {
    pub(crate) request_id: RequestId,
    file: File,
    offset: u64,
}

impl FileRange {
    /// A range that begins at byte `offset`; its length is known to the connection.
    pub(crate) fn new(request_id: RequestId, file: File, offset: u64) -> FileRange {
        FileRange { request_id, file, offset }
    }

    /// Has the kernel send up to `count` bytes, without copying them into our memory; returns how many it
    /// took. 0 means that the file has ended.
    ///
    /// # Errors
    /// As for a write, or a read of the file.
    #[cfg(target_os = "linux")]
    pub(crate) fn send(&mut self, socket: &Socket, count: u64) -> io::Result<u64> {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let sent = rustix::fs::sendfile(socket, &self.file, Some(&mut self.offset), count)?;
        Ok(sent as u64)
    }

    /// Not implemented on this system, whose call for it differs.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn send(&mut self, _: &Socket, _: u64) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
