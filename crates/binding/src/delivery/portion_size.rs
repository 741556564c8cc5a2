//! How many notices one call into JavaScript delivers.

use std::time::Duration;

/// How long one portion should take: an early answer waits that long for the handlers behind it.
const PORTION: Duration = Duration::from_micros(200);
/// Notices in the largest portion: a whole batch.
const MOST: u32 = 256;

/// A running average of the time that one notice takes, and the portion that follows from it.
pub(crate) struct PortionSize {
    nanos_per_notice: f64,
}

impl PortionSize {
    pub(crate) fn new() -> PortionSize {
        PortionSize { nanos_per_notice: 10_000.0 }
    }

    /// Notices for the next call.
    pub(crate) fn portion(&self) -> u32 {
        ((PORTION.as_nanos() as f64 / self.nanos_per_notice) as u32).clamp(1, MOST)
    }

    /// Takes into account that a call with `count` notices took `elapsed`.
    pub(crate) fn learn(&mut self, elapsed: Duration, count: u32) {
        let nanos = elapsed.as_nanos() as f64 / f64::from(count);
        self.nanos_per_notice += (nanos - self.nanos_per_notice) / 8.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fast_handlers_get_whole_batches_and_slow_ones_one_at_a_time() {
        let mut portion_size = PortionSize::new();
        (0..100).for_each(|_| portion_size.learn(Duration::from_nanos(500), 1));
        assert_eq!(portion_size.portion(), 256);
        (0..100).for_each(|_| portion_size.learn(Duration::from_millis(1), 1));
        assert_eq!(portion_size.portion(), 1);
    }
}
