//! A connection without HTTP: bytes in and out for the application. RFC 9110 §7.8.
//!
//! ```text
//!   http1 ── handle_upgrade, all earlier answers sent ──► raw ── handle_serve ──► http1
//!   http1 ── handle_take_raw, before the first request ─►
//! ```
//! The application asks for bytes, and each ask is answered by one piece; bytes that HTTP had read already come
//! first. With all its asks answered the application knows that no bytes are on their way to it, and can
//! hand the connection on. There are no deadlines: the application decides how long the peer may be silent.

use crate::answer::{AnswerError, Finish};
use crate::context::Context;
use crate::error::CloseReason;
use crate::event::{Event, RequestId, Step};
use crate::handoff::Handoff;
use crate::output::{Output, Send};

/// A raw connection.
#[derive(Debug)]
pub(crate) struct Connection {
    output: Output,
    /// The longest piece that the application takes now; 0 without an ask.
    asked: u64,
    /// An ask was taken back: an empty piece answers it.
    owes_empty: bool,
    /// Bytes that HTTP had read already.
    unread: Vec<u8>,
    /// The request that made the connection raw, until `poll_upgraded` has given it.
    upgraded: Option<RequestId>,
    /// The application has ended our sending side.
    is_ended: bool,
    /// `poll_shutdown` has said so.
    is_shut: bool,
    /// The peer has closed its sending side.
    has_peer_ended: bool,
    /// `RawEnd` is still to be given.
    owes_end: bool,
    /// Kept for HTTP, if it gets the connection back.
    is_last: bool,
    /// The same.
    serves_https: bool,
    is_local: bool,
}

impl Connection {
    pub(crate) fn new(handoff: Handoff, upgraded: Option<RequestId>) -> Connection {
        let Handoff { output, unread, has_peer_ended, serves_https, is_last, is_local } = handoff;
        Connection {
            output,
            asked: 0,
            owes_empty: false,
            unread,
            upgraded,
            is_ended: false,
            is_shut: false,
            has_peer_ended,
            // An end that came before was seen by HTTP alone.
            owes_end: has_peer_ended,
            is_last,
            serves_https,
            is_local,
        }
    }

    pub(crate) fn wants_input(&self) -> bool {
        self.asked > 0 && self.unread.is_empty() && !self.has_peer_ended
    }

    pub(crate) fn handle_input<'a>(&mut self, input: &'a [u8]) -> Step<'a> {
        if input.is_empty() || !self.wants_input() {
            return Step::none(0);
        }
        let asked = std::mem::take(&mut self.asked);
        let taken = input.len().min(usize::try_from(asked).unwrap_or(usize::MAX));
        Step { taken, event: Some(Event::Raw { bytes: &input[..taken] }) }
    }

    /// How many bytes may be received straight into the application's memory.
    pub(crate) fn direct_room(&self) -> usize {
        if self.wants_input() { usize::try_from(self.asked).unwrap_or(usize::MAX) } else { 0 }
    }

    /// Bytes were received there, which answers the ask.
    pub(crate) fn handle_direct(&mut self) {
        self.asked = 0;
    }

    /// Nothing is read until the application asks again.
    pub(crate) fn handle_revoke(&mut self) {
        self.asked = 0;
    }

    /// Bytes that wait here; None when no more come from the socket.
    pub(crate) fn kept(&self) -> Option<usize> {
        (!self.has_peer_ended).then_some(self.unread.len())
    }

    pub(crate) fn handle_eof(&mut self) {
        self.owes_end = !self.has_peer_ended;
        self.has_peer_ended = true;
        // The end answers an ask.
        self.asked = 0;
    }

    pub(crate) fn poll_event(&mut self) -> Option<Event<'static>> {
        if self.upgraded.is_some() {
            return None;
        }
        if std::mem::take(&mut self.owes_empty) {
            return Some(Event::RawUnread { bytes: Vec::new() });
        }
        let count = self.unread.len().min(usize::try_from(self.asked).unwrap_or(usize::MAX));
        if count > 0 {
            self.asked = 0;
            let rest = self.unread.split_off(count);
            return Some(Event::RawUnread { bytes: std::mem::replace(&mut self.unread, rest) });
        }
        (self.unread.is_empty() && std::mem::take(&mut self.owes_end)).then_some(Event::RawEnd)
    }

    pub(crate) fn handle_ask(&mut self, bytes: u64) {
        self.owes_empty = bytes == 0 && self.asked > 0;
        self.asked = bytes;
    }

    pub(crate) fn handle_write(&mut self, cx: &mut Context, bytes: &[u8]) -> Result<(), AnswerError> {
        self.check_writable()?;
        self.output.put(cx, bytes);
        Ok(())
    }

    pub(crate) fn handle_write_vectored(
        &mut self,
        cx: &mut Context,
        bytes: &[u8],
        send: Send<'_>,
    ) -> Result<(), AnswerError> {
        self.check_writable()?;
        self.output.put_vectored(cx, bytes, b"", send);
        Ok(())
    }

    fn check_writable(&self) -> Result<(), AnswerError> {
        if self.is_ended { Err(AnswerError::Stale) } else { Ok(()) }
    }

    pub(crate) fn handle_end(&mut self) {
        self.is_ended = true;
    }

    /// HTTP, if it gets the connection back, serves one more request.
    pub(crate) fn handle_last(&mut self) {
        self.is_last = true;
    }

    /// Whether the application has ended our sending side, with everything sent.
    pub(crate) fn is_ended(&self) -> bool {
        self.is_ended && self.output.is_empty()
    }

    /// Leaves the connection to HTTP.
    pub(crate) fn hand_off(&mut self) -> Result<Handoff, AnswerError> {
        self.check_writable()?;
        Ok(Handoff {
            output: std::mem::take(&mut self.output),
            unread: std::mem::take(&mut self.unread),
            has_peer_ended: self.has_peer_ended,
            serves_https: self.serves_https,
            is_last: self.is_last,
            is_local: self.is_local,
        })
    }

    pub(crate) fn poll_upgraded(&mut self) -> Option<RequestId> {
        if self.output.is_empty() { self.upgraded.take() } else { None }
    }

    pub(crate) fn upgrading(&self) -> Option<RequestId> {
        self.upgraded
    }

    pub(crate) fn poll_shutdown(&mut self) -> bool {
        let is_due = self.is_ended && !self.has_peer_ended && self.output.is_empty();
        is_due && !std::mem::replace(&mut self.is_shut, true)
    }

    pub(crate) fn has_peer_ended(&self) -> bool {
        self.has_peer_ended
    }

    #[inline]
    pub(crate) fn is_all_sent(&self) -> bool {
        self.output.is_empty()
    }

    pub(crate) fn backlog(&self) -> usize {
        self.output.len()
    }

    #[inline]
    pub(crate) fn unsent(&self) -> &[u8] {
        self.output.unsent()
    }

    pub(crate) fn handle_sent(&mut self, cx: &mut Context, count: usize) {
        self.output.handle_sent(cx, count);
    }

    /// With both sides ended nothing is left to do.
    fn is_done(&self) -> bool {
        self.is_ended && self.has_peer_ended
    }

    pub(crate) fn finish(&self) -> Option<Finish> {
        (self.is_done() && self.output.is_empty()).then_some(Finish::Close)
    }

    pub(crate) fn close_reason(&self) -> CloseReason {
        if self.is_done() { CloseReason::Done } else { CloseReason::Open }
    }
}
