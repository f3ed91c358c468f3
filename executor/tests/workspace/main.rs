//! Checks of the whole workspace: the crates import each other in one direction only, what
//! ARCHITECTURE.md cites exists, and each item of the contract for frames has a test.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod arrows;
mod citations;
mod contract;

use std::fs;
use std::path::{Path, PathBuf};

fn workspace() -> PathBuf {
    let executor = Path::new(env!("CARGO_MANIFEST_DIR"));
    executor
        .parent()
        .expect("the crate is in the workspace's directory")
        .to_owned()
}

/// Collects every Rust file below `directory`, except build output.
fn rust_files(directory: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if !path.ends_with("target") {
                rust_files(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}
