//! The queue of messages for a thread, whose senders wake it.

use std::sync::Arc;
use std::sync::mpsc::Sender;

use super::park::Park;
use crate::io::Waker;

/// Sends messages to a thread. Every sender has a clone.
pub(super) struct Mailbox<M> {
    sender: Sender<M>,
    park: Arc<Park>,
    waker: Arc<Waker>,
}

impl<M> Clone for Mailbox<M> {
    fn clone(&self) -> Mailbox<M> {
        Mailbox { sender: self.sender.clone(), park: self.park.clone(), waker: self.waker.clone() }
    }
}

impl<M> Mailbox<M> {
    pub(super) fn new(sender: Sender<M>, waker: Arc<Waker>) -> Mailbox<M> {
        Mailbox { sender, park: Arc::new(Park::new()), waker }
    }

    /// The thread's side: whether it sleeps.
    pub(super) fn park(&self) -> Arc<Park> {
        self.park.clone()
    }

    /// Sends a message; when the thread has ended the message is dropped.
    pub(super) fn send(&self, message: M) {
        let _ = self.sender.send(message);
        if self.park.ends_by_message() {
            self.wake();
        }
    }

    /// Wakes the thread if it sleeps for want of an empty batch. One was put into its queue before.
    pub(super) fn wake_for_batch(&self) {
        if self.park.ends_by_batch() {
            self.wake();
        }
    }

    fn wake(&self) {
        // It fails only when the counter behind it is full, and then the thread is being woken already.
        let _ = self.waker.wake();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by it")]

    use std::sync::mpsc::{Receiver, channel, sync_channel};
    use std::thread;
    use std::time::Duration;

    use mio::{Events, Poll, Token};

    use super::*;

    /// A thread's side: it sleeps whenever it has nothing to do, and must be woken then.
    struct Sleeper {
        poll: Poll,
        events: Events,
        park: Arc<Park>,
    }

    impl Sleeper {
        fn new() -> (Sleeper, Mailbox<()>, Receiver<()>) {
            let poll = Poll::new().unwrap();
            let waker = Arc::new(Waker::new(poll.registry(), Token(0)).unwrap());
            let (sender, messages) = channel();
            let mailbox = Mailbox::new(sender, waker);
            let park = mailbox.park();
            (Sleeper { poll, events: Events::with_capacity(4), park }, mailbox, messages)
        }

        fn next<R>(&mut self, has_batch: bool, look: impl Fn() -> Option<R>) -> R {
            loop {
                if let Some(found) = look() {
                    return found;
                }
                self.park.announce(has_batch);
                if let Some(found) = look() {
                    self.park.end();
                    return found;
                }
                self.poll.poll(&mut self.events, Some(Duration::from_secs(20))).unwrap();
                assert!(!self.events.is_empty(), "it was not woken");
                self.park.end();
            }
        }
    }

    #[test]
    fn a_thread_that_sleeps_is_woken_for_every_message_of_several_senders() {
        const SENDERS: usize = 3;
        const MESSAGES: usize = 10_000;
        let (mut sleeper, mailbox, messages) = Sleeper::new();
        for _ in 0..SENDERS {
            let mailbox = mailbox.clone();
            thread::spawn(move || {
                for number in 0..MESSAGES {
                    mailbox.send(());
                    // Time in which the thread may go to sleep.
                    (0..number % 64).for_each(|_| std::hint::spin_loop());
                }
            });
        }
        for _ in 0..SENDERS * MESSAGES {
            sleeper.next(true, || messages.try_recv().ok());
        }
    }

    #[test]
    fn a_batch_wakes_a_thread_that_has_none_and_no_other() {
        const BATCHES: usize = 20_000;
        let (mut sleeper, mailbox, _messages) = Sleeper::new();
        let (batches, empty) = sync_channel(4);
        let sender = mailbox.clone();
        thread::spawn(move || {
            for batch in 0..BATCHES {
                batches.send(batch).unwrap();
                sender.wake_for_batch();
            }
        });
        for batch in 0..BATCHES {
            assert_eq!(sleeper.next(false, || empty.try_recv().ok()), batch);
        }
        sleeper.park.announce(true);
        assert!(!sleeper.park.ends_by_batch());
        assert!(sleeper.park.ends_by_message());
        assert!(!sleeper.park.ends_by_message());
    }
}
