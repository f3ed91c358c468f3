//! The sections `# Cancel safety` of the public docs, each with its test.
//!
//! `cancel_sections.txt` lists them. `index_every_section_on_cancel_safety_has_its_test` finds the
//! sections in the sources, and compares.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;

use crate::index::{Tests, workspace};

/// Each section: the file, the documented item, its test's file, and its test.
fn listed_sections() -> Vec<[&'static str; 4]> {
    let mut file = "";
    let mut sections = Vec::new();
    for line in include_str!("cancel_sections.txt").lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        match words[..] {
            ["#", ..] | [] => {}
            [source] => file = source,
            [item, test_file, test] => sections.push([file, item, test_file, test]),
            _ => panic!("cancel_sections.txt: {line}"),
        }
    }
    sections
}

/// Returns the item that the docs above `lines` belong to: the next function or type.
fn item(lines: &[&str]) -> String {
    let declaration = lines
        .iter()
        .map(|line| line.trim_start())
        .find(|line| {
            let is_docs = line.starts_with("//") || line.starts_with('#') || line.is_empty();
            !is_docs && (line.contains("fn ") || line.contains("struct "))
        })
        .expect("docs stand on an item");
    let keyword = if declaration.contains("fn ") {
        "fn "
    } else {
        "struct "
    };
    let name = declaration.split(keyword).nth(1).unwrap_or_default();
    let end = name.find(|c: char| !c.is_alphanumeric() && c != '_');
    name[..end.unwrap_or(name.len())].to_owned()
}

fn sections_in(directory: &Path, found: &mut BTreeSet<(String, String)>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sections_in(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(&path).unwrap();
            let lines: Vec<_> = source.lines().collect();
            for (index, line) in lines.iter().enumerate() {
                if line.trim_start() == "/// # Cancel safety" {
                    let file = path.strip_prefix(workspace()).unwrap();
                    let file = file.to_string_lossy().replace('\\', "/");
                    let is_new = found.insert((file, item(&lines[index + 1..])));
                    assert!(is_new, "{}: two of one name", path.display());
                }
            }
        }
    }
}

#[test]
fn index_every_section_on_cancel_safety_has_its_test() {
    let mut found = BTreeSet::new();
    for package in ["sync", "context", "timers", "io", "macros", "executor"] {
        sections_in(&workspace().join(package).join("src"), &mut found);
    }
    let sections = listed_sections();
    let listed: BTreeSet<_> = sections
        .iter()
        .map(|[file, item, ..]| ((*file).to_owned(), (*item).to_owned()))
        .collect();
    assert_eq!(found, listed);
    let mut tests = Tests::default();
    for [file, item, test_file, test] in sections {
        assert!(
            tests.has(test_file, test),
            "{file}, {item}: {test} is not in {test_file}"
        );
    }
    let line = format!(
        "cancel safety: {} sections, each with its test\n",
        found.len()
    );
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}
