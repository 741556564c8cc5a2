//! Sockets, readiness, timers and the table of clients.
//!
//! The reactor moves bytes between sockets and `protocol`'s connections, and messages between those
//! connections and an application that it knows nothing about. A round is always the same:
//!
//! ```text
//!   turn(batch) ──► what became ready is read and parsed; notices fill the batch
//!   respond(…), write(…), close(…) ──► the application's commands, at any time between turns
//!   flush() ──► one write per client that has something to send
//! ```
//! A turn calls no code of the application, so no code is re-entrant, and a test can be the application.
//!
//! The same on threads of their own, with batches that are passed by queues, is in `threaded`.
//!
//! ```text
//!   threaded ─► reactor ─► admission ─► client ─► application ─► io, time
//! ```
//! Each room knows those behind its arrow; a struct with invariants has private fields.
//!
//! Out of scope: what HTTP means (`protocol`), and what the application is (`binding`).

#![forbid(unsafe_code)]

mod admission;
mod application;
mod client;
mod io;
mod reactor;
mod threaded;
mod time;

pub use admission::{Admission, ConnectionLimits, Consequence, Network, NotANetwork};
pub use application::{Batch, CLOSED_RD, CLOSED_RDWR, Facts, HeadBlock, Kind, RECORD_WORDS, Security, flag};
pub use client::{RecvBuffer, SendBuffer, Unacknowledged};
pub use io::{Address, Bind, ListenError, ListenerFacts, TlsSetup};
pub use reactor::{Reactor, Stale, UpgradeError};
pub use threaded::{BATCHES, Doorbell, Notices, ReportPanic, ThreadHandle, start};
pub use time::Clock;
