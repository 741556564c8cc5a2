//! PINGs that find out whether a silent client is still there. RFC 9113 §6.7.

use crate::context::Context;
use crate::http2::Connection;
use crate::timestamp::Timestamp;

/// What they carry.
const ARE_YOU_THERE: [u8; 8] = *b"are-you?";

/// When the client was heard.
#[derive(Debug)]
pub(super) struct Pings {
    /// Silence after which one is sent, and again after which the client is given up, in milliseconds; 0 = off.
    interval: u64,
    /// When bytes came last, or the PING was sent that is unanswered.
    since: Timestamp,
    is_unanswered: bool,
}

impl Pings {
    pub(super) fn new(cx: &Context) -> Pings {
        Pings { interval: cx.limits.http2_ping_interval, since: cx.now, is_unanswered: false }
    }

    /// When the silence has lasted for too long.
    pub(super) fn due(&self) -> Timestamp {
        self.since.after_millis(if self.interval == 0 { u64::MAX } else { self.interval })
    }
}

impl Connection {
    /// Bytes have come.
    pub(super) fn heard(&mut self, cx: &Context) {
        self.pings.since = cx.now;
        self.pings.is_unanswered = false;
    }

    /// Whether the client has answered no PING. Sends one when it is due.
    pub(super) fn is_silent(&mut self, cx: &Context) -> bool {
        if cx.now < self.pings.due() {
            return false;
        }
        if self.has_peer_ended {
            // The client has closed its side: it can't acknowledge a PING.
            self.pings.since = cx.now;
            return false;
        }
        if self.pings.is_unanswered {
            return true;
        }
        self.session.ping(ARE_YOU_THERE);
        self.pings.since = cx.now;
        self.pings.is_unanswered = true;
        false
    }
}
