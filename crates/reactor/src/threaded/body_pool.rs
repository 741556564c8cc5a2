//! Memory for long bodies on their way to a thread: one copy into it, and none out of it.
//!
//! ```text
//!   application's thread: take, copy ──► commands ──► I/O thread: sent from there ──► dropped, back into the pool
//! ```
//! The memory that came back last is given out first: it is the likeliest to be in the cache.

use std::io::IoSlice;
use std::sync::{Arc, Mutex, PoisonError};

use protocol::total_of;

use crate::client::SendBuffer;

/// Bytes of memory that are kept while no body is in them.
const KEPT_BYTES: usize = 8 * 1024 * 1024;
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

    fn lock(&self) -> std::sync::MutexGuard<'_, Free> {
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
        let bodies = (0..20).map(|_| pool.copy(&[IoSlice::new(&vec![0; 1024 * 1024])])).collect::<Vec<_>>();
        drop(bodies);
        let free = pool.lock();
        assert_eq!(free.bytes, KEPT_BYTES);
        assert_eq!(free.bytes, free.list.iter().map(Vec::capacity).sum());
    }
}
