//! A turn: readiness in, bytes read and parsed, notices out. Then the flush.
//!
//! This is the hot path on the native side. For a short request it makes two system calls, a read
//! and a write, plus one wait shared by all clients that were ready together; it allocates nothing.

use std::io;
use std::time::Duration;

use protocol::{Event, Timestamp};

use super::{Reactor, WAITING_MILLIS};
use crate::application::{Batch, CLOSED_RD, Kind, flag};
use crate::client::{BodyEnd, Phase};
use crate::io::{Ready, SHORT_CALLS_ARM};

/// Requests taken from one connection in one turn, so that a long pipeline doesn't delay other clients.
const REQUESTS_PER_VISIT: usize = 32;
/// Bytes received in one turn; uploads continue in the next.
const BYTES_PER_TURN: usize = 1024 * 1024;

impl Reactor {
    /// Takes what is ready, within a budget, and fills `batch`. [`Reactor::has_work`] says whether another
    /// turn should follow. With nothing ready it blocks for up to `wait`, None for ever, or until it is
    /// woken. With a batch that has no room for a record nothing is read.
    ///
    /// # Errors
    /// The poller itself failed.
    pub fn turn(&mut self, batch: &mut Batch<'_>, wait: Option<Duration>) -> io::Result<()> {
        self.wait(wait)?;
        self.take_ready(batch);
        Ok(())
    }

