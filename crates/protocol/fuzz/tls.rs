//! TLS with all that a client can send around and inside of it: raw records first, or a script that runs over it.
//!
//! `RUSTC_BOOTSTRAP=1 cargo fuzz run tls corpus/tls seeds/tls seeds/request_path`, in this directory. Inputs that it finds
//! go to `seeds/tls`, which `cargo test` replays.

#![no_main]

#[path = "../tests/over_tls/mod.rs"]
mod over_tls;
#[path = "../tests/pair/mod.rs"]
mod pair;
#[path = "../tests/records/mod.rs"]
mod records;
#[path = "../tests/script/mod.rs"]
mod script;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| over_tls::play(bytes));
