//! Content of requests, and the windows that open as the application reads it.
//!
//! The connection's window is given back on receipt, so that one upload that is left unread never holds up
//! another. What lies unread is bounded by each stream's own window, which grows only while the application
//! keeps up, and by a cap for all of them.

use nghttp2::{ErrorCode, List, Received, StreamId};

use crate::answer::{AnswerError, Credit};
use crate::context::Context;
use crate::error::RequestError;
use crate::event::{Event, RequestId};
use crate::http::trailers::Trailers;
use crate::http2::head::Fault;
use crate::http2::malformed::Malformed;
use crate::http2::{Connection, head};

/// How many times the largest window may lie unread on one connection.
const UNREAD_WINDOWS: usize = 4;
/// nghttp2 gives a window back when half of it is used. So that as much as was meant can always be under way, the peer is
/// told of twice as much.
const TOLD_WINDOWS: u32 = 2;
/// How much larger the window becomes each time: over a distance, each step takes a round trip.
const GROWTH: u32 = 4;

impl Connection {
    pub(super) fn take_content(&mut self, cx: &Context, id: StreamId, bytes: &[u8]) {
        self.session.consume_connection(bytes.len());
        let Some(stream) = self.streams.get_mut(id) else { return };
        stream.received += bytes.len() as u64;
        if !stream.is_length_right() {
            return self.reset_malformed_body(id, Malformed::ContentLength);
        }
        let Some(receiving) = &mut stream.receiving else { return };
        receiving.take(bytes);
        receiving.update_deadlines(cx.now);
        if receiving.is_discarded() {
            if receiving.exceeds_limit() {
                self.session.reset(id, ErrorCode::NO_ERROR);
            } else {
                self.session.consume_stream(id, bytes.len());
            }
            return;
        }
        stream.unread += bytes.len();
        self.unread += bytes.len();
        self.awake.push_back(id);
        let cap = (cx.limits.http2_window_limit as usize).saturating_mul(UNREAD_WINDOWS);
        if self.unread > cap {
            self.reset_slowest();
        }
    }

    /// Resets the upload of which most lies unread.
    #[cold]
    fn reset_slowest(&mut self) {
        let open = self.streams.iter().filter(|stream| !stream.is_closed);
        if let Some(slowest) = open.max_by_key(|stream| stream.unread).map(|stream| stream.id) {
            self.session.reset(slowest, ErrorCode::ENHANCE_YOUR_CALM);
        }
    }

