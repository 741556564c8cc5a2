//! TLS in memory: a client of rustls against a session, with time moved by hand.

#![allow(clippy::unwrap_used, reason = "a test may end with a panic, also in what tests share")]

mod authority;
mod client_auth;
mod endings;
mod handshakes;
mod pair;
mod raw_records;
mod records;
mod settings;
mod sni;
mod stapling;
mod tickets;
