//! How threads call the application when there are notices.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::AcqRel;

/// I/O threads ring it after every batch; the application answers before it looks for batches. However often
/// it is rung in between, the application is called once.
pub struct Doorbell {
    is_rung: AtomicBool,
    call: Box<dyn Fn() + Send + Sync>,
}

impl Doorbell {
    /// A doorbell that calls the application's thread by `call`, which must not block.
    pub fn new(call: impl Fn() + Send + Sync + 'static) -> Doorbell {
        Doorbell { is_rung: AtomicBool::new(false), call: Box::new(call) }
    }

    /// Calls the application, unless a call is still unanswered.
    pub fn ring(&self) {
        if !self.is_rung.swap(true, AcqRel) {
            (self.call)();
        }
    }

    /// The application calls this before it looks for batches: a batch that is queued later rings again.
    pub fn answer(&self) {
        self.is_rung.swap(false, AcqRel);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by it")]

    use std::sync::Arc;
    use std::sync::mpsc::{channel, sync_channel};
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_application_that_sleeps_until_the_ring_misses_no_batch_of_several_threads() {
        const RINGERS: usize = 3;
        const BATCHES: usize = 20_000;
        let (call, called) = channel();
        let doorbell = Arc::new(Doorbell::new(move || {
            let _ = call.send(());
        }));
        let queues = (0..RINGERS).map(|_| {
            let (sender, receiver) = sync_channel(4);
            let doorbell = doorbell.clone();
            thread::spawn(move || {
                for batch in 0..BATCHES {
                    sender.send(batch).unwrap();
                    doorbell.ring();
                }
            });
            receiver
        });
        let queues = queues.collect::<Vec<_>>();
        let mut calls = 0;
        let mut next = [0; RINGERS];
        while next.iter().any(|count| *count < BATCHES) {
            called.recv_timeout(Duration::from_secs(20)).unwrap();
            calls += 1;
            doorbell.answer();
            for (queue, next) in queues.iter().zip(&mut next) {
                while let Ok(batch) = queue.try_recv() {
                    assert_eq!(batch, *next);
                    *next += 1;
                }
            }
        }
        assert!(calls <= RINGERS * BATCHES);
    }

    #[test]
    fn rings_call_once_until_they_are_answered() {
        let (call, called) = channel();
        let doorbell = Doorbell::new(move || {
            let _ = call.send(());
        });
        (0..3).for_each(|_| doorbell.ring());
        assert_eq!(called.try_iter().count(), 1);
        doorbell.answer();
        doorbell.ring();
        assert_eq!(called.try_iter().count(), 1);
    }
}
