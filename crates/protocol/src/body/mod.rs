//! Receiving request bodies, whatever version of HTTP frames them.

mod data_rate;
mod receiving;

pub use receiving::FRAMED_ROOM;
pub(crate) use receiving::Receiving;
