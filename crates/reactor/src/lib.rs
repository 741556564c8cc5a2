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
mod client;
mod clock;
mod command;
mod expiry;
mod facts;
mod file;
mod head_block;
mod intake;
mod listener;
mod network;
mod notice;
mod raw;
mod reactor;
mod socket;
mod threaded;
mod timers;
mod turn;

pub use admission::{Admission, ConnectionLimits, Denial};
pub use clock::Clock;
pub use command::Gone;
pub use expiry::Unacknowledged;
pub use facts::{CLOSED_RD, CLOSED_RDWR, Facts};
pub use head_block::HeadBlock;
pub use intake::Place;
pub use listener::{Address, Bind, ListenError, ListenerFacts};
pub use network::{Network, NotANetwork};
pub use notice::{Batch, Kind, RECORD_WORDS, flag};
pub use raw::UpgradeError;
pub use reactor::Reactor;
pub use threaded::{BATCHES, Doorbell, Link, Notices, ReportPanic, start};
