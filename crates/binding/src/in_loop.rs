//! The in-loop bridge: the reactor on Node's own event loop, on the thread that runs JavaScript.
//!
//! The poller's descriptor is watched by one `uv_poll_t`. When it is readable a round begins: turn,
//! hand the notices to JavaScript, flush; until nothing is left or the round's budget is spent.
//! Answers given at other times are flushed once before the loop sleeps.
//!
//! JavaScript runs only inside `deliver`, and the reactor is not borrowed then, so whatever a handler
//! calls finds it free.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use reactor::{Batch, Reactor};

use crate::bridge::{Bridge, Slab, report_panic};
use crate::scope::HandleScope;

/// Turns in one round, before other work of the loop has its turn.
const TURNS_PER_ROUND: usize = 8;

/// The reactor, and when it is to be called next.
pub(crate) struct InLoop {
    pub(crate) reactor: RefCell<Reactor>,
    timer: Cell<Option<u64>>,
}

impl InLoop {
    pub(crate) fn new(reactor: Reactor) -> InLoop {
        InLoop { reactor: RefCell::new(reactor), timer: Cell::new(None) }
    }

    /// Turns until nothing is left to do, or the budget is spent.
    pub(crate) fn round(&self, bridge: &Bridge) {
        // SAFETY: the environment is live: its end disposes the bridge, after which no round begins.
        let Some(_scope) = (unsafe { HandleScope::open(bridge.env) }) else { return };
        for _ in 0..TURNS_PER_ROUND {
            let Some((records, slab)) = self.turn(bridge) else { return };
            if records > 0 && bridge.deliver(records, slab).is_err() {
                // The environment is being torn down; its cleanup hook closes the rest.
                self.reactor.borrow_mut().close_all();
                return;
            }
            if bridge.is_disposed() {
                return;
            }
            self.flush();
            if !self.reactor.borrow().has_work() {
                break;
            }
        }
        self.after_round(bridge);
    }

    /// Sends what is answered so far.
    pub(crate) fn flush(&self) {
        self.guarded(Reactor::flush);
    }

    /// The loop is about to sleep, and commands were given since the last round.
    pub(crate) fn before_sleep(&self, bridge: &Bridge) {
        self.flush();
        if self.reactor.borrow().has_work() {
            self.round(bridge);
        } else {
            self.after_round(bridge);
        }
    }

    /// The timer has gone off.
    pub(crate) fn on_timer(&self) {
        self.timer.set(None);
    }

    /// Sees to it that the next round comes when it is due.
    fn after_round(&self, bridge: &Bridge) {
        let reactor = self.reactor.borrow();
        if reactor.has_work() {
            reactor.wake();
        }
        let timeout = reactor.next_timeout();
        // The timer is coarse: only a change by more than its own grain is worth telling.
        let due = timeout.map(|millis| reactor.now_millis() + millis);
        let is_same = match (self.timer.get(), due) {
            (None, None) => true,
            (Some(set), Some(due)) => set.abs_diff(due) < 50,
            _ => false,
        };
        if !is_same {
            self.timer.set(due);
            bridge.set_timer(timeout);
        }
    }

    /// One turn into JavaScript's memory. None when that memory has gone.
    fn turn(&self, bridge: &Bridge) -> Option<(u32, Slab)> {
        // SAFETY: `round` holds a handle scope open.
        unsafe {
            bridge.with_memory(0, |words, bytes, used| {
                let mut large = bridge.large.borrow_mut();
                let mut batch = Batch::new(words, bytes, used, &mut large);
                // A poller that fails is as good as one with nothing ready: connections are found again
                // by the next readiness or their deadline. What a turn that panics has written before
                // is delivered.
                self.guarded(|reactor| {
                    let _ = reactor.turn(&mut batch, Some(Duration::ZERO));
                });
                (batch.records() as u32, batch.used())
            })
        }
    }

    /// After a panic of ours: closes the connection it came from and goes on.
    fn guarded(&self, run: impl FnOnce(&mut Reactor)) {
        let mut reactor = self.reactor.borrow_mut();
        if catch_unwind(AssertUnwindSafe(|| run(&mut reactor))).is_err() {
            if let Some(id) = reactor.recover() {
                report_panic(id);
            }
            reactor.wake();
        }
    }
}
