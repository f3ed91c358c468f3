//! Two promises of the whole workspace: each item of the contract for frames that is due has a test
//! whose name begins with its number, and the crates import each other in one direction only.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// The items that are due. (Of C-80 the leak; the census of live frames is not.)
const DUE: &[RangeInclusive<u32>] = &[1..=53, 56..=57, 59..=59, 61..=64, 66..=81];

/// Where tests may be.
const CRATES: &[&str] = &["sync", "context", "timers", "io", "executor", "loom-tests"];

/// What each crate may import of the others: `sync <- context <- {io, timers} <- executor <-
/// {loom-tests, benches}`.
const ARROWS: &[(&str, &[&str])] = &[
    ("sync", &[]),
    ("context", &["sync"]),
    ("timers", &["sync", "context"]),
    ("io", &["sync", "context"]),
    ("macros", &[]),
    ("executor", &["sync", "context", "timers", "io", "macros"]),
    ("conformance", &["context"]),
    (
        "loom-tests",
        &["sync", "context", "timers", "io", "executor"],
    ),
    ("benches", &["sync", "context", "timers", "io", "executor"]),
];

fn workspace() -> PathBuf {
    let executor = Path::new(env!("CARGO_MANIFEST_DIR"));
    executor
        .parent()
        .expect("the crate is in the workspace's directory")
        .to_owned()
}

/// Every Rust file below `directory`, but for what a build left there.
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

/// The number of a test's name: 26 of `c26_the_child_keeps_its_value`.
fn number_of(name: &str) -> Option<u32> {
    let (number, rest) = name.strip_prefix('c')?.split_once('_')?;
    let two_digits = number.len() == 2 && number.bytes().all(|digit| digit.is_ascii_digit());
    if two_digits && !rest.is_empty() {
        number.parse().ok()
    } else {
        None
    }
}

/// The names of the functions in `source` that are marked as tests and run.
fn tests_in(source: &str) -> Vec<&str> {
    let (mut is_test, mut is_ignored) = (false, false);
    let mut names = Vec::new();
    for line in source.lines().map(str::trim) {
        if line.starts_with("//") || line.is_empty() {
            continue;
        }
        if line.starts_with("#[") {
            is_test |= line.starts_with("#[test]");
            is_ignored |= line.starts_with("#[ignore");
            continue;
        }
        if let Some(function) = line.strip_prefix("fn ")
            && is_test
            && !is_ignored
        {
            names.extend(function.split(['(', '<']).next());
        }
        (is_test, is_ignored) = (false, false);
    }
    names
}

#[test]
fn every_item_of_the_contract_that_is_due_has_a_test() {
    let root = workspace();
    let mut by_number: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for name in CRATES {
        let mut files = Vec::new();
        rust_files(&root.join(name), &mut files);
        assert!(
            !files.is_empty(),
            "there is no source in {name}: was a crate moved?"
        );
        for file in files {
            let source = fs::read_to_string(&file).unwrap();
            for test in tests_in(&source) {
                if let Some(number) = number_of(test) {
                    by_number.entry(number).or_default().push(test.to_owned());
                }
            }
        }
    }
    let missing: Vec<_> = DUE
        .iter()
        .cloned()
        .flatten()
        .filter(|number| !by_number.contains_key(number))
        .map(|number| format!("C-{number}"))
        .collect();
    assert!(
        missing.is_empty(),
        "items of the contract without a test (fn c<two digits>_...): {}",
        missing.join(", ")
    );
    let unknown: Vec<_> = by_number
        .keys()
        .filter(|number| !(1..=88).contains(*number))
        .collect();
    assert!(
        unknown.is_empty(),
        "tests of items that the contract does not have: {unknown:?}"
    );
}

