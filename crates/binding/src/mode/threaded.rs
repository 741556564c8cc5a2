//! The threaded mode: reactors on threads of their own.
//!
//! A thread that has queued a batch of notices rings the doorbell, and the event loop calls a round: copy the
//! batch into JavaScript's memory, give the empty batch back, deliver, hand the commands over; again until no
//! batch is left or the round's budget is spent.
//!
//! Commands given outside of a round are handed over once, before the loop waits for events. They count as
//! taken. A command that arrives too late has no effect on its thread, which sends a notice where one is
//! needed to end a wait.

use std::cell::{RefCell, RefMut};
use std::io;
use std::sync::Arc;

use protocol::Limits;
use reactor::{
    Bind, ConnectionLimits, Doorbell, Kind, ListenError, ListenerFacts, Notices, RECORD_WORDS, ThreadHandle,
    start,
};

use crate::delivery::{Delivery, Round, Written};
use crate::mode::report_panic;
use crate::mode::unacknowledged::unacknowledged;
use crate::mode::unsent::Unsent;

/// Batches of each thread in one round, so that other work of the loop isn't held up.
const BATCHES_PER_ROUND: usize = 8;

/// Bytes of a word: head blocks begin at whole words.
const ALIGNMENT: usize = 4;

/// The threads of one server.
pub(crate) struct Threaded {
    threads: RefCell<Vec<ThreadHandle>>,
    /// Also those that are closed: requests ask for them after the threads have ended.
    listeners: RefCell<Vec<Arc<ListenerFacts>>>,
    doorbell: RefCell<Option<Arc<Doorbell>>>,
    unsent: RefCell<Unsent>,
    /// By thread: whether no client is left on it after a stop.
    idle: RefCell<Vec<bool>>,
}

impl Threaded {
    pub(crate) fn new() -> Threaded {
        Threaded {
            threads: RefCell::new(Vec::new()),
            listeners: RefCell::new(Vec::new()),
            doorbell: RefCell::new(None),
            unsent: RefCell::default(),
            idle: RefCell::new(Vec::new()),
        }
    }

    /// Starts the threads, which call `ring` when there are notices.
    ///
    /// # Errors
    /// The system has no threads or descriptors left.
    pub(crate) fn start(
        &self,
        (limits, connections): (&Limits, ConnectionLimits),
        count: usize,
        ring: impl Fn() + Send + Sync + 'static,
    ) -> io::Result<()> {
        let doorbell = Arc::new(Doorbell::new(ring));
        *self.threads.borrow_mut() =
            start(limits, connections, count, &doorbell, report_panic, unacknowledged)?;
        *self.doorbell.borrow_mut() = Some(doorbell);
        *self.idle.borrow_mut() = vec![false; count];
        Ok(())
    }

    /// Ends the threads and waits for them. None rings afterwards.
    pub(crate) fn close(&self) {
        let mut threads = self.threads.take();
        threads.iter_mut().for_each(ThreadHandle::begin_end);
        drop(threads);
        self.doorbell.take();
        self.unsent.take();
    }

    /// Calls `run` with the thread of `slot`, and the slot there. None once the threads have ended.
    #[inline]
    pub(crate) fn thread<R>(&self, slot: u32, run: impl FnOnce(&mut ThreadHandle, u32) -> R) -> Option<R> {
        let (index, slot) = ThreadHandle::split(slot);
        self.threads.borrow_mut().get_mut(index).map(|thread| run(thread, slot))
    }

    /// Calls `run` with each thread.
    pub(crate) fn each(&self, run: impl FnMut(&mut ThreadHandle)) {
        self.threads.borrow_mut().iter_mut().for_each(run);
    }

    /// Hands the commands given so far to the threads.
    pub(crate) fn flush(&self) {
        self.each(ThreadHandle::hand_over);
    }

