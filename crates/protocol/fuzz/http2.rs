//! Everything a client can send over HTTP/2, with everything an application can do meanwhile.
//!
//! `RUSTC_BOOTSTRAP=1 cargo fuzz run http2 corpus/http2 seeds/http2`, in this directory. nghttp2's own asserts are on in
//! it. Inputs that it finds go to `seeds/http2`, which `cargo test` replays.

#![no_main]

#[path = "../tests/http2/script.rs"]
mod script;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| script::play(bytes));
