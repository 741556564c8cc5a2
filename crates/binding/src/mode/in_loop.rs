//! The in-loop mode: the reactor on the event loop of the thread that runs JavaScript.
//!
//! The loop watches the poller's descriptor. When that is readable a round begins: turn, deliver the notices,
//! flush; again until no work is left and nothing more has come, or the round's budget is spent. Commands given at other
//! times are flushed once before the loop waits for events.
//!
//! The reactor isn't borrowed while JavaScript runs, so a handler may give any command.

use std::cell::{Cell, RefCell, RefMut};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use protocol::Limits;
use reactor::{Admission, Batch, ConnectionLimits, Reactor};

use crate::delivery::{Delivery, Round, Written};
use crate::mode::unacknowledged::unacknowledged;
use crate::mode::{NextTimer, report_panic};

/// Turns in one round, so that other work of the loop isn't held up.
const TURNS_PER_ROUND: usize = 8;

/// Milliseconds by which the timer may be wrong: half of the reactor's own tick.
const TIMER_SLACK: u64 = 50;

/// The reactor, and when the loop's timer expires, on the reactor's clock.
pub(crate) struct InLoop {
    reactor: RefCell<Reactor>,
    timer: Cell<Option<u64>>,
}

impl InLoop {
    /// A reactor with these limits.
    ///
    /// # Errors
    /// The system has no descriptors left.
    pub(crate) fn new(limits: Limits, connections: ConnectionLimits) -> io::Result<InLoop> {
        let mut reactor = Reactor::new(limits)?;
        reactor.ask_unacknowledged(unacknowledged);
        reactor.admit_by(Admission::new(connections));
        Ok(InLoop { reactor: RefCell::new(reactor), timer: Cell::new(None) })
    }

    /// The descriptor that becomes readable when there is work; None once it was released.
    #[cfg(unix)]
    pub(crate) fn descriptor(&self) -> Option<i32> {
        self.reactor.borrow().poller_fd()
    }

    /// None: the poller here has no descriptor that a loop could watch.
    #[cfg(not(unix))]
    pub(crate) fn descriptor(&self) -> Option<i32> {
        None
    }

    /// The reactor, for a command.
    #[inline]
    pub(crate) fn reactor(&self) -> RefMut<'_, Reactor> {
        self.reactor.borrow_mut()
    }

    /// Has the reactor read the clock: the time of its last turn may be long ago.
    pub(crate) fn tick(&self) {
        self.reactor.borrow_mut().tick();
    }

    /// Turns until no work is left and nothing more has come, or the budget is spent.
    pub(crate) fn round(&self, delivery: &Delivery) -> NextTimer {
        let Some(round) = delivery.begin() else { return NextTimer::Unchanged };
        for turn in 0..TURNS_PER_ROUND {
            let is_ready = self.poll();
            if turn > 0 && !is_ready && !self.reactor.borrow().has_work() {
                break;
            }
            let Some(batch) = self.take_ready(&round) else { return NextTimer::Unchanged };
            let Ok(portions) = round.deliver(&batch, || self.flush()) else {
                // The environment has ended; its cleanup hook closes the rest.
                self.reactor.borrow_mut().close_all();
                return NextTimer::Unchanged;
            };
            if delivery.is_closed() {
                return NextTimer::Unchanged;
            }
            self.flush();
            // Behind a short batch more may have come: to ask the poller costs less than to ask the loop. A longer one
            // has kept the loop's other work waiting.
            if portions != 1 && !self.reactor.borrow().has_work() {
                break;
            }
        }
        self.next_timer()
    }

    /// The loop is about to wait, and commands were given since the last round.
    pub(crate) fn before_wait(&self, delivery: &Delivery) -> NextTimer {
        self.flush();
        if self.reactor.borrow().has_work() { self.round(delivery) } else { self.next_timer() }
    }

    /// The loop's timer has expired.
    pub(crate) fn on_timer(&self) {
        self.timer.set(None);
    }

    /// Closes all sockets.
    pub(crate) fn close(&self) {
        // It is borrowed only if a panic is under way.
        if let Ok(mut reactor) = self.reactor.try_borrow_mut() {
            reactor.close_listeners();
            reactor.close_all();
        }
    }

    /// Frees the poller.
    pub(crate) fn release(&self) {
        if let Ok(mut reactor) = self.reactor.try_borrow_mut() {
            reactor.release();
        }
    }

    /// Sends what is answered so far.
    fn flush(&self) {
        self.guarded(Reactor::flush);
    }

    /// When the next round is due. Work that is left makes the descriptor readable at once.
    fn next_timer(&self) -> NextTimer {
        let mut reactor = self.reactor.borrow_mut();
        if reactor.has_work() {
            reactor.wake();
        }
        let timeout = reactor.next_timeout();
        let due = timeout.map(|millis| reactor.now_millis() + millis);
        let is_near = match (self.timer.get(), due) {
            (None, None) => true,
            (Some(set), Some(due)) => set.abs_diff(due) < TIMER_SLACK,
            _ => false,
        };
        if is_near {
            return NextTimer::Unchanged;
        }
        self.timer.set(due);
        NextTimer::Set(timeout)
    }

    /// Asks the poller; whether anything is ready.
    fn poll(&self) -> bool {
        let mut is_ready = false;
        // When polling fails, no socket counts as ready: the next turn polls again, and deadlines hold.
        self.guarded(|reactor| is_ready = reactor.wait(Some(Duration::ZERO)).unwrap_or(false));
        is_ready
    }

    /// Takes what is ready. Its notices are written to JavaScript's memory; those of a panic as far as they were written.
    fn take_ready(&self, round: &Round<'_>) -> Option<Written> {
        round.write(0, |words, bytes, used, large| {
            let mut batch = Batch::new(words, bytes, used, large);
            self.guarded(|reactor| reactor.take_ready(&mut batch));
            (batch.records() as u32, batch.used())
        })
    }

    /// Runs a part of a round. After a panic the connection that it came from is closed, and the reactor goes
    /// on.
    fn guarded(&self, run: impl FnOnce(&mut Reactor)) {
        let mut reactor = self.reactor.borrow_mut();
        if catch_unwind(AssertUnwindSafe(|| run(&mut reactor))).is_err()
            && let Some(id) = reactor.recover()
        {
            report_panic(id);
        }
    }
}
