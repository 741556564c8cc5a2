//! llhttp as a safe push parser for HTTP/1 requests.
//!
//! Bytes go into [`Parser::execute`]; what they mean comes out in a [`Record`] as offsets. Only the trailer section,
//! which is rare, is copied. llhttp's callbacks do nothing but write to the record, and the parser pauses after each
//! message. Chunks are read here and not by llhttp; a test compares the two readings.
//!
//! Which requests to accept, beyond llhttp's strict grammar, is decided in `protocol`.

mod chunks;
mod error;
mod ffi;
mod method;
mod parser;
mod record;

pub use error::{ErrorKind, ParseError};
pub use method::Method;
pub use parser::{Parser, Progress, State};
pub use record::{Field, Record, Span};

/// The version of llhttp that is linked in, such as `9.2.1`.
pub fn version() -> String {
    // SAFETY: the array is a constant of layout.c with this many elements.
    let [major, minor, patch, ..] = unsafe { ffi::busbar_llhttp_layout };
    format!("{major}.{minor}.{patch}")
}
