//! The server's side of HTTP/2 over nghttp2: bytes in and out, no socket, no clock. RFC 9113.
//!
//! ```text
//!                        ┌─────────┐──► Received: events, header lists, counts of frames
//!   handle_input ──────► │         │
//!   submit_response ───► │ Session │──► poll_transmit: bytes, and Received again
//!   push, finish ──────► │         │
//!   consume, reset, … ─► └─────────┘──► is_over: close when the output is sent
//! ```
//! A turn of a connection is: `handle_input` with what was read, then the events in their order, then
//! commands, then `poll_transmit`, and its events. One [`Received`] serves all connections of a thread; it is
//! cleared by the caller between calls. [`Event::Data`] is a span of the input and so has to be used before
//! the next.
//!
//! ```text
//!   stream:  Request ─► Data* ─► (End | Trailers) ─┐
//!               └─────────► Reset ─────────────────┴─► Closed      nothing follows
//! ```
//! `Closed` comes once for each stream, from `handle_input` or from `poll_transmit`, unless the session ends
//! first: then the caller drops its streams with it.
//!
//! What a frame means is decided here and in nghttp2. What a message means, how many there may be and how
//! many frames are a flood is the caller's: header lists are handed over unchecked, frames are counted.
//!
//! `unsafe` is in `callbacks`, `memory`, `session`, `settings`, `priority` and `version`. nghttp2 is called with a session that is
//! live, from one thread, and keeps no pointer to memory of ours behind a call.

mod callbacks;
mod closed;
mod error;
mod ffi;
mod memory;
mod outgoing;
mod priority;
mod received;
mod scanner;
mod session;
mod settings;
mod state;

pub use error::{Error, ErrorCode, Gone};
pub use priority::Priority;
pub use received::{Counts, Event, Field, Lent, List, ListLimits, Overflow, Received, Span, StreamId};
pub use session::{Content, Session};
pub use settings::Settings;

/// The version of nghttp2 that is linked in, such as `1.68.1`.
pub fn version() -> String {
    // SAFETY: with 0 the function returns a pointer to a static, whose text is a C string.
    let text =
        unsafe { ffi::nghttp2_version(0).as_ref().map(|info| std::ffi::CStr::from_ptr(info.version_str)) };
    text.map_or(String::new(), |text| text.to_string_lossy().into_owned())
}
