//! Whether a thread sleeps: it is woken only then, because the system call is the most expensive part of a
//! message.

use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicU8, fence};

/// The thread runs, and will look for messages before it sleeps.
const AWAKE: u8 = 0;
/// It sleeps, or is about to, until there is something to do.
const PARKED: u8 = 1;
/// The same, and it has no batch left for notices.
const PARKED_WITHOUT_BATCH: u8 = 2;

/// The state of one thread.
///
/// The thread first announces that it will sleep and then looks for messages once more; a sender first puts
/// its message into the queue and then reads this state. A fence stands between the two steps on either side,
/// so at least one of them sees what the other has done.
#[derive(Debug)]
pub(super) struct Park(AtomicU8);

impl Park {
    pub(super) fn new() -> Park {
        Park(AtomicU8::new(AWAKE))
    }

    /// The thread is about to sleep. It must look for messages once more before it does, and without a batch
    /// for an empty one.
    pub(super) fn announce(&self, has_batch: bool) {
        self.0.store(if has_batch { PARKED } else { PARKED_WITHOUT_BATCH }, Relaxed);
        fence(SeqCst);
    }

    /// The thread is awake.
    pub(super) fn end(&self) {
        self.0.store(AWAKE, Relaxed);
    }

    /// A message was sent: whether the thread must be woken. With several senders it is true for one of them.
    pub(super) fn ends_by_message(&self) -> bool {
        fence(SeqCst);
        self.0.load(Relaxed) != AWAKE && self.0.swap(AWAKE, Relaxed) != AWAKE
    }

    /// An empty batch was sent: whether the thread must be woken.
    pub(super) fn ends_by_batch(&self) -> bool {
        fence(SeqCst);
        self.0.load(Relaxed) == PARKED_WITHOUT_BATCH
            && self.0.compare_exchange(PARKED_WITHOUT_BATCH, AWAKE, Relaxed, Relaxed).is_ok()
    }
}
