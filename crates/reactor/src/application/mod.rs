//! What the reactor shares with the application: notices, heads of requests, facts of connections.

mod facts;
mod head_block;
mod notice;
mod outbox;
mod security;

pub use facts::{CLOSED_RD, CLOSED_RDWR, Facts};
pub use head_block::HeadBlock;
pub(crate) use head_block::lines;
pub(crate) use notice::Notice;
pub use notice::{Batch, Kind, RECORD_WORDS, flag};
pub(crate) use outbox::Outbox;
pub use security::Security;
