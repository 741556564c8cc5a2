//! Commands about clients: their facts, their end, and whether they may send further requests.

use std::sync::Arc;

use crate::application::{Facts, HeadBlock};
use crate::reactor::Reactor;

impl Reactor {
    /// The facts of the client that sent the request with this head block, marked as watched. For a closed
    /// client they are made from the block.
    pub fn watch(&mut self, slot: u32, head: &HeadBlock<'_>) -> Arc<Facts> {
        let id = head.client_id();
        match self.watch_accepted(slot, id) {
            Some(facts) => facts,
            None => head.facts_of_closed(slot, self.listeners.facts(head.listener()).cloned()),
        }
    }

    /// The facts of the client with this id, marked as watched; None when it is closed.
    pub fn watch_accepted(&mut self, slot: u32, id: u64) -> Option<Arc<Facts>> {
        let client = self.clients.with_id_mut(slot, id)?;
        client.learn_local_address();
        client.facts.watch();
        Some(client.facts.clone())
    }

    /// Closes a client. True when this call closed it. Bytes that were written to a raw connection are
    /// offered to the kernel once, as they would have been with a socket of the application's own.
    pub fn close(&mut self, slot: u32, id: u64) -> bool {
        let Some(client) = self.clients.with_id(slot, id) else { return false };
        if client.connection.is_raw() {
            self.service(slot);
        }
        self.close_client(slot);
        true
    }

    /// Has a client that is closed later leave with a reset: its peer learns of a failure.
    pub fn reset_on_close(&mut self, slot: u32, id: u64) {
        if let Some(client) = self.clients.with_id(slot, id) {
            client.socket.reset_on_close();
        }
    }

    /// Ends a client as soon as it owes nothing; with `leaves_rest` that doesn't wait for the rest of a body whose
    /// request is answered.
    pub fn stop(&mut self, slot: u32, id: u64, leaves_rest: bool) {
        let Some(client) = self.clients.with_id_mut(slot, id) else { return };
        if leaves_rest {
            client.connection.leave_rest();
        }
        self.stop_client(slot);
    }

    /// With true, no further requests are read from now on: the application has enough of them. Requests that
    /// have begun, and raw connections, are read on. With false, reading resumes.
    pub fn pause_requests(&mut self, is_paused: bool) {
        self.pauses_requests = is_paused;
        if !is_paused {
            self.clients.resume_paused();
            self.wake();
        }
    }
}
