//! A coarse queue of deadlines: a wheel of 100 ms ticks.
//!
//! A client has one entry, at the tick for which it was last armed. Activity only writes the new deadline
//! into the client; when the old tick is due the reactor reads the deadline and arms the client again. So a
//! busy connection costs the wheel nothing, and an outdated entry (its client is closed, or was armed for an
//! earlier tick since) is recognised by its tick and dropped.

use protocol::Timestamp;

/// Length of a tick in milliseconds: how late a deadline may be noticed.
pub(crate) const TICK: u64 = 100;

/// Buckets in the wheel, a power of two: 51.2 s, so the default deadlines fit into one revolution.
const BUCKETS: usize = 512;

/// Deadlines of clients by slot.
pub(crate) struct Timers {
    buckets: Box<[Vec<Entry>]>,
    /// The next tick to be processed.
    cursor: u64,
    /// No entry is due before this tick: each round asks for the next one, and mustn't look through the wheel for it.
    nearest: u64,
    entries: usize,
}

#[derive(Clone, Copy)]
struct Entry {
    slot: u32,
    tick: u64,
}

impl Timers {
    pub(crate) fn new() -> Timers {
        let buckets = (0..BUCKETS).map(|_| Vec::new()).collect();
        Timers { buckets, cursor: 0, nearest: u64::MAX, entries: 0 }
    }

    /// The first tick at which the deadline has passed.
    pub(crate) fn tick_of(deadline: Timestamp) -> u64 {
        deadline.0.div_ceil(TICK)
    }

    /// Adds `slot` at `tick`, or at the next tick if that one has passed; returns the tick of the entry.
    pub(crate) fn arm(&mut self, slot: u32, tick: u64) -> u64 {
        let tick = tick.max(self.cursor);
        if let Some(bucket) = self.buckets.get_mut(tick as usize & (BUCKETS - 1)) {
            bucket.push(Entry { slot, tick });
            self.entries += 1;
            self.nearest = self.nearest.min(tick);
        }
        tick
    }

    /// Moves all entries that are due at `now` into `due`, as (slot, tick).
    pub(crate) fn expire(&mut self, now: Timestamp, due: &mut Vec<(u32, u64)>) {
        let last = now.0 / TICK;
        if last < self.cursor {
            return;
        }
        if self.entries == 0 {
            self.cursor = last + 1;
            return;
        }
        let span = (last - self.cursor + 1).min(BUCKETS as u64);
        for step in 0..span {
            let bucket = &mut self.buckets[(self.cursor + step) as usize & (BUCKETS - 1)];
            if bucket.is_empty() {
                continue;
            }
            let before = bucket.len();
            bucket.retain(|entry| {
                let is_due = entry.tick <= last;
                if is_due {
                    due.push((entry.slot, entry.tick));
                }
                !is_due
            });
            self.entries -= before - bucket.len();
            if bucket.is_empty() && bucket.capacity() > 64 {
                *bucket = Vec::new();
            }
        }
        self.cursor = last + 1;
    }

    /// Milliseconds from `now` until the next entry is due; None when there is none.
    pub(crate) fn next_in(&mut self, now: Timestamp) -> Option<u64> {
        if self.entries == 0 {
            self.nearest = u64::MAX;
            return None;
        }
        let revolution = self.cursor + BUCKETS as u64;
        let mut ticks = self.nearest.max(self.cursor)..revolution;
        let is_due = |tick: &u64| {
            let bucket = &self.buckets[*tick as usize & (BUCKETS - 1)];
            bucket.iter().any(|entry| entry.tick <= *tick)
        };
        self.nearest = ticks.find(is_due).unwrap_or(revolution);
        Some((self.nearest * TICK).saturating_sub(now.0).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expired(timers: &mut Timers, now: u64) -> Vec<u32> {
        let mut due = Vec::new();
        timers.expire(Timestamp(now), &mut due);
        due.into_iter().map(|(slot, _)| slot).collect()
    }

    #[test]
    fn an_entry_is_due_once_and_not_before_its_deadline() {
        let mut timers = Timers::new();
        timers.arm(7, Timers::tick_of(Timestamp(1_050)));
        assert_eq!(timers.next_in(Timestamp(1_000)), Some(100));
        assert!(expired(&mut timers, 1_049).is_empty());
        assert_eq!(expired(&mut timers, 1_100), [7]);
        assert!(expired(&mut timers, 5_000).is_empty());
        assert_eq!(timers.next_in(Timestamp(5_000)), None);
    }

    #[test]
    fn a_deadline_beyond_one_revolution_of_the_wheel_is_not_due_early() {
        let mut timers = Timers::new();
        timers.arm(1, Timers::tick_of(Timestamp(75_000)));
        for now in (0..75_000).step_by(900) {
            assert!(expired(&mut timers, now).is_empty(), "{now}");
        }
        assert_eq!(expired(&mut timers, 75_000), [1]);
    }

    #[test]
    fn the_next_entry_is_found_whatever_was_armed_and_expired_before() {
        let mut timers = Timers::new();
        let mut armed: Vec<u64> = Vec::new();
        let (mut now, mut seed) = (0, 7_u64);
        for slot in 0..20_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            match seed >> 62 {
                0 => armed.push(timers.arm(slot, now / TICK + (seed >> 40) % 900)),
                1 => {
                    now += (seed >> 40) % 1_000;
                    let due = expired(&mut timers, now).len();
                    let before = armed.len();
                    armed.retain(|tick| *tick > now / TICK);
                    assert_eq!(due, before - armed.len());
                }
                _ => {
                    let next = armed.iter().min();
                    // Of an entry that is further away than one revolution only that is known.
                    let next = next.map(|tick| (*tick).min(timers.cursor + BUCKETS as u64) * TICK - now);
                    assert_eq!(timers.next_in(Timestamp(now)), next.map(|millis| millis.max(1)));
                }
            }
        }
    }

    #[test]
    fn all_entries_are_due_after_a_long_sleep() {
        let mut timers = Timers::new();
        for slot in 0..600 {
            timers.arm(slot, u64::from(slot));
        }
        assert_eq!(expired(&mut timers, 10_000_000).len(), 600);
    }

    #[test]
    fn an_entry_for_a_passed_tick_is_due_at_the_next_one() {
        let mut timers = Timers::new();
        expired(&mut timers, 10_000);
        assert_eq!(timers.arm(3, 5), 101);
        assert_eq!(expired(&mut timers, 10_100), [3]);
    }
}
