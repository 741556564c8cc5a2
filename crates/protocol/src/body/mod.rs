//! Receiving request bodies, whatever version of HTTP frames them.

mod data_rate;
mod receiving;

pub(crate) use receiving::Receiving;
