//! What the application tells the reactor: answers, credit for bodies, the end of clients.
//!
//! A command takes effect on the connection at once and on the wire with the next flush, after which
//! the caller asks [`Reactor::has_work`] whether a turn should follow. A command that
//! comes too late, twice, or for a request id nobody gave out changes nothing and says so.

use std::io::IoSlice;
use std::sync::Arc;

use protocol::{Answer, AnswerError, Connection, Context, RequestId, Send};

use crate::client::{Client, Phase, Until, Waiter};
use crate::facts::Facts;
use crate::head_block::HeadBlock;
use crate::notice::{Kind, Notice};
use crate::reactor::Reactor;

/// Clients that may wait for the flush together. When an event goes to thousands of them, the first would
/// have left the cache by the time the last has got it, and each would need an output buffer of its own.
const FLUSHED_TOGETHER: usize = 64;

/// The request is no longer open: its client has gone, or it was answered before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone;

impl Reactor {
    /// Answers a request: with a whole body, or by opening a stream of it.
    ///
    /// # Errors
    /// [`Gone`] when the request isn't open any more.
    #[inline]
    pub fn respond(&mut self, slot: u32, request_id: RequestId, answer: Answer<'_>) -> Result<(), Gone> {
        if answer.payload.is_large() && self.takes_vectored(slot) {
            self.command_sending(slot, |connection, cx, send| {
                connection.handle_answer_vectored(cx, request_id, answer, send)
            })?;
        } else {
            self.command(slot, |connection, cx| connection.handle_answer(cx, request_id, answer))?;
        }
        if let Some(client) = self.clients.get(slot as usize) {
            client.facts.on_returned();
        }
        Ok(())
    }

    /// Asks for `Written` once the answer to `request_id` has been handed to the kernel.
    pub fn notify_written(&mut self, slot: u32, request_id: RequestId) {
        self.wait(slot, request_id, Until::Written);
    }

    /// Sends more of a streamed answer. Returns how many bytes wait unsent on this connection; above
    /// the high-water mark the writer should pause until `Drained`.
    ///
    /// # Errors
    /// [`Gone`] when the stream isn't open any more.
    pub fn write(&mut self, slot: u32, request_id: RequestId, bytes: &[u8]) -> Result<usize, Gone> {
        if protocol::is_large(bytes) && self.takes_vectored(slot) {
            self.command_sending(slot, |connection, cx, send| {
                connection.handle_write_vectored(cx, request_id, bytes, send)
            })?;
        } else {
            self.command(slot, |connection, cx| connection.handle_write(cx, request_id, bytes))?;
        }
        let waiting =
            self.clients.get(slot as usize).map_or(0, |client| client.connection.backlog(request_id));
        if waiting > self.cx.high_water() {
            self.wait(slot, request_id, Until::Drained);
        }
        if self.dirty.len() > FLUSHED_TOGETHER {
            self.flush_earlier();
        }
        Ok(waiting)
    }

    /// Ends a streamed answer, with trailer fields as `name: value\r\n` lines.
    ///
    /// # Errors
    /// [`Gone`] when the stream isn't open any more.
    pub fn end(&mut self, slot: u32, request_id: RequestId, trailers: &[u8]) -> Result<(), Gone> {
        self.command(slot, |connection, cx| connection.handle_end(cx, request_id, trailers))
    }

    /// Sends an informational answer (1xx) ahead of the final one.
    ///
    /// # Errors
    /// [`Gone`] when the request isn't open any more, or its client doesn't understand 1xx.
    pub fn inform(
        &mut self,
        slot: u32,
        request_id: RequestId,
        status: u16,
        fields: &[u8],
    ) -> Result<(), Gone> {
        self.command(slot, |connection, cx| connection.handle_inform(cx, request_id, status, fields))
    }

    /// Raises the body limit of one request; a smaller one than the present changes nothing.
    ///
    /// # Errors
    /// [`Gone`] when the request isn't open any more.
    pub fn raise_body_limit(&mut self, slot: u32, request_id: RequestId, limit: u64) -> Result<(), Gone> {
        self.command(slot, |connection, cx| connection.handle_raise(cx, request_id, limit))?;
        self.take_connection_events(slot);
        Ok(())
    }

    /// Sets how slowly the body of one request may come: milliseconds without a byte, and bytes a second on
    /// average, 0 for no minimum. None leaves what is.
    ///
    /// # Errors
    /// [`Gone`] when the request isn't open any more.
    pub fn set_body_rate(
        &mut self,
        slot: u32,
        request_id: RequestId,
        timeout: Option<u64>,
        minimum_rate: Option<u64>,
    ) -> Result<(), Gone> {
        self.command(slot, |connection, cx| {
            connection.handle_data_rate(cx, request_id, timeout, minimum_rate)
        })
    }

    /// From now on no further requests are begun, or they are again: the application has enough of them. What
    /// has begun goes on, and so does what is no request.
    pub fn hold_requests(&mut self, is_held: bool) {
        self.holds_requests = is_held;
        if is_held {
            return;
        }
        for slot in std::mem::take(&mut self.held_back) {
            let Some(client) = self.clients.get_mut(slot as usize) else { continue };
            client.is_held_back = false;
            if !client.is_queued && client.can_read() {
                client.is_queued = true;
                self.ready.push_back(slot);
            }
        }
        self.wake();
    }

