//! Parts of answers that aren't in the output. On plaintext they go to the kernel from where they are. Under TLS memory is
//! encrypted from where it is, and files are read here. With HTTP/2 memory is the content of frames, and many answers may
//! have some.

use std::io::{self, IoSlice};

use protocol::{Context, External, RequestId, total_of};
use smallvec::SmallVec;

use super::Reactor;
use super::flush::Sending;
use crate::application::{Kind, Outbox};
use crate::client::{Client, ExternalPart, Sent};
use crate::io::{Disk, Finished, SHORT_CALLS_ARM, Socket};

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

/// What the kernel takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taking {
    /// All that it was given.
    All,
    /// A part; it may take more.
    Some,
    /// Nothing more, until the socket is reported as writable.
    Blocked,
    /// The connection can't be used any more.
    Broken,
}

impl Taking {
    /// Gives it `parts`. Returns how many bytes it has taken.
    fn send(&mut self, socket: &Socket, parts: &[IoSlice<'_>]) -> usize {
        let length = total_of(parts);
        let (taking, count) = match socket.write_parts(parts) {
            Ok(count) if count == length => (Taking::All, count),
            Ok(count) if SHORT_CALLS_ARM => (Taking::Blocked, count),
            Ok(count) => (Taking::Some, count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => (Taking::Blocked, 0),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (Taking::Some, 0),
            Err(_) => (Taking::Broken, 0),
        };
        *self = taking;
        count
    }
}

impl Client {
    /// Sends everything, external parts included.
    #[cold]
    pub(super) fn send_all(&mut self, cx: &mut Context, outbox: &mut Outbox, disk: &mut Disk) -> Sending {
        if self.connection.is_http2() {
            return self.send_frames(cx, outbox);
        }
        let sending = match self.send_together(cx) {
            Sending::Done => match self.send_bytes(cx) {
                Sending::Done => self.send_parts(cx, outbox, disk),
                ended => ended,
            },
            ended => ended,
        };
        // The last bytes of a part may have been sent with the output, or as ciphertext that had waited.
        self.drop_unused_parts();
        sending
    }

    /// Sends what is in the output, and the memory behind it, in one call. Leaves everything else to the steps that follow.
    #[cold]
    fn send_together(&mut self, cx: &mut Context) -> Sending {
        if self.is_blocked {
            return Sending::Blocked;
        }
        let Some((before, next)) = self.connection.poll_together() else { return Sending::Done };
        let (own, missing) = (before.len(), next.missing);
        let part = part_of(&mut self.external_parts, next.request_id);
        let count = missing.min(BYTES_PER_VISIT);
        let Some(mut parts) = part.and_then(|part| part.held(missing, count)).filter(|_| own > 0) else {
            return Sending::Done;
        };
        parts.insert(0, IoSlice::new(before));
        if count == missing {
            parts.push(IoSlice::new(next.behind));
        }
        let mut taking = Taking::All;
        let sent = taking.send(&self.socket, &parts);
        drop(parts);
        if sent > 0 {
            self.connection.handle_sent(cx, sent.min(own));
        }
        if sent > own {
            self.connection.handle_external_sent(cx, (sent - own) as u64);
        }
        match taking {
            Taking::Broken => Sending::Broken,
            Taking::Blocked => Sending::Blocked,
            Taking::All if count < missing => Sending::Unfinished,
            Taking::All | Taking::Some => Sending::Done,
        }
    }

    /// Gives back what no answer needs any more.
    fn drop_unused_parts(&mut self) {
        let connection = &self.connection;
        self.external_parts.retain(|part| connection.holds(part.request_id));
    }

    /// Sends frames, whose content may lie in memory that is held.
    fn send_frames(&mut self, cx: &mut Context, outbox: &mut Outbox) -> Sending {
        if self.is_blocked {
            self.drop_unused_parts();
            return Sending::Blocked;
        }
        let most = if self.connection.is_secured() { ENCRYPTED_BYTES_PER_VISIT } else { BYTES_PER_VISIT };
        let mut lost: SmallVec<[RequestId; 4]> = SmallVec::new();
        let mut memory: SmallVec<[(RequestId, &[u8]); 16]> = SmallVec::new();
        for part in &mut self.external_parts {
            let request_id = part.request_id;
            match part.memory() {
                Some(bytes) => memory.push((request_id, bytes)),
                None => lost.push(request_id),
            }
        }
        let socket = &self.socket;
        let mut taking = Taking::All;
        let sent =
            self.connection.send_held(cx, &memory, most as usize, &mut |parts| taking.send(socket, parts));
        drop(memory);
        for request_id in lost {
            self.connection.handle_held_lost(request_id);
            self.sent_notices.retain(|notice| notice.request_id != request_id);
            outbox.notify(Kind::FileFailed, self.facts.slot(), request_id.0);
        }
        self.drop_unused_parts();
        match taking {
            Taking::Broken => Sending::Broken,
            Taking::Blocked => Sending::Blocked,
            Taking::Some => Sending::Unfinished,
            Taking::All if sent as u64 >= most => Sending::Unfinished,
            // Zeros in place of what was lost, and what needs no memory.
            Taking::All => self.send_bytes(cx),
        }
    }

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

    /// Sends up to `most` of the `missing` bytes encrypted. Of a file they are read first.
    fn send_encrypted(
        &mut self,
        cx: &mut Context,
        disk: &mut Disk,
        request_id: RequestId,
        missing: u64,
        most: u64,
    ) -> Visit {
        let Some(part) = part_of(&mut self.external_parts, request_id) else { return Visit::Broken };
        if !part.is_file() {
            return self.send_memory_encrypted(cx, request_id, missing, most);
        }
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
            is_full = count > 0 && count < total_of(parts);
            count
        });
        let count = bytes.len();
        part.advance(count);
        if is_full { Visit::Full(count as u64) } else { Visit::Sent(count as u64) }
    }

    /// The same from memory, of which nothing is copied.
    fn send_memory_encrypted(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        missing: u64,
        most: u64,
    ) -> Visit {
        let Some(part) = part_of(&mut self.external_parts, request_id) else { return Visit::Broken };
        let Some(held) = part.held(missing, missing.min(most)) else { return Visit::Ended };
        let socket = &self.socket;
        let mut taking = Taking::All;
        let sent =
            self.connection.handle_external_held(cx, &held, &mut |parts| taking.send(socket, parts)) as u64;
        match taking {
            Taking::Broken => Visit::Broken,
            Taking::Blocked => Visit::Full(sent),
            Taking::Some | Taking::All => Visit::Sent(sent),
        }
    }
}
