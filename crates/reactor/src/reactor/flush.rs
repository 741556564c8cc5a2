//! The flush: output is sent, and each client is brought up to date.

use std::io;

use protocol::Context;

use super::Reactor;
use crate::application::{Kind, Outbox};
use crate::client::{Burst, Client, Phase};
use crate::io::SHORT_CALLS_ARM;

/// Where sending a client's output stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sending {
    /// Everything is sent.
    Done,
    /// The kernel's send buffer is full.
    Blocked,
    /// The visit has used its budget; another has to follow.
    Unfinished,
    /// A thread reads what comes next.
    AwaitsDisk,
    /// The connection can't be used any more.
    Broken,
}

impl Reactor {
    /// Sends pending output, one write per client.
    pub fn flush(&mut self) {
        // A client that becomes dirty meanwhile is added at the end of the list.
        let mut at = 0;
        let outer = self.current;
        while let Some(slot) = self.clients.next_dirty(&mut at) {
            self.current = Some(slot);
            self.service(slot);
        }
        self.current = outer;
    }

    /// Brings a client up to date after anything has happened on it: sends, finishes, publishes its deadline,
    /// and has it read on.
    pub(super) fn service(&mut self, slot: u32) {
        let Some(client) = self.clients.get_mut(slot) else { return };
        if matches!(client.phase, Phase::Lingering { .. } | Phase::AwaitingProxy { .. }) {
            return;
        }
        if client.burst != Burst::None {
            client.end_burst(&mut self.cx);
        }
        let sending = if client.external_parts.is_empty() {
            client.send_bytes(&mut self.cx)
        } else {
            client.send_all(&mut self.cx, &mut self.outbox, &mut self.disk)
        };
        match sending {
            Sending::Done | Sending::Unfinished | Sending::AwaitsDisk => {}
            Sending::Blocked if client.is_blocked => {}
            Sending::Blocked => client.mark_blocked(self.unacknowledged),
            Sending::Broken => return self.close_client(slot),
        }
        if client.connection.is_http2() {
            client.service_streams(&mut self.cx, &mut self.outbox);
        } else {
            if client.connection.is_all_sent() {
                client.handle_all_sent(&mut self.outbox);
            }
            client.facts.set_receiving(u32::from(client.connection.is_receiving()));
        }
        client.bodies.drop_useless(&client.connection);
        if let Some(finish) = client.connection.finish() {
            return self.finish_client(slot, finish);
        }
        client.schedule(&mut self.timers);
        if sending == Sending::Unfinished {
            self.clients.mark_unfinished(slot);
        }
        self.clients.queue_read(slot);
    }
}

impl Client {
    /// Sends what is in the output, as far as the socket allows. It is inlined into the hot path although it has rare
    /// callers, too.
    #[inline(always)]
    pub(super) fn send_bytes(&mut self, cx: &mut Context) -> Sending {
        if self.is_blocked {
            return Sending::Blocked;
        }
        loop {
            let unsent = self.connection.poll_transmit(cx);
            if unsent.is_empty() {
                return Sending::Done;
            }
            match self.socket.write(unsent) {
                Ok(count) => {
                    // After a short write the send buffer is full, and its next readiness will be reported.
                    let is_short = count < unsent.len() && SHORT_CALLS_ARM;
                    self.connection.handle_sent(cx, count);
                    if is_short {
                        return Sending::Blocked;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Sending::Blocked,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Sending::Broken,
            }
        }
    }

    /// Has the kernel send the end of the last piece, unless bytes follow now.
    #[cold]
    fn end_burst(&mut self, cx: &mut Context) {
        let burst = std::mem::replace(&mut self.burst, Burst::None);
        if burst == Burst::Kept && self.connection.poll_transmit(cx).is_empty() {
            self.socket.push();
        }
    }

    /// Everything that the connection had to send is with the kernel.
    #[inline]
    fn handle_all_sent(&mut self, outbox: &mut Outbox) {
        let owed = self.connection.owed() as u32;
        self.facts.set_written(self.requests.wrapping_sub(owed));
        if !self.sent_notices.is_empty() {
            self.notify_sent(outbox);
        }
        if self.connection.is_raw() {
            self.service_raw(outbox);
        }
    }

    /// Brings the streams of an HTTP/2 connection up to date: what was sent may have ended some.
    #[cold]
    fn service_streams(&mut self, cx: &mut Context, outbox: &mut Outbox) {
        self.poll_events(cx, outbox);
        self.publish_streams();
        if !self.sent_notices.is_empty() {
            self.notify_sent(outbox);
        }
        self.count_refusals(cx, outbox);
    }

    /// Counts what was refused on a connection that continues.
    #[cold]
    pub(super) fn count_refusals(&mut self, cx: &Context, outbox: &mut Outbox) {
        while let Some(refusal) = self.connection.poll_refusal() {
            outbox.refuse_stream(&self.facts, refusal, &cx.limits);
        }
    }

    /// Announces a connection that has become raw, and closes its sending side when it is to end.
    #[cold]
    fn service_raw(&mut self, outbox: &mut Outbox) {
        if let Some(request_id) = self.connection.poll_upgraded() {
            self.facts.watch();
            outbox.notify(Kind::Upgraded, self.facts.slot(), request_id.0);
        }
        if self.connection.poll_shutdown() {
            self.socket.shutdown_write();
            self.is_write_shut = true;
        }
    }
}
