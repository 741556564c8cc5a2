//! An HTTP/2 client and a server in memory, with a clock that moves by hand. RFC 9113.
#![allow(clippy::expect_used, clippy::unwrap_used)]

#[path = "../../../nghttp2/tests/frames/wire.rs"]
mod wire;

mod abuse;
mod bodies;
mod early;
mod ends;
mod heads;
mod held;
mod lives;
mod priorities;
mod refusals;
mod script;
mod seeds;
mod server;
mod splits;
mod tunnels;