    pub(super) fn complete_content(&mut self, cx: &Context, id: StreamId, trailers: Option<Trailers>) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        stream.has_ended = true;
        if !stream.is_length_right() {
            return self.reset_malformed_body(id, Malformed::ContentLength);
        }
        if let Some(receiving) = &mut stream.receiving {
            receiving.complete(trailers);
            receiving.update_deadlines(cx.now);
            self.awake.push_back(id);
        }
    }

    /// Fields behind the content. Without END_STREAM they are malformed. RFC 9113 §8.1.
    pub(super) fn take_trailers(
        &mut self,
        cx: &Context,
        id: StreamId,
        received: &Received,
        list: &List,
        end: bool,
    ) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        if list.overflow.is_some() {
            if let Some(receiving) = &mut stream.receiving {
                receiving.fail(RequestError::TrailersTooLarge);
                self.awake.push_back(id);
                self.note_lost_body(id, RequestError::TrailersTooLarge);
            }
            return;
        }
        match head::check_trailers(received.list(list)) {
            Ok((bytes, fields)) if end => self.complete_content(cx, id, Trailers::of(bytes, fields)),
            Ok(_) => self.reset_malformed_body(id, Malformed::Trailers),
            Err(Fault::Malformed(what)) => self.reset_malformed_body(id, what),
            Err(Fault::Refused(_)) => {}
        }
    }

    /// A stream that was reset, or a piece of a body that was asked for.
    pub fn poll_event(&mut self, cx: &Context) -> Option<Event<'static>> {
        if let Some((request_id, code, is_late)) = self.reset.pop_front() {
            return Some(Event::Reset { request_id, code, is_late });
        }
        while let Some(&id) = self.awake.front() {
            let Some(stream) = self.streams.get_mut(id) else {
                self.awake.pop_front();
                continue;
            };
            let Some(event) = stream.receiving.as_mut().and_then(|receiving| receiving.poll()) else {
                self.awake.pop_front();
                continue;
            };
            if let Event::Body { bytes, .. } = &event {
                self.give_back(cx, id, bytes.len());
            }
            if let Some(stream) = self.streams.get_mut(id)
                && stream.receiving.as_ref().is_some_and(|receiving| receiving.is_finished())
            {
                stream.receiving = None;
                let is_kept = stream.is_kept;
                if stream.is_closed && !stream.is_owed() {
                    self.drop_stream(id);
                }
                if is_kept {
                    self.end_if_read();
                }
            }
            return Some(event);
        }
        None
    }

    /// The application has taken content: the peer may send as much again. A stream whose reader keeps up, so that at
    /// most half a window lies unread, gets a larger one each time a whole one was read: distance doesn't slow it
    /// down then. More always comes while a piece is on its way to the reader, so nothing unread would be too much.
    fn give_back(&mut self, cx: &Context, id: StreamId, count: usize) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        self.unread -= count.min(stream.unread);
        stream.unread = stream.unread.saturating_sub(count);
        if stream.has_ended || stream.is_closed {
            return;
        }
        self.session.consume_stream(id, count);
        stream.read_since += count;
        let window = stream.window as usize;
        let is_read = stream.unread <= window / 2 && stream.read_since >= window;
        if is_read && stream.window < cx.limits.http2_window_limit {
            stream.window = stream.window.saturating_mul(GROWTH).min(cx.limits.http2_window_limit);
            stream.read_since = 0;
            let told = stream.window.saturating_mul(TOLD_WINDOWS);
            self.session.set_window(Some(id), i32::try_from(told).unwrap_or(i32::MAX));
        }
        if let Some(receiving) = &mut stream.receiving {
            receiving.update_deadlines(cx.now);
        }
    }

    /// Grants credit for the body of a request.
    ///
    /// # Errors
    /// `Stale` when no more of that body can be had.
    pub fn handle_credit(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        credit: Credit,
    ) -> Result<(), AnswerError> {
        self.with_body(cx, request_id, |receiving| receiving.ask(credit))
    }

    /// Raises the body limit of one request; a lower one changes nothing.
    ///
    /// # Errors
    /// `Stale` when no more of that body can be had.
    pub fn handle_raise(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        limit: u64,
    ) -> Result<(), AnswerError> {
        self.with_body(cx, request_id, |receiving| receiving.raise(limit))
    }

    /// Sets how slowly the body of one request may come. None leaves a value as it is.
    ///
    /// # Errors
    /// `Stale` when no more of that body can be had.
    pub fn handle_data_rate(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        timeout: Option<u64>,
        minimum_rate: Option<u64>,
    ) -> Result<(), AnswerError> {
        self.with_body(cx, request_id, |receiving| receiving.set_data_rate(timeout, minimum_rate))
    }

    /// Revokes what is left of the credit for the body of this request.
    pub fn handle_revoke(&mut self, cx: &Context, request_id: RequestId) {
        // One that is gone has no credit.
        let _ = self.with_body(cx, request_id, |receiving| receiving.revoke());
    }

    /// How many bytes are kept of the body of this request; None when the application isn't to have any.
    pub fn kept_of_body(&self, request_id: RequestId) -> Option<usize> {
        let receiving = self.streams.of(request_id)?.receiving.as_ref()?;
        receiving.is_asked().then(|| receiving.kept())
    }

    fn with_body(
        &mut self,
        cx: &Context,
        request_id: RequestId,
        change: impl FnOnce(&mut crate::body::Receiving),
    ) -> Result<(), AnswerError> {
        let stream = self.streams.of_mut(request_id).ok_or(AnswerError::Stale)?;
        let id = stream.id;
        let receiving = stream.receiving.as_mut().filter(|receiving| !receiving.is_discarded());
        let receiving = receiving.ok_or(AnswerError::Stale)?;
        change(receiving);
        let wants_continue = receiving.take_continue();
        receiving.update_deadlines(cx.now);
        self.awake.push_back(id);
        if wants_continue {
            // A stream that is gone needs none.
            let _ = self.session.submit_inform(id, [(&b":status"[..], &b"100"[..])]);
        }
        Ok(())
    }
}
