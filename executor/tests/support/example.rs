//! The binary of an example, which is built if necessary.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// Returns the path of an example's binary.
///
/// `cargo test` builds the examples beside the tests. `cargo test --test` does not, so a binary
/// that is missing or older than its source is built here.
///
/// # Panics
///
/// Panics if there is no such example, or if it cannot be built.
pub(crate) fn example_binary(name: &str) -> PathBuf {
    // Only one build runs at a time; a later caller finds it done.
    static BUILD: Mutex<()> = Mutex::new(());
    let _one = BUILD.lock().unwrap_or_else(PoisonError::into_inner);
    let own = std::env::current_exe().expect("a path");
    let profile = own
        .parent()
        .and_then(Path::parent)
        .expect("target/<profile>/deps/…");
    let binary = profile.join("examples").join(name);
    if modified(&binary) < Some(newest_source(name)) {
        build(name, profile);
    }
    assert!(
        binary.is_file(),
        "{} is missing: cargo build --package framewise --example {name}",
        binary.display()
    );
    binary
}

fn build(name: &str, profile: &Path) {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--package", "framewise"]);
    cargo.args(["--example", name, "--profile"]);
    let profile_name = profile.file_name().expect("target/<profile>");
    cargo.arg(if profile_name == "debug" {
        "dev".as_ref()
    } else {
        profile_name
    });
    cargo
        .arg("--target-dir")
        .arg(profile.parent().expect("target"));
    let status = cargo.status().expect("cargo starts");
    assert!(
        status.success(),
        "the example {name} does not build: {cargo:?}"
    );
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|data| data.modified()).ok()
}

/// Returns the modification time of the example's file, or of the newest file of its directory.
fn newest_source(name: &str) -> SystemTime {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let own = modified(&sources.join(name).with_extension("rs"));
    let files = fs::read_dir(sources.join(name)).into_iter().flatten();
    let files = files.filter_map(|file| modified(&file.ok()?.path()));
    files
        .chain(own)
        .max()
        .unwrap_or_else(|| panic!("there is no example {name} in {}", sources.display()))
}
