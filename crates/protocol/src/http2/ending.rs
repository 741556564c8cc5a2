//! How a connection ends, and when it has waited long enough.
//!
//! ```text
//!   Open ──► Announced: GOAWAY with the largest number, then a PING
//!               │ its acknowledgement, or a second
//!               ▼
//!            Last: GOAWAY with the last stream ──► no stream is left ──► Over
//! ```

use nghttp2::{ErrorCode, StreamId};

use crate::answer::Finish;
use crate::context::Context;
use crate::error::{CloseReason, RequestError};
use crate::http2::Connection;
use crate::http2::stream::{Answering, Stream};
use crate::timestamp::Timestamp;

/// How long a client may take to acknowledge the first GOAWAY, in milliseconds.
const ANNOUNCEMENT_MILLIS: u64 = 1000;
/// How often a connection with streams is looked at, in milliseconds.
pub(super) const STEP_MILLIS: u64 = 1000;
/// What the PING behind the first GOAWAY carries.
const ANNOUNCED: [u8; 8] = *b"goaway-1";

/// Where the end stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// It isn't near.
    Open,
    /// The first GOAWAY is with the session; the PING follows when that is sent.
    Announcing,
    /// The PING is sent as well.
    Announced {
        /// When it has been waited for long enough.
        until: Timestamp,
    },
    /// The last GOAWAY is sent: what is open is finished.
    Last,
    /// It is to be closed like this when the output is sent.
    Over(Finish),
}

impl Connection {
    /// Ends the connection as soon as the streams that are open are answered.
    pub fn handle_stop(&mut self) {
        if self.ending == Ending::Open {
            self.reason = CloseReason::Stopped;
        }
        self.announce_end();
    }

    /// The connection has served enough.
    pub fn handle_last(&mut self) {
        self.announce_end();
    }

    /// The first GOAWAY: RFC 9113 §6.8.
    pub(super) fn announce_end(&mut self) {
        if self.ending == Ending::Open {
            self.session.announce_shutdown();
            self.ending = Ending::Announcing;
        }
    }

    pub(super) fn note_pong(&mut self, data: [u8; 8]) {
        if data == ANNOUNCED && matches!(self.ending, Ending::Announced { .. }) {
            self.say_last();
        }
    }

    fn say_last(&mut self) {
        self.session.shut_down(ErrorCode::NO_ERROR);
        self.ending = Ending::Last;
    }

    /// The first GOAWAY has left the session: a PING behind it tells when the client has seen it.
    pub(super) fn follow_announcement(&mut self, cx: &Context) {
        if self.ending == Ending::Announcing {
            self.session.ping(ANNOUNCED);
            self.ending = Ending::Announced { until: cx.now.after_millis(ANNOUNCEMENT_MILLIS) };
        }
    }

    /// Notes that the session has nothing more to do.
    pub(super) fn end_if_over(&mut self) {
        if let Some(code) = self.session.failure() {
            self.note_failure(code);
            if !self.session.wants_write() {
                self.end(CloseReason::Http2(code), Finish::Linger);
            }
        } else if self.session.is_over() && !self.has_rest() {
            self.end(CloseReason::Done, Finish::Linger);
        }
    }

    /// Whether content that has come is still to be read behind an answer.
    fn has_rest(&self) -> bool {
        self.streams.iter().any(Stream::has_rest)
    }

    /// Content has been read behind its answer: a connection that has waited for that ends.
    pub(super) fn end_if_read(&mut self) {
        if !self.has_peer_ended {
            self.end_if_over();
        } else if !self.has_rest() {
            self.end_by_peer();
        }
    }

    pub(super) fn end(&mut self, reason: CloseReason, finish: Finish) {
        if matches!(self.ending, Ending::Over(_)) {
            return;
        }
        self.ending = Ending::Over(finish);
        if self.reason == CloseReason::Open {
            self.reason = reason;
        }
    }

    /// The peer has closed its sending side: it has left, for streams need it. What it has sent before and the
    /// application reads behind the answer is read on, as with HTTP/1.
    pub fn handle_eof(&mut self, cx: &mut Context) {
        self.has_peer_ended = true;
        if !self.has_rest() {
            return self.end_by_peer();
        }
        let cut = self.streams.iter().filter(|stream| !stream.has_rest() && !stream.is_closed);
        let cut: Vec<_> = cut.map(|stream| stream.id).collect();
        for id in cut {
            self.note_reset(cx, id, ErrorCode::CANCEL);
        }
    }

    fn end_by_peer(&mut self) {
        let is_orderly = self.streams.is_empty();
        self.end(if is_orderly { CloseReason::Done } else { CloseReason::ClientLeft }, Finish::Close);
    }

    /// How the connection is to be closed; None while it continues or has something to send.
    pub fn finish(&self) -> Option<Finish> {
        match self.ending {
            Ending::Over(Finish::Reset) => Some(Finish::Reset),
            Ending::Over(finish) if self.output.is_empty() => Some(finish),
            _ => None,
        }
    }

    /// Why the connection ended.
    pub fn close_reason(&self) -> CloseReason {
        self.reason
    }

    /// Whether the connection waits for nothing but another request.
    pub fn is_idle(&self) -> bool {
        self.streams.is_empty() && self.output.is_empty()
    }

