//! What JavaScript tells the reactor of its requests and connections: one method a command.
//!
//! The callers (`hot`, `engine`, `facts`) know only these, and not where the reactor runs.

use std::sync::Arc;

use protocol::{Answer, Ticket};
use reactor::{Facts, Gone, HeadBlock, Reactor, UpgradeError};

use crate::in_loop::Driver;

impl Driver {
    /// A command that acts on the reactor at once, and on the wire with the next flush.
    #[inline]
    fn command<R>(&self, run: impl FnOnce(&mut Reactor) -> R) -> R {
        self.before_command();
        run(&mut self.reactor.borrow_mut())
    }

    /// Answers a request, with its whole body or by opening a stream of it. With `tells_written` a
    /// `Written` notice follows.
    #[inline]
    pub(crate) fn respond(
        &self,
        slot: u32,
        ticket: Ticket,
        answer: Answer<'_>,
        tells_written: bool,
    ) -> Result<(), Gone> {
        self.command(|reactor| {
            reactor.respond(slot, ticket, answer)?;
            if tells_written {
                reactor.notify_written(slot, ticket);
            }
            Ok(())
        })
    }

    /// Sends more of a streamed answer; the result is how many bytes wait unsent.
    pub(crate) fn write(&self, slot: u32, ticket: Ticket, bytes: &[u8]) -> Result<usize, Gone> {
        self.command(|reactor| reactor.write(slot, ticket, bytes))
    }

    /// Ends a streamed answer.
    pub(crate) fn end(&self, slot: u32, ticket: Ticket, trailers: &[u8]) -> Result<(), Gone> {
        self.command(|reactor| reactor.end(slot, ticket, trailers))
    }

    /// Sends a 1xx answer.
    pub(crate) fn inform(&self, slot: u32, ticket: Ticket, status: u16, fields: &[u8]) -> Result<(), Gone> {
        self.command(|reactor| reactor.inform(slot, ticket, status, fields))
    }

    /// Asks for the whole body of a request.
    pub(crate) fn want_body(&self, slot: u32, ticket: Ticket) -> Result<(), Gone> {
        self.command(|reactor| reactor.want_body(slot, ticket))
    }

    /// Asks for so many more bytes of a request's body.
    pub(crate) fn grant_body(&self, slot: u32, ticket: Ticket, bytes: u64) -> Result<(), Gone> {
        self.command(|reactor| reactor.grant_body(slot, ticket, bytes))
    }

    /// Takes the connection over behind a request.
    pub(crate) fn upgrade(
        &self,
        slot: u32,
        ticket: Ticket,
        fields: Option<&[u8]>,
    ) -> Result<(), UpgradeError> {
        self.command(|reactor| reactor.upgrade(slot, ticket, fields))
    }

    /// Asks for so many more bytes of a raw connection.
    pub(crate) fn grant_raw(&self, slot: u32, client: u64, bytes: u64) -> Result<(), Gone> {
        self.command(|reactor| reactor.grant_raw(slot, client, bytes))
    }

    /// Sends on a raw connection; the result is how many bytes wait unsent.
    pub(crate) fn write_raw(&self, slot: u32, client: u64, bytes: &[u8]) -> Result<usize, Gone> {
        self.command(|reactor| reactor.write_raw(slot, client, bytes))
    }

    /// Ends the sending side of a raw connection.
    pub(crate) fn end_raw(&self, slot: u32, client: u64) -> Result<(), Gone> {
        self.command(|reactor| reactor.end_raw(slot, client))
    }

    /// Hands a connection to HTTP.
    pub(crate) fn serve(&self, slot: u32, client: u64, unread: &[u8]) -> Result<(), Gone> {
        self.command(|reactor| reactor.serve(slot, client, unread))
    }

    /// Hands a connection that waits for its driver to JavaScript.
    pub(crate) fn take_raw(&self, slot: u32, client: u64) -> Result<(), Gone> {
        self.command(|reactor| reactor.take_raw(slot, client))
    }

    /// Raises the body limit of one request.
    pub(crate) fn raise_body_limit(&self, slot: u32, ticket: Ticket, limit: u64) -> Result<(), Gone> {
        self.command(|reactor| reactor.raise_body_limit(slot, ticket, limit))
    }

    /// Cuts the connection of a request whose answer can't be completed.
    pub(crate) fn abort(&self, slot: u32, ticket: Ticket) -> Result<(), Gone> {
        self.command(|reactor| reactor.abort(slot, ticket))
    }

    /// The facts of the client that sent the request with this head block.
    pub(crate) fn watch(&self, slot: u32, head: &HeadBlock<'_>) -> Arc<Facts> {
        self.reactor.borrow_mut().watch(slot, head)
    }

    /// The facts of a client that waits for its driver.
    pub(crate) fn watch_accepted(&self, slot: u32, client: u64) -> Option<Arc<Facts>> {
        self.reactor.borrow_mut().watch_accepted(slot, client)
    }

    /// Closes a client; true for the call that closed it.
    pub(crate) fn close_client(&self, facts: &Facts) -> bool {
        self.command(|reactor| reactor.close(facts.slot(), facts.id()))
    }

    /// Ends a client as soon as it owes nothing.
    pub(crate) fn stop_client(&self, facts: &Facts) {
        self.command(|reactor| reactor.stop(facts.slot(), facts.id()));
    }

    /// Has connections announced, and wait for their driver.
    pub(crate) fn announce_accepted(&self) {
        self.reactor.borrow_mut().announce_accepted();
    }

    /// Begins to accept connections.
    pub(crate) fn start(&self) {
        self.reactor.borrow_mut().start();
    }

    /// Closes the listening sockets.
    pub(crate) fn stop_listening(&self) {
        self.reactor.borrow_mut().stop_listening();
    }

    /// Ends every client as soon as it owes nothing; an `Idle` notice follows when none is left.
    pub(crate) fn stop_gracefully(&self) {
        self.command(Reactor::stop_gracefully);
    }

    /// Closes every client; an `Idle` notice follows.
    pub(crate) fn close_all(&self) {
        self.command(Reactor::close_all);
    }
}
