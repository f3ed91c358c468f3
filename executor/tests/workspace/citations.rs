//! What ARCHITECTURE.md cites exists: the tests that its invariants name, and the paths.

use std::collections::BTreeSet;
use std::fs;

use crate::{rust_files, workspace};

/// Directories below which a path in ARCHITECTURE.md may begin.
const BASES: &[&str] = &[
    "",
    "executor/src",
    "loom-tests/tests",
    "io/src",
    "timers/src",
];

/// Returns what stands between backquotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .flat_map(|line| line.split('`').skip(1).step_by(2))
}

#[test]
fn tests_and_paths_that_the_architecture_cites_exist() {
    let root = workspace();
    let text = fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let mut files = Vec::new();
    rust_files(&root, &mut files);
    let mut functions = BTreeSet::new();
    for file in files {
        for line in fs::read_to_string(file).unwrap().lines() {
            if let Some((_, name)) = line.split_once("fn ")
                && let Some((name, _)) = name.split_once(['(', '<'])
            {
                functions.insert(name.to_owned());
            }
        }
    }

    let mut tests = 0;
    for name in quoted(&text) {
        let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if name.matches('_').count() >= 3 && name.chars().all(is_word) {
            assert!(functions.contains(name), "no function is named {name}");
            tests += 1;
        } else if name.ends_with(".rs") && !name.contains(['*', '{', ' ']) {
            let exists = BASES.iter().any(|base| root.join(base).join(name).exists());
            assert!(exists, "there is no {name}");
        }
    }
    assert!(tests >= 10, "only {tests} tests were found in the text");
}
