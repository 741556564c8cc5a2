//! What the reactor shares with the application: notices, heads of requests, facts of connections.

mod facts;
pub(crate) mod head_block;
pub(crate) mod notice;

pub use facts::{CLOSED_RD, CLOSED_RDWR, Facts};
pub use head_block::HeadBlock;
pub(crate) use notice::Notice;
pub use notice::{Batch, Kind, RECORD_WORDS, flag};