    /// Delivers batches until none is left, or the budget is spent.
    pub(crate) fn round(&self, delivery: &Delivery) {
        for _ in 0..BATCHES_PER_ROUND {
            if let Some(doorbell) = &*self.doorbell.borrow() {
                doorbell.answer();
            }
            let mut is_done = true;
            let count = self.threads.borrow().len();
            for index in 0..count {
                let next = self.threads.borrow().get(index).and_then(ThreadHandle::next_notices);
                let Some(notices) = next else { continue };
                is_done = false;
                if !self.handle(delivery, index, notices) {
                    return;
                }
            }
            if is_done {
                return;
            }
        }
        if let Some(doorbell) = &*self.doorbell.borrow() {
            doorbell.ring();
        }
    }

    /// Delivers one batch; false when the server is closed or the environment has ended.
    fn handle(&self, delivery: &Delivery, index: usize, mut notices: Box<Notices>) -> bool {
        let Some(round) = delivery.begin() else { return false };
        let Some(batch) = self.copy(&round, index, &mut notices) else { return false };
        if let Some(thread) = self.threads.borrow().get(index) {
            thread.give_back(notices);
        }
        if round.deliver(&batch, || self.flush()).is_err() {
            // The environment has ended; its cleanup hook closes the rest.
            return false;
        }
        self.flush();
        !delivery.is_closed()
    }

    /// Copies a batch into JavaScript's memory.
    fn copy(&self, round: &Round<'_>, index: usize, notices: &mut Notices) -> Option<Written> {
        round.write(notices.used() + ALIGNMENT, |words, bytes, used, large| {
            *large = notices.take_large();
            let at = used.next_multiple_of(ALIGNMENT);
            if !notices.copy_to(words, bytes, at, index as u32) {
                return (0, used);
            }
            if notices.has_other_notices() {
                self.look_through(index, notices, words);
            }
            (notices.records() as u32, at + notices.used())
        })
    }

    /// Updates this side's own state from a batch, and drops the notices that JavaScript doesn't wait for.
    #[cold]
    fn look_through(&self, index: usize, notices: &Notices, words: &mut [u32]) {
        let mut unsent = self.unsent.borrow_mut();
        for (at, [kind, _, low, high, mark, _, _, is_marked]) in notices.iter().enumerate() {
            let id = u64::from(*high) << 32 | u64::from(*low);
            let mark = (*is_marked != 0).then_some(*mark);
            let is_wanted = match *kind & 0xff {
                kind if kind == Kind::Drained as u32 => unsent.on_drained(id, mark),
                kind if kind == Kind::RawDrained as u32 => unsent.on_raw_drained(id, mark),
                kind if [Kind::Aborted, Kind::Reset, Kind::Late]
                    .into_iter()
                    .any(|ended| kind == ended as u32) =>
                {
                    unsent.close_stream(id);
                    true
                }
                kind if kind == Kind::Closed as u32 => {
                    unsent.close_raw(id);
                    true
                }
                kind if kind == Kind::Idle as u32 => self.are_all_idle(index),
                _ => true,
            };
            if !is_wanted && let Some(word) = words.get_mut(at * RECORD_WORDS) {
                *word = 0;
            }
        }
    }

    /// Whether no thread has a client left, now that this one has none.
    fn are_all_idle(&self, index: usize) -> bool {
        let mut idle = self.idle.borrow_mut();
        if let Some(is_idle) = idle.get_mut(index) {
            *is_idle = true;
        }
        idle.iter().all(|is_idle| *is_idle)
    }

    /// The counts of bytes that wait unsent.
    pub(crate) fn unsent(&self) -> RefMut<'_, Unsent> {
        self.unsent.borrow_mut()
    }

    /// Binds a listening socket for all threads. None once they have ended.
    pub(crate) fn listen(
        &self,
        bind: &Bind,
        backlog: i32,
    ) -> Option<Result<Arc<ListenerFacts>, ListenError>> {
        let bound = self.thread(0, |thread, _| thread.listen(bind, backlog))?;
        if let Ok(facts) = &bound {
            self.listeners.borrow_mut().push(facts.clone());
        }
        Some(bound)
    }

    /// The facts of listener number `index`, which may be closed.
    pub(crate) fn listener(&self, index: u32) -> Option<Arc<ListenerFacts>> {
        self.listeners.borrow().get(index as usize).cloned()
    }
}
