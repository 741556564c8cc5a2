//! A turn: readiness in, bytes read and parsed, notices out. Then the flush.
//!
//! This is the hot path on the native side. For a short request it makes two system calls, a read
//! and a write, plus one wait shared by all clients that were ready together; it allocates nothing.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use protocol::{CloseReason, Context, Event, Finish};

use crate::client::{Client, LINGER_MILLIS, Phase, Until};
use crate::facts::CLOSED_RD;
use crate::file::Sending;
use crate::intake::{End, Intake};
use crate::notice::{Batch, Kind, Notice, flag};
use crate::reactor::{FIRST_LISTENER, Reactor, WAKER};

/// Requests that one connection may hand over in one turn, so that a long pipeline doesn't crowd out others.
const REQUESTS_PER_VISIT: usize = 32;
/// Bytes received in one turn; uploads go on in the next.
const BYTES_PER_TURN: usize = 1024 * 1024;

impl Reactor {
    /// Takes what is ready, within a budget, and fills `batch`. [`Reactor::has_work`] tells whether
    /// something is left for another turn. With nothing ready it blocks for up to `wait`, None for ever,
    /// or until it is woken. A batch without room for a record leaves everything unread.
    ///
    /// # Errors
    /// The poller itself failed.
    pub fn turn(&mut self, batch: &mut Batch<'_>, wait: Option<Duration>) -> io::Result<()> {
        self.take_events(wait)?;
        self.tick();
        self.dirty.append(&mut self.unfinished);
        self.deliver_notices(batch);
        self.expire_timers(batch);
        self.accept_waiting();
        self.read_ready(batch);
        self.flush();
        self.deliver_notices(batch);
        Ok(())
    }

    /// Sends what is waiting, one write per client.
    pub fn flush(&mut self) {
        // New entries can appear while a client is settled, at the end of the list.
        let mut next = 0;
        while let Some(slot) = self.dirty.get(next).copied() {
            next += 1;
            self.settle(slot);
        }
        self.dirty.clear();
    }

    fn take_events(&mut self, wait: Option<Duration>) -> io::Result<()> {
        let Some(poll) = &mut self.poll else { return Ok(()) };
        match poll.poll(&mut self.events, wait) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &self.events {
            let token = event.token();
            if token == WAKER {
                continue;
            }
            if token.0 >= FIRST_LISTENER {
                if let Some(Some(listener)) = self.listeners.get_mut(token.0 - FIRST_LISTENER) {
                    listener.is_ready = true;
                }
                continue;
            }
            let slot = token.0 as u32;
            let Some(client) = self.clients.get_mut(token.0) else { continue };
            if event.is_writable() && client.is_blocked {
                client.is_blocked = false;
                if !client.is_dirty {
                    client.is_dirty = true;
                    self.dirty.push(slot);
                }
            }
            let is_lost = event.is_error();
            // With our own side closed a hang-up is no more than the peer's end.
            let is_hung_up = event.is_write_closed() && !client.is_write_shut;
            let is_read_closed = event.is_read_closed() || is_lost || is_hung_up;
            if event.is_readable() || is_read_closed {
                client.is_readable = true;
                client.is_read_closed |= is_read_closed;
                if !client.is_queued && (is_read_closed || client.can_read()) {
                    client.is_queued = true;
                    self.ready.push_back(slot);
                }
                client.is_lost |= is_lost;
                client.is_hung_up |= is_hung_up;
            }
        }
        Ok(())
    }

    fn deliver_notices(&mut self, batch: &mut Batch<'_>) {
        while !batch.is_full() {
            let Some(notice) = self.notices.pop_front() else { break };
            batch.push_notice(notice);
        }
    }

    fn read_ready(&mut self, batch: &mut Batch<'_>) {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut received = 0;
        for _ in 0..self.ready.len() {
            if !batch.has_room_for(REQUESTS_PER_VISIT) || received >= BYTES_PER_TURN {
                break;
            }
            let Some(slot) = self.ready.pop_front() else { break };
            let is_queued = match self.clients.get_mut(slot as usize) {
                Some(client) => std::mem::take(&mut client.is_queued),
                None => false,
            };
            if is_queued && !(self.holds_requests && self.holds_back(slot)) {
                self.current = Some(slot);
                received += self.read_client(slot, &mut buffer, batch);
                self.current = None;
            }
        }
        self.buffer = buffer;
    }

