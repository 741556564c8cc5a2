//! A connection that has become the application's: bytes in and out, no HTTP. RFC 9110 §7.8.
//!
//! ```text
//!   a request ──► handle_upgrade ──► its turn has come, 101 in `out` ──► Reading::Raw
//!   accepted ───► handle_take_raw ─────────────────────────────────────►      │
//!   Reading::Idle ◄──────────────────────────── handle_serve ◄────────────────┘
//! ```
//! Bytes are delivered when they are asked for, those that were read before the change first. One ask is
//! answered by one piece, so that an application which has all its answers knows that no bytes are on
//! their way: then it can hand the connection on. There are no deadlines here: how long such a
//! connection may be silent is the application's to say.

use crate::answer::{AnswerError, Finish};
use crate::context::Context;
use crate::error::CloseReason;
use crate::event::{Event, RequestId, Step};
use crate::http1::writing::put_status_line;
use crate::http1::{Connection, Reading};

/// What a raw connection remembers.
#[derive(Debug, Default)]
pub(super) struct Raw {
    /// The longest piece that the application is ready to take; 0 when it hasn't asked.
    asked: u64,
    /// The ask was taken back, and is to be answered by an empty piece.
    owes_nothing: bool,
    /// Bytes that were read while the connection was still HTTP's.
    unread: Vec<u8>,
    /// The request behind which the connection became raw, until that was announced.
    upgraded: Option<RequestId>,
    /// The application sends nothing more.
    is_ended: bool,
    /// The sending side was closed.
    is_shut: bool,
    /// The peer sends nothing more.
    has_peer_ended: bool,
    /// The application doesn't know that yet.
    owes_end: bool,
}

impl Connection {
    /// Takes the connection over behind a request, once all earlier answers are sent. With `fields` a
    /// 101 goes ahead.
    ///
    /// # Errors
    /// `Stale` when the request isn't open or its answer has begun; `Occupied` when the connection isn't
    /// free: then nothing has changed.
    pub fn handle_upgrade(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        fields: Option<&[u8]>,
    ) -> Result<(), AnswerError> {
        let at = self.pipeline.position(request_id).ok_or(AnswerError::Stale)?;
        let is_occupied = self.pipeline.len() > at + 1 || self.receiving.is_some();
        let pending = self.pipeline.get_mut(at).ok_or(AnswerError::Stale)?;
        if pending.has_begun {
            return Err(AnswerError::Stale);
        }
        if is_occupied || (fields.is_some() && pending.traits.is_http10) {
            return Err(AnswerError::Occupied);
        }
        pending.has_begun = true;
        let extra = pending.extra();
        if let Some(fields) = fields {
            put_status_line(101, None, &mut extra.early);
            extra.early.extend_from_slice(fields);
            extra.early.extend_from_slice(b"\r\n");
        }
        extra.is_done = true;
        extra.is_upgraded = true;
        self.is_held = false;
        self.reading = Reading::Barrier;
        if at == 0 {
            self.advance(cx);
        }
        self.rearm(cx);
        Ok(())
    }

    /// Gives a connection on which nothing was read yet to the application.
    ///
    /// # Errors
    /// `Stale` when HTTP has begun on it.
    pub fn handle_take_raw(&mut self, cx: &mut Context) -> Result<(), AnswerError> {
        if self.reading != Reading::Idle || !self.pipeline.is_empty() {
            return Err(AnswerError::Stale);
        }
        self.become_raw(None);
        self.rearm(cx);
        Ok(())
    }

    /// Takes a raw connection back into HTTP. The bytes that the application has left unread come as
    /// input again, ahead of all others; behind them the end, if the peer has closed its side.
    ///
    /// # Errors
    /// `Stale` when it isn't raw, or our sending side was ended.
    pub fn handle_serve(&mut self, cx: &mut Context) -> Result<Vec<u8>, AnswerError> {
        let is_whole = self.raw.as_ref().is_some_and(|raw| !raw.is_ended);
        if !is_whole || self.reading != Reading::Raw {
            return Err(AnswerError::Stale);
        }
        self.parser.reset();
        self.reading = Reading::Idle;
        let unread = self.raw.take().map_or(Vec::new(), |raw| raw.unread);
        self.rearm(cx);
        Ok(unread)
    }

