//! Each item of the contract has a test or a check of the conformance suite whose name begins with
//! the item's number (`c26_...`).

use std::collections::BTreeSet;
use std::fs;

use crate::{rust_files, workspace};

/// Returns the numbers that begin the names of functions.
fn cited(source: &str) -> impl Iterator<Item = u32> {
    source.lines().filter_map(|line| {
        let (_, name) = line.split_once("fn c")?;
        name.split_once('_')?.0.parse().ok()
    })
}

#[test]
fn every_item_of_the_contract_has_a_test() {
    let root = workspace();
    let contract = fs::read_to_string(root.join("context/CONTRACT.md")).unwrap();
    let items: BTreeSet<u32> = contract
        .lines()
        .filter_map(|line| line.strip_prefix("- C-")?.split_once(' ')?.0.parse().ok())
        .collect();
    assert!(items.len() > 80, "only {} items were found", items.len());

    let mut files = Vec::new();
    rust_files(&root, &mut files);
    let tested: BTreeSet<u32> = files
        .iter()
        .flat_map(|file| cited(&fs::read_to_string(file).unwrap()).collect::<Vec<_>>())
        .collect();

    let missing: Vec<_> = items.difference(&tested).collect();
    assert!(missing.is_empty(), "items without a test: {missing:?}");
    let unknown: Vec<_> = tested.difference(&items).collect();
    assert!(unknown.is_empty(), "tests of no item: {unknown:?}");
}
