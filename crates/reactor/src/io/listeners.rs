//! The listeners of one reactor, and when they are asked for connections.

use std::io;
use std::sync::Arc;

use protocol::Timestamp;

use super::listener::{Accepted, Listener, ListenerFacts};

/// Pause after the system refused a connection for want of descriptors or memory.
const RETRY_MILLIS: u64 = 100;

/// Listeners by index, and whether connections are accepted from them.
#[derive(Default)]
pub(crate) struct Listeners {
    /// None when it was closed.
    listeners: Vec<Option<Listener>>,
    /// Of the closed ones as well.
    facts: Vec<Arc<ListenerFacts>>,
    is_accepting: bool,
    /// Accepting is interrupted until then.
    retry_at: Option<Timestamp>,
}

impl Listeners {
    /// The index of the next listener.
    pub(crate) fn next_index(&self) -> u32 {
        self.facts.len() as u32
    }

    /// Adds a listener that is registered with the poller.
    pub(crate) fn add(&mut self, listener: Listener) {
        self.facts.push(listener.facts.clone());
        self.listeners.push(Some(listener));
    }

    /// The facts of listener number `index`, which may be closed.
    pub(crate) fn facts(&self, index: u32) -> Option<&Arc<ListenerFacts>> {
        self.facts.get(index as usize)
    }

    /// Begins to accept connections.
    pub(crate) fn start(&mut self) {
        self.is_accepting = true;
    }

    /// Has all listeners asked for connections, whatever the kernel has reported so far.
    pub(crate) fn mark_all_ready(&mut self) {
        self.listeners.iter_mut().flatten().for_each(|listener| listener.is_ready = true);
    }

    /// Closes all listening sockets.
    pub(crate) fn close(&mut self) {
        self.is_accepting = false;
        self.listeners.iter_mut().for_each(|listener| *listener = None);
    }

    /// The kernel reports connections on listener number `index`.
    pub(crate) fn mark_ready(&mut self, index: usize) {
        if let Some(Some(listener)) = self.listeners.get_mut(index) {
            listener.is_ready = true;
        }
    }

    /// Whether a connection may be waiting.
    pub(crate) fn has_work(&self) -> bool {
        self.is_accepting && self.listeners.iter().flatten().any(|listener| listener.is_ready)
    }

    /// Milliseconds until accepting continues; None when it isn't interrupted.
    pub(crate) fn next_retry(&self, now: Timestamp) -> Option<u64> {
        self.retry_at.map(|at| at.0.saturating_sub(now.0).max(1))
    }

    /// The next waiting connection; None when there is none, or `budget` is used up. Each attempt takes one
    /// from the budget.
    pub(crate) fn accept(&mut self, now: Timestamp, budget: &mut usize) -> Option<Accepted> {
        if !self.is_accepting {
            return None;
        }
        if self.retry_at.is_some_and(|at| now >= at) {
            self.retry_at = None;
            self.listeners.iter_mut().flatten().for_each(|listener| listener.is_ready = true);
        }
        for listener in self.listeners.iter_mut().flatten() {
            while listener.is_ready && *budget > 0 {
                *budget -= 1;
                match listener.accept() {
                    Ok(accepted) => return Some(accepted),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => listener.is_ready = false,
                    Err(error) if concerns_one_connection(&error) => {}
                    Err(_) => {
                        // No descriptors or memory: open connections are served on, and accepting resumes
                        // after a pause. Without the pause this would be a busy loop.
                        listener.is_ready = false;
                        self.retry_at = Some(now.after_millis(RETRY_MILLIS));
                    }
                }
            }
        }
        None
    }
}

/// Errors of `accept` about a connection that ended before it was accepted.
fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::Interrupted
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::PermissionDenied
    )
}
