//! Checks that the tables are complete, and that the tests that they name exist.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::Path;

use crate::source::functions;
use crate::{Class, Here};

/// The list of bugs: each class and its bugs.
const LIST: &[(&str, &[&str])] = &[
    (
        "lost wake-up",
        &[
            "tokio 525",
            "tokio 3190",
            "tokio 8372",
            "async-io 78",
            "compio 948",
            "glommio 53",
        ],
    ),
    (
        "starvation",
        &["tokio 4941", "tokio 5686", "tokio 5712", "tokio 4730"],
    ),
    (
        "I/O generations",
        &["tokio 6133", "tokio 8331", "tokio 8054"],
    ),
    (
        "shutdown",
        &[
            "tokio 2046",
            "tokio 1948",
            "tokio 2061",
            "tokio 2119",
            "tokio 6463",
            "tokio 7499",
        ],
    ),
    ("blocking pool", &["tokio 8056", "tokio 8406"]),
    (
        "user code under a lock",
        &[
            "tokio 1886",
            "tokio 8529",
            "tokio 8552",
            "tokio 8554",
            "tokio 8558",
            "tokio 8562",
        ],
    ),
    (
        "drop thread and order",
        &[
            "tokio 3929",
            "tokio 5162",
            "tokio 4412",
            "async-executor 164",
        ],
    ),
    (
        "descriptors",
        &[
            "tokio 7563",
            "tokio 7773",
            "tokio 8540",
            "tokio 3103",
            "tokio 4549",
        ],
    ),
    ("fork", &["tokio 4301", "tokio 8204", "tokio 3809"]),
    (
        "timers",
        &[
            "tokio 5183",
            "tokio 6634",
            "tokio 4494",
            "tokio 8384",
            "tokio 8334",
            "tokio 8252",
            "tokio 3619",
        ],
    ),
    ("queue", &["tokio 5041", "crossbeam GHSA-pqqp-xmhj-wgcw"]),
    ("cancel safety", &["tokio 5947"]),
    (
        "context",
        &[
            "otel-rust 2871",
            "otel-rust 3738",
            "node 46262",
            "dotnet/runtime 80232",
            "npgsql 6105",
            "kotlinx.coroutines 4121",
            "kotlinx.coroutines 4755",
        ],
    ),
];

/// The tables, in the order of the list.
const CLASSES: &[&Class] = &[
    &crate::lost_wakeup::CLASS,
    &crate::starvation::CLASS,
    &crate::io_generations::CLASS,
    &crate::shutdown::CLASS,
    &crate::blocking_pool::CLASS,
    &crate::user_code_under_a_lock::CLASS,
    &crate::drop_thread_and_order::CLASS,
    &crate::descriptors::CLASS,
    &crate::fork::CLASS,
    &crate::timers::CLASS,
    &crate::queue::CLASS,
    &crate::cancel_safety::CLASS,
    &crate::context::CLASS,
];

pub(crate) fn workspace() -> &'static Path {
    let executor = Path::new(env!("CARGO_MANIFEST_DIR"));
    executor
        .parent()
        .expect("the crate is in the workspace's directory")
}

/// The names of the tests in files of the workspace; each file is read once.
#[derive(Default)]
pub(crate) struct Tests(BTreeMap<&'static str, BTreeSet<String>>);

impl Tests {
    pub(crate) fn has(&mut self, file: &'static str, test: &str) -> bool {
        let tests = self.0.entry(file).or_insert_with(|| {
            let source = fs::read_to_string(workspace().join(file))
                .unwrap_or_else(|error| panic!("{file}: {error}"));
            let functions = functions(&source);
            // The conformance suite makes a test of each of its checks.
            let is_check = file.starts_with("conformance/src/checks/");
            let tests = functions
                .iter()
                .filter(|function| function.is_test || is_check);
            tests.map(|function| function.name.to_owned()).collect()
        });
        tests.contains(test)
    }
}

/// Returns the file of a class's module.
fn file_of(class: &str) -> String {
    let name = class.to_lowercase().replace("wake-up", "wakeup");
    let name = name.replace("i/o", "io").replace([' ', '-'], "_");
    format!("executor/tests/bugs/{name}.rs")
}

#[test]
fn every_bug_of_the_list_has_its_tests_or_a_reason_and_they_exist() {
    let listed: Vec<_> = LIST.iter().map(|(class, bugs)| (*class, *bugs)).collect();
    let tabled: Vec<_> = CLASSES
        .iter()
        .map(|class| {
            let bugs: Vec<_> = class.bugs.iter().map(|bug| bug.id).collect();
            (class.name, bugs)
        })
        .collect();
    assert_eq!(listed.len(), tabled.len());
    for (listed, tabled) in listed.iter().zip(&tabled) {
        assert_eq!((listed.0, listed.1), (tabled.0, tabled.1.as_slice()));
    }

    let mut tests = Tests::default();
    let mut named = BTreeSet::new();
    let (mut bugs, mut impossible) = (0, 0);
    for class in CLASSES {
        for bug in class.bugs {
            bugs += 1;
            assert!(bug.story.len() > 20, "{} has no story", bug.id);
            match bug.here {
                Here::Tests(list) => {
                    assert!(!list.is_empty(), "{} has no test", bug.id);
                    for &(file, test) in list {
                        assert!(
                            tests.has(file, test),
                            "{} names {test}, which is no test of {file}",
                            bug.id
                        );
                        named.insert((file, test));
                    }
                }
                Here::Impossible(reason) => {
                    impossible += 1;
                    assert!(reason.len() > 20, "{} has no reason", bug.id);
                }
            }
        }
    }
    let models = named.iter().filter(|(file, _)| is_model(file)).count();
    let line = format!(
        "bugs of others: {} classes, {bugs} bugs, {} of them with tests of ours, {impossible} \
         impossible here; {} tests and {models} models stand for them\n",
        CLASSES.len(),
        bugs - impossible,
        named.len() - models,
    );
    // Write directly to stderr, past the capture, so that a plain run of the tests prints it.
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

fn is_model(file: &str) -> bool {
    file.starts_with("loom-tests/")
}

/// Each test in these modules must be in the table of a bug.
#[test]
fn every_test_of_the_modules_stands_for_a_bug() {
    for class in CLASSES {
        let file = file_of(class.name);
        let source = fs::read_to_string(workspace().join(&file))
            .unwrap_or_else(|error| panic!("{file}: {error}"));
        let functions = functions(&source);
        for test in functions.iter().filter(|function| function.is_test) {
            let is_named = class.bugs.iter().any(|bug| match bug.here {
                Here::Tests(list) => list.contains(&(file.as_str(), test.name)),
                Here::Impossible(_) => false,
            });
            // A test of a module's own bookkeeping has a name that starts with `index_`.
            assert!(
                is_named || test.name.starts_with("index_"),
                "{file}: {} is named by no bug of its class",
                test.name
            );
        }
    }
}
