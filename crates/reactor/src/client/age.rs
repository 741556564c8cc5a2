//! How old connections become: long ones are ended one by one, so that their clients spread over the servers that
//! have been added since.
//!
//! ```text
//!   accepted ── connectionAge and up to a tenth more ──► its last request ── connectionAgeGrace ──► closed
//! ```
//! An age has an entry of its own in the timer queue, so that a deadline which moves with each request doesn't have to
//! know of it.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use protocol::Context;

use super::{Client, Phase};
use crate::time::Timers;

/// Connections that were opened together mustn't end together: an age is longer by up to so many thousandths.
const JITTER_THOUSANDTHS: u64 = 100;

/// How far a connection has aged.
#[derive(Debug, Default)]
pub(super) struct Age {
    /// Tick of its entry in the timer queue; 0 when it has none.
    tick: u64,
    /// It takes no more requests.
    is_over: bool,
}

impl Client {
    /// It has just been accepted.
    #[inline]
    pub(crate) fn begin_age(&mut self, cx: &Context, timers: &mut Timers) {
        if cx.limits.connection_age != u64::MAX {
            self.arm_age(cx, timers);
        }
    }

    #[cold]
    fn arm_age(&mut self, cx: &Context, timers: &mut Timers) {
        let age = cx.limits.connection_age;
        let share = RandomState::new().hash_one(self.facts.id()) % (JITTER_THOUSANDTHS + 1);
        let end = cx.now.after_millis(age.saturating_add(age / 1000 * share));
        self.age.tick = timers.arm(self.facts.slot(), Timers::tick_of(end));
    }

    /// Whether the entry at `tick` is that of its age.
    pub(crate) fn has_aged(&self, tick: u64) -> bool {
        self.age.tick == tick && tick != 0
    }

    /// Its age, or the time that its last requests had, is over. True when it is to be closed.
    pub(crate) fn grow_old(&mut self, cx: &Context, timers: &mut Timers) -> bool {
        self.age.tick = 0;
        if self.connection.is_raw() {
            // Its bytes belong to the application.
            return false;
        }
        if self.age.is_over || self.phase == Phase::Unassigned {
            return self.age.is_over;
        }
        self.age.is_over = true;
        self.connection.handle_last();
        if cx.limits.connection_age_grace != u64::MAX {
            let end = cx.now.after_millis(cx.limits.connection_age_grace);
            self.age.tick = timers.arm(self.facts.slot(), Timers::tick_of(end));
        }
        false
    }
}
