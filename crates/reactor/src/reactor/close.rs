//! The end of clients: stopped, finished, lingering, closed.

use protocol::{CloseReason, Finish};

use super::Reactor;
use crate::application::Kind;
use crate::client::{Client, Phase, When};

/// Time for which input is still read and discarded after the last answer was sent: unread bytes would turn
/// the close into a reset, and a reset can destroy the answer before the peer reads it. RFC 9112 §9.6.
const LINGER_MILLIS: u64 = 1000;

impl Reactor {
    /// Ends every client as soon as it owes nothing: idle ones now, others after their last answer. `Idle` is
    /// announced when none is left.
    pub fn stop_gracefully(&mut self) {
        self.is_stopping = true;
        self.tick();
        for slot in self.clients.slots() {
            self.stop_client(slot);
        }
        self.announce_idle();
    }

    /// Closes every client now. `Idle` is announced.
    pub fn close_all(&mut self) {
        self.is_stopping = true;
        for slot in self.clients.slots() {
            self.close_client(slot);
        }
        self.announce_idle();
    }

    /// Ends a client as soon as it owes nothing.
    pub(super) fn stop_client(&mut self, slot: u32) {
        if self.clients.get(slot).is_some_and(Client::awaits_proxy) {
            self.look_for_proxy_header(slot);
        }
        if let Some(client) = self.clients.get_mut(slot) {
            if client.phase == Phase::Unassigned || client.awaits_proxy() {
                return self.close_client(slot);
            }
            client.connection.handle_stop(&mut self.cx);
            self.service(slot);
        }
    }

    /// Ends a connection that has sent everything, in the way its protocol asks for.
    #[cold]
    pub(super) fn finish_client(&mut self, slot: u32, finish: Finish) {
        let Some(client) = self.clients.get_mut(slot) else { return };
        // Unread bytes in the kernel would turn a close into a reset.
        let is_unread = client.is_readable && !client.is_reset;
        if finish == Finish::Reset {
            client.socket.reset_on_close();
        }
        if let CloseReason::Refused(error) = client.connection.close_reason() {
            self.outbox.refuse(&client.facts, error);
        }
        match finish {
            Finish::Close if !is_unread => self.close_client(slot),
            Finish::Close | Finish::Linger => self.linger(slot),
            Finish::Reset => self.close_client(slot),
        }
    }

    #[cold]
    pub(super) fn linger(&mut self, slot: u32) {
        let Some(client) = self.clients.get_mut(slot) else { return };
        client.socket.shutdown_write();
        client.is_write_shut = true;
        client.unread = Vec::new();
        client.phase = Phase::Lingering { until: self.cx.now.after_millis(LINGER_MILLIS) };
        // The socket may have become readable while input wasn't wanted.
        client.is_readable = true;
        client.schedule(&mut self.timers);
        self.clients.queue_read(slot);
    }

    /// The one place where a connection ends: its requests and its `Client` are notified, and everything is
    /// freed. `Closed` is its last notice, and `Idle` the last of all.
    pub(super) fn close_client(&mut self, slot: u32) {
        let Some(client) = self.clients.remove(slot) else { return };
        self.gate.leave(&client.facts);
        if let Some(siblings) = &self.siblings {
            siblings.ended(slot);
        }
        for request_id in client.connection.unanswered().chain(client.connection.upgrading()) {
            self.outbox.notify(Kind::Aborted, slot, request_id.0);
        }
        for notice in &client.sent_notices {
            // The answer was given, and its last bytes can't be sent any more.
            if notice.when != When::RawDrained && client.connection.is_written(notice.request_id) {
                self.outbox.notify(Kind::Aborted, slot, notice.request_id.0);
            }
        }
        if client.facts.close() {
            self.outbox.notify(Kind::Closed, slot, client.facts.id());
        }
        self.announce_idle();
    }

    fn announce_idle(&mut self) {
        if self.is_stopping && self.clients.is_empty() {
            self.outbox.notify_idle();
        }
    }
}