#[test]
fn tests_are_told_from_what_only_looks_like_one() {
    let source = "
        #[test]
        fn c01_one() {}
        fn c02_no_test() {}
        #[test]
        #[ignore = \"not now\"]
        fn c03_ignored() {}
        #[test]
        // Why.
        #[should_panic]
        fn c04_panics<T>() {}
        #[test]
        static NOT: u32 = 0;
        fn c05_not_marked() {}
        // #[test]
        fn c06_commented_out() {}
    ";
    assert_eq!(tests_in(source), ["c01_one", "c04_panics"]);
    assert_eq!(number_of("c07_x"), Some(7));
    assert_eq!(number_of("c7_x"), None);
    assert_eq!(number_of("c07"), None);
    assert_eq!(number_of("close_07"), None);
}

/// The keys in the tables of normal dependencies of a manifest; the target's own ones included.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let mut in_dependencies = false;
    let mut found = BTreeSet::new();
    for line in manifest.lines().map(str::trim) {
        if let Some(table) = line.strip_prefix('[') {
            let table = table.trim_end_matches(']');
            let name = table.rsplit_once('.').map_or(table, |(_, last)| last);
            in_dependencies = name == "dependencies" && table != "workspace.dependencies";
            // The long form: [dependencies.name].
            if let Some((before, name)) = table.rsplit_once('.')
                && (before == "dependencies" || before.ends_with(".dependencies"))
                && before != "workspace"
            {
                found.insert(name.to_owned());
            }
        } else if in_dependencies
            && !line.starts_with('#')
            && let Some((name, _)) = line.split_once(['=', '.'])
        {
            found.insert(name.trim().to_owned());
        }
    }
    found
}

/// The value of a key of the package's table.
fn package_name(manifest: &str) -> String {
    let line = manifest
        .lines()
        .find(|line| line.starts_with("name "))
        .unwrap();
    line.split('"').nth(1).unwrap().to_owned()
}

#[test]
fn the_crates_import_each_other_in_one_direction_only() {
    let root = workspace();
    let manifests: BTreeMap<_, _> = ARROWS
        .iter()
        .map(|(name, _)| {
            let manifest = fs::read_to_string(root.join(name).join("Cargo.toml")).unwrap();
            (*name, manifest)
        })
        .collect();
    let packages: BTreeMap<String, &str> = manifests
        .iter()
        .map(|(directory, manifest)| (package_name(manifest), *directory))
        .collect();
    assert_eq!(
        packages.get("framewise"),
        Some(&"executor"),
        "the front door"
    );
    for (directory, allowed) in ARROWS {
        let dependencies = dependencies(&manifests[directory]);
        let imported: BTreeSet<&str> = dependencies
            .iter()
            .filter_map(|dependency| packages.get(dependency).copied())
            .collect();
        for import in &imported {
            assert!(
                allowed.contains(import),
                "{directory} imports {import}: the arrows are \
                 sync <- context <- {{io, timers}} <- executor <- {{loom-tests, benches}}, \
                 macros <- executor, context <- conformance"
            );
        }
        if !allowed.is_empty() {
            assert!(
                !imported.is_empty(),
                "{directory} imports nothing: is the parser wrong?"
            );
        }
    }
    // Members that nobody drew an arrow for.
    let members = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let members = members
        .lines()
        .find(|line| line.starts_with("members"))
        .unwrap();
    for member in members.split('"').skip(1).step_by(2) {
        assert!(
            manifests.contains_key(member),
            "{member} has no place in the import directions"
        );
    }
}

#[test]
fn a_manifests_dependencies_are_found_in_every_form() {
    let manifest = "
        [package]
        name = \"x\"
        [workspace.dependencies]
        no = \"1\"
        [dependencies]
        a = { workspace = true, features = [] }
        b.workspace = true
        # c = \"1\"
        [target.'cfg(unix)'.dependencies]
        d = \"1\"
        [dependencies.e]
        version = \"1\"
        [dev-dependencies]
        f = \"1\"
        [features]
        g = []
    ";
    let found = dependencies(manifest);
    assert_eq!(
        found.iter().map(String::as_str).collect::<Vec<_>>(),
        ["a", "b", "d", "e"]
    );
}
