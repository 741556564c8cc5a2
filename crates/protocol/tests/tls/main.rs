//! TLS in memory: a client of rustls against a session, with time moved by hand.

mod authority;
mod client_auth;
mod endings;
mod handshakes;
mod pair;
mod raw_records;
mod records;
mod settings;
mod sni;
mod tickets;
