//! All that a client can send, with all that an application can do meanwhile.
//!
//! `RUSTC_BOOTSTRAP=1 cargo fuzz run request_path corpus/request_path seeds/request_path -- -dict=http.dict`,
//! in this directory. Inputs that it finds go to `seeds/request_path`, which `cargo test` replays.

#![no_main]

#[path = "../tests/pair/mod.rs"]
mod pair;
#[path = "../tests/script/mod.rs"]
mod script;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| script::play(bytes, false));
