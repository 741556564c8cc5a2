//! A part of a file that an answer contains.

use std::fs::File;
use std::io;
use std::sync::Arc;

use crate::io::{Asker, Disk, Socket};

/// Which bytes of a file are sent next.
pub(super) struct FileRange {
    file: Arc<File>,
    offset: u64,
    ahead: Ahead,
}

/// What a thread reads ahead of the offset.
enum Ahead {
    Nothing,
    Awaited,
    /// It was read, and `taken` bytes of it are sent.
    Here {
        bytes: Vec<u8>,
        taken: usize,
    },
    Failed(io::Error),
}

impl FileRange {
    /// A range that begins at byte `offset`; its length is known to the connection.
    pub(super) fn new(file: File, offset: u64) -> FileRange {
        FileRange { file: Arc::new(file), offset, ahead: Ahead::Nothing }
    }

    /// Has the kernel send up to `count` bytes, without copying them into our memory; returns how many it
    /// took. 0 means that the file has ended.
    ///
    /// # Errors
    /// As for a write, or a read of the file.
    #[cfg(target_os = "linux")]
    pub(super) fn send(&mut self, socket: &Socket, count: u64) -> io::Result<u64> {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let sent = rustix::fs::sendfile(socket, &self.file, Some(&mut self.offset), count)?;
        Ok(sent as u64)
    }

    /// Not implemented on this system, whose call for it differs.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn send(&mut self, _: &Socket, _: u64) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Up to `longest` bytes that come next, and none at the end of the file; `advance` says that they are used. None:
    /// a thread reads them, and `take_ahead` follows.
    ///
    /// # Errors
    /// The file can't be read.
    pub(super) fn read<'a>(
        &'a mut self,
        disk: &'a mut Disk,
        asker: Asker,
        longest: u64,
        missing: u64,
    ) -> io::Result<Option<&'a [u8]>> {
        if let Ahead::Nothing = self.ahead {
            if let Ok(count) = disk.read_cached(&self.file, self.offset, longest) {
                return Ok(Some(disk.cached(count)));
            }
            disk.read_ahead(asker, self.file.clone(), self.offset, missing)?;
            self.ahead = Ahead::Awaited;
        }
        match &mut self.ahead {
            Ahead::Nothing | Ahead::Awaited => Ok(None),
            Ahead::Failed(error) => Err(std::mem::replace(error, io::ErrorKind::Other.into())),
            Ahead::Here { bytes, taken } => {
                let bytes = bytes.get(*taken..).unwrap_or_default();
                let longest = usize::try_from(longest).unwrap_or(usize::MAX);
                Ok(Some(bytes.get(..longest).unwrap_or(bytes)))
            }
        }
    }

    /// `count` bytes of what was read are used.
    pub(super) fn advance(&mut self, count: usize) {
        self.offset += count as u64;
        if let Ahead::Here { bytes, taken } = &mut self.ahead {
            *taken += count;
            if *taken >= bytes.len() {
                self.ahead = Ahead::Nothing;
            }
        }
    }

    /// What a thread has read.
    pub(super) fn take_ahead(&mut self, result: io::Result<Vec<u8>>) {
        self.ahead = match result {
            Ok(bytes) => Ahead::Here { bytes, taken: 0 },
            Err(error) => Ahead::Failed(error),
        };
    }
}
