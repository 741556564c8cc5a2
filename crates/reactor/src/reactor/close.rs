//! The end of clients: stopped, finished, lingering, closed.

use protocol::{CloseReason, Finish};

use super::Reactor;
use crate::application::{Facts, Kind};
use crate::client::{Client, Phase, When};

/// Time for which input is still read and discarded after the last answer was sent: unread bytes would turn
/// the close into a reset, and a reset can destroy the answer before the peer reads it. RFC 9112 §9.6.
const LINGER_MILLIS: u64 = 1000;

impl Reactor {
    /// Ends every client as soon as it owes nothing: idle ones now, others after their last answer. In the style of
    /// node:http those of HTTP/1 are served until they are idle for too long. `Idle` is announced when none is left.
    pub fn stop_gracefully(&mut self) {
        self.is_stopping = true;
        self.tick();
        for slot in self.clients.slots() {
            let is_http1 = self.clients.get(slot).is_some_and(|client| client.connection.is_http1());
            if !is_http1 || !self.cx.limits.node_style {
                self.stop_client(slot);
            }
        }
        self.announce_idle();
    }

    /// Closes every client now; returns how many requests without a complete answer, and upgraded connections,
    /// that has cut off. `Idle` is announced.
    pub fn close_all(&mut self) -> usize {
        self.is_stopping = true;
        let cut_off = self.clients.iter().map(|(_, client)| client.cut_off()).sum();
        for slot in self.clients.slots() {
            self.close_client(slot);
        }
        self.announce_idle();
        cut_off
    }

    /// Closes the clients that have never sent a whole request.
    pub fn close_silent(&mut self) {
        for slot in self.clients.slots() {
            if self.clients.get(slot).is_some_and(|client| client.requests == 0) {
                self.close_client(slot);
            }
        }
    }

    /// Ends a client as soon as it owes nothing: requests that have reached the kernel are served, and a head that
    /// has begun may be completed.
    pub(super) fn stop_client(&mut self, slot: u32) {
        if self.clients.get(slot).is_some_and(Client::awaits_proxy) {
            return self.stop_awaiting_proxy(slot);
        }
        let Some(client) = self.clients.get_mut(slot) else { return };
        if client.phase == Phase::Unassigned && client.socket.waiting() == 0 {
            return self.close_client(slot);
        }
        client.begin_stop();
        self.stopping.push((slot, client.facts.id()));
        if self.stop_if_read(slot) {
            self.stopping.pop();
        }
        self.service(slot);
    }

    /// Ends the stopping clients from which nothing more is to be read.
    #[cold]
    #[inline(never)]
    pub(super) fn stop_those_read(&mut self) {
        let mut stopping = std::mem::take(&mut self.stopping);
        stopping.retain(|(slot, id)| {
            let is_done = self.clients.with_id(*slot, *id).is_none() || self.stop_if_read(*slot);
            if is_done {
                self.clients.mark_dirty(*slot);
            }
            !is_done
        });
        self.stopping.append(&mut stopping);
    }

    /// Whether a stopping client has nothing more to be read, so that it is ended now.
    fn stop_if_read(&mut self, slot: u32) -> bool {
        self.clients.get_mut(slot).is_none_or(|client| client.stop_when_read(&mut self.cx))
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
            let unparsed = client.connection.refusal().map(|(_, answer)| answer);
            self.outbox.refuse(&client.facts, error, &self.cx.limits, unparsed);
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
        let Some(mut client) = self.clients.remove(slot) else { return };
        if client.is_rejected {
            self.gate.end_lingering();
            return self.announce_idle();
        }
        self.uncount(&client.facts);
        if client.phase == Phase::Serving
            && !matches!(client.connection.close_reason(), CloseReason::Refused(_))
            && let Some((error, _)) = client.connection.refusal()
        {
            // The client has left before it was answered.
            self.outbox.refuse(&client.facts, error, &self.cx.limits, Some(None));
        }
        client.connection.abandon_pages();
        client.count_refusals(&self.cx, &mut self.outbox);
        for request_id in client.connection.unanswered().chain(client.connection.upgrading()) {
            self.outbox.abort(&client.connection, slot, request_id);
        }
        for notice in &client.sent_notices {
            // The answer was given, and its last bytes can't be sent any more.
            if notice.when != When::RawDrained && client.connection.is_written(notice.request_id) {
                self.outbox.abort(&client.connection, slot, notice.request_id);
            }
        }
        if client.facts.close() {
            self.outbox.notify(Kind::Closed, slot, client.facts.id());
        }
        self.announce_idle();
    }

    /// A client isn't counted any more.
    pub(super) fn uncount(&self, facts: &Facts) {
        self.gate.leave(facts);
        if let Some(siblings) = &self.siblings {
            siblings.ended(facts.slot());
        }
    }

    fn announce_idle(&mut self) {
        if self.is_stopping && self.clients.is_empty() {
            self.outbox.notify_idle();
        }
    }
}
