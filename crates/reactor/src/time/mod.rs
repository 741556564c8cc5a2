//! The clock, and the queue of deadlines.

mod clock;
mod timers;

pub use clock::Clock;
pub(crate) use clock::unix_millis_now;
pub(crate) use timers::Timers;
