//! The messages for an I/O thread.

use super::command_batch::CommandBatch;
use crate::io::{Accepted, Listener};

/// A message from the application or another thread.
pub(super) enum Message {
    /// Commands of the application.
    Commands(CommandBatch),
    /// A connection that another thread has accepted.
    Accepted(Accepted),
    /// A listener that was bound on another thread, and is registered with this thread's poller.
    Listener(Listener),
    /// Close everything and end.
    End,
}
