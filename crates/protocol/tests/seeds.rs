//! All inputs that the fuzzer starts from or has found: `fuzz/seeds`.

#![allow(clippy::unwrap_used, reason = "an unreadable seed fails the test")]

mod over_tls;
mod pair;
mod records;
mod script;

use std::fs;
use std::path::Path;

/// Plays each file of a folder; there are more than `fewest`.
fn replay(folder: &str, fewest: usize, play: impl Fn(&[u8])) {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(folder);
    let mut count = 0;
    for entry in fs::read_dir(seeds).unwrap() {
        let path = entry.unwrap().path();
        // The last line printed names the input that failed.
        println!("{}", path.display());
        play(&fs::read(&path).unwrap());
        count += 1;
    }
    assert!(count > fewest, "only {count} seeds were found");
}

#[test]
fn no_script_breaks_a_promise() {
    replay("request_path", 20, |seed| {
        script::play(seed, false);
        script::play(seed, true);
    });
}

#[test]
fn nothing_that_a_client_sends_around_tls_breaks_a_promise() {
    replay("tls", 10, over_tls::play);
}
