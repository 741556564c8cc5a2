//! A connection without TLS whose first bytes tell HTTP/2 from HTTP/1. RFC 9113 §3.3.
//!
//! Until they have come nothing is owed on it: it can be idle for too long, be stopped, or be left.

use crate::answer::Finish;
use crate::context::Context;
use crate::error::CloseReason;
use crate::handoff::Handoff;
use crate::output::Output;
use crate::timestamp::Timestamp;
use crate::way::Way;

/// What a client of HTTP/2 sends first. RFC 9113 §3.4.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What the first bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum First {
    /// Nothing yet: more are needed.
    Open,
    /// They aren't the preface.
    Http1,
    /// They are the preface.
    Http2,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Undecided {
    pub(super) way: Way,
    /// Bytes of the preface that have come.
    matched: usize,
    deadline: Timestamp,
    ending: Option<(CloseReason, Finish)>,
    has_peer_ended: bool,
}

impl Undecided {
    pub(super) fn new(cx: &Context, way: Way) -> Undecided {
        let deadline = cx.now.after_millis(idle_time(cx, way));
        Undecided { way, matched: 0, deadline, ending: None, has_peer_ended: false }
    }

    /// The bytes that have come before.
    pub(super) fn kept(&self) -> &'static [u8] {
        &PREFACE[..self.matched]
    }

    /// Compares the next bytes.
    pub(super) fn look_at(&mut self, cx: &Context, input: &[u8]) -> First {
        let rest = &PREFACE[self.matched..];
        let count = rest.len().min(input.len());
        if rest[..count] != input[..count] {
            return First::Http1;
        }
        if count == rest.len() {
            return First::Http2;
        }
        if self.matched == 0 && count > 0 {
            self.deadline = cx.now.after_millis(cx.limits.header_timeout);
        }
        self.matched += count;
        First::Open
    }

    pub(super) fn wants_input(&self) -> bool {
        self.ending.is_none()
    }

    pub(super) fn has_peer_ended(&self) -> bool {
        self.has_peer_ended
    }

    /// Whether nothing has come yet.
    pub(super) fn is_idle(&self) -> bool {
        self.matched == 0
    }

    /// Since when nothing has come.
    pub(super) fn idle_since(&self, cx: &Context) -> Option<Timestamp> {
        self.is_idle().then(|| Timestamp(self.deadline.0.saturating_sub(idle_time(cx, self.way))))
    }

    pub(super) fn handle_eof(&mut self) {
        self.has_peer_ended = true;
        let reason = if self.is_idle() { CloseReason::Done } else { CloseReason::ClientLeft };
        self.end(reason, Finish::Close);
    }

    pub(super) fn handle_timeout(&mut self) {
        self.end(CloseReason::IdleTimeout, Finish::Linger);
    }

    pub(super) fn handle_stop(&mut self) {
        self.end(CloseReason::Stopped, Finish::Linger);
    }

    fn end(&mut self, reason: CloseReason, finish: Finish) {
        self.ending.get_or_insert((reason, finish));
    }

    pub(super) fn poll_timeout(&self, floor: Timestamp) -> Option<Timestamp> {
        let at = if self.is_idle() { self.deadline.max(floor) } else { self.deadline };
        (at.0 != u64::MAX).then_some(at)
    }

    pub(super) fn finish(&self) -> Option<Finish> {
        self.ending.map(|(_, finish)| finish)
    }

    pub(super) fn close_reason(&self) -> CloseReason {
        self.ending.map_or(CloseReason::Open, |(reason, _)| reason)
    }

    /// Leaves the connection to a protocol that the application chooses; None when it has ended.
    pub(super) fn hand_off(&self) -> Option<Handoff> {
        let unread = self.kept().to_vec();
        let has_peer_ended = self.has_peer_ended;
        self.ending.is_none().then_some(Handoff {
            output: Output::default(),
            unread,
            has_peer_ended,
            serves_https: self.way.is_exempt || self.way.is_encrypted,
            is_last: false,
            is_local: self.way.is_exempt,
        })
    }
}

/// That of a connection of HTTP/1.
fn idle_time(cx: &Context, way: Way) -> u64 {
    cx.keep_alive(way.is_exempt).idle_time
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    #[test]
    fn it_may_be_idle_for_as_long_as_a_connection_of_http1() {
        let cx = Context::new(Limits::default());
        for (is_exempt, expected) in [(false, 16_000), (true, 76_000)] {
            let undecided = Undecided::new(&cx, Way { is_encrypted: false, is_exempt });
            assert_eq!(undecided.poll_timeout(Timestamp(0)), Some(Timestamp(expected)));
            assert_eq!(undecided.idle_since(&cx), Some(Timestamp(0)));
        }
    }
}
