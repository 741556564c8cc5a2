//! Waking a thread that sleeps, and only then: the system call is the dearest part of a message.

use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicU8, fence};
use std::sync::mpsc::Sender;

use mio::Waker;

use crate::threaded::thread::Message;

/// It runs, and will look for messages before it sleeps.
const AWAKE: u8 = 0;
/// It sleeps, or is about to, until there is something to do.
const ASLEEP: u8 = 1;
/// It sleeps, and has no batch left to write notices to.
const HUNGRY: u8 = 2;

/// Whether a thread sleeps.
///
/// The thread announces its sleep and then looks once more for messages; whoever sends one puts it into
/// the queue and then looks here. Between the two steps stands a fence on either side, so at least one
/// of them sees what the other did.
#[derive(Debug)]
pub(crate) struct Sleep(AtomicU8);

impl Sleep {
    pub(crate) fn new() -> Sleep {
        Sleep(AtomicU8::new(AWAKE))
    }

    /// The thread is about to sleep. It must look for messages once more before it does, and for an
    /// empty batch if it is hungry.
    pub(crate) fn announce(&self, is_hungry: bool) {
        self.0.store(if is_hungry { HUNGRY } else { ASLEEP }, Relaxed);
        fence(SeqCst);
    }

    /// The thread is awake.
    pub(crate) fn end(&self) {
        self.0.store(AWAKE, Relaxed);
    }

    /// A message was sent: whether the thread must be woken. True for one of those who ask at once.
    pub(crate) fn ends_by_message(&self) -> bool {
        fence(SeqCst);
        self.0.load(Relaxed) != AWAKE && self.0.swap(AWAKE, Relaxed) != AWAKE
    }

    /// An empty batch was sent: whether the thread must be woken.
    pub(crate) fn ends_by_batch(&self) -> bool {
        fence(SeqCst);
        self.0.load(Relaxed) == HUNGRY && self.0.compare_exchange(HUNGRY, AWAKE, Relaxed, Relaxed).is_ok()
    }
}

/// Where a thread gets its messages. Anyone may have a copy.
#[derive(Clone)]
pub(crate) struct Mailbox {
    sender: Sender<Message>,
    sleep: Arc<Sleep>,
    waker: Arc<Waker>,
}

impl Mailbox {
    pub(crate) fn new(sender: Sender<Message>, waker: Arc<Waker>) -> Mailbox {
        Mailbox { sender, sleep: Arc::new(Sleep::new()), waker }
    }

    /// The other side of it.
    pub(crate) fn sleep(&self) -> Arc<Sleep> {
        self.sleep.clone()
    }

    /// Sends a message; one to a thread that has ended is dropped.
    pub(crate) fn send(&self, message: Message) {
        let _ = self.sender.send(message);
        if self.sleep.ends_by_message() {
            self.wake();
        }
    }

    /// An empty batch lies in the thread's queue.
    pub(crate) fn feed(&self) {
        if self.sleep.ends_by_batch() {
            self.wake();
        }
    }

    fn wake(&self) {
        // It can fail only when the counter behind it is full, and then the thread is being woken.
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

    /// A thread's side: sleeps whenever there is nothing, and must be woken then.
    struct Sleeper {
        poll: Poll,
        events: Events,
        sleep: Arc<Sleep>,
    }

    impl Sleeper {
        fn new() -> (Sleeper, Mailbox, Receiver<Message>) {
            let poll = Poll::new().unwrap();
            let waker = Arc::new(Waker::new(poll.registry(), Token(0)).unwrap());
            let (sender, messages) = channel();
            let mailbox = Mailbox::new(sender, waker);
            let sleep = mailbox.sleep();
            (Sleeper { poll, events: Events::with_capacity(4), sleep }, mailbox, messages)
        }

        fn next<R>(&mut self, is_hungry: bool, look: impl Fn() -> Option<R>) -> R {
            loop {
                if let Some(found) = look() {
                    return found;
                }
                self.sleep.announce(is_hungry);
                if let Some(found) = look() {
                    self.sleep.end();
                    return found;
                }
                self.poll.poll(&mut self.events, Some(Duration::from_secs(20))).unwrap();
                assert!(!self.events.is_empty(), "nobody woke it");
                self.sleep.end();
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
                    mailbox.send(Message::End);
                    // Gives the thread a chance to be on its way to sleep.
                    (0..number % 64).for_each(|_| std::hint::spin_loop());
                }
            });
        }
        for _ in 0..SENDERS * MESSAGES {
            sleeper.next(false, || messages.try_recv().ok());
        }
    }

    #[test]
    fn a_hungry_thread_is_woken_for_a_batch_and_one_that_is_not_hungry_is_left_asleep() {
        const BATCHES: usize = 20_000;
        let (mut sleeper, mailbox, _messages) = Sleeper::new();
        let (batches, empty) = sync_channel(4);
        let feeder = mailbox.clone();
        thread::spawn(move || {
            for batch in 0..BATCHES {
                batches.send(batch).unwrap();
                feeder.feed();
            }
        });
        for batch in 0..BATCHES {
            assert_eq!(sleeper.next(true, || empty.try_recv().ok()), batch);
        }
        sleeper.sleep.announce(false);
        assert!(!sleeper.sleep.ends_by_batch());
        assert!(sleeper.sleep.ends_by_message());
        assert!(!sleeper.sleep.ends_by_message());
    }
}
