//! A part of an answer that isn't in its connection's output: of a file, or of memory that is held.

use std::fs::File;
use std::io::{self, IoSlice};

use protocol::{External, PARTS, RequestId, total_of};
use smallvec::SmallVec;

use super::file_range::FileRange;
use crate::io::{Asker, Disk, SHORT_CALLS_ARM, Socket};

/// Bytes of an answer that stay where the application has them until the kernel has taken them.
pub trait SendBuffer: Send {
    /// All of the bytes, fetched anew for each write. Fewer, or none, when the application has taken its memory away
    /// meanwhile: the answer is aborted then.
    fn bytes(&mut self) -> &[u8];
}

/// Which bytes are sent next, and for which answer. How many they are is known to the connection.
pub(crate) struct ExternalPart {
    pub(crate) request_id: RequestId,
    source: Source,
}

enum Source {
    File(FileRange),
    /// The last bytes of what lies in these buffers, one behind the other.
    Memory(SmallVec<[Held; 1]>),
}

/// A buffer, and how many bytes it had when it was given.
struct Held {
    buffer: Box<dyn SendBuffer>,
    length: usize,
}

/// What became of a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// The kernel took so many bytes, those behind the part included.
    Some(u64),
    /// The same, and it takes no more until the socket is reported as writable.
    Blocked(u64),
    /// The source has fewer bytes than it should.
    Ended,
}

/// Bytes of one write.
pub(crate) type Parts<'a> = SmallVec<[IoSlice<'a>; PARTS]>;

impl Held {
    /// None when the application has taken them away.
    fn bytes(&mut self) -> Option<&[u8]> {
        self.buffer.bytes().get(..self.length)
    }
}

impl ExternalPart {
    pub(crate) fn of_file(request_id: RequestId, file: File, offset: u64) -> ExternalPart {
        ExternalPart { request_id, source: Source::File(FileRange::new(file, offset)) }
    }

    pub(crate) fn of_memory(
        request_id: RequestId,
        buffers: impl Iterator<Item = Box<dyn SendBuffer>>,
    ) -> ExternalPart {
        let held = |mut buffer: Box<dyn SendBuffer>| {
            let length = buffer.bytes().len();
            Held { buffer, length }
        };
        ExternalPart { request_id, source: Source::Memory(buffers.map(held).collect()) }
    }

    /// Has the kernel take up to `most` bytes, without a copy in our memory, and what is behind the part if that is all
    /// of it.
    ///
    /// # Errors
    /// As for a write, or a read of the file.
    pub(crate) fn send(&mut self, socket: &Socket, next: &External<'_>, most: u64) -> io::Result<Sent> {
        let count = next.missing.min(most);
        match &mut self.source {
            Source::File(range) => {
                let sent = range.send(socket, count)?;
                Ok(if sent == 0 { Sent::Ended } else { Sent::Some(sent) })
            }
            Source::Memory { .. } => {
                let Some(mut parts) = self.held(next.missing, count) else { return Ok(Sent::Ended) };
                if count == next.missing && !next.behind.is_empty() {
                    parts.push(IoSlice::new(next.behind));
                }
                let sent = socket.write_parts(&parts)?;
                let is_short = SHORT_CALLS_ARM && sent < total_of(&parts);
                Ok(if is_short { Sent::Blocked(sent as u64) } else { Sent::Some(sent as u64) })
            }
        }
    }

    /// All of the memory that is held in one place; None when the application has taken it away, or this is something else.
    pub(crate) fn memory(&mut self) -> Option<&[u8]> {
        match &mut self.source {
            Source::Memory(buffers) => match &mut buffers[..] {
                [held] => held.bytes(),
                _ => None,
            },
            Source::File(_) => None,
        }
    }

    /// `count` bytes of what is held, from where `missing` are left. None when the application has taken any of these away.
    pub(crate) fn held(&mut self, missing: u64, count: u64) -> Option<Parts<'_>> {
        let Source::Memory(buffers) = &mut self.source else { return None };
        let total: usize = buffers.iter().map(|held| held.length).sum();
        let mut at = total.checked_sub(usize::try_from(missing).ok()?)?;
        let mut count = usize::try_from(count).ok()?;
        let mut parts = Parts::new();
        for held in buffers {
            if at >= held.length {
                at -= held.length;
            } else if count > 0 {
                let rest = held.bytes()?.get(at..)?;
                let rest = rest.get(..count).unwrap_or(rest);
                count -= rest.len();
                at = 0;
                parts.push(IoSlice::new(rest));
            }
        }
        (count == 0).then_some(parts)
    }

    pub(crate) fn is_file(&self) -> bool {
        matches!(self.source, Source::File(_))
    }

    /// Up to `longest` bytes that come next of a file, and none at its end; `advance` says that they are used. None: a
    /// thread reads them, and `take_ahead` follows. Of the part `missing` bytes are still to be sent.
    ///
    /// # Errors
    /// The file can't be read, or the part is no file.
    pub(crate) fn read<'a>(
        &'a mut self,
        disk: &'a mut Disk,
        (slot, client_id): (u32, u64),
        longest: u64,
        missing: u64,
    ) -> io::Result<Option<&'a [u8]>> {
        let asker = Asker { slot, client_id, request_id: self.request_id.0 };
        match &mut self.source {
            Source::File(range) => range.read(disk, asker, longest, missing),
            Source::Memory { .. } => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// `count` bytes of what was read are used.
    pub(crate) fn advance(&mut self, count: usize) {
        if let Source::File(range) = &mut self.source {
            range.advance(count);
        }
    }

    /// What a thread has read.
    pub(crate) fn take_ahead(&mut self, result: io::Result<Vec<u8>>) {
        if let Source::File(range) = &mut self.source {
            range.take_ahead(result);
        }
    }
}
