//! The crates import each other in one direction only.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::workspace;

/// The documented import graph of the crates.
const DRAWN: &str = "sync <- context <- {io, timers} <- executor <- \
                     {loom-tests, benches, test-support, integrations/tokio}, macros <- executor, \
                     context <- conformance";

/// The crates that each crate may import. (Its tests may import any crate.)
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
    ("tools/test-support", &["context", "executor"]),
    ("tools/plot", &[]),
    ("tools/public-api", &[]),
    ("tools/weaken", &[]),
    ("tools/weaken/example", &["sync"]),
    (
        "benches",
        &[
            "sync",
            "context",
            "timers",
            "io",
            "executor",
            "tools/test-support",
        ],
    ),
    ("integrations/ecosystem-tests", &[]),
    ("integrations/http-tests", &[]),
    ("integrations/migration/after", &["context"]),
    ("integrations/migration/before", &["context"]),
    ("integrations/tokio", &["executor"]),
    ("tools/tokio-tests", &[]),
];

/// Returns the keys of a manifest's tables of normal dependencies, including those of targets.
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

/// Returns the package's name in a manifest.
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
                "{directory} imports {import}: the arrows are {DRAWN}"
            );
        }
        if !allowed.is_empty() {
            assert!(
                !imported.is_empty(),
                "{directory} imports nothing: is the parser wrong?"
            );
        }
    }
    // Workspace members without an entry in `ARROWS`.
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
