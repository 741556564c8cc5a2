//! The threaded bridge: reactors on threads of their own, linked to the thread that runs JavaScript.
//!
//! A thread that has put a batch of notices into its queue rings; the loop then calls a round: copy a
//! batch into JavaScript's memory, hand the buffer back, deliver, hand the answers over; until no batch
//! is left or the round's budget is spent. To JavaScript a batch looks the same as in-loop.
//!
//! Commands that JavaScript gives outside of a round are handed over once, before the loop sleeps. They
//! are taken on trust: one that comes too late is a no-op on its thread, which the thread tells of
//! where somebody would wait otherwise.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use protocol::{HIGH_WATER, Limits, RequestId};
use reactor::{ConnectionLimits, Doorbell, Kind, Link, ListenerFacts, Notices, RECORD_WORDS, start};

use crate::bridge::{Bridge, Slab, report_panic};
use crate::scope::HandleScope;
use crate::unacknowledged::unacknowledged;

/// Batches of each thread in one round, before other work of the loop has its turn.
const BATCHES_PER_ROUND: usize = 8;

/// Head blocks begin at whole words.
const ALIGNMENT: usize = 4;

/// The links of one server.
pub(crate) struct Threaded {
    links: RefCell<Vec<Link>>,
    doorbell: RefCell<Option<Arc<Doorbell>>>,
    /// Streamed answers that are open, by request id.
    streams: RefCell<HashMap<u64, Stream>>,
    /// Raw connections that were written to, by client.
    raw: RefCell<HashMap<u64, Stream>>,
    /// By thread: whether it has no client left after a stop.
    idle: RefCell<Vec<bool>>,
}

/// A streamed answer, or a raw connection, as far as it was written.
#[derive(Default)]
struct Stream {
    /// Bytes since everything was last known to be sent.
    waiting: usize,
    /// The thread was asked to tell when everything is sent.
    is_asked: bool,
}

impl Stream {
    /// Adds bytes: how many may be unsent, and whether the thread is to tell when they are sent.
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

    /// Starts the threads, which call the loop by `ring`.
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

    /// Ends the threads and waits for them: none rings afterwards.
    pub(crate) fn close(&self) {
        let mut links = self.links.take();
        links.iter_mut().for_each(Link::begin_end);
        drop(links);
        self.doorbell.take();
        self.streams.take();
        self.raw.take();
    }

    /// The link to the thread of `slot`, and the slot there. None once it is closed.
    #[inline]
    pub(crate) fn link<R>(&self, slot: u32, run: impl FnOnce(&mut Link, u32) -> R) -> Option<R> {
        let (thread, slot) = Link::split(slot);
        self.links.borrow_mut().get_mut(thread).map(|link| run(link, slot))
    }

    /// Does something with every link.
    pub(crate) fn each(&self, run: impl FnMut(&mut Link)) {
        self.links.borrow_mut().iter_mut().for_each(run);
    }

    /// Hands the commands given so far to the threads.
    pub(crate) fn hand_over(&self) {
        self.each(Link::hand_over);
    }

    /// Delivers batches until none is left, or the budget is spent.
    pub(crate) fn round(&self, bridge: &Bridge) {
        for _ in 0..BATCHES_PER_ROUND {
            if let Some(doorbell) = &*self.doorbell.borrow() {
                doorbell.answer();
            }
            let mut is_over = true;
            let threads = self.links.borrow().len();
            for thread in 0..threads {
                let next = self.links.borrow().get(thread).and_then(Link::next_notices);
                let Some(notices) = next else { continue };
                is_over = false;
                if !self.handle(bridge, thread, notices) {
                    return;
                }
            }
            if is_over {
                return;
            }
        }
        if let Some(doorbell) = &*self.doorbell.borrow() {
            doorbell.ring();
        }
    }

    /// Delivers one batch; false when there is nothing to be delivered to any more.
    fn handle(&self, bridge: &Bridge, thread: usize, mut notices: Box<Notices>) -> bool {
        // SAFETY: the environment is live: its end disposes the bridge, after which no round begins.
        let Some(_scope) = (unsafe { HandleScope::open(bridge.env) }) else { return false };
        // SAFETY: the scope is open.
        let Some((records, slab)) = (unsafe { self.copy(bridge, thread, &mut notices) }) else {
            return false;
        };
        if let Some(link) = self.links.borrow().get(thread) {
            link.give_back(notices);
        }
        if bridge.deliver(records, slab).is_err() {
            // The environment is being torn down; its cleanup hook closes the rest.
            return false;
        }
        self.hand_over();
        !bridge.is_disposed()
    }

    /// Copies a batch into JavaScript's memory.
    ///
    /// # Safety
    /// A handle scope must be open.
    unsafe fn copy(&self, bridge: &Bridge, thread: usize, notices: &mut Notices) -> Option<(u32, Slab)> {
        *bridge.large.borrow_mut() = notices.take_large();
        // SAFETY: by contract.
        unsafe {
            bridge.with_memory(notices.used() + ALIGNMENT, |words, bytes, used| {
                let at = used.next_multiple_of(ALIGNMENT);
                if !notices.copy_to(words, bytes, at, thread as u32) {
                    return (0, used);
                }
                if notices.has_news() {
                    self.learn(thread, notices, words);
                }
                (notices.records() as u32, at + notices.used())
            })
        }
    }

    /// Takes note of what concerns us in a batch.
    #[cold]
    fn learn(&self, thread: usize, notices: &Notices, words: &mut [u32]) {
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
                // JavaScript hears of it when it holds for all threads.
                if !idle.iter().all(|is_idle| *is_idle)
                    && let Some(word) = words.get_mut(at * RECORD_WORDS)
                {
                    *word = 0;
                }
            }
        }
    }

    /// A streamed answer begins.
    pub(crate) fn open_stream(&self, request_id: RequestId) {
        self.streams.borrow_mut().insert(request_id.0, Stream::default());
    }

    /// Counts bytes of a streamed answer; None when it isn't open.
    pub(crate) fn count(&self, request_id: RequestId, bytes: usize) -> Option<(usize, bool)> {
        Some(self.streams.borrow_mut().get_mut(&request_id.0)?.count(bytes))
    }

    /// The same of a raw connection.
    pub(crate) fn count_raw(&self, client: u64, bytes: usize) -> (usize, bool) {
        self.raw.borrow_mut().entry(client).or_default().count(bytes)
    }

    /// A streamed answer has ended.
    pub(crate) fn close_stream(&self, request_id: RequestId) {
        self.streams.borrow_mut().remove(&request_id.0);
    }

    /// What is known of listener number `index`.
    pub(crate) fn listener(&self, index: u32) -> Option<Arc<ListenerFacts>> {
        self.links.borrow().first().and_then(|link| link.listener(index).cloned())
    }
}
