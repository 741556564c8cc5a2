//! Scripts that the fuzzer starts from or has found: `fuzz/seeds/http2`.

use std::fs;
use std::path::Path;

#[test]
fn no_script_breaks_a_promise() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/http2");
    let mut count = 0;
    for entry in fs::read_dir(seeds).unwrap() {
        let path = entry.unwrap().path();
        // The last line printed names the script that failed.
        println!("{}", path.display());
        crate::script::play(&fs::read(&path).unwrap());
        count += 1;
    }
    assert!(count > 20, "only {count} seeds were found");
}
