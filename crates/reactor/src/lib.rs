//! Sockets, readiness, timers and the table of clients.
//!
//! The reactor moves bytes between sockets and `protocol`'s connections, and messages between those
//! and an application it knows nothing of. A round is always the same:
//!
//! ```text
//!   turn(batch) ──► what became ready is read and parsed; notices fill the batch
//!   respond(…), write(…), close(…) ──► the application's commands, at any time between turns
//!   flush() ──► one write per client that has something to send
//! ```
//! Nothing is called back from inside a turn, so nothing is re-entrant, and a test can be the
//! application.
//!
//! The same on threads of their own, with batches that go by queues, is in `threaded`.
//!
//! Out of scope: what HTTP means (`protocol`), and who the application is (`binding`).

#![forbid(unsafe_code)]

mod admission;
mod application;
mod client;
mod io;
mod reactor;
mod threaded;
mod time;

pub use admission::{Admission, ConnectionLimits, Denial, Network, NotANetwork};
pub use application::{Batch, CLOSED_RD, CLOSED_RDWR, Facts, HeadBlock, Kind, RECORD_WORDS, flag};
pub use io::{Address, Bind, ListenError, ListenerFacts};
pub use reactor::Reactor;
pub use reactor::commands::answer::Gone;
pub use reactor::commands::body::Place;
pub use reactor::commands::raw::UpgradeError;
pub use reactor::expire::Unacknowledged;
pub use threaded::{BATCHES, Doorbell, Link, Notices, ReportPanic, start};
pub use time::Clock;
