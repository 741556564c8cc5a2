//! With `BUSBAR_NGHTTP2_DIR`, compiles the nghttp2 in that directory, a release's sources, in place of the one that
//! `libnghttp2-sys` contains: a security fix of nghttp2 can be built before that package has it.
//!
//! The functions of this crate's archive are found first, so those of `libnghttp2-sys` aren't linked. Its declarations
//! are used, so the release has to have the same interface.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::exit;

const OVERRIDE: &str = "BUSBAR_NGHTTP2_DIR";

fn main() {
    println!("cargo:rerun-if-env-changed={OVERRIDE}");
    println!("cargo:rerun-if-changed=build.rs");
    let Some(directory) = env::var_os(OVERRIDE).map(PathBuf::from) else { return };
    let sources = sources_in(&directory.join("lib"));
    let has_version = directory.join("lib/includes/nghttp2/nghttp2ver.h").is_file();
    if !has_version || !sources.iter().any(|path| path.ends_with("nghttp2_session.c")) {
        eprintln!(
            "busbar: {} (BUSBAR_NGHTTP2_DIR) has to be the unpacked tarball of an nghttp2 release, with \
             lib/nghttp2_session.c and lib/includes/nghttp2/nghttp2ver.h",
            directory.display()
        );
        exit(1);
    }
    println!("cargo:rerun-if-changed={}", directory.display());
    compile(&directory, &sources);
}

fn sources_in(lib: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(lib).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "c"));
    paths.sort();
    paths
}

fn compile(directory: &Path, sources: &[PathBuf]) {
    let target = env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    let mut build = cc::Build::new();
    build
        .include(directory.join("lib/includes"))
        .files(sources)
        .warnings(false)
        .define("NGHTTP2_STATICLIB", None)
        .define("HAVE_TIME_H", None)
        .define("HAVE_NETINET_IN_H", None);
    if target != "windows" {
        build.define("HAVE_ARPA_INET_H", None);
    } else if env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|environment| environment == "msvc") {
        build.define("ssize_t", "int64_t");
    }
    build.compile("busbar_nghttp2");
}
