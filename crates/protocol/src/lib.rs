//! HTTP as a state machine: bytes, time and the application's answers go in; events, bytes to send
//! and the next deadline come out.
//!
//! ```text
//!   handle_input ───►┌────────────┐──► events (requests, bodies)
//!   handle_answer ──►│ Connection │──► poll_transmit
//!   handle_timeout ─►└────────────┘──► poll_timeout, finish
//! ```
//! No socket, no clock, no thread, no `unsafe`: a connection is tested, fuzzed and counted in memory.
//!
//! ```text
//!   connection ──► tls, http1, raw ──► handoff, body ──► answer ──► output ──► context
//!     ──► event, limits ──► http ──► error, timestamp
//! ```
//! Modules use only those to their right. `proxy` stands alone: its header comes ahead of a connection.
//!
//! Out of scope: reading and writing (`reactor`), names and checks of options (TypeScript).

#![forbid(unsafe_code)]

mod answer;
mod body;
mod connection;
mod context;
mod error;
mod event;
mod handoff;
mod http;
mod http1;
pub mod http2;
mod limits;
mod output;
pub mod proxy;
mod raw;
mod timestamp;
pub mod tls;
mod versions;
mod way;

pub use answer::{Answer, AnswerError, Credit, Finish, Own, Payload, Taken};
pub use body::FRAMED_ROOM;
pub use connection::{Connection, SecurityEvent};
pub use context::{Context, HIGH_WATER};
pub use error::{CloseReason, Refusal, RequestError};
pub use event::{Body, Direct, Event, Expectation, Head, Pieces, Request, RequestId, Step, Version};
pub use http::date::Date;
pub use http::status::reason_phrase;
pub use http::target::authority_of;
pub use http::trailers::Trailers;
pub use http1::{External, Refused, error_answer};
pub use http2::Malformed;
pub use limits::Limits;
pub use llhttp::{Field, Method, Span};
pub use nghttp2::ErrorCode;
pub use output::{PARTS, Send, VECTORED_BYTES, is_large, total_of};
pub use timestamp::Timestamp;
pub use versions::{Versions, versions};
pub use way::Way;