    /// Reads and parses one client's input; returns how many bytes came. Inlined into the hot path though it
    /// has a second, rare caller: 35 instructions a request.
    #[inline(always)]
    pub(crate) fn read_client(&mut self, slot: u32, buffer: &mut [u8], batch: &mut Batch<'_>) -> usize {
        let Some(client) = self.clients.get_mut(slot as usize) else { return 0 };
        if client.is_lost || client.phase != Phase::Serving {
            return self.read_not_serving(slot, buffer);
        }
        if matches!(client.intake, Intake::Awaited { .. }) {
            return self.announce_body(slot);
        }
        let is_read_closed = client.is_read_closed;
        let mut received = 0;
        if !client.held.is_empty() {
            let held = std::mem::take(&mut client.held);
            let taken = self.feed(slot, &held, batch);
            self.hold(slot, &held, taken);
        }
        let Some(client) = self.clients.get_mut(slot as usize) else { return 0 };
        if client.held.is_empty() && client.is_readable && client.connection.wants_input() {
            // Content goes straight to where the application wants it.
            let memory = client.intake.direct_memory(&client.connection);
            let is_direct = memory.is_some();
            let place = memory.unwrap_or(&mut *buffer);
            let asked = place.len();
            let result = client.socket.read(place);
            match result {
                Ok(0) => {
                    client.is_readable = false;
                    client.connection.handle_eof(&mut self.cx);
                    let is_hung_up = client.is_hung_up;
                    self.take_connection_events(slot);
                    if is_hung_up {
                        self.close_client(slot);
                        return 0;
                    }
                    self.note_peer_closed(slot);
                }
                Ok(count) => {
                    received = count;
                    if count < asked && !client.is_read_closed {
                        client.is_readable = false;
                    }
                    if is_direct {
                        self.take_direct(slot, count);
                    } else {
                        let input = &buffer[..count];
                        let taken = self.feed(slot, input, batch);
                        self.hold(slot, input, taken);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => client.is_readable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    self.close_client(slot);
                    return 0;
                }
            }
        }
        if is_read_closed {
            self.look_behind_pause(slot);
        }
        self.settle(slot);
        received
    }

    /// Content of a body has come into the application's memory.
    fn take_direct(&mut self, slot: u32, count: usize) {
        let Some(client) = self.clients.get_mut(slot as usize) else { return };
        if let Some(event) = client.take_direct(&mut self.cx, &mut self.notices, slot, count) {
            note(&mut self.notices, slot, client.facts.id(), event);
        }
        self.take_connection_events(slot);
    }

    /// The peer has closed its side behind bytes that aren't wanted yet: that it did is told at once,
    /// what it said last is read in its time.
    #[cold]
    fn look_behind_pause(&mut self, slot: u32) {
        let Some(client) = self.clients.get(slot as usize) else { return };
        if client.is_readable && !client.connection.wants_input() {
            self.note_peer_closed(slot);
        }
    }

    /// The peer has closed its sending side, and the connection goes on for the answers that it is owed.
    #[cold]
    fn note_peer_closed(&mut self, slot: u32) {
        let Some(client) = self.clients.get(slot as usize) else { return };
        if client.connection.finish().is_some() || client.facts.status() & CLOSED_RD != 0 {
            return;
        }
        client.facts.set_status(CLOSED_RD);
        if client.facts.is_watched() {
            self.notices.push_back(Notice::of(Kind::PeerHalfClosed, slot, client.facts.id()));
        }
        if self.cx.limits.allow_half_close {
            return;
        }
        for request_id in client.connection.open_request_ids() {
            self.notices.push_back(Notice::of(Kind::HalfClosed, slot, request_id.0));
        }
    }

    /// Gives `input` to the connection and its events to the batch; returns how many bytes were taken.
    fn feed(&mut self, slot: u32, input: &[u8], batch: &mut Batch<'_>) -> usize {
        let Some(client) = self.clients.get_mut(slot as usize) else { return input.len() };
        let client = &mut **client;
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
                }
                Some(Event::Raw { bytes }) => batch.push_raw(slot, client.facts.id(), bytes),
                Some(Event::Body { request_id, bytes, end, trailers }) => {
                    let end = end.then_some(End { trailers });
                    client.take_piece(&self.cx, &mut self.notices, slot, request_id, &bytes, end);
                    client.poll_events(&mut self.cx, &mut self.notices, slot);
                }
                Some(event) => {
                    note(&mut self.notices, slot, client.facts.id(), event);
                    client.poll_events(&mut self.cx, &mut self.notices, slot);
                }
                None if step.taken == 0 => break,
                None => {}
            }
        }
        at
    }

    /// Keeps what wasn't taken of `input` for later.
    fn hold(&mut self, slot: u32, input: &[u8], taken: usize) {
        if taken < input.len()
            && let Some(client) = self.clients.get_mut(slot as usize)
        {
            client.held = input[taken..].to_vec();
        }
    }

    /// Reads a connection that is on its way out: what comes is thrown away, and its end closes it. One
    /// that waits for its driver is left as it is.
    #[cold]
    fn read_not_serving(&mut self, slot: u32, buffer: &mut [u8]) -> usize {
        let Some(client) = self.clients.get_mut(slot as usize) else { return 0 };
        if client.is_lost {
            self.close_client(slot);
            return 0;
        }
        if client.phase == Phase::Unclaimed {
            return 0;
        }
        match client.socket.read(buffer) {
            Ok(count) if count > 0 => {
                client.is_queued = true;
                self.ready.push_back(slot);
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

    /// Turns what a connection has to say, other than in answer to input, into notices.
    pub(crate) fn take_connection_events(&mut self, slot: u32) {
        if let Some(client) = self.clients.get_mut(slot as usize) {
            client.poll_events(&mut self.cx, &mut self.notices, slot);
        }
    }

    /// Brings a client up to date after anything happened on it: sends, finishes, notes its deadline,
    /// goes on reading.
    pub(crate) fn settle(&mut self, slot: u32) {
        let Some(mut client) = self.clients.get_mut(slot as usize) else { return };
        client.is_dirty = false;
        if client.phase != Phase::Serving {
            return;
        }
        loop {
            while !client.is_blocked && !client.connection.transmit().is_empty() {
                let unsent = client.connection.transmit();
                match client.socket.write(unsent) {
                    Ok(count) => {
                        // A short write means that the kernel takes no more, and it will say when it does.
                        let is_short = count < unsent.len();
                        client.connection.handle_sent(&mut self.cx, count);
                        if is_short {
                            client.note_blocked(self.unacknowledged);
                        }
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        client.note_blocked(self.unacknowledged);
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(_) => return self.close_client(slot),
                }
            }
            if client.files.is_empty() || client.is_blocked {
                break;
            }
            let sending = self.send_file_part(slot);
            let Some(known) = self.clients.get_mut(slot as usize) else { return };
            client = known;
            match sending {
                Sending::Nothing if client.connection.transmit().is_empty() => break,
                Sending::Nothing => {}
                Sending::Blocked => client.note_blocked(self.unacknowledged),
                Sending::Unfinished => {
                    if !self.unfinished.contains(&slot) {
                        self.unfinished.push(slot);
                    }
                    break;
                }
                Sending::Broken => return self.close_client(slot),
            }
        }
        if client.connection.transmit().is_empty() {
            let owed = client.connection.owed() as u32;
            client.facts.set_written(client.requests.wrapping_sub(owed));
            if !client.waiters.is_empty() {
                self.release_waiters(slot);
            }
            self.settle_raw(slot);
        }
        let Some(client) = self.clients.get_mut(slot as usize) else { return };
        client.facts.set_receiving(u32::from(client.connection.is_receiving()));
        client.end_useless_intake();
        if let Some(finish) = client.connection.finish() {
            return self.finish_client(slot, finish);
        }
        if !client.is_queued && client.can_read() {
            client.is_queued = true;
            self.ready.push_back(slot);
        }
        self.schedule(slot);
    }

    /// A connection that has become raw, and is sent up to there, is announced; one whose sending side
    /// is to end has it closed.
    #[inline]
    fn settle_raw(&mut self, slot: u32) {
        let Some(client) = self.clients.get_mut(slot as usize) else { return };
        if !client.connection.is_raw() {
            return;
        }
        if let Some(request_id) = client.connection.poll_upgraded() {
            client.facts.watch();
            self.notices.push_back(Notice::of(Kind::Upgraded, slot, request_id.0));
        }
        if client.connection.poll_shutdown() {
            client.socket.shutdown_write();
            client.is_write_shut = true;
        }
    }

    /// Everything is said: the connection ends as its protocol wants it to.
    #[cold]
    fn finish_client(&mut self, slot: u32, finish: Finish) {
        let Some(client) = self.clients.get_mut(slot as usize) else { return };
        // What the kernel holds unread would turn a close into a reset.
        let is_unread = client.is_readable && !client.is_lost;
        if finish == Finish::Reset {
            client.socket.reset_on_close();
        }
        if let CloseReason::Refused(error) = client.connection.close_reason() {
            self.count_refusal(slot, error);
        }
        match finish {
            Finish::Close if !is_unread => self.close_client(slot),
            Finish::Close | Finish::Linger => self.linger(slot),
            Finish::Reset => self.close_client(slot),
        }
    }

    #[cold]
    fn linger(&mut self, slot: u32) {
        let Some(client) = self.clients.get_mut(slot as usize) else { return };
        client.socket.shutdown_write();
        client.is_write_shut = true;
        client.held = Vec::new();
        client.phase = Phase::Lingering { until: self.cx.now.after_millis(LINGER_MILLIS) };
        // Readiness may have been seen and left alone while input wasn't wanted.
        client.is_readable = true;
        if !client.is_queued {
            client.is_queued = true;
            self.ready.push_back(slot);
        }
        self.schedule(slot);
    }

    #[cold]
    fn release_waiters(&mut self, slot: u32) {
        let Some(client) = self.clients.get_mut(slot as usize) else { return };
        let id = client.facts.id();
        let (connection, notices) = (&client.connection, &mut self.notices);
        client.waiters.retain(|waiter| {
            let (kind, name, must_wait) = match waiter.until {
                Until::Written => {
                    (Kind::Written, waiter.request_id.0, !connection.is_written(waiter.request_id))
                }
                Until::Drained => {
                    (Kind::Drained, waiter.request_id.0, connection.backlog(waiter.request_id) > 0)
                }
                Until::RawDrained => (Kind::RawDrained, id, false),
            };
            if !must_wait {
                notices.push_back(Notice::of(kind, slot, name));
            }
            must_wait
        });
    }
}

impl Client {
    fn poll_events(&mut self, cx: &mut Context, notices: &mut VecDeque<Notice>, slot: u32) {
        while let Some(event) = self.connection.poll_event(cx) {
            match event {
                Event::Body { request_id, bytes, end, trailers } => {
                    self.take_piece(cx, notices, slot, request_id, &bytes, end.then_some(End { trailers }));
                }
                event => note(notices, slot, self.facts.id(), event),
            }
        }
    }
}

/// Queues what was said of a body or a raw connection.
#[cold]
fn note(notices: &mut VecDeque<Notice>, slot: u32, client_id: u64, event: Event<'_>) {
    notices.push_back(match event {
        // Requests and raw bytes go straight to the batch, bodies to the memory lent for them; the end of the
        // peer's side is told by whoever read it.
        Event::Request(_) | Event::Raw { .. } | Event::Body { .. } | Event::HalfClosed => return,
        Event::RawUnread { bytes } => Notice { body: bytes, ..Notice::of(Kind::Raw, slot, client_id) },
        Event::RawEnd => Notice { flags: flag::END, ..Notice::of(Kind::Raw, slot, client_id) },
        Event::BodyLimit { request_id, raises } => {
            Notice { detail: raises, ..Notice::of(Kind::BodyLimit, slot, request_id.0) }
        }
        Event::BodyFailed { request_id, error } => {
            Notice { detail: u32::from(error.status()), ..Notice::of(Kind::BodyFailed, slot, request_id.0) }
        }
    });
}
