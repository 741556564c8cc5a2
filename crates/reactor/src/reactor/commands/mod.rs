//! What the application tells the reactor.

pub(crate) mod answer;
pub(crate) mod body;
pub(crate) mod file;
pub(crate) mod raw;
