//! The reactor's time: milliseconds since it began, and how they relate to Unix time.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use protocol::Timestamp;

/// A monotonic clock with a known offset to Unix time.
///
/// The offset is taken once: a wall clock that is set moves no deadline, and the Unix time shown for a
/// deadline never changes.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    zero: Instant,
    unix_zero_millis: u64,
}

/// The first timestamp isn't 0, because 0 means 'no deadline' in [`Facts`](crate::Facts).
const FIRST: u64 = 1;

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Clock {
        Clock { zero: Instant::now(), unix_zero_millis: unix_millis_now() }
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        Timestamp(FIRST + self.zero.elapsed().as_millis() as u64)
    }

    /// Unix time in milliseconds of `at`.
    pub fn unix_millis(&self, at: Timestamp) -> u64 {
        self.unix_zero_millis + at.0.saturating_sub(FIRST)
    }

    /// The moment that has the Unix time `unix_millis`; the clock's first one for anything earlier.
    pub fn timestamp(&self, unix_millis: u64) -> Timestamp {
        Timestamp(FIRST + unix_millis.saturating_sub(self.unix_zero_millis))
    }
}

/// Unix time in milliseconds by the wall clock, which the Date field shows.
pub(crate) fn unix_millis_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
