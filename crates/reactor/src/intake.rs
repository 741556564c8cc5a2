//! How the bytes of a body get to the application: into memory that it lends when there is something.
//!
//! ```text
//!   Idle ── asked ──► Awaited ── something came ──► Announced ── memory is lent ──► Lent ──┐
//!    └◄──────────────────────────────── the memory is given back ◄─────────────────────────┘
//! ```
//! So nothing is reserved for bytes that may never come, and what has come for one client is read before
//! others are asked for memory. Whoever knows that little is to come may lend memory at once. It is given
//! back with as many bytes as have come; and without a word when those can't be had any more. What comes of a
//! body whose length is declared is received straight into it.

use std::collections::VecDeque;

use protocol::{Connection, Context, Credit, Event, RequestId, Trailers};

use crate::client::Client;
use crate::command::Gone;
use crate::head_block;
use crate::notice::{Kind, Notice, flag};
use crate::reactor::Reactor;

/// Bytes that are received at once, so that others have their turn.
const LONGEST_READ: usize = 1024 * 1024;

/// Such memory. It is written to until it is dropped.
pub trait Place: Send {
    /// The bytes; always the same ones.
    fn bytes(&mut self) -> &mut [u8];
}

/// Where the intake of a client's body stands.
pub(crate) enum Intake {
    /// Nothing is asked for.
    Idle,
    /// Something is, and the application is to be told when there are bytes.
    Awaited { request_id: RequestId },
    /// It was told, and will lend memory.
    Announced { request_id: RequestId },
    /// There is memory for what comes. Boxed: connections without bodies shouldn't pay for it.
    Lent(Box<Lent>),
}

/// Memory that is being filled.
pub(crate) struct Lent {
    request_id: RequestId,
    place: Box<dyn Place>,
    filled: usize,
    /// It is given back when it is full, and not before: all of the body is wanted.
    is_whole: bool,
}

/// The end of a body, and what follows it.
pub(crate) struct End {
    pub(crate) trailers: Option<Trailers>,
}

impl Lent {
    /// What isn't filled yet, as far as `room` bytes.
    pub(crate) fn rest(&mut self, room: usize) -> &mut [u8] {
        let rest = self.place.bytes().get_mut(self.filled..).unwrap_or(&mut []);
        let room = room.min(rest.len());
        &mut rest[..room]
    }

    fn put(&mut self, bytes: &[u8]) {
        let place = self.rest(bytes.len());
        let count = place.len();
        place.copy_from_slice(&bytes[..count]);
        self.filled += count;
    }

    fn is_due(&mut self) -> bool {
        let size = self.place.bytes().len();
        self.filled == size || self.filled > 0 && !self.is_whole
    }
}

impl Intake {
    /// Memory that the next bytes from the socket belong into, if they are content through and through.
    #[inline]
    pub(crate) fn direct_memory(&mut self, connection: &Connection) -> Option<&mut [u8]> {
        let Intake::Lent(lent) = self else { return None };
        match connection.direct_room() {
            0 => None,
            room => Some(lent.rest(room.min(LONGEST_READ))),
        }
    }

    #[inline]
    fn lent(&mut self) -> Option<&mut Lent> {
        if let Intake::Lent(lent) = self { Some(lent) } else { None }
    }
}

impl Client {
    /// Whether there are bytes of the body that is awaited, or may be.
    pub(crate) fn has_body_bytes(&self) -> bool {
        let Intake::Awaited { request_id } = self.intake else { return false };
        self.is_readable
            || !self.held.is_empty()
            || self.connection.kept_of_body(request_id).is_some_and(|kept| kept > 0)
    }

    /// Ends an intake for which nobody waits any more.
    #[inline]
    pub(crate) fn end_useless_intake(&mut self) {
        if !matches!(self.intake, Intake::Idle) {
            self.look_for_use();
        }
    }

    #[cold]
    fn look_for_use(&mut self) {
        let request_id = match &self.intake {
            Intake::Idle => return,
            Intake::Awaited { request_id } | Intake::Announced { request_id } => *request_id,
            Intake::Lent(lent) => lent.request_id,
        };
        if self.connection.kept_of_body(request_id).is_none() {
            self.intake = Intake::Idle;
        }
    }

    /// Bytes of a body have come, through the connection.
    pub(crate) fn take_piece(
        &mut self,
        cx: &Context,
        notices: &mut VecDeque<Notice>,
        slot: u32,
        request_id: RequestId,
        bytes: &[u8],
        end: Option<End>,
    ) {
        let is_due = self.intake.lent().is_some_and(|lent| {
            lent.put(bytes);
            lent.is_due()
        });
        // That nothing follows is told even when the memory was full before.
        if is_due || end.is_some() {
            self.give_back(cx, notices, slot, request_id, end);
        }
    }

