//! How the bytes of bodies get to the application: into buffers that it provides when bytes have arrived.
//!
//! ```text
//!   none ── await ──► Waiting ── bytes arrive ──► Ready ── a buffer is provided ──► Filling ──┐
//!    └◄──────────────────────────────── the buffer is returned ◄─────────────────────────────┘
//! ```
//! So no memory is reserved for bytes that may never arrive, and the bytes of one client are read before a
//! buffer is needed for the next. An application that expects only a few bytes may provide a buffer at once.
//! A buffer is returned by a `Body` notice; when the rest of the body can't be received any more it is
//! dropped without one. Content is received straight into the buffer, where chunks
//! are joined.
//!
//! A raw connection is read like this as long as it brings many bytes at once: below that, one notice with the bytes in it
//! costs less than two. It has no request: its delivery is that of `RAW`.

use protocol::{Connection, Context, Direct, Event, FRAMED_ROOM, RequestId, Trailers};

use super::Client;
use crate::application::{Kind, Notice, Outbox, flag, lines};

/// Bytes received into a buffer at once, so that other clients are served in between.
const LONGEST_READ: usize = 1024 * 1024;

/// What stands for a request in the delivery of a raw connection. No request has this id.
pub(crate) const RAW: RequestId = RequestId(0);
/// Bytes of a raw connection that are many.
const MANY_RAW: usize = 32 * 1024;

/// A buffer of the application's for the bytes of a body. The reactor writes to it until it drops it.
pub trait RecvBuffer: Send {
    /// The bytes; always the same ones.
    fn bytes(&mut self) -> &mut [u8];
}

/// The deliveries of one client by request. HTTP/1 has at most one at a time.
#[derive(Default)]
pub(crate) struct BodyDeliveries(Vec<BodyDelivery>);

/// A body that the application has asked for.
struct BodyDelivery {
    request_id: RequestId,
    state: State,
}

/// Where its delivery stands.
enum State {
    /// `BodyReady` follows when bytes arrive.
    Waiting,
    /// `BodyReady` was sent; the application will provide a buffer.
    Ready,
    /// Bytes are written to a buffer.
    Filling(Filling),
}

/// A buffer, and how far it is filled.
struct Filling {
    buffer: Box<dyn RecvBuffer>,
    filled: usize,
    /// All of the body is wanted: the buffer isn't returned before it is full.
    is_whole: bool,
}

/// The end of a body, and what follows it.
pub(crate) struct BodyEnd {
    pub(crate) trailers: Option<Trailers>,
}

/// What comes next for a client as far as its bodies are concerned.
///
/// With HTTP/1 the next bytes in the socket are those of the one body: they stay in the kernel until there is
/// a buffer for them. With HTTP/2 they may be of any stream: the socket is read whatever comes next, and what is
/// announced are bytes that the connection keeps.
pub(super) enum Step {
    /// The socket is read.
    Read,
    /// Bytes of a body are announced.
    Announce,
    /// The application provides a buffer.
    AwaitBuffer,
}

impl Filling {
    /// The unfilled part, up to `room` bytes.
    fn rest(&mut self, room: usize) -> &mut [u8] {
        let rest = self.buffer.bytes().get_mut(self.filled..).unwrap_or(&mut []);
        let room = room.min(rest.len());
        &mut rest[..room]
    }

    /// How many bytes of it are unfilled.
    fn room(&mut self) -> u64 {
        (self.buffer.bytes().len() - self.filled) as u64
    }

    fn append(&mut self, bytes: &[u8]) {
        let rest = self.rest(bytes.len());
        let count = rest.len();
        rest.copy_from_slice(&bytes[..count]);
        self.filled += count;
    }

    /// Whether the buffer is to be returned.
    fn is_due(&mut self) -> bool {
        let size = self.buffer.bytes().len();
        self.filled == size || self.filled > 0 && !self.is_whole
    }
}

impl BodyDeliveries {
    /// What comes next.
    #[inline]
    pub(super) fn step(&self) -> Step {
        if self.0.is_empty() { Step::Read } else { self.step_of_any() }
    }

    fn step_of_any(&self) -> Step {
        let has = |is: fn(&State) -> bool| self.0.iter().any(|delivery| is(&delivery.state));
        if has(|state| matches!(state, State::Waiting)) {
            Step::Announce
        } else if has(|state| matches!(state, State::Ready)) {
            Step::AwaitBuffer
        } else {
            Step::Read
        }
    }

    fn waiting(&self) -> impl Iterator<Item = RequestId> {
        let waiting = self.0.iter().filter(|delivery| matches!(delivery.state, State::Waiting));
        waiting.map(|delivery| delivery.request_id)
    }

    fn state(&mut self, request_id: RequestId) -> Option<&mut State> {
        self.0.iter_mut().find(|delivery| delivery.request_id == request_id).map(|found| &mut found.state)
    }

    fn filling(&mut self, request_id: RequestId) -> Option<&mut Filling> {
        match self.state(request_id)? {
            State::Filling(filling) => Some(filling),
            State::Waiting | State::Ready => None,
        }
    }

