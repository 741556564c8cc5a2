//! TLS with all that a client can send around and inside of it: raw records first, or a script that runs over it.
//!
//! `RUSTC_BOOTSTRAP=1 cargo fuzz run tls corpus/tls seeds/request_path`, in this directory.

#![no_main]

#[path = "../tests/pair/mod.rs"]
mod pair;
#[path = "../tests/records/mod.rs"]
mod records;
#[path = "../tests/script/mod.rs"]
mod script;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    match bytes.split_first() {
        Some((&first, records)) if first & 0x80 != 0 => records::play(records),
        _ => script::play(bytes, true),
    }
});
