//! llhttp as a safe push parser for HTTP/1 requests.
//!
//! Bytes go into [`Parser::execute`], what they mean comes out in a [`Record`]: spans as offsets,
//! never copies, but for the rare trailer section. llhttp's callbacks only write to the record, so
//! nothing is ever called out of the C code, and the parser pauses behind each message.
//!
//! What to accept beyond llhttp's strict grammar is not decided here: that is `protocol`'s.

mod error;
mod ffi;
mod method;
mod parser;
mod record;

pub use error::{ErrorKind, ParseError};
pub use method::Method;
pub use parser::{Parser, Progress, State};
pub use record::{Field, Record, Span};
