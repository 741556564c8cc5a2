//! Tells the crate the versions of the libraries that don't tell theirs, from Cargo.lock.

use std::fs;

const LOCK: &str = "../../Cargo.lock";

fn main() {
    println!("cargo:rerun-if-changed={LOCK}");
    println!("cargo:rerun-if-changed=build.rs");
    let lock = fs::read_to_string(LOCK).unwrap_or_default();
    for name in ["rustls", "aws-lc-rs", "ring"] {
        let variable = name.to_uppercase().replace('-', "_");
        let version = version_of(&lock, name).unwrap_or("unknown");
        println!("cargo:rustc-env=BUSBAR_{variable}_VERSION={version}");
    }
}

fn version_of<'a>(lock: &'a str, name: &str) -> Option<&'a str> {
    let package = lock.split("[[package]]").find(|text| text.contains(&format!("\nname = \"{name}\"\n")))?;
    package.split("version = \"").nth(1)?.split('"').next()
}
