//! How much a client may do that costs us and brings nothing.
//!
//! Two buckets fill with frames and empty with time. `noise` takes what no request needs much of: PING, SETTINGS,
//! priorities, empty frames, frames for streams that are gone. HEADERS and DATA, and what we send, empty it, since
//! a client that works may also ask whether we are there. `resets` takes streams that end before their time, and
//! only time empties it. An acknowledgement that the client doesn't read is counted elsewhere, by nghttp2, where
//! it waits.

use nghttp2::Counts;

use crate::timestamp::Timestamp;

/// Frames without use that may come at once, and each second.
const NOISE: Rate = Rate { burst: 2_000, per_second: 200 };
/// What one HEADERS or DATA frame forgives.
const FORGIVEN: u64 = 20;
/// Bytes sent that forgive a frame: WINDOW_UPDATE answers them.
const BYTES_PER_FRAME: u64 = 512;
/// SETTINGS are applied to every stream.
const SETTINGS_WEIGHT: u64 = 10;
/// Streams that the client resets. Browsers cancel whole pages of images (CVE-2023-44487).
const RESETS: Rate = Rate { burst: 1_000, per_second: 33 };
/// Streams that it makes us reset weigh more: no working client does (CVE-2025-8671).
const PROVOKED_WEIGHT: u64 = 10;

/// Frames that may wait for a client that doesn't read, beside those of the streams that run.
const WAITING_FRAMES: usize = 2_000;
/// Frames that one of these may have waiting: a head, trailers, a reset and a window.
const FRAMES_PER_STREAM: usize = 4;

/// Streams that may be refused before the client has acknowledged our settings.
const UNKNOWN_LIMIT: u32 = 1_000;

#[derive(Debug, Clone, Copy)]
struct Rate {
    burst: u64,
    per_second: u64,
}

/// A bucket. Its level is in thousandths, so that short spells count.
#[derive(Debug, Default)]
struct Bucket {
    level: u64,
    since: Timestamp,
}

impl Bucket {
    /// Adds frames. False: it is too full.
    fn add(&mut self, rate: Rate, now: Timestamp, count: u64) -> bool {
        let spell = now.0.saturating_sub(self.since.0);
        self.since = now;
        self.level = self.level.saturating_sub(spell.saturating_mul(rate.per_second));
        self.level = self.level.saturating_add(count * 1000);
        self.level <= rate.burst * 1000
    }

    fn forgive(&mut self, count: u64) {
        self.level = self.level.saturating_sub(count.saturating_mul(1000));
    }
}

/// What one client has done so far.
#[derive(Debug, Default)]
pub(super) struct Abuse {
    noise: Bucket,
    resets: Bucket,
    /// Streams refused since one was taken.
    refused: u32,
}

impl Abuse {
    /// Adds the frames of one input. False: it is a flood.
    pub(super) fn add(&mut self, now: Timestamp, counts: &Counts) -> bool {
        let resets = u64::from(counts.resets) + PROVOKED_WEIGHT * u64::from(counts.provoked);
        let noise = [
            counts.empty_data,
            counts.continuations,
            counts.pings,
            counts.resets,
            counts.priorities,
            counts.window_updates,
            counts.idle,
        ];
        let noise =
            noise.into_iter().map(u64::from).sum::<u64>() + SETTINGS_WEIGHT * u64::from(counts.settings);
        if noise == 0 && resets == 0 {
            if self.noise.level > 0 {
                self.noise.forgive(FORGIVEN * (u64::from(counts.requests) + u64::from(counts.data)));
            }
            return true;
        }
        self.noise.forgive(FORGIVEN * (u64::from(counts.requests) + u64::from(counts.data)));
        self.noise.add(NOISE, now, noise) && self.resets.add(RESETS, now, resets)
    }

    /// Whether more frames wait for the client than its streams, of which `limit` may run, have any use for: resets that it
    /// makes us send, and doesn't read.
    pub(super) fn is_overfull(waiting: usize, limit: u32) -> bool {
        waiting > WAITING_FRAMES.saturating_add(FRAMES_PER_STREAM.saturating_mul(limit as usize))
    }

    /// Content has been sent, which the client answers with WINDOW_UPDATE.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.noise.forgive((bytes as u64).div_ceil(BYTES_PER_FRAME));
    }

    /// A stream was taken.
    pub(super) fn taken(&mut self) {
        self.refused = 0;
    }

    /// A stream was refused because `limit` run already. False: as many again were, and the client continues. One
    /// that hasn't seen the limit yet may send more.
    pub(super) fn refused(&mut self, limit: u32, is_known: bool) -> bool {
        self.refused = self.refused.saturating_add(1);
        self.refused <= if is_known { limit } else { limit.max(UNKNOWN_LIMIT) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pings(pings: u32) -> Counts {
        Counts { pings, ..Counts::default() }
    }

    #[test]
    fn a_burst_is_a_flood_and_a_trickle_is_none() {
        let mut abuse = Abuse::default();
        assert!(abuse.add(Timestamp(0), &pings(2_000)));
        assert!(!abuse.add(Timestamp(0), &pings(1)));
        let mut abuse = Abuse::default();
        assert!((0..10_000).all(|second| abuse.add(Timestamp(second * 1000), &pings(200))));
    }

    #[test]
    fn requests_forgive_pings_but_no_resets() {
        let mut abuse = Abuse::default();
        let working = Counts { requests: 1, pings: 10, ..Counts::default() };
        assert!((0..10_000).all(|_| abuse.add(Timestamp(0), &working)));
        let rapid = Counts { requests: 10, resets: 10, ..Counts::default() };
        assert_eq!((0..1_000).position(|_| !abuse.add(Timestamp(0), &rapid)), Some(100));
    }

    #[test]
    fn streams_that_we_are_made_to_reset_weigh_more() {
        let mut abuse = Abuse::default();
        let provoked = Counts { provoked: 1, ..Counts::default() };
        assert_eq!((0..1_000).position(|_| !abuse.add(Timestamp(0), &provoked)), Some(100));
    }
}
