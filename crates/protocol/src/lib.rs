//! HTTP as a state machine: bytes, time and the application's answers go in; events, bytes to send
//! and the next deadline come out.
//!
//! ```text
//!   handle_input ───►┌────────────┐──► events (requests, bodies)
//!   handle_answer ──►│ Connection │──► transmit
//!   handle_timeout ─►└────────────┘──► poll_timeout, finish
//! ```
//! No socket, no clock, no thread, no `unsafe`: a connection is tested, fuzzed and counted in memory.
//!
//! Out of scope: reading and writing (`reactor`), names and checks of options (TypeScript).

#![forbid(unsafe_code)]

mod answer;
mod context;
mod date;
mod error;
mod event;
mod http1;
mod limits;
mod status;
mod timestamp;

pub use answer::{Answer, AnswerError, Credit, Finish, Payload};
pub use context::{Context, HIGH_WATER};
pub use date::Date;
pub use error::{CloseReason, RequestError};
pub use event::{Body, Event, Expectation, Head, Pieces, Request, RequestId, Step, Trailers, Version};
pub use http1::{Connection, Send, error_answer, is_long};
pub use limits::Limits;
pub use llhttp::{Field, Method, Span};
pub use status::reason_phrase;
pub use timestamp::Timestamp;