    /// Whether a client that is ready to be read waits for its next request to be wanted.
    #[cold]
    pub(crate) fn holds_back(&mut self, slot: u32) -> bool {
        let Some(client) = self.clients.get_mut(slot as usize) else { return false };
        if client.is_lost || client.phase != Phase::Serving || !client.connection.is_between_requests() {
            return false;
        }
        if !client.is_held_back {
            client.is_held_back = true;
            self.held_back.push(slot);
        }
        true
    }

    /// Cuts the connection of a request whose answer can't be completed.
    ///
    /// # Errors
    /// [`Gone`] when the request isn't open any more.
    pub fn abort(&mut self, slot: u32, request_id: RequestId) -> Result<(), Gone> {
        self.command(slot, |connection, _| connection.handle_abort(request_id))
    }

    /// The facts of the client that sent the request whose head block this is, marked as watched.
    /// A client that has gone is made anew from the block, closed.
    pub fn watch(&mut self, slot: u32, head: &HeadBlock<'_>) -> Arc<Facts> {
        let id = head.client_id();
        match self.clients.get_mut(slot as usize) {
            Some(client) if client.facts.id() == id => {
                client.learn_local_address();
                client.facts.watch();
                client.facts.clone()
            }
            _ => Facts::of_gone(slot, head, self.listener(head.listener()).cloned()),
        }
    }

    /// Queues a notice without detail about a request, or a client: what a command is answered with where
    /// the application could not be told at once.
    #[cold]
    pub fn tell(&mut self, kind: Kind, slot: u32, id: u64) {
        self.notices.push_back(Notice::of(kind, slot, id));
    }

    /// Closes a client on the application's behalf. True when this call closed it. What a raw connection
    /// has written is offered to the kernel once, as a socket of the application's own would have done.
    pub fn close(&mut self, slot: u32, id: u64) -> bool {
        match self.clients.get(slot as usize) {
            Some(client) if client.facts.id() == id => {
                if client.connection.is_raw() {
                    self.settle(slot);
                }
                self.close_client(slot);
                true
            }
            _ => false,
        }
    }

    /// Ends a client as soon as it owes nothing.
    pub fn stop(&mut self, slot: u32, id: u64) {
        if self.clients.get(slot as usize).is_some_and(|client| client.facts.id() == id) {
            self.stop_client(slot);
        }
    }

    pub(crate) fn stop_client(&mut self, slot: u32) {
        if let Some(client) = self.clients.get_mut(slot as usize) {
            if client.phase == Phase::Unclaimed {
                return self.close_client(slot);
            }
            client.connection.handle_stop(&mut self.cx);
            self.settle(slot);
        }
    }

    #[inline]
    pub(crate) fn command(
        &mut self,
        slot: u32,
        run: impl FnOnce(&mut Connection, &mut Context) -> Result<(), AnswerError>,
    ) -> Result<(), Gone> {
        self.try_command(slot, run).map_err(|_| Gone)
    }

    /// Whether the protocol of a client lets bytes go to the socket uncopied.
    pub(crate) fn takes_vectored(&self, slot: u32) -> bool {
        self.clients.get(slot as usize).is_some_and(|client| client.connection.takes_vectored())
    }

    /// A command that may hand bytes to the socket at once.
    pub(crate) fn command_sending(
        &mut self,
        slot: u32,
        run: impl FnOnce(&mut Connection, &mut Context, Send<'_>) -> Result<(), AnswerError>,
    ) -> Result<(), Gone> {
        let client: &mut Client = self.clients.get_mut(slot as usize).ok_or(Gone)?;
        let (socket, is_blocked) = (&client.socket, client.is_blocked);
        let mut is_short = false;
        let mut send = |parts: &[IoSlice<'_>]| {
            if is_blocked {
                return 0;
            }
            // Whatever the socket has to say against it, the flush will hear as well.
            let count = socket.write_vectored(parts).unwrap_or(0);
            is_short = count > 0 && count < parts.iter().map(|part| part.len()).sum();
            count
        };
        run(&mut client.connection, &mut self.cx, &mut send).map_err(|_| Gone)?;
        if is_short {
            client.note_blocked(self.unacknowledged);
        }
        if !client.is_dirty {
            client.is_dirty = true;
            self.dirty.push(slot);
        }
        Ok(())
    }

    #[inline]
    pub(crate) fn try_command<R>(
        &mut self,
        slot: u32,
        run: impl FnOnce(&mut Connection, &mut Context) -> Result<R, AnswerError>,
    ) -> Result<R, AnswerError> {
        let client: &mut Client = self.clients.get_mut(slot as usize).ok_or(AnswerError::Stale)?;
        let result = run(&mut client.connection, &mut self.cx)?;
        if !client.is_dirty {
            client.is_dirty = true;
            self.dirty.push(slot);
        }
        Ok(result)
    }

    /// Sends what waits on all clients but the one that came last: more may be on its way to that.
    fn flush_earlier(&mut self) {
        let Some(last) = self.dirty.pop() else { return };
        self.flush();
        self.dirty.push(last);
    }

    #[cold]
    pub(crate) fn wait(&mut self, slot: u32, request_id: RequestId, until: Until) {
        if let Some(client) = self.clients.get_mut(slot as usize) {
            let waiter = Waiter { request_id, until };
            if !client.waiters.contains(&waiter) {
                client.waiters.push(waiter);
            }
        }
    }
}