    fn set(&mut self, request_id: RequestId, state: State) {
        match self.state(request_id) {
            Some(found) => *found = state,
            None => {
                self.0.reserve_exact(1);
                self.0.push(BodyDelivery { request_id, state });
            }
        }
    }

    /// Ends a delivery; returns how far its buffer was filled.
    pub(crate) fn remove(&mut self, request_id: RequestId) -> usize {
        let filled = self.filling(request_id).map_or(0, |filling| filling.filled);
        self.0.retain(|delivery| delivery.request_id != request_id);
        filled
    }

    /// The buffer being filled for the body that `connection` is receiving.
    fn current(&mut self, connection: &Connection) -> Option<(RequestId, &mut Filling)> {
        let current =
            self.0.iter_mut().find(|delivery| connection.kept_of_body(delivery.request_id).is_some());
        match current? {
            BodyDelivery { request_id, state: State::Filling(filling) } => Some((*request_id, filling)),
            BodyDelivery { .. } => None,
        }
    }

    /// The buffer for the next bytes from the socket; None when they aren't content alone.
    #[inline]
    pub(crate) fn direct_buffer(&mut self, connection: &Connection) -> Option<&mut [u8]> {
        if self.0.is_empty() {
            return None;
        }
        match connection.direct_room() {
            0 => None,
            room => Some(self.current(connection)?.1.rest(room.min(LONGEST_READ))),
        }
    }

    /// Drops the deliveries of bodies that can't be received any more.
    #[inline]
    pub(crate) fn drop_useless(&mut self, connection: &Connection) {
        if !self.0.is_empty() {
            self.0.retain(|delivery| connection.kept_of_body(delivery.request_id).is_some());
        }
    }
}

impl Client {
    /// Whether body bytes have to be announced before the socket is read.
    #[inline]
    pub(crate) fn has_to_announce_body(&self) -> bool {
        matches!(self.bodies.step(), Step::Announce)
    }

    /// Whether there are bytes of a body that is waited for, or may be.
    pub(super) fn has_body_bytes(&self) -> bool {
        self.next_to_announce().is_some()
    }

    fn next_to_announce(&self) -> Option<RequestId> {
        let has_input = !self.connection.is_http2() && (self.is_readable || !self.unread.is_empty());
        self.bodies.waiting().find(|request_id| has_input || self.kept_of_body(*request_id) > 0)
    }

    fn kept_of_body(&self, request_id: RequestId) -> usize {
        self.connection.kept_of_body(request_id).unwrap_or(0)
    }

    /// Whether a body can be asked for: at most one buffer may be provided for it.
    pub(crate) fn can_ask_for_body(&mut self, request_id: RequestId) -> bool {
        self.bodies.drop_useless(&self.connection);
        self.bodies.filling(request_id).is_none()
    }

    /// `BodyReady` follows when bytes of this body arrive.
    pub(crate) fn await_body(&mut self, request_id: RequestId) {
        self.bodies.set(request_id, State::Waiting);
    }

    /// Bytes of this body are written to `buffer`.
    pub(crate) fn fill(&mut self, request_id: RequestId, buffer: Box<dyn RecvBuffer>, is_whole: bool) {
        self.bodies.set(request_id, State::Filling(Filling { buffer, filled: 0, is_whole }));
    }

    /// Ends the delivery of a body for which no buffer was provided. False when there is none.
    pub(crate) fn stop_awaiting_body(&mut self, cx: &Context, request_id: RequestId) -> bool {
        if !matches!(self.bodies.state(request_id), Some(State::Waiting | State::Ready)) {
            return false;
        }
        self.bodies.remove(request_id);
        self.connection.handle_revoke(cx, request_id);
        true
    }

    /// Announces bytes of the bodies that are waited for, if there are any; returns about how many will be
    /// received.
    pub(crate) fn announce_body(&mut self, cx: &Context, outbox: &mut Outbox) -> usize {
        if self.connection.is_raw() {
            return self.announce_raw(cx, outbox);
        }
        let mut announced = 0;
        while let Some(request_id) = self.next_to_announce() {
            let unparsed = if self.connection.is_http2() { 0 } else { self.unread.len() };
            let kept = self.kept_of_body(request_id) + unparsed;
            // Kept bytes are announced alone: the bytes after them can then be received without a copy.
            let count = if kept > 0 { kept } else { self.socket.waiting() };
            self.bodies.set(request_id, State::Ready);
            // From here on the delay is the application's: the client can't be late.
            self.connection.handle_revoke(cx, request_id);
            outbox.push(Notice {
                count: u32::try_from(count).unwrap_or(u32::MAX),
                ..Notice::of(Kind::BodyReady, self.facts.slot(), request_id.0)
            });
            announced += count;
        }
        announced
    }

    /// The same for a raw connection. 0 when its bytes are few: they are read into a notice.
    fn announce_raw(&mut self, cx: &Context, outbox: &mut Outbox) -> usize {
        let count = if self.unread.is_empty() { self.socket.waiting() } else { 0 };
        self.brings_many = count >= MANY_RAW;
        if !self.brings_many {
            self.bodies.remove(RAW);
            return 0;
        }
        self.bodies.set(RAW, State::Ready);
        self.connection.handle_revoke(cx, RAW);
        outbox.push(Notice {
            count: u32::try_from(count).unwrap_or(u32::MAX),
            ..Notice::of(Kind::RawReady, self.facts.slot(), self.facts.id())
        });
        count
    }

