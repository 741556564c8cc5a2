//! The clients of a thread, for the application's thread.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::application::Facts;

/// The facts of a thread's open clients by slot.
#[derive(Default)]
pub(super) struct ClientIndex(Mutex<Vec<Option<Arc<Facts>>>>);

impl ClientIndex {
    /// The client with this id, if it is open.
    pub(super) fn find(&self, slot: u32, id: u64) -> Option<Arc<Facts>> {
        self.lock().get(slot as usize)?.clone().filter(|facts| facts.id() == id)
    }

    /// Adds a client.
    pub(super) fn insert(&self, facts: &Arc<Facts>) {
        let mut clients = self.lock();
        let slot = facts.slot() as usize;
        if clients.len() <= slot {
            clients.resize(slot + 1, None);
        }
        clients[slot] = Some(facts.clone());
    }

    /// Removes the client at `slot`.
    pub(super) fn remove(&self, slot: u32) {
        if let Some(entry) = self.lock().get_mut(slot as usize) {
            *entry = None;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Option<Arc<Facts>>>> {
        // No change under this lock can panic half-way, so a poisoned index is complete.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
