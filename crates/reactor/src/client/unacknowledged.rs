//! Whether a peer still reads, by what it has acknowledged.

use rustix::fd::{AsFd, BorrowedFd};

use super::Client;

/// Bytes of a socket that its peer hasn't acknowledged; None where the system can't say.
pub type Unacknowledged = fn(BorrowedFd<'_>) -> Option<u32>;

impl Client {
    /// How many bytes the peer has acknowledged since the last check.
    #[cold]
    pub(crate) fn acknowledged(&mut self, ask: Unacknowledged) -> u32 {
        let before = self.unacknowledged;
        self.update_unacknowledged(ask);
        before.saturating_sub(self.unacknowledged)
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
