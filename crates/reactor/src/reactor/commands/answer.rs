//! Commands about answers: whole ones, streams, and their end.

use protocol::{Answer, RequestId};

use super::Stale;
use crate::client::When;
use crate::reactor::Reactor;

/// Clients that may wait for the flush together. When an event is written to thousands of them, the state of
/// the first is no longer in the CPU's cache when the last is written, and each would need an output buffer
/// of its own.
const FLUSHED_TOGETHER: usize = 64;

impl Reactor {
    /// Answers a request: with a whole body, or by opening a stream for it.
    ///
    /// # Errors
    /// [`Stale`] when the request isn't open any more.
    #[inline]
    pub fn respond(&mut self, slot: u32, request_id: RequestId, answer: Answer<'_>) -> Result<(), Stale> {
        if answer.payload.is_large() && self.takes_vectored(slot) {
            return self.respond_at_once(slot, request_id, answer);
        }
        self.answer_command(slot, |connection, cx| connection.handle_answer(cx, request_id, answer))
            .map_err(|_| Stale)
    }

    /// Answers with a long body, which goes to the socket from where it is.
    #[inline(never)]
    fn respond_at_once(&mut self, slot: u32, request_id: RequestId, answer: Answer<'_>) -> Result<(), Stale> {
        let result = self.command_sending(slot, |connection, cx, send| {
            connection.handle_answer_vectored(cx, request_id, answer, send)
        });
        if let Some(client) = self.clients.get_mut(slot) {
            if result.is_ok() {
                client.facts.on_returned();
            }
            client.publish_streams();
        }
        result
    }

    /// `Written` follows once the answer to `request_id` has been handed to the kernel.
    pub fn notify_written(&mut self, slot: u32, request_id: RequestId) {
        self.notify_when(slot, request_id, When::Written);
    }

    /// `Drained` follows once all bytes written to the streamed answer so far are sent. The notice carries
    /// `mark`, or that of a later call.
    pub fn notify_drained(&mut self, slot: u32, request_id: RequestId, mark: u32) {
        self.notify_with_mark(slot, request_id, When::Drained, Some(mark));
    }

    /// Sends more of a streamed answer. Returns how many of its bytes are unsent; above the high-water mark the writer
    /// should pause until `Drained`.
    ///
    /// # Errors
    /// [`Stale`] when the stream isn't open any more.
    pub fn write(&mut self, slot: u32, request_id: RequestId, bytes: &[u8]) -> Result<usize, Stale> {
        if protocol::is_large(bytes) && self.takes_vectored(slot) {
            let is_ahead = self.is_ahead(slot, request_id, bytes.len());
            self.command_sending_ahead(slot, is_ahead, |connection, cx, send| {
                connection.handle_write_vectored(cx, request_id, bytes, send)
            })?;
        } else {
            self.command(slot, |connection, cx| connection.handle_write(cx, request_id, bytes))?;
        }
        Ok(self.after_write(slot, request_id))
    }

    /// How many bytes of a streamed answer are unsent behind a write; above the high-water mark `Drained` follows.
    pub(super) fn after_write(&mut self, slot: u32, request_id: RequestId) -> usize {
        let unsent = self.clients.get(slot).map_or(0, |client| client.connection.backlog(request_id));
        if unsent > self.cx.high_water() {
            self.notify_when(slot, request_id, When::Drained);
        }
        if self.clients.dirty_count() > FLUSHED_TOGETHER {
            self.flush_earlier();
        }
        unsent
    }

    /// Flushes all dirty clients but the latest, to which more may be written at once.
    fn flush_earlier(&mut self) {
        let Some(last) = self.clients.take_last_dirty() else { return };
        self.flush();
        self.clients.mark_dirty(last);
    }

    /// Ends a streamed answer, with trailer fields as `name: value\r\n` lines.
    ///
    /// # Errors
    /// [`Stale`] when the stream isn't open any more.
    pub fn end(&mut self, slot: u32, request_id: RequestId, trailers: &[u8]) -> Result<(), Stale> {
        self.command(slot, |connection, cx| connection.handle_end(cx, request_id, trailers))
    }

    /// The same while the body of the request still arrives, and is read: it is delivered as before, and `Aborted` or
    /// `Reset` says that no more of it comes. With HTTP/2 `end` then drops the rest.
    ///
    /// # Errors
    /// [`Stale`] when the stream isn't open any more.
    pub fn end_early(&mut self, slot: u32, request_id: RequestId, trailers: &[u8]) -> Result<(), Stale> {
        self.command(slot, |connection, cx| connection.handle_end_early(cx, request_id, trailers))
    }

    /// Sends an informational answer (1xx) ahead of the final one.
    ///
    /// # Errors
    /// [`Stale`] when the request isn't open any more, or its client doesn't understand 1xx.
    pub fn inform(
        &mut self,
        slot: u32,
        request_id: RequestId,
        status: u16,
        fields: &[u8],
    ) -> Result<(), Stale> {
        self.command(slot, |connection, cx| connection.handle_inform(cx, request_id, status, fields))
    }

    /// Sets how many milliseconds unsent bytes may wait for the peer, until the connection is idle.
    ///
    /// # Errors
    /// [`Stale`] when the request isn't open any more.
    pub fn set_write_timeout(&mut self, slot: u32, request_id: RequestId, millis: u64) -> Result<(), Stale> {
        self.command(slot, |connection, cx| connection.handle_write_timeout(cx, request_id, millis))
    }

    /// Aborts the connection of a request whose answer can't be completed.
    ///
    /// # Errors
    /// [`Stale`] when the request isn't open any more.
    pub fn abort(&mut self, slot: u32, request_id: RequestId) -> Result<(), Stale> {
        self.command(slot, |connection, _| connection.handle_abort(request_id))
    }
}
