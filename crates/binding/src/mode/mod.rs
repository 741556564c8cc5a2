//! Where the reactor runs. To JavaScript both modes look the same: they are given one [`Delivery`].
//!
//! ```text
//!  in_loop          one reactor, on the thread that runs JavaScript
//!  threaded         several, each on a thread of its own
//!  unsent           how many written bytes those threads haven't sent
//!  unacknowledged   a question to the system that the reactor can't ask by itself
//! ```

mod in_loop;
mod threaded;
mod unacknowledged;
mod unsent;

use crate::delivery::Delivery;
pub(crate) use crate::mode::in_loop::InLoop;
pub(crate) use crate::mode::threaded::Threaded;

/// Where the reactor runs.
#[expect(
    clippy::large_enum_variant,
    reason = "there is one for each server, and a box would cost each command"
)]
pub(crate) enum Mode {
    /// On the event loop of the thread that runs JavaScript.
    InLoop(InLoop),
    /// On threads of its own.
    Threaded(Threaded),
}

/// What the event loop's timer is to be set to after a round.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum NextTimer {
    /// It stays as it is.
    Unchanged,
    /// It expires in so many milliseconds; None stops it.
    Set(Option<u64>),
}

impl Mode {
    /// Delivers the notices that are ready, and applies the commands given meanwhile.
    pub(crate) fn round(&self, delivery: &Delivery) -> NextTimer {
        match self {
            Mode::InLoop(mode) => mode.round(delivery),
            Mode::Threaded(mode) => {
                mode.round(delivery);
                NextTimer::Unchanged
            }
        }
    }

    /// The first command outside of a round is about to be given.
    pub(crate) fn before_commands(&self) {
        if let Mode::InLoop(mode) = self {
            mode.tick();
        }
    }

    /// Applies the commands that were given outside of a round. The loop is about to wait for events.
    pub(crate) fn before_wait(&self, delivery: &Delivery) -> NextTimer {
        match self {
            Mode::InLoop(mode) => mode.before_wait(delivery),
            Mode::Threaded(mode) => {
                mode.flush();
                NextTimer::Unchanged
            }
        }
    }

    /// The event loop's timer has expired.
    pub(crate) fn on_timer(&self) {
        if let Mode::InLoop(mode) = self {
            mode.on_timer();
        }
    }

    /// Closes all sockets. Threads have ended when this returns.
    pub(crate) fn close(&self) {
        match self {
            Mode::InLoop(mode) => mode.close(),
            Mode::Threaded(mode) => mode.close(),
        }
    }

    /// Frees the descriptor that the event loop has watched, which it doesn't any more.
    pub(crate) fn release(&self) {
        if let Mode::InLoop(mode) = self {
            mode.release();
        }
    }
}

/// Prints that a connection was closed because of a panic of ours, which has printed its own message.
fn report_panic(client: u64) {
    eprintln!(
        "busbar: client {client} was closed because of an internal error; please report the message above"
    );
}
