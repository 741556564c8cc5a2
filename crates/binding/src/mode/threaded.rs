//! The threaded mode: reactors on threads of their own.
//!
//! A thread that has queued a batch of notices rings the doorbell, and the event loop calls a round: copy the
//! batch into JavaScript's memory, give the empty batch back, deliver, hand the commands over; again until no batch
//! is left or the round's budget is spent.
//!
//! Commands given outside of a round are handed over once, before the loop waits for events. They count as taken.
//! A command that arrives too late has no effect on its thread, which sends a notice where one is needed to end a
//! wait.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use protocol::{HIGH_WATER, Limits, RequestId};
use reactor::{ConnectionLimits, Doorbell, Kind, Link, ListenerFacts, Notices, RECORD_WORDS, start};

use crate::delivery::{Delivery, Round, Written};
use crate::mode::report_panic;
use crate::mode::unacknowledged::unacknowledged;

/// Batches of each thread in one round, so that other work of the loop isn't held up.
const BATCHES_PER_ROUND: usize = 8;

/// Bytes of a word: head blocks begin at whole words.
const ALIGNMENT: usize = 4;

/// The threads of one server.
pub(crate) struct Threaded {
    links: RefCell<Vec<Link>>,
    doorbell: RefCell<Option<Arc<Doorbell>>>,
    /// Open streamed answers, by request id.
    streams: RefCell<HashMap<u64, Stream>>,
    /// Raw connections that were written to, by client.
    raw: RefCell<HashMap<u64, Stream>>,
    /// By thread: whether no client is left on it after a stop.
    idle: RefCell<Vec<bool>>,
}

/// What was written to a streamed answer or a raw connection.
#[derive(Default)]
struct Stream {
    /// Bytes written since all of them were last known to be sent.
    waiting: usize,
    /// The thread was asked for a notice when all is sent.
    is_asked: bool,
}

impl Stream {
    /// Adds bytes. The result is how many may be unsent, and whether to ask for a notice when they are sent.
    fn count(&mut self, bytes: usize) -> (usize, bool) {
        self.waiting += bytes;
        let asks = self.waiting > HIGH_WATER && !self.is_asked;
        self.is_asked |= asks;
        (self.waiting, asks)
    }
}

