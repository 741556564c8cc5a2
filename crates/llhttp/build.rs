//! Compiles llhttp's C, which is taken from the source package of `libgit2-sys`.
//!
//! `BUSBAR_LLHTTP_DIR` names another directory with `llhttp.c`, `api.c`, `http.c` and `llhttp.h`: a security fix of
//! llhttp can be built before that package has it.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, exit};

const OVERRIDE: &str = "BUSBAR_LLHTTP_DIR";

fn main() {
    println!("cargo:rerun-if-env-changed={OVERRIDE}");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=src/layout.c");
    let directory = match env::var_os(OVERRIDE) {
        Some(directory) => PathBuf::from(directory),
        None => find_in_packages().unwrap_or_else(|reason| fail(&reason)),
    };
    if !has_llhttp(&directory) {
        fail(&format!("{} doesn't contain llhttp.c, api.c, http.c and llhttp.h", directory.display()));
    }
    println!("cargo:rerun-if-changed={}", directory.display());
    cc::Build::new()
        .include(&directory)
        .files(["llhttp.c", "api.c", "http.c"].map(|file| directory.join(file)))
        .file("src/layout.c")
        .opt_level(3)
        .warnings(false)
        .compile("llhttp");
}

fn has_llhttp(directory: &Path) -> bool {
    ["llhttp.c", "api.c", "http.c", "llhttp.h"].iter().all(|file| directory.join(file).is_file())
}

/// Asks cargo where it has unpacked the packages of this workspace: first without the network, then with it.
fn find_in_packages() -> Result<PathBuf, String> {
    let found = metadata(&["--offline"]).and_then(|text| llhttp_in(&text));
    found.or_else(|| metadata(&[]).and_then(|text| llhttp_in(&text))).ok_or_else(|| {
        format!(
            "the source of llhttp wasn't found: `cargo metadata` lists no package libgit2-sys that has \
             libgit2/deps/llhttp. Run `cargo fetch` with network access, or set {OVERRIDE} to a \
             directory with llhttp's release sources."
        )
    })
}

fn metadata(more: &[&str]) -> Option<String> {
    let output = Command::new(env::var_os("CARGO")?)
        .args(["metadata", "--format-version", "1", "--locked"])
        .args(more)
        .current_dir(env::var_os("CARGO_MANIFEST_DIR")?)
        .output()
        .ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The first package that contains llhttp. Only paths matter in the answer, so it is searched and not parsed.
fn llhttp_in(metadata: &str) -> Option<PathBuf> {
    metadata.split("\"manifest_path\":\"").skip(1).find_map(|rest| {
        let manifest = rest.split('"').next()?.replace("\\\\", "\\");
        let directory = Path::new(&manifest).parent()?.join("libgit2/deps/llhttp");
        has_llhttp(&directory).then_some(directory)
    })
}

fn fail(reason: &str) -> ! {
    eprintln!("busbar: {reason}");
    exit(1)
}
