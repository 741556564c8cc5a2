//! Commands for connections that are the application's: upgraded ones, and those with a driver of
//! its own.
//!
//! They are named by their client's id, since no request stands for them.

use std::sync::Arc;

use protocol::{AnswerError, Connection, Context, RequestId};

use crate::client::{Client, Phase, Until};
use crate::command::Gone;
use crate::facts::Facts;
use crate::reactor::Reactor;

/// Why a connection wasn't taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpgradeError {
    /// The request isn't open any more.
    Gone,
    /// Other requests stand behind it, its body hasn't come whole, or HTTP/1.0 was to switch protocols.
    Occupied,
}

impl Reactor {
    /// Takes the connection over behind a request, once all earlier answers are sent; with `fields`
    /// (`name: value\r\n` lines) a 101 goes ahead. `Upgraded` follows, or `Aborted`.
    ///
    /// # Errors
    /// Nothing has changed then.
    pub fn upgrade(
        &mut self,
        slot: u32,
        request_id: RequestId,
        fields: Option<&[u8]>,
    ) -> Result<(), UpgradeError> {
        self.try_command(slot, |connection, cx| connection.handle_upgrade(cx, request_id, fields)).map_err(
            |error| match error {
                AnswerError::Occupied => UpgradeError::Occupied,
                AnswerError::Stale | AnswerError::TooLong => UpgradeError::Gone,
            },
        )?;
        if let Some(client) = self.clients.get(slot as usize) {
            client.facts.on_returned();
        }
        Ok(())
    }

    /// The facts of a client that was announced by `Accepted`, marked as watched; None when it has gone.
    pub fn watch_accepted(&mut self, slot: u32, id: u64) -> Option<Arc<Facts>> {
        let client = self.clients.get_mut(slot as usize).filter(|client| client.facts.id() == id)?;
        client.learn_local_address();
        client.facts.watch();
        Some(client.facts.clone())
    }

    /// Gives a connection that waits for its driver to the application.
    ///
    /// # Errors
    /// [`Gone`] when it has gone or doesn't wait.
    pub fn take_raw(&mut self, slot: u32, id: u64) -> Result<(), Gone> {
        self.claim(slot, id)?;
        self.raw_command(slot, id, |connection, _| connection.handle_take_raw())
    }

    /// Gives a connection that waits for its driver, or is raw, to HTTP, which takes `unread` first.
    ///
    /// # Errors
    /// [`Gone`] when it has gone, is HTTP's already, or its sending side was ended.
    pub fn serve(&mut self, slot: u32, id: u64, unread: &[u8]) -> Result<(), Gone> {
        if self.claim(slot, id).is_err() {
            let rest = self.raw_command(slot, id, |connection, cx| connection.handle_serve(cx))?;
            self.put_back(slot, &rest);
            self.repeat_end(slot);
        }
        self.put_back(slot, unread);
        Ok(())
    }

    /// Asks for one piece of up to so many bytes of a raw connection: one `Raw` notice follows when there
    /// is something to tell. 0 takes an unanswered ask back: an empty `Raw` answers it.
    ///
    /// # Errors
    /// [`Gone`] when it has gone or isn't raw.
    pub fn ask_raw(&mut self, slot: u32, id: u64, bytes: u64) -> Result<(), Gone> {
        self.raw_command(slot, id, |connection, _| connection.handle_raw_ask(bytes))?;
        self.take_connection_events(slot);
        Ok(())
    }

    /// Sends on a raw connection. Returns how many bytes wait unsent; above the high-water mark the
    /// writer should pause until `RawDrained`.
    ///
    /// # Errors
    /// [`Gone`] when it has gone, isn't raw, or its sending side was ended.
    pub fn write_raw(&mut self, slot: u32, id: u64, bytes: &[u8]) -> Result<usize, Gone> {
        if protocol::is_large(bytes) && self.is_client(slot, id) && self.takes_vectored(slot) {
            self.command_sending(slot, |connection, cx, send| {
                connection.handle_raw_write_vectored(cx, bytes, send)
            })?;
        } else {
            self.raw_command(slot, id, |connection, cx| connection.handle_raw_write(cx, bytes))?;
        }
        let waiting = self.clients.get(slot as usize).map_or(0, |client| client.connection.transmit().len());
        if waiting > self.cx.high_water() {
            self.wait(slot, RequestId(0), Until::RawDrained);
        }
        Ok(waiting)
    }

    /// Ends the sending side of a raw connection behind what was written. `RawDrained` follows when all
    /// of that is sent.
    ///
    /// # Errors
    /// [`Gone`] when it has gone or isn't raw.
    pub fn end_raw(&mut self, slot: u32, id: u64) -> Result<(), Gone> {
        self.raw_command(slot, id, |connection, _| connection.handle_raw_end())?;
        self.wait(slot, RequestId(0), Until::RawDrained);
        Ok(())
    }

    fn raw_command<R>(
        &mut self,
        slot: u32,
        id: u64,
        run: impl FnOnce(&mut Connection, &mut Context) -> Result<R, AnswerError>,
    ) -> Result<R, Gone> {
        if !self.is_client(slot, id) {
            return Err(Gone);
        }
        self.try_command(slot, run).map_err(|_| Gone)
    }

    fn is_client(&self, slot: u32, id: u64) -> bool {
        self.clients.get(slot as usize).is_some_and(|client| client.facts.id() == id)
    }

    /// Ends the wait for a driver.
    fn claim(&mut self, slot: u32, id: u64) -> Result<(), Gone> {
        let client = self.clients.get_mut(slot as usize).filter(|client| client.facts.id() == id);
        let client = client.filter(|client| client.phase == Phase::Unclaimed).ok_or(Gone)?;
        client.phase = Phase::Serving;
        if !client.is_dirty {
            client.is_dirty = true;
            self.dirty.push(slot);
        }
        Ok(())
    }

    /// HTTP hasn't seen that the peer closed its side: it reads the end once more, behind what was put back.
    fn repeat_end(&mut self, slot: u32) {
        if let Some(client) = self.clients.get_mut(slot as usize)
            && client.connection.has_peer_ended()
        {
            client.is_readable = true;
            client.facts.forget_peer_closed();
        }
    }

    /// Has bytes read again ahead of those that weren't taken yet.
    fn put_back(&mut self, slot: u32, bytes: &[u8]) {
        if let Some(client) = self.clients.get_mut(slot as usize) {
            client.held.splice(..0, bytes.iter().copied()).for_each(drop);
        }
    }
}

impl Client {
    /// Asks the kernel for the address the connection arrived on, if the listener's doesn't tell.
    pub(crate) fn learn_local_address(&mut self) {
        if !self.facts.local_is_known()
            && let Some(address) = self.socket.local_address()
        {
            self.facts.set_local(address);
        }
    }
}