    /// Bytes of a body have come, straight into the memory.
    pub(crate) fn take_direct(
        &mut self,
        cx: &mut Context,
        notices: &mut VecDeque<Notice>,
        slot: u32,
        count: usize,
    ) -> Option<Event<'static>> {
        let lent = self.intake.lent()?;
        let bytes = lent.rest(count);
        let event = self.connection.handle_direct(cx, bytes);
        lent.filled += count;
        match event {
            Some(Event::Body { request_id, end: true, trailers, .. }) => {
                self.give_back(cx, notices, slot, request_id, Some(End { trailers }));
                None
            }
            event => {
                if lent.is_due() {
                    let request_id = lent.request_id;
                    self.give_back(cx, notices, slot, request_id, None);
                }
                event
            }
        }
    }

    /// Gives the memory back with what it holds.
    fn give_back(
        &mut self,
        cx: &Context,
        notices: &mut VecDeque<Notice>,
        slot: u32,
        request_id: RequestId,
        end: Option<End>,
    ) {
        let count = self.intake.lent().map_or(0, |lent| lent.filled as u32);
        self.intake = Intake::Idle;
        self.connection.revoke_credit(cx, request_id);
        let flags = if end.is_some() { flag::END } else { 0 };
        let trailers = end.and_then(|end| end.trailers).map(|trailers| head_block::lines(trailers.iter()));
        notices.push_back(Notice { count, flags, trailers, ..Notice::of(Kind::Body, slot, request_id.0) });
    }
}

impl Reactor {
    /// Asks for more of a request's body; perhaps for all of it, and then one that says that it is larger than
    /// its limit isn't begun. A `BodyReady` notice follows when bytes have come, to be answered by
    /// [`Reactor::receive_body`]. Or `BodyLimit`, after which they stay asked for; or `BodyFailed` or `Aborted`;
    /// or the last `Body`, when nothing was left.
    ///
    /// # Errors
    /// [`Gone`] when the body isn't to be had any more.
    pub fn await_body(&mut self, slot: u32, request_id: RequestId, is_whole: bool) -> Result<(), Gone> {
        self.ask_body(slot, request_id, 0, is_whole)?;
        if let Some(client) = self.clients.get_mut(slot as usize) {
            client.intake = Intake::Awaited { request_id };
        }
        self.take_connection_events(slot);
        Ok(())
    }

    /// The same with memory that the application lends, of 1 to 2^32 - 1 bytes. A `Body` notice follows as soon
    /// as something has come or, when all of the body is wanted, as the memory is full; the last one is flagged.
    /// At most one piece of memory can be lent for a body.
    ///
    /// # Errors
    /// [`Gone`] when the body isn't to be had any more.
    pub fn receive_body(
        &mut self,
        slot: u32,
        request_id: RequestId,
        mut place: Box<dyn Place>,
        is_whole: bool,
    ) -> Result<(), Gone> {
        self.ask_body(slot, request_id, place.bytes().len() as u64, is_whole)?;
        if let Some(client) = self.clients.get_mut(slot as usize) {
            client.intake = Intake::Lent(Box::new(Lent { request_id, place, filled: 0, is_whole }));
        }
        self.take_connection_events(slot);
        if let Some(client) = self.clients.get_mut(slot as usize)
            && !client.is_queued
            && client.can_read()
        {
            // Its turn had come when it was announced.
            client.is_queued = true;
            self.ready.push_front(slot);
        }
        Ok(())
    }

    /// Nothing more of a request's body is wanted, unless it is asked for again. Its client isn't late from now
    /// on, and is seen to leave. Memory that is lent comes back when it is due.
    ///
    /// # Errors
    /// [`Gone`] when the client isn't there any more.
    pub fn release_body(&mut self, slot: u32, request_id: RequestId) -> Result<(), Gone> {
        let client = self.clients.get_mut(slot as usize).ok_or(Gone)?;
        let (Intake::Awaited { request_id: of } | Intake::Announced { request_id: of }) = client.intake
        else {
            return Ok(());
        };
        if of != request_id {
            return Ok(());
        }
        client.intake = Intake::Idle;
        client.connection.revoke_credit(&self.cx, request_id);
        if client.is_read_closed && !client.is_queued {
            client.is_queued = true;
            self.ready.push_back(slot);
        }
        self.schedule(slot);
        Ok(())
    }

    fn ask_body(&mut self, slot: u32, request_id: RequestId, room: u64, is_whole: bool) -> Result<(), Gone> {
        let client = self.clients.get_mut(slot as usize).ok_or(Gone)?;
        client.end_useless_intake();
        if matches!(client.intake, Intake::Lent(_)) {
            return Err(Gone);
        }
        let credit = if is_whole { Credit::Whole(room) } else { Credit::Bytes(room) };
        self.command(slot, |connection: &mut Connection, cx| connection.handle_credit(cx, request_id, credit))
    }

    /// Tells the application that bytes of a body have come, as far as that is so; returns about how many it
    /// will take.
    #[cold]
    pub(crate) fn announce_body(&mut self, slot: u32) -> usize {
        let Some(client) = self.clients.get_mut(slot as usize) else { return 0 };
        let Intake::Awaited { request_id } = client.intake else { return 0 };
        let kept = client.connection.kept_of_body(request_id).unwrap_or(0) + client.held.len();
        if kept == 0 && !client.is_readable {
            return 0;
        }
        // What is kept comes first, and by itself: behind it what comes needn't be copied.
        let count = if kept > 0 { kept } else { client.socket.waiting() };
        client.intake = Intake::Announced { request_id };
        // From here on it is the application that is waited for.
        client.connection.revoke_credit(&self.cx, request_id);
        self.notices.push_back(Notice {
            count: u32::try_from(count).unwrap_or(u32::MAX),
            ..Notice::of(Kind::BodyReady, slot, request_id.0)
        });
        count
    }
}
