//! Commands for raw connections: upgraded ones, and those with a driver of the application's.
//!
//! They are named by their client's id, since they have no request.

use protocol::{AnswerError, Connection, Context, RequestId, Taken};

use super::Stale;
use crate::client::{Phase, RAW, RecvBuffer, When};
use crate::reactor::Reactor;

/// Why a connection couldn't be upgraded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpgradeError {
    /// The request isn't open any more.
    Stale,
    /// Other requests follow it, its body isn't complete, or HTTP/1.0 was to switch protocols.
    Occupied,
}

impl Reactor {
    /// Makes the connection raw after a request, once all earlier answers are sent; with `fields`
    /// (`name: value\r\n` lines) a 101 is sent first. `Upgraded` follows, or `Aborted`. Of HTTP/2 the stream of an
    /// extended CONNECT is taken over at once, behind a 200; `Written` follows when the application has ended it.
    ///
    /// # Errors
    /// Nothing has changed then.
    pub fn upgrade(
        &mut self,
        slot: u32,
        request_id: RequestId,
        fields: Option<&[u8]>,
    ) -> Result<Taken, UpgradeError> {
        let upgraded =
            self.answer_command(slot, |connection, cx| connection.handle_upgrade(cx, request_id, fields));
        let taken = upgraded.map_err(|error| match error {
            AnswerError::Occupied => UpgradeError::Occupied,
            AnswerError::Stale | AnswerError::TooLong => UpgradeError::Stale,
        })?;
        if taken == Taken::Stream {
            self.notify_written(slot, request_id);
        }
        Ok(taken)
    }

    /// Makes a connection without a driver raw.
    ///
    /// # Errors
    /// [`Stale`] when it is closed or has a driver.
    pub fn take_raw(&mut self, slot: u32, id: u64) -> Result<(), Stale> {
        self.assign_driver(slot, id)?;
        self.raw_command(slot, id, |connection, _| connection.handle_take_raw())
    }

    /// Has a connection that is raw, or has no driver, served as HTTP, which reads `unread` first: as HTTP/2 or, if
    /// not `is_http2`, as HTTP/1 or what the handshake or the first bytes of a new connection say.
    ///
    /// # Errors
    /// [`Stale`] when it is closed, is served as HTTP already, or its sending side was ended.
    pub fn serve(&mut self, slot: u32, id: u64, unread: &[u8], is_http2: bool) -> Result<(), Stale> {
        let way = self.way_of(&self.clients.with_id(slot, id).ok_or(Stale)?.facts);
        if self.assign_driver(slot, id).is_ok() {
            self.raw_command(slot, id, |connection, cx| match is_http2 {
                true => connection.handle_choose_http2(cx, way),
                false => {
                    connection.handle_agreed(cx);
                    Ok(())
                }
            })?;
        } else {
            let rest = self.raw_command(slot, id, |connection, cx| match is_http2 {
                true => connection.handle_serve_http2(cx, way),
                false => connection.handle_serve(cx),
            })?;
            self.put_back(slot, &rest);
            self.repeat_end(slot);
        }
        self.put_back(slot, unread);
        Ok(())
    }

    /// Asks for one piece of up to `bytes` bytes of a raw connection: one `Raw` notice follows when bytes, or
    /// the end, have arrived. Or `RawReady`, when they are many, to be answered by [`Reactor::receive_raw`]. 0 takes an
    /// unanswered request back: an empty `Raw` answers it.
    ///
    /// # Errors
    /// [`Stale`] when it is closed or isn't raw.
    pub fn ask_raw(&mut self, slot: u32, id: u64, bytes: u64) -> Result<(), Stale> {
        self.raw_command(slot, id, |connection, _| connection.handle_raw_ask(bytes))?;
        if let Some(client) = self.clients.get_mut(slot) {
            client.await_raw(bytes);
        }
        self.take_connection_events(slot);
        Ok(())
    }

