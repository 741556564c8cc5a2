//! Files in answers. On plaintext the kernel sends them; under TLS they are read here and encrypted.

use std::io::{self, IoSlice};

use protocol::{Context, RequestId};

use super::Reactor;
use super::flush::Sending;
use crate::application::{Kind, Outbox};
use crate::client::{Client, FileRange};
use crate::io::{Disk, Finished};

/// Bytes of a file that one visit sends, so that a fast download doesn't delay other clients. A file that
/// isn't in the page cache is read from the disk in this call, which is another reason for portions.
const FILE_BYTES_PER_VISIT: u64 = 1024 * 1024;
/// The same where they have to be encrypted, which takes longer.
const ENCRYPTED_BYTES_PER_VISIT: u64 = 256 * 1024;

impl Reactor {
    /// Clients whose files threads have read go on in the next flush.
    #[cold]
    pub(super) fn take_reads(&mut self) {
        while let Some(Finished { asker, result }) = self.disk.finished() {
            let Some(client) = self.clients.with_id_mut(asker.slot, asker.client_id) else { continue };
            if let Some(range) = range_of(&mut client.files, RequestId(asker.request_id)) {
                range.take_ahead(result);
                self.clients.mark_dirty(asker.slot);
            }
        }
    }
}

fn range_of(files: &mut [FileRange], request_id: RequestId) -> Option<&mut FileRange> {
    files.iter_mut().find(|range| range.request_id == request_id)
}

/// What became of the next part of a file.
enum Part {
    /// So many bytes of it are with the kernel, or in the output.
    Sent(u64),
    /// The kernel's send buffer is full; so many bytes went there and into the output.
    Full(u64),
    /// A thread reads it.
    Awaited,
    /// The file has ended early, or can't be read.
    Missing,
    /// The connection can't be used any more.
    Broken,
}

impl Client {
    /// Sends the file that comes next in the output, if there is one.
    #[cold]
    pub(super) fn send_file_part(
        &mut self,
        cx: &mut Context,
        outbox: &mut Outbox,
        disk: &mut Disk,
    ) -> Sending {
        let is_secured = self.connection.is_secured();
        let mut budget = if is_secured { ENCRYPTED_BYTES_PER_VISIT } else { FILE_BYTES_PER_VISIT };
        while let Some((request_id, missing)) = self.connection.poll_file() {
            if budget == 0 {
                return Sending::Unfinished;
            }
            let longest = missing.min(budget);
            let part = match is_secured {
                true => self.send_encrypted(cx, disk, request_id, longest, missing),
                false => self.send_by_kernel(cx, request_id, longest),
            };
            if let Part::Sent(count) | Part::Full(count) = part {
                budget -= count;
                if count == missing {
                    self.files.retain(|range| range.request_id != request_id);
                }
            }
            match part {
                Part::Sent(_) => {}
                Part::Full(_) => return Sending::Blocked,
                Part::Awaited => return Sending::AwaitsDisk,
                Part::Missing => {
                    self.connection.handle_file_failed(cx);
                    outbox.notify(Kind::FileFailed, self.facts.slot(), request_id.0);
                }
                Part::Broken => return Sending::Broken,
            }
        }
        Sending::Done
    }

    fn send_by_kernel(&mut self, cx: &mut Context, request_id: RequestId, longest: u64) -> Part {
        let Some(range) = range_of(&mut self.files, request_id) else { return Part::Broken };
        match range.send(&self.socket, longest) {
            Ok(0) => Part::Missing,
            Ok(count) => {
                self.connection.handle_file_sent(cx, count);
                Part::Sent(count)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Part::Full(0),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Part::Sent(0),
            Err(_) => Part::Broken,
        }
    }

    /// Reads up to `longest` bytes and sends them encrypted. Of the file `missing` bytes are still to be sent.
    fn send_encrypted(
        &mut self,
        cx: &mut Context,
        disk: &mut Disk,
        request_id: RequestId,
        longest: u64,
        missing: u64,
    ) -> Part {
        let Some(range) = range_of(&mut self.files, request_id) else { return Part::Broken };
        let bytes = match range.read(disk, (self.facts.slot(), self.facts.id()), longest, missing) {
            Ok(Some(bytes)) if !bytes.is_empty() => bytes,
            Ok(Some(_)) | Err(_) => return Part::Missing,
            Ok(None) => return Part::Awaited,
        };
        let socket = &self.socket;
        let mut is_full = false;
        self.connection.handle_file_bytes(cx, bytes, &mut |parts: &[IoSlice<'_>]| {
            // An error of the socket occurs again when the output is sent, and is handled there.
            let count = socket.write_vectored(parts).unwrap_or(0);
            is_full = count > 0 && count < parts.iter().map(|part| part.len()).sum();
            count
        });
        let count = bytes.len();
        range.advance(count);
        if is_full { Part::Full(count as u64) } else { Part::Sent(count as u64) }
    }
}
