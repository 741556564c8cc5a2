//! How fast a body comes while the application wants it.
//!
//! Only bytes of the body count, without its framing, and only time in which we were ready to read: a pause that the
//! application makes isn't the client's delay.

use crate::context::Context;
use crate::timestamp::Timestamp;

/// Milliseconds before the minimum rate counts: a slow start isn't an attack.
const GRACE_MILLIS: u64 = 5000;

/// A pause of at least so many milliseconds, after so many bytes, starts the measurement again. Shorter pauses are
/// those between two asks: they are left out, but the bytes before them count.
const PAUSE_MILLIS: u64 = 1000;
const PAUSE_BYTES: u64 = 64 * 1024;

/// The data rate of one body.
#[derive(Debug)]
pub(crate) struct DataRate {
    /// Milliseconds allowed without a byte.
    timeout: u64,
    /// Bytes a second that must come on average; 0 = off.
    minimum_rate: u64,
    /// We are ready to read.
    is_awaited: bool,
    /// When we last stopped reading.
    paused: Timestamp,
    /// The start of the measurement, later by the pauses since.
    since: Timestamp,
    /// Bytes received before `since`.
    before: u64,
    /// Bytes received by now.
    received: u64,
    /// When the last of them came.
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

    /// Changes what is allowed; None leaves a value as it is.
    pub(crate) fn set(&mut self, timeout: Option<u64>, minimum_rate: Option<u64>) {
        self.timeout = timeout.unwrap_or(self.timeout);
        self.minimum_rate = minimum_rate.unwrap_or(self.minimum_rate);
    }

    /// Takes how many bytes have come in all, and whether more are awaited. Returns the length of the pause that
    /// this ends, in milliseconds.
    pub(crate) fn update(&mut self, now: Timestamp, received: u64, is_awaited: bool) -> u64 {
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

    /// A client that sends a byte or two for each ask must not get all of its time again with each.
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

    /// When its bytes have been missing for too long.
    pub(crate) fn inactive_at(&self) -> Timestamp {
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
