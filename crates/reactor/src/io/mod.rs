//! Sockets: listening, accepting, reading and writing.

mod listener;
mod socket;

pub(crate) use listener::Listener;
pub use listener::{Address, Bind, ListenError, ListenerFacts};
pub(crate) use socket::Socket;
