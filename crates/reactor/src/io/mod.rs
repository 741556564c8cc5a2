//! Sockets: listening, accepting, readiness, reading and writing. The one room that knows mio.

mod listener;
mod listeners;
mod poller;
mod socket;
mod tls_setup;

pub(crate) use listener::{Accepted, Listener};
pub use listener::{Address, Bind, ListenError, ListenerFacts};
pub(crate) use listeners::Listeners;
pub(crate) use poller::{ClientReadiness, ListenerRegistry, Poller, Ready, Waker};
pub(crate) use socket::{SHORT_CALLS_ARM, Socket};
pub use tls_setup::TlsSetup;