    /// Asks for one piece, which is received into `buffer`: `RawRead` follows, or `Raw` with the end.
    ///
    /// # Errors
    /// [`Stale`] when it is closed or isn't raw.
    pub fn receive_raw(&mut self, slot: u32, id: u64, mut buffer: Box<dyn RecvBuffer>) -> Result<(), Stale> {
        let room = buffer.bytes().len() as u64;
        self.raw_command(slot, id, |connection, _| connection.handle_raw_ask(room))?;
        if let Some(client) = self.clients.get_mut(slot) {
            client.fill(RAW, buffer, false);
        }
        self.take_connection_events(slot);
        // Its turn had come when the bytes were announced.
        self.clients.queue_read_first(slot);
        Ok(())
    }

    /// Sends on a raw connection. Returns how many bytes are unsent; above the high-water mark the writer
    /// should pause until `RawDrained`.
    ///
    /// # Errors
    /// [`Stale`] when it is closed, isn't raw, or its sending side was ended.
    pub fn write_raw(&mut self, slot: u32, id: u64, bytes: &[u8]) -> Result<usize, Stale> {
        if protocol::is_large(bytes) && self.clients.with_id(slot, id).is_some() && self.takes_vectored(slot)
        {
            self.command_sending(slot, |connection, cx, send| {
                connection.handle_raw_write_vectored(cx, bytes, send)
            })?;
        } else {
            self.raw_command(slot, id, |connection, cx| connection.handle_raw_write(cx, bytes))?;
        }
        let unsent = self.clients.get(slot).map_or(0, |client| client.connection.raw_backlog());
        if unsent > self.cx.high_water() {
            self.notify_when(slot, RequestId(0), When::RawDrained);
        }
        Ok(unsent)
    }

    /// `RawDrained` follows once all bytes written to the raw connection so far are sent. The notice carries
    /// `mark`, or that of a later call.
    pub fn notify_raw_drained(&mut self, slot: u32, mark: u32) {
        self.notify_with_mark(slot, RequestId(0), When::RawDrained, Some(mark));
    }

    /// Ends the sending side of a raw connection after all written bytes. `RawDrained` follows when they are
    /// sent.
    ///
    /// # Errors
    /// [`Stale`] when it is closed or isn't raw.
    pub fn end_raw(&mut self, slot: u32, id: u64) -> Result<(), Stale> {
        self.raw_command(slot, id, |connection, _| connection.handle_raw_end())?;
        self.notify_when(slot, RequestId(0), When::RawDrained);
        Ok(())
    }

    fn raw_command<R>(
        &mut self,
        slot: u32,
        id: u64,
        run: impl FnOnce(&mut Connection, &mut Context) -> Result<R, AnswerError>,
    ) -> Result<R, Stale> {
        if self.clients.with_id(slot, id).is_none() {
            return Err(Stale);
        }
        self.try_command(slot, run).map_err(|_| Stale)
    }

    /// Ends the wait for a driver.
    fn assign_driver(&mut self, slot: u32, id: u64) -> Result<(), Stale> {
        let client = self.clients.with_id_mut(slot, id);
        let client = client.filter(|client| client.phase == Phase::Unassigned).ok_or(Stale)?;
        client.phase = Phase::Serving;
        self.clients.mark_dirty(slot);
        Ok(())
    }

    /// The raw connection has read the end of the peer's bytes, and HTTP hasn't: it reads the end once more,
    /// after the bytes that were put back.
    fn repeat_end(&mut self, slot: u32) {
        if let Some(client) = self.clients.get_mut(slot)
            && client.connection.has_peer_ended()
        {
            client.is_readable = true;
            client.facts.forget_peer_closed();
        }
    }

    /// Has bytes read again, before those that weren't read yet.
    fn put_back(&mut self, slot: u32, bytes: &[u8]) {
        if let Some(client) = self.clients.get_mut(slot) {
            client.unread.splice(..0, bytes.iter().copied()).for_each(drop);
        }
    }
}
