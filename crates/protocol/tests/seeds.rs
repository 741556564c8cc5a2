//! Every script the fuzzer starts from or has found: `fuzz/seeds/request_path`.

#![allow(clippy::unwrap_used, reason = "a seed that can't be read fails the test")]

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
        // What is printed last names the script that broke one.
        println!("{}", path.display());
        script::play(&fs::read(&path).unwrap());
        count += 1;
    }
    assert!(count > 20, "only {count} seeds were found");
}
