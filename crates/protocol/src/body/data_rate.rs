//! How fast a body comes, while it is wanted.
//!
//! Only bytes of the body count, not its framing, and only time in which we were ready to read: what the
//! application lets wait isn't the client's delay.

use crate::context::Context;
use crate::timestamp::Timestamp;

/// Time before the minimum rate counts, in milliseconds: slow starts are no attack.
const GRACE_MILLIS: u64 = 5000;

/// How long we must have left it alone, in milliseconds, and how much must have come by then, for its clock to
/// begin anew. Shorter pauses of ours are those between two asks: they don't count, but what came before does.
const PAUSE_MILLIS: u64 = 1000;
const PAUSE_BYTES: u64 = 64 * 1024;

/// The data rate of one body.
#[derive(Debug)]
pub(crate) struct DataRate {
    /// Milliseconds without a byte that are allowed.
    timeout: u64,
    /// Bytes a second that it must bring on average; 0 = off.
    minimum_rate: u64,
    /// We are reading it.
    is_awaited: bool,
    /// When we stopped.
    paused: Timestamp,
    /// Since when we have been, pauses apart, and how much had come by then.
    since: Timestamp,
    before: u64,
    /// What has come by now, and when the last of it did.
    received: u64,
    last: Timestamp,
}

impl DataRate {
    pub(crate) fn new(cx: &Context) -> DataRate {
        DataRate {
            timeout: cx.limits.body_timeout,
            minimum_rate: cx.limits.minimum_body_rate,
            is_awaited: false,
            paused: cx.now,
            since: cx.now,
            before: 0,
            received: 0,
            last: cx.now,
        }
    }

    /// Changes what is allowed; None leaves what is.
    pub(crate) fn set(&mut self, timeout: Option<u64>, minimum_rate: Option<u64>) {
        self.timeout = timeout.unwrap_or(self.timeout);
        self.minimum_rate = minimum_rate.unwrap_or(self.minimum_rate);
    }

    /// Notes how much has come in all, and whether more is awaited. Returns the length of the pause that
    /// this ends, in milliseconds.
    pub(crate) fn note(&mut self, now: Timestamp, received: u64, is_awaited: bool) -> u64 {
        let mut pause = 0;
        match (self.is_awaited, is_awaited) {
            (true, false) => self.paused = now,
            (false, true) => {
                pause = now.0.saturating_sub(self.paused.0);
                self.resume(now, pause);
            }
            _ => {}
        }
        if received > self.received {
            self.last = now;
        }
        self.received = received;
        self.is_awaited = is_awaited;
        pause
    }

    /// Clients who send a byte or two for each ask must not have all of their time again every time.
    fn resume(&mut self, now: Timestamp, pause: u64) {
        if pause >= PAUSE_MILLIS && self.received - self.before >= PAUSE_BYTES {
            self.since = now;
            self.before = self.received;
            self.last = now;
        } else {
            self.since = self.since.after_millis(pause);
            self.last = self.last.after_millis(pause);
        }
    }

    pub(crate) fn is_awaited(&self) -> bool {
        self.is_awaited
    }

    /// When it has stood still for too long.
    pub(crate) fn still_at(&self) -> Timestamp {
        self.last.after_millis(self.timeout)
    }

    /// When its average falls below the minimum if nothing more comes.
    pub(crate) fn too_slow_at(&self) -> Timestamp {
        let bytes = self.received - self.before;
        match bytes.saturating_mul(1000).checked_div(self.minimum_rate) {
            Some(covered) => self.since.after_millis(covered.max(GRACE_MILLIS).saturating_add(1)),
            None => Timestamp(u64::MAX),
        }
    }
}