impl Threaded {
    pub(crate) fn new() -> Threaded {
        Threaded {
            links: RefCell::new(Vec::new()),
            doorbell: RefCell::new(None),
            streams: RefCell::new(HashMap::new()),
            raw: RefCell::new(HashMap::new()),
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
        *self.links.borrow_mut() =
            start(limits, connections, count, &doorbell, report_panic, unacknowledged)?;
        *self.doorbell.borrow_mut() = Some(doorbell);
        *self.idle.borrow_mut() = vec![false; count];
        Ok(())
    }

    /// Ends the threads and waits for them. None rings afterwards.
    pub(crate) fn close(&self) {
        let mut links = self.links.take();
        links.iter_mut().for_each(Link::begin_end);
        drop(links);
        self.doorbell.take();
        self.streams.take();
        self.raw.take();
    }

    /// Calls `run` with the thread of `slot`, and the slot there. None once the threads have ended.
    #[inline]
    pub(crate) fn link<R>(&self, slot: u32, run: impl FnOnce(&mut Link, u32) -> R) -> Option<R> {
        let (thread, slot) = Link::split(slot);
        self.links.borrow_mut().get_mut(thread).map(|link| run(link, slot))
    }

    /// Calls `run` with each thread.
    pub(crate) fn each(&self, run: impl FnMut(&mut Link)) {
        self.links.borrow_mut().iter_mut().for_each(run);
    }

    /// Hands the commands given so far to the threads.
    pub(crate) fn flush(&self) {
        self.each(Link::hand_over);
    }

    /// Delivers batches until none is left, or the budget is spent.
    pub(crate) fn round(&self, delivery: &Delivery) {
        for _ in 0..BATCHES_PER_ROUND {
            if let Some(doorbell) = &*self.doorbell.borrow() {
                doorbell.answer();
            }
            let mut is_done = true;
            let threads = self.links.borrow().len();
            for thread in 0..threads {
                let next = self.links.borrow().get(thread).and_then(Link::next_notices);
                let Some(notices) = next else { continue };
                is_done = false;
                if !self.handle(delivery, thread, notices) {
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
    fn handle(&self, delivery: &Delivery, thread: usize, mut notices: Box<Notices>) -> bool {
        let Some(round) = delivery.begin() else { return false };
        let Some(batch) = self.copy(&round, thread, &mut notices) else { return false };
        if let Some(link) = self.links.borrow().get(thread) {
            link.give_back(notices);
        }
        if round.deliver(&batch, || self.flush()).is_err() {
            // The environment has ended; its cleanup hook closes the rest.
            return false;
        }
        self.flush();
        !delivery.is_closed()
    }

    /// Copies a batch into JavaScript's memory.
    fn copy(&self, round: &Round<'_>, thread: usize, notices: &mut Notices) -> Option<Written> {
        round.write(notices.used() + ALIGNMENT, |words, bytes, used, large| {
            *large = notices.take_large();
            let at = used.next_multiple_of(ALIGNMENT);
            if !notices.copy_to(words, bytes, at, thread as u32) {
                return (0, used);
            }
            if notices.has_news() {
                self.look_through(thread, notices, words);
            }
            (notices.records() as u32, at + notices.used())
        })
    }

    /// Updates this side's own state from a batch.
    #[cold]
    fn look_through(&self, thread: usize, notices: &Notices, words: &mut [u32]) {
        for (at, [kind, _, low, high, ..]) in notices.iter().enumerate() {
            let name = u64::from(*high) << 32 | u64::from(*low);
            let kind = *kind & 0xff;
            if kind == Kind::Drained as u32 {
                if let Some(stream) = self.streams.borrow_mut().get_mut(&name) {
                    *stream = Stream::default();
                }
            } else if kind == Kind::Aborted as u32 || kind == Kind::Late as u32 {
                self.streams.borrow_mut().remove(&name);
            } else if kind == Kind::RawDrained as u32 || kind == Kind::Closed as u32 {
                self.raw.borrow_mut().remove(&name);
            } else if kind == Kind::Idle as u32 {
                let mut idle = self.idle.borrow_mut();
                if let Some(is_idle) = idle.get_mut(thread) {
                    *is_idle = true;
                }
                // JavaScript gets the notice of the last thread only.
                if !idle.iter().all(|is_idle| *is_idle)
                    && let Some(word) = words.get_mut(at * RECORD_WORDS)
                {
                    *word = 0;
                }
            }
        }
    }

    /// Begins to count for a streamed answer.
    pub(crate) fn open_stream(&self, request_id: RequestId) {
        self.streams.borrow_mut().insert(request_id.0, Stream::default());
    }

    /// Counts bytes of a streamed answer, as [`Stream::count`] does; None when it isn't open.
    pub(crate) fn count(&self, request_id: RequestId, bytes: usize) -> Option<(usize, bool)> {
        Some(self.streams.borrow_mut().get_mut(&request_id.0)?.count(bytes))
    }

    /// Counts bytes of a raw connection.
    pub(crate) fn count_raw(&self, client: u64, bytes: usize) -> (usize, bool) {
        self.raw.borrow_mut().entry(client).or_default().count(bytes)
    }

    /// Ends the count of a streamed answer.
    pub(crate) fn close_stream(&self, request_id: RequestId) {
        self.streams.borrow_mut().remove(&request_id.0);
    }

    /// The facts of listener number `index`.
    pub(crate) fn listener(&self, index: u32) -> Option<Arc<ListenerFacts>> {
        self.links.borrow().first().and_then(|link| link.listener(index).cloned())
    }
}
