//! Memory for long bodies on their way to a thread: one copy into it, and none out of it.
//!
//! ```text
//!   application's thread: take, copy ──► commands ──► I/O thread: sent from there ──► dropped, back into the pool
//! ```
//! The memory that came back last is given out first: it is the likeliest to be in the cache. The thread frees what
//! hasn't been needed for a while: fresh memory costs the kernel as much as the copy does.

use std::io::IoSlice;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::total_of;

use crate::client::SendBuffer;

/// Bytes of memory that are kept while no body is in them.
const KEPT_BYTES: usize = 64 * 1024 * 1024;
/// Memory with more capacity than this isn't kept.
const LARGEST_KEPT: usize = 2 * 1024 * 1024;
/// Pieces of memory that are looked at for one that is large enough.
const LOOKED_AT: usize = 8;

/// The memory of one thread that no body is in.
#[derive(Clone, Default)]
pub(super) struct BodyPool(Arc<Mutex<Free>>);

#[derive(Default)]
struct Free {
    list: Vec<Vec<u8>>,
    bytes: usize,
    /// The fewest that `bytes` was since the last trim: so much wasn't needed.
    fewest: usize,
}

/// A body in memory of the pool, to which it goes back.
pub(super) struct PooledBody {
    bytes: Vec<u8>,
    pool: BodyPool,
}

impl BodyPool {
    /// A copy of a body, which may lie in several places.
    pub(super) fn copy(&self, parts: &[IoSlice<'_>]) -> PooledBody {
        let length = total_of(parts);
        let mut bytes = self.take(length).unwrap_or_else(|| Vec::with_capacity(length.next_power_of_two()));
        for part in parts {
            bytes.extend_from_slice(part);
        }
        PooledBody { bytes, pool: self.clone() }
    }

    fn take(&self, length: usize) -> Option<Vec<u8>> {
        let mut free = self.lock();
        let from = free.list.len().saturating_sub(LOOKED_AT);
        let at = from + free.list[from..].iter().rposition(|bytes| bytes.capacity() >= length)?;
        let bytes = free.list.remove(at);
        free.bytes -= bytes.capacity();
        free.fewest = free.fewest.min(free.bytes);
        Some(bytes)
    }

    fn give(&self, mut bytes: Vec<u8>) {
        let mut free = self.lock();
        if bytes.capacity() <= LARGEST_KEPT && free.bytes + bytes.capacity() <= KEPT_BYTES {
            bytes.clear();
            free.bytes += bytes.capacity();
            free.list.push(bytes);
        }
    }

    /// Frees the memory that hasn't been needed since the last trim, the oldest first.
    pub(super) fn trim(&self) {
        let mut free = self.lock();
        let (mut count, mut unneeded) = (0, 0);
        for bytes in &free.list {
            if unneeded + bytes.capacity() > free.fewest {
                break;
            }
            unneeded += bytes.capacity();
            count += 1;
        }
        let freed = free.list.drain(..count).collect::<Vec<_>>();
        free.bytes -= unneeded;
        free.fewest = free.bytes;
        // The lock isn't held while the memory is freed.
        drop(free);
        drop(freed);
    }

    /// Whether no memory is kept.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().list.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Free> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PooledBody {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl SendBuffer for PooledBody {
    fn bytes(&mut self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for PooledBody {
    fn drop(&mut self) {
        self.pool.give(std::mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEBIBYTE: usize = 1024 * 1024;

    fn bodies(pool: &BodyPool, count: usize) -> Vec<PooledBody> {
        (0..count).map(|_| pool.copy(&[IoSlice::new(&vec![0; MEBIBYTE])])).collect()
    }

    #[test]
    fn memory_goes_back_and_is_given_out_again() {
        let pool = BodyPool::default();
        let body = pool.copy(&[IoSlice::new(&[1; 50_000])]);
        let place = body.bytes().as_ptr();
        drop(body);
        let (small, again) =
            (pool.copy(&[IoSlice::new(&[2; 30_000]); 2]), pool.copy(&[IoSlice::new(&[3; 10])]));
        assert_eq!(small.bytes().as_ptr(), place);
        assert_ne!(again.bytes().as_ptr(), place);
        assert_eq!((small.bytes(), again.bytes()), (&[2; 60_000][..], &[3; 10][..]));
    }

    #[test]
    fn little_memory_is_kept() {
        let pool = BodyPool::default();
        drop(pool.copy(&[IoSlice::new(&vec![0; LARGEST_KEPT + 1])]));
        assert_eq!(pool.lock().bytes, 0);
        drop(bodies(&pool, 80));
        let free = pool.lock();
        assert_eq!(free.bytes, KEPT_BYTES);
        assert_eq!(free.bytes, free.list.iter().map(Vec::capacity).sum());
    }

    #[test]
    fn memory_that_is_not_needed_between_two_trims_is_freed() {
        let pool = BodyPool::default();
        drop(bodies(&pool, 10));
        pool.trim();
        assert_eq!(pool.lock().bytes, 10 * MEBIBYTE);
        drop(bodies(&pool, 4));
        drop(bodies(&pool, 3));
        pool.trim();
        assert_eq!(pool.lock().bytes, 4 * MEBIBYTE);
        assert!(!pool.is_empty());
        let under_way = bodies(&pool, 4);
        pool.trim();
        drop(under_way);
        pool.trim();
        assert_eq!(pool.lock().bytes, 4 * MEBIBYTE);
        pool.trim();
        assert!(pool.is_empty());
        assert_eq!(pool.lock().bytes, 0);
    }
}
