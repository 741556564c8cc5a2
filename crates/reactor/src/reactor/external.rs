//! Parts of answers that aren't in the output. On plaintext they go to the kernel from where they are; files under TLS
//! are read here and encrypted.

use std::io::{self, IoSlice};

use protocol::{Context, External, RequestId};

use super::Reactor;
use super::flush::Sending;
use crate::application::{Kind, Outbox};
use crate::client::{Client, ExternalPart, Sent};
use crate::io::{Disk, Finished};

/// Bytes of a file, or of memory that is held, that one visit sends, so that a fast download doesn't delay other clients. A
/// file that isn't in the page cache is read from the disk in this call, which is another reason for portions.
const BYTES_PER_VISIT: u64 = 1024 * 1024;
/// The same where they have to be encrypted, which takes longer.
const ENCRYPTED_BYTES_PER_VISIT: u64 = 256 * 1024;

impl Reactor {
    /// Clients whose files threads have read go on in the next flush.
    #[cold]
    pub(super) fn take_reads(&mut self) {
        while let Some(Finished { asker, result }) = self.disk.finished() {
            let Some(client) = self.clients.with_id_mut(asker.slot, asker.client_id) else { continue };
            if let Some(part) = part_of(&mut client.external_parts, RequestId(asker.request_id)) {
                part.take_ahead(result);
                self.clients.mark_dirty(asker.slot);
            }
        }
    }
}

fn part_of(parts: &mut [ExternalPart], request_id: RequestId) -> Option<&mut ExternalPart> {
    parts.iter_mut().find(|part| part.request_id == request_id)
}

/// What became of a visit to a part.
enum Visit {
    /// So many bytes are with the kernel, or in the output.
    Sent(u64),
    /// The same, and the kernel takes no more now.
    Full(u64),
    /// A thread reads what comes next.
    Awaited,
    /// The source has fewer bytes than it should, or can't be read.
    Ended,
    /// The connection can't be used any more.
    Broken,
}

impl Client {
    /// Sends external parts, and what follows them in the output, as far as the socket and the budget allow.
    #[cold]
    pub(super) fn send_parts(&mut self, cx: &mut Context, outbox: &mut Outbox, disk: &mut Disk) -> Sending {
        while self.connection.poll_external().is_some() {
            match self.send_external(cx, outbox, disk) {
                Sending::Done => {}
                ended => return ended,
            }
            match self.send_bytes(cx) {
                Sending::Done => {}
                ended => return ended,
            }
        }
        Sending::Done
    }

    /// Sends the part that comes next and isn't in the output, if there is one.
    fn send_external(&mut self, cx: &mut Context, outbox: &mut Outbox, disk: &mut Disk) -> Sending {
        let is_secured = self.connection.is_secured();
        let mut budget = if is_secured { ENCRYPTED_BYTES_PER_VISIT } else { BYTES_PER_VISIT };
        while let Some(External { request_id, missing, .. }) = self.connection.poll_external() {
            if budget == 0 {
                return Sending::Unfinished;
            }
            let visit = match is_secured {
                true => self.send_encrypted(cx, disk, request_id, missing, budget),
                false => self.send_unchanged(cx, budget),
            };
            let (count, is_full) = match visit {
                Visit::Sent(count) => (count, false),
                Visit::Full(count) => (count, true),
                Visit::Awaited => return Sending::AwaitsDisk,
                Visit::Ended => {
                    self.connection.handle_external_failed(cx);
                    self.external_parts.retain(|part| part.request_id != request_id);
                    outbox.notify(Kind::FileFailed, self.facts.slot(), request_id.0);
                    continue;
                }
                Visit::Broken => return Sending::Broken,
            };
            budget = budget.saturating_sub(count);
            if count >= missing {
                self.external_parts.retain(|part| part.request_id != request_id);
            }
            if is_full {
                return Sending::Blocked;
            }
        }
        Sending::Done
    }

    /// Has the kernel take up to `most` bytes.
    fn send_unchanged(&mut self, cx: &mut Context, most: u64) -> Visit {
        let Some(next) = self.connection.poll_external() else { return Visit::Sent(0) };
        let Some(part) = part_of(&mut self.external_parts, next.request_id) else { return Visit::Broken };
        let visit = match part.send(&self.socket, &next, most) {
            Ok(Sent::Some(count)) => Visit::Sent(count),
            Ok(Sent::Blocked(count)) => Visit::Full(count),
            Ok(Sent::Ended) => Visit::Ended,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Visit::Full(0),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Visit::Sent(0),
            Err(_) => Visit::Broken,
        };
        if let Visit::Sent(count) | Visit::Full(count) = visit
            && count > 0
        {
            self.connection.handle_external_sent(cx, count);
        }
        visit
    }

    /// Reads up to `most` of the `missing` bytes and sends them encrypted.
    fn send_encrypted(
        &mut self,
        cx: &mut Context,
        disk: &mut Disk,
        request_id: RequestId,
        missing: u64,
        most: u64,
    ) -> Visit {
        let Some(part) = part_of(&mut self.external_parts, request_id) else { return Visit::Broken };
        let asker = (self.facts.slot(), self.facts.id());
        let bytes = match part.read(disk, asker, missing.min(most), missing) {
            Ok(Some(bytes)) if !bytes.is_empty() => bytes,
            Ok(Some(_)) | Err(_) => return Visit::Ended,
            Ok(None) => return Visit::Awaited,
        };
        let socket = &self.socket;
        let mut is_full = false;
        self.connection.handle_external_bytes(cx, bytes, &mut |parts: &[IoSlice<'_>]| {
            // An error of the socket occurs again when the output is sent, and is handled there.
            let count = socket.write_vectored(parts).unwrap_or(0);
            is_full = count > 0 && count < parts.iter().map(|part| part.len()).sum();
            count
        });
        let count = bytes.len();
        part.advance(count);
        if is_full { Visit::Full(count as u64) } else { Visit::Sent(count as u64) }
    }
}
