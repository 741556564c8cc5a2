//! All scripts that the fuzzer starts from or has found: `fuzz/seeds/request_path`.

#![allow(clippy::unwrap_used, reason = "an unreadable seed fails the test")]

mod pair;
mod script;

use std::fs;
use std::path::Path;

#[test]
fn no_script_breaks_a_promise() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/request_path");
    let mut count = 0;
    for entry in fs::read_dir(seeds).unwrap() {
        let path = entry.unwrap().path();
        // The last line printed names the script that failed.
        println!("{}", path.display());
        let script = fs::read(&path).unwrap();
        script::play(&script, false);
        script::play(&script, true);
        count += 1;
    }
    assert!(count > 20, "only {count} seeds were found");
}