    /// Bytes of a raw connection were read into a notice. With TLS the socket has others than the application.
    pub(crate) fn note_raw(&mut self, count: usize) {
        self.brings_many = count >= MANY_RAW && !self.connection.is_secured();
    }

    /// The application asks for bytes of a raw connection, and provides a buffer when they are many; or, with 0, for none
    /// any more.
    pub(crate) fn await_raw(&mut self, bytes: u64) {
        if bytes > 0 && self.brings_many {
            self.bodies.set(RAW, State::Waiting);
        } else if !matches!(self.bodies.state(RAW), Some(State::Ready)) {
            self.bodies.remove(RAW);
        }
    }

    /// Bytes of a body were parsed by the connection.
    pub(crate) fn deliver_body(
        &mut self,
        cx: &Context,
        outbox: &mut Outbox,
        request_id: RequestId,
        bytes: &[u8],
        end: Option<BodyEnd>,
    ) {
        let is_due = self.bodies.filling(request_id).is_some_and(|filling| {
            filling.append(bytes);
            filling.is_due()
        });
        // The end is announced even when the buffer was returned before.
        if is_due || end.is_some() {
            self.return_buffer(cx, outbox, request_id, end);
        }
    }

    /// Bytes of a body were received straight into its buffer.
    pub(crate) fn deliver_direct(
        &mut self,
        cx: &mut Context,
        outbox: &mut Outbox,
        count: usize,
    ) -> Option<Event<'static>> {
        let (request_id, filling) = self.bodies.current(&self.connection)?;
        let received = filling.rest(count);
        let Direct { content, taken, event } = self.connection.handle_direct(cx, received);
        if taken < count {
            self.unread = received[taken..].to_vec();
        }
        filling.filled += content;
        // Where there is framing the last few bytes of the memory would take a read for each.
        let is_nearly_full = content < count && filling.room() < FRAMED_ROOM;
        let is_due = filling.is_due() || is_nearly_full && filling.filled > 0;
        match event {
            Some(Event::Body { request_id, end: true, trailers, .. }) => {
                self.return_buffer(cx, outbox, request_id, Some(BodyEnd { trailers }));
                None
            }
            event => {
                if is_due {
                    self.return_buffer(cx, outbox, request_id, None);
                }
                event
            }
        }
    }

    /// Returns the buffer with the bytes in it.
    fn return_buffer(
        &mut self,
        cx: &Context,
        outbox: &mut Outbox,
        request_id: RequestId,
        end: Option<BodyEnd>,
    ) {
        let count = self.bodies.remove(request_id) as u32;
        self.connection.handle_revoke(cx, request_id);
        let flags = if end.is_some() { flag::END } else { 0 };
        let trailers = end.and_then(|end| end.trailers).map(|trailers| lines(trailers.iter()));
        let notice = match request_id {
            RAW => Notice::of(Kind::RawRead, self.facts.slot(), self.facts.id()),
            _ => Notice::of(Kind::Body, self.facts.slot(), request_id.0),
        };
        outbox.push(Notice { count, flags, trailers, ..notice });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Memory(Vec<u8>);

    impl RecvBuffer for Memory {
        fn bytes(&mut self) -> &mut [u8] {
            &mut self.0
        }
    }

    fn filling(size: usize) -> State {
        State::Filling(Filling { buffer: Box::new(Memory(vec![0; size])), filled: 0, is_whole: false })
    }

    #[test]
    fn the_bodies_of_several_requests_are_delivered_independently() {
        let mut bodies = BodyDeliveries::default();
        let [one, other, third] = [1, 2, 3].map(RequestId);
        bodies.set(one, filling(8));
        bodies.set(other, filling(4));
        bodies.set(third, State::Waiting);
        bodies.filling(other).unwrap().append(b"01234567");
        bodies.filling(one).unwrap().append(b"abc");
        assert!(bodies.filling(third).is_none());
        assert_eq!(bodies.waiting().collect::<Vec<_>>(), [third]);
        assert_eq!(bodies.remove(other), 4, "no more than fits");
        assert!(bodies.filling(other).is_none());
        assert_eq!(bodies.filling(one).unwrap().buffer.bytes(), b"abc\0\0\0\0\0");
        assert_eq!(bodies.remove(one), 3);
        assert_eq!(bodies.remove(third), 0);
        assert!(matches!(bodies.step(), Step::Read));
    }

    #[test]
    fn a_body_that_is_waited_for_is_announced_before_the_socket_is_read() {
        let mut bodies = BodyDeliveries::default();
        let request_id = RequestId(1);
        bodies.set(request_id, State::Waiting);
        assert!(matches!(bodies.step(), Step::Announce));
        bodies.set(request_id, State::Ready);
        assert!(matches!(bodies.step(), Step::AwaitBuffer));
        bodies.set(request_id, filling(1));
        assert!(matches!(bodies.step(), Step::Read));
    }
}
