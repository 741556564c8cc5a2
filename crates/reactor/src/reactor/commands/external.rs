//! Parts of answers that are sent past the output: files, by the kernel from its page cache or encrypted, and memory that
//! the application holds until it is sent.

use std::fs::File;
use std::io::IoSlice;

use protocol::{Answer, AnswerError, RequestId, VECTORED_BYTES, total_of};

use super::Stale;
use crate::client::{ExternalPart, SendBuffer, When};
use crate::reactor::Reactor;

impl Reactor {
    /// Sends the next `length` bytes of a streamed answer, whose length must be declared, from byte `offset`
    /// of a file. [`Reactor::write`] and [`Reactor::end`] may follow at once.
    ///
    /// # Errors
    /// [`Stale`] when the stream isn't open any more, has less than that left, has such a part already, or its protocol
    /// takes none.
    pub fn send_file(
        &mut self,
        slot: u32,
        request_id: RequestId,
        file: File,
        offset: u64,
        length: u64,
    ) -> Result<(), Stale> {
        let is_wanted = self
            .try_command(slot, |connection, cx| match connection.takes_files() {
                true => connection.handle_file(cx, request_id, length),
                false => Err(AnswerError::Stale),
            })
            .map_err(|_| Stale)?;
        if is_wanted {
            self.add_part(slot, ExternalPart::of_file(request_id, file, offset));
        }
        Ok(())
    }

    /// Like [`Reactor::respond`], but a large body isn't copied where the kernel doesn't take it at once. The result is how
    /// many bytes at its end are missing: unless it is 0, [`Reactor::hold`] has to follow.
    ///
    /// # Errors
    /// [`Stale`] when the request isn't open any more.
    pub fn respond_held(
        &mut self,
        slot: u32,
        request_id: RequestId,
        answer: Answer<'_>,
    ) -> Result<usize, Stale> {
        if !answer.payload.is_large() || !self.takes_external(slot) {
            return self.respond(slot, request_id, answer).map(|()| 0);
        }
        let held = if self.encrypts(slot) {
            self.command_sending(slot, |connection, cx, send| {
                connection.handle_answer_held(cx, request_id, answer, send)
            })
        } else {
            // Nothing is sent before the flush: a long body drives the application's code out of the CPU's caches, so
            // all answers of a batch are taken first.
            self.try_command(slot, |connection, cx| {
                connection.handle_answer_held(cx, request_id, answer, &mut |_| 0)
            })
            .map_err(|_| Stale)
        }?;
        if let Some(client) = self.clients.get_mut(slot) {
            client.facts.on_returned();
            client.publish_streams();
        }
        Ok(held)
    }

    /// Like [`Reactor::write`], with a piece whose bytes may lie in several places. A large one isn't copied where the kernel
    /// doesn't take it at once. The second result is how many bytes at its end are missing: unless it is 0, [`Reactor::hold`]
    /// has to follow, and `Drained` says when the memory isn't used any more.
    ///
    /// # Errors
    /// [`Stale`] when the stream isn't open any more.
    pub fn write_held(
        &mut self,
        slot: u32,
        request_id: RequestId,
        piece: &[IoSlice<'_>],
    ) -> Result<(usize, usize), Stale> {
        let length = total_of(piece);
        if length < VECTORED_BYTES || !self.takes_external(slot) {
            let mut unsent = 0;
            for part in piece {
                unsent = self.write(slot, request_id, part)?;
            }
            return Ok((unsent, 0));
        }
        let is_ahead = self.is_ahead(slot, request_id, length);
        let held = self.command_sending_ahead(slot, is_ahead, |connection, cx, send| {
            connection.handle_write_held(cx, request_id, piece, send)
        })?;
        let unsent = self.after_write(slot, request_id);
        if held > 0 {
            self.notify_when(slot, request_id, When::Drained);
        }
        Ok((unsent, held))
    }

    /// Keeps the memory whose last bytes are missing in an answer, until they are sent: all that was given, in its order.
    pub fn hold<B: SendBuffer + 'static>(
        &mut self,
        slot: u32,
        request_id: RequestId,
        buffers: impl IntoIterator<Item = Box<B>>,
    ) {
        let buffers = buffers.into_iter().map(|buffer| buffer as Box<dyn SendBuffer>);
        self.add_part(slot, ExternalPart::of_memory(request_id, buffers));
    }

    fn add_part(&mut self, slot: u32, part: ExternalPart) {
        if let Some(client) = self.clients.get_mut(slot) {
            client.external_parts.push(part);
        }
    }

    /// Whether what a client is sent is encrypted.
    fn encrypts(&self, slot: u32) -> bool {
        self.clients.get(slot).is_some_and(|client| client.connection.is_secured())
    }

    /// Whether the protocol of a client lets parts of answers be sent past its output.
    pub fn takes_external(&self, slot: u32) -> bool {
        self.clients.get(slot).is_some_and(|client| client.connection.takes_external())
    }
}
