//! Whether a peer still reads, by what it has acknowledged.

use rustix::fd::{AsFd, BorrowedFd};

use super::Client;

/// Bytes of a socket that its peer hasn't acknowledged; None where the system can't say.
pub type Unacknowledged = fn(BorrowedFd<'_>) -> Option<u32>;

impl Client {
    /// Whether the peer has acknowledged anything since the last check.
    #[cold]
    pub(crate) fn has_acknowledged(&mut self, ask: Unacknowledged) -> bool {
        let before = self.unacknowledged;
        self.update_unacknowledged(ask);
        self.unacknowledged < before
    }

    /// The kernel's send buffer is full.
    #[cold]
    pub(crate) fn mark_blocked(&mut self, ask: Unacknowledged) {
        self.is_blocked = true;
        self.update_unacknowledged(ask);
    }

    fn update_unacknowledged(&mut self, ask: Unacknowledged) {
        self.unacknowledged = ask(self.socket.as_fd()).unwrap_or(0);
    }
}
