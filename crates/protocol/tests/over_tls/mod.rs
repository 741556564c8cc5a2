//! The input of the fuzz target `tls`: raw records, or a script that runs over TLS.

#![allow(unreachable_pub, reason = "shared by a test and a fuzz target")]

use crate::{records, script};

/// Plays bytes: with the highest bit of the first set the others are records, otherwise all of them are a script.
pub fn play(bytes: &[u8]) {
    match bytes.split_first() {
        Some((&first, records)) if first & 0x80 != 0 => records::play(records),
        _ => script::play(bytes, true),
    }
}
