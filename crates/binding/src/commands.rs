//! What JavaScript tells the reactor of its requests and connections: one method a command.
//!
//! The callers (`hot`, `engine`, `facts`) know only these, and not where the reactor runs.

use std::sync::Arc;

use protocol::{Answer, Ticket};
use reactor::{Facts, Gone, HeadBlock, Reactor};

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

    /// Closes a client; true for the call that closed it.
    pub(crate) fn close_client(&self, facts: &Facts) -> bool {
        self.command(|reactor| reactor.close(facts.slot(), facts.id()))
    }

    /// Ends a client as soon as it owes nothing.
    pub(crate) fn stop_client(&self, facts: &Facts) {
        self.command(|reactor| reactor.stop(facts.slot(), facts.id()));
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