    /// Asks for one piece of up to so many bytes. 0 takes an ask back that wasn't answered yet: an empty
    /// piece answers it at once.
    ///
    /// # Errors
    /// `Stale` when the connection isn't raw.
    pub fn handle_raw_ask(&mut self, bytes: u64) -> Result<(), AnswerError> {
        let raw = self.raw.as_mut().ok_or(AnswerError::Stale)?;
        raw.owes_nothing = bytes == 0 && raw.asked > 0;
        raw.asked = bytes;
        Ok(())
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// `Stale` when the connection isn't raw or its sending side was ended.
    pub fn handle_raw_write(&mut self, cx: &mut Context, bytes: &[u8]) -> Result<(), AnswerError> {
        if self.raw.as_ref().is_none_or(|raw| raw.is_ended) {
            return Err(AnswerError::Stale);
        }
        self.put(cx, bytes);
        Ok(())
    }

    /// Ends the sending side behind what was written.
    ///
    /// # Errors
    /// `Stale` when the connection isn't raw.
    pub fn handle_raw_end(&mut self) -> Result<(), AnswerError> {
        let raw = self.raw.as_mut().ok_or(AnswerError::Stale)?;
        raw.is_ended = true;
        self.finish_raw();
        Ok(())
    }

    /// The request behind which the connection has become raw, once everything before is sent.
    pub fn poll_upgraded(&mut self) -> Option<RequestId> {
        if !self.out.is_empty() {
            return None;
        }
        self.raw.as_mut()?.upgraded.take()
    }

    /// The request of an upgrade that hasn't been announced: nobody else tells of its end.
    pub fn upgrading(&self) -> Option<RequestId> {
        self.raw.as_ref()?.upgraded
    }

    /// True once, when the sending side is to be closed and reading goes on.
    pub fn poll_shutdown(&mut self) -> bool {
        let is_sent = self.out.is_empty() && self.ending.is_none();
        self.raw
            .as_mut()
            .is_some_and(|raw| is_sent && raw.is_ended && !std::mem::replace(&mut raw.is_shut, true))
    }

    /// Whether the connection is raw.
    pub fn is_raw(&self) -> bool {
        self.raw.is_some()
    }

    /// Whether the peer has closed its sending side.
    pub fn has_peer_ended(&self) -> bool {
        self.has_peer_ended
    }

    pub(super) fn become_raw(&mut self, upgraded: Option<RequestId>) {
        let unread = self.partial.take().map_or(Vec::new(), |partial| partial.bytes);
        // A peer that had closed its side before was known to HTTP alone.
        let has_peer_ended = self.has_peer_ended;
        let owes_end = has_peer_ended;
        self.raw = Some(Box::new(Raw { unread, upgraded, has_peer_ended, owes_end, ..Raw::default() }));
        self.reading = Reading::Raw;
    }

    pub(super) fn wants_raw_input(&self) -> bool {
        self.ending.is_none()
            && self
                .raw
                .as_ref()
                .is_some_and(|raw| raw.asked > 0 && raw.unread.is_empty() && !raw.has_peer_ended)
    }

    pub(super) fn read_raw<'a>(&'a mut self, input: &'a [u8]) -> Step<'a> {
        if !self.wants_raw_input() {
            return Step::none(0);
        }
        let Some(raw) = &mut self.raw else { return Step::none(0) };
        let asked = std::mem::take(&mut raw.asked);
        let taken = input.len().min(usize::try_from(asked).unwrap_or(usize::MAX));
        Step { taken, event: Some(Event::Raw { bytes: &input[..taken] }) }
    }

    pub(super) fn poll_raw(&mut self) -> Option<Event<'static>> {
        let raw = self.raw.as_mut().filter(|raw| raw.upgraded.is_none())?;
        if std::mem::take(&mut raw.owes_nothing) {
            return Some(Event::RawUnread { bytes: Vec::new() });
        }
        let count = raw.unread.len().min(usize::try_from(raw.asked).unwrap_or(usize::MAX));
        if count > 0 {
            raw.asked = 0;
            let rest = raw.unread.split_off(count);
            return Some(Event::RawUnread { bytes: std::mem::replace(&mut raw.unread, rest) });
        }
        (raw.unread.is_empty() && std::mem::take(&mut raw.owes_end)).then_some(Event::RawEnd)
    }

    pub(super) fn end_raw_input(&mut self) {
        if let Some(raw) = &mut self.raw {
            raw.owes_end = !raw.has_peer_ended;
            raw.has_peer_ended = true;
            // The end answers an ask.
            raw.asked = 0;
        }
        self.finish_raw();
    }

    /// With both sides ended nothing is left.
    fn finish_raw(&mut self) {
        if self.raw.as_ref().is_some_and(|raw| raw.is_ended && raw.has_peer_ended) {
            self.end(CloseReason::Done, Finish::Close);
        }
    }
}
