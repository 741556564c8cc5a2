//! Commands about the bodies of requests.

use protocol::{Credit, RequestId};

use super::Stale;
use crate::client::RecvBuffer;
use crate::reactor::Reactor;

impl Reactor {
    /// Asks for more of a request's body; with `is_whole` for all of it, and then a body that declares more
    /// than its limit isn't begun. `BodyReady` follows when bytes have arrived, to be answered by
    /// [`Reactor::receive_body`]. Or `BodyLimit`, after which more is still asked for; or `BodyFailed` or
    /// `Aborted`; or the last `Body`, when nothing was left.
    ///
    /// # Errors
    /// [`Stale`] when the body can't be received any more.
    pub fn await_body(&mut self, slot: u32, request_id: RequestId, is_whole: bool) -> Result<(), Stale> {
        self.ask_for_body(slot, request_id, 0, is_whole)?;
        if let Some(client) = self.clients.get_mut(slot) {
            client.await_body(request_id);
        }
        self.take_connection_events(slot);
        Ok(())
    }

    /// The same with a buffer of 1 to 2^32 - 1 bytes. `Body` follows as soon as bytes have arrived or, with
    /// `is_whole`, when the buffer is full; the last one is flagged. At most one buffer can be provided for a
    /// body.
    ///
    /// # Errors
    /// [`Stale`] when the body can't be received any more.
    pub fn receive_body(
        &mut self,
        slot: u32,
        request_id: RequestId,
        mut buffer: Box<dyn RecvBuffer>,
        is_whole: bool,
    ) -> Result<(), Stale> {
        self.ask_for_body(slot, request_id, buffer.bytes().len() as u64, is_whole)?;
        if let Some(client) = self.clients.get_mut(slot) {
            client.fill(request_id, buffer, is_whole);
        }
        self.take_connection_events(slot);
        // Its turn had come when the bytes were announced.
        self.clients.queue_read_first(slot);
        Ok(())
    }

    /// Stops asking for a request's body until it is asked for again. Meanwhile its client has no deadline
    /// for it, and its departure is noticed. A buffer that was provided is returned when it is due.
    ///
    /// # Errors
    /// [`Stale`] when the client is closed.
    pub fn release_body(&mut self, slot: u32, request_id: RequestId) -> Result<(), Stale> {
        let client = self.clients.get_mut(slot).ok_or(Stale)?;
        if !client.stop_awaiting_body(&self.cx, request_id) {
            return Ok(());
        }
        client.schedule(&mut self.timers);
        if client.is_read_closed {
            self.clients.queue_visit(slot);
        }
        Ok(())
    }

    fn ask_for_body(
        &mut self,
        slot: u32,
        request_id: RequestId,
        room: u64,
        is_whole: bool,
    ) -> Result<(), Stale> {
        if !self.clients.get_mut(slot).ok_or(Stale)?.can_ask_for_body(request_id) {
            return Err(Stale);
        }
        let credit = if is_whole { Credit::Whole(room) } else { Credit::Bytes(room) };
        self.command(slot, |connection, cx| connection.handle_credit(cx, request_id, credit))
    }

    /// Raises the body limit of one request; a smaller limit than the present one changes nothing.
    ///
    /// # Errors
    /// [`Stale`] when the request isn't open any more.
    pub fn raise_body_limit(&mut self, slot: u32, request_id: RequestId, limit: u64) -> Result<(), Stale> {
        self.command(slot, |connection, cx| connection.handle_raise(cx, request_id, limit))?;
        self.take_connection_events(slot);
        Ok(())
    }

    /// Sets how slowly the body of one request may arrive: `timeout` is the longest gap in milliseconds,
    /// `minimum_rate` the average in bytes per second, 0 for no minimum. None leaves a value as it is.
    ///
    /// # Errors
    /// [`Stale`] when the request isn't open any more.
    pub fn set_body_rate(
        &mut self,
        slot: u32,
        request_id: RequestId,
        timeout: Option<u64>,
        minimum_rate: Option<u64>,
    ) -> Result<(), Stale> {
        self.command(slot, |connection, cx| {
            connection.handle_data_rate(cx, request_id, timeout, minimum_rate)
        })
    }
}