    /// The first half of a turn: waits as [`Reactor::turn`] does. Whether anything is ready.
    ///
    /// # Errors
    /// The poller itself failed.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<bool> {
        self.poller.wait(timeout)?;
        let mut is_ready = false;
        for ready in self.poller.ready() {
            is_ready = true;
            match ready {
                Ready::Listener(index) => self.listeners.mark_ready(index),
                Ready::Client(ready) => self.clients.mark_ready(&ready),
            }
        }
        Ok(is_ready)
    }

    /// The second half: takes what is ready.
    pub fn take_ready(&mut self, batch: &mut Batch<'_>) {
        self.tick();
        self.clients.resume_unfinished();
        if self.disk.is_reading() {
            self.take_reads();
        }
        self.outbox.deliver(batch);
        self.renew_handshake_steps();
        self.cx.renew_pages();
        self.expire_timers(batch);
        self.accept_waiting();
        if self.pauses_requests {
            self.resume_longest_paused();
        }
        self.read_ready(batch);
        if self.pauses_requests {
            self.mark_waited(batch);
        }
        if !self.stopping.is_empty() {
            self.stop_those_read();
        }
        self.flush();
        self.outbox.deliver(batch);
    }

    fn read_ready(&mut self, batch: &mut Batch<'_>) {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut received = 0;
        for _ in 0..self.clients.to_read() {
            if !batch.has_room_for(REQUESTS_PER_VISIT) || received >= BYTES_PER_TURN {
                break;
            }
            let Some(slot) = self.clients.next_to_read() else { continue };
            if self.pauses_requests && self.pause_client(slot, batch) {
                continue;
            }
            self.current = Some(slot);
            received += self.read_client(slot, &mut buffer, batch);
            self.current = None;
        }
        self.buffer = buffer;
    }

    /// Has the clients read whose next request has waited for too long.
    #[cold]
    fn resume_longest_paused(&mut self) {
        let Timestamp(now) = self.cx.now;
        if let Some(since) = now.checked_sub(WAITING_MILLIS) {
            self.clients.resume_paused_before(Timestamp(since));
        }
    }

    /// Marks the requests of the client that was read although requests are paused: the last ones of the batch.
    #[cold]
    fn mark_waited(&mut self, batch: &mut Batch<'_>) {
        if let Some(first) = self.waited_from.take() {
            batch.mark_requests(first, flag::WAITED);
        }
    }

    /// Whether a client that is ready to be read has to wait because its next bytes are a new request.
    #[cold]
    fn pause_client(&mut self, slot: u32, batch: &mut Batch<'_>) -> bool {
        self.mark_waited(batch);
        let Some(client) = self.clients.get_mut(slot) else { return false };
        if std::mem::take(&mut client.has_waited) {
            self.waited_from = Some(batch.records());
            return false;
        }
        let is_paused =
            !client.is_reset && client.phase == Phase::Serving && client.connection.is_between_requests();
        if is_paused {
            self.clients.pause(slot, self.cx.now);
        }
        is_paused
    }

    /// Reads and parses one client's input; returns how many bytes were received. It is inlined into the hot
    /// path although it has a second, rare caller: this saves 35 instructions a request.
    #[inline(always)]
    pub(super) fn read_client(&mut self, slot: u32, buffer: &mut [u8], batch: &mut Batch<'_>) -> usize {
        let Some(client) = self.clients.get_mut(slot) else { return 0 };
        if client.is_reset || client.phase != Phase::Serving {
            return self.read_unserved(slot, buffer, batch);
        }
        if client.has_to_announce_body() {
            let count = client.announce_body(&self.cx, &mut self.outbox);
            if count > 0 && !client.connection.is_http2() {
                return count;
            }
        }
        let is_read_closed = client.is_read_closed;
        let mut received = 0;
        if !client.unread.is_empty() || client.connection.has_ready_requests() {
            let unread = std::mem::take(&mut client.unread);
            let taken = self.parse(slot, &unread, batch);
            self.keep_unread(slot, &unread, taken);
        }
        let Some(client) = self.clients.get_mut(slot) else { return 0 };
        if client.unread.is_empty() && client.is_readable && client.connection.wants_input() {
            // Content goes straight into the application's buffer.
            let direct = client.bodies.direct_buffer(&client.connection);
            let is_direct = direct.is_some();
            let target = direct.unwrap_or(&mut *buffer);
            let room = target.len();
            let result = client.socket.read(target);
            match result {
                Ok(0) => {
                    if self.take_eof(slot) {
                        return 0;
                    }
                }
                Ok(count) => {
                    received = count;
                    if let Some(stop) = &mut client.stop {
                        stop.left = stop.left.saturating_sub(count);
                    }
                    if count < room && SHORT_CALLS_ARM && !client.is_read_closed {
                        client.is_readable = false;
                    }
                    if is_direct {
                        self.take_direct(slot, count);
                    } else if client.connection.is_secured() {
                        self.take_ciphertext(slot, &mut buffer[..count], batch);
                    } else {
                        let input = &buffer[..count];
                        let taken = self.parse(slot, input, batch);
                        self.keep_unread(slot, input, taken);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    client.is_readable = false;
                    if client.connection.owes_eof() && self.take_eof(slot) {
                        return 0;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    self.close_client(slot);
                    return 0;
                }
            }
        }
        if is_read_closed {
            self.check_eof_while_paused(slot);
        }
        self.service(slot);
        received
    }

    /// The peer has ended its side, and all that it sent before is taken. True when the client is closed by that.
    fn take_eof(&mut self, slot: u32) -> bool {
        let Some(client) = self.clients.get_mut(slot) else { return true };
        client.is_readable = false;
        client.connection.handle_eof(&mut self.cx);
        client.poll_events(&mut self.cx, &mut self.outbox);
        if client.is_hung_up {
            self.close_client(slot);
            return true;
        }
        self.take_security_events(slot);
        self.notify_read_closed(slot);
        false
    }

    /// Content of a body was received into the application's buffer.
    fn take_direct(&mut self, slot: u32, count: usize) {
        let Some(client) = self.clients.get_mut(slot) else { return };
        if let Some(event) = client.deliver_direct(&mut self.cx, &mut self.outbox, count) {
            self.outbox.push_event(slot, client.facts.id(), event);
        }
        client.poll_events(&mut self.cx, &mut self.outbox);
    }

    /// The peer has closed its side after bytes that aren't wanted yet: this is announced at once, and the
    /// bytes are read when they are wanted.
    #[cold]
    pub(super) fn check_eof_while_paused(&mut self, slot: u32) {
        let Some(client) = self.clients.get(slot) else { return };
        if client.is_readable && !client.connection.wants_input() {
            self.notify_read_closed(slot);
        }
    }

    /// The peer has closed its sending side, and the connection stays open for the answers that it is owed.
    #[cold]
    fn notify_read_closed(&mut self, slot: u32) {
        let Some(client) = self.clients.get(slot) else { return };
        if client.connection.is_ending() || client.facts.status() & CLOSED_RD != 0 {
            return;
        }
        client.facts.set_status(CLOSED_RD);
        if client.facts.is_watched() {
            self.outbox.notify(Kind::PeerHalfClosed, slot, client.facts.id());
        }
        if self.cx.limits.allow_half_close {
            return;
        }
        for request_id in client.connection.open_request_ids() {
            self.outbox.notify(Kind::HalfClosed, slot, request_id.0);
        }
    }

    /// Gives `input` to the connection and its events to the batch; returns how many bytes were taken.
    pub(super) fn parse(&mut self, slot: u32, input: &[u8], batch: &mut Batch<'_>) -> usize {
        let Some(client) = self.clients.get_mut(slot) else { return input.len() };
        let mut at = 0;
        let mut requests = 0;
        while requests < REQUESTS_PER_VISIT && !batch.is_full() {
            let step = client.connection.handle_input(&mut self.cx, &input[at..]);
            at += step.taken;
            match step.event {
                Some(Event::Request(request)) => {
                    batch.push_request(&client.facts, &request);
                    client.requests = client.requests.wrapping_add(1);
                    client.facts.on_dispatched();
                    requests += 1;
                    if client.requests >= self.cx.limits.requests_per_connection {
                        client.connection.handle_last();
                    }
                }
                Some(Event::Raw { bytes }) => {
                    let count = bytes.len();
                    batch.push_raw(slot, client.facts.id(), bytes);
                    client.note_raw(count);
                }
                Some(Event::Body { request_id, bytes, end, trailers }) => {
                    let end = end.then_some(BodyEnd { trailers });
                    client.deliver_body(&self.cx, &mut self.outbox, request_id, &bytes, end);
                    client.poll_events(&mut self.cx, &mut self.outbox);
                }
                Some(Event::Reset { request_id, code, is_late }) => {
                    client.push_event(&mut self.outbox, Event::Reset { request_id, code, is_late });
                    client.poll_events(&mut self.cx, &mut self.outbox);
                }
                Some(Event::Unparsed { request_id, error }) => {
                    client.push_event(&mut self.outbox, Event::Unparsed { request_id, error });
                }
                Some(event) => {
                    self.outbox.push_event(slot, client.facts.id(), event);
                    client.poll_events(&mut self.cx, &mut self.outbox);
                }
                None if step.taken == 0 => break,
                None => {}
            }
        }
        at
    }

    /// Keeps the rest of `input` for later.
    #[inline]
    pub(super) fn keep_unread(&mut self, slot: u32, input: &[u8], taken: usize) {
        if taken < input.len()
            && let Some(client) = self.clients.get_mut(slot)
        {
            client.unread = input[taken..].to_vec();
        }
    }

    /// Reads a connection on which nothing is served. One that awaits its PROXY header: that is taken. One that lingers:
    /// input is discarded, and its end closes the connection. One without a driver is left as it is.
    #[cold]
    fn read_unserved(&mut self, slot: u32, buffer: &mut [u8], batch: &mut Batch<'_>) -> usize {
        let Some(client) = self.clients.get_mut(slot) else { return 0 };
        if client.phase == Phase::Handshaking {
            return self.read_handshake(slot, buffer, batch);
        }
        if client.is_reset {
            self.close_client(slot);
            return 0;
        }
        match client.phase {
            Phase::Unassigned => return 0,
            Phase::AwaitingProxy { .. } => {
                self.read_proxy_header(slot, buffer);
                return 0;
            }
            Phase::Serving | Phase::Handshaking | Phase::Lingering { .. } => {}
        }
        match client.socket.read(buffer) {
            Ok(count) if count > 0 => {
                self.clients.queue_visit(slot);
                count
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                client.is_readable = false;
                0
            }
            _ => {
                self.close_client(slot);
                0
            }
        }
    }
}