    /// Since when it is idle; None when it isn't.
    pub fn idle_since(&self) -> Option<Timestamp> {
        (self.is_idle() && self.head_since.is_none()).then_some(self.active)
    }

    /// Whether the peer has closed its sending side.
    pub fn has_peer_ended(&self) -> bool {
        self.has_peer_ended
    }

    /// When `handle_timeout` is due. The application may put off the end of an idle connection to `floor`.
    pub fn poll_timeout(&self, floor: Timestamp) -> Option<Timestamp> {
        let at = match self.ending {
            Ending::Over(_) => return None,
            Ending::Announced { until } => until,
            _ if self.is_idle() && self.head_since.is_none() => {
                self.active.after_millis(self.idle_timeout).max(floor)
            }
            _ => self.look_at,
        };
        let at = at.min(self.pings.due()).min(self.settings_due);
        (at.0 != u64::MAX).then_some(at)
    }

    /// The moment that `poll_timeout` gave has passed.
    pub fn handle_timeout(&mut self, cx: &mut Context) {
        match self.ending {
            Ending::Over(_) => return,
            Ending::Announced { until } if cx.now >= until => self.say_last(),
            _ => {}
        }
        if cx.now >= self.settings_due {
            // RFC 9113 §6.5.3.
            self.settings_due = Timestamp(u64::MAX);
            self.session.terminate(ErrorCode::SETTINGS_TIMEOUT);
            return self.flush(cx);
        }
        if self.is_silent(cx) {
            return self.end(CloseReason::ClientLeft, Finish::Reset);
        }
        if self.is_idle() && self.head_since.is_none() {
            if cx.now >= self.active.after_millis(self.idle_timeout) {
                self.reason = CloseReason::IdleTimeout;
                self.session.shut_down(ErrorCode::NO_ERROR);
                self.ending = Ending::Last;
            }
        } else if !self.output.is_empty() && cx.now >= self.sent.after_millis(self.write_timeout(cx)) {
            self.end(CloseReason::WriteTimeout, Finish::Reset);
        } else if self.head_since.is_some_and(|since| cx.now >= since.after_millis(cx.limits.header_timeout))
        {
            self.reason = CloseReason::Refused(RequestError::HeadTimeout);
            self.session.terminate(ErrorCode::ENHANCE_YOUR_CALM);
        } else {
            self.fail_late_bodies(cx);
            self.reset_slow_readers(cx);
        }
        self.give_up_pages(cx);
        let step = cx.now.after_millis(STEP_MILLIS);
        self.look_at = self.page_deadline().map_or(step, |until| until.min(step));
        self.flush(cx);
    }

    /// A DATA frame has gone to the output.
    pub(super) fn note_sent(&mut self, cx: &Context, id: StreamId, bytes: usize, queued: usize) {
        self.abuse.sent(bytes);
        self.active = cx.now;
        let Some(stream) = self.streams.get_mut(id) else { return };
        match &mut stream.sending {
            Some(_) if queued == 0 => stream.sending = None,
            Some((_, sent)) => *sent += bytes as u64,
            None => {}
        }
    }

    /// Streams whose window stays shut, or is opened byte by byte: less than the minimum rate over the time that an
    /// unread answer may take.
    fn reset_slow_readers(&mut self, cx: &Context) {
        for stream in self.streams.iter_mut() {
            let Some((since, sent)) = &mut stream.sending else { continue };
            let timeout = stream.write_timeout.unwrap_or(cx.limits.write_timeout);
            if stream.is_taken {
                // As with a raw connection, the application decides how long the peer may be silent.
                continue;
            }
            if cx.now < since.after_millis(timeout) {
                continue;
            }
            if *sent < cx.limits.least_read(timeout) {
                stream.is_late = true;
                self.session.reset(stream.id, ErrorCode::CANCEL);
            } else {
                (*since, *sent) = (cx.now, 0);
            }
        }
    }

    /// How long the peer may take nothing: as long as the most patient answer.
    pub(super) fn write_timeout(&self, cx: &Context) -> u64 {
        let own = self.streams.iter().filter_map(|stream| stream.write_timeout).max();
        own.map_or(cx.limits.write_timeout, |own| own.max(cx.limits.write_timeout))
    }

    /// Fails bodies that stand still, or come too slowly. Behind a whole answer the server resets the stream with NO_ERROR.
    fn fail_late_bodies(&mut self, cx: &Context) {
        let mut late = Vec::new();
        for stream in self.streams.iter_mut() {
            // Once the answer has begun a slow body may be one half of a conversation; behind the answer it isn't.
            let has_minimum = !matches!(stream.answering, Answering::Streaming { .. });
            let Some(receiving) = &mut stream.receiving else { continue };
            receiving.update_deadlines(cx.now);
            // While we don't read the body the client isn't late.
            let is_late = receiving
                .inactive_at()
                .is_some_and(|at| cx.now >= at.min(receiving.too_slow_at(has_minimum)));
            let has_limit = !stream.checked.is_conversation || stream.is_kept;
            if is_late && !receiving.is_over() && has_limit {
                let error = receiving.lateness(cx.now);
                receiving.fail(error);
                late.push((stream.id, error));
                if receiving.is_discarded() || stream.is_kept {
                    self.leftover.push(stream.id);
                }
            }
        }
        for (id, error) in late {
            self.awake.push_back(id);
            self.note_lost_body(id, error);
        }
    }
}
