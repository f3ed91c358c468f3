//! Each item of the contract has tests, in each flavor.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::ops::RangeInclusive;
use std::path::Path;

use crate::source::{Function, functions, number_of, reaching};
use crate::{rust_files, workspace};

/// The numbers of the contract's items.
const ITEMS: RangeInclusive<u32> = 1..=92;

/// Items without tests, and the reasons.
const LATER: &[(u32, &str)] = &[
    (84, "deadlines are not part of a frame yet"),
    (85, "cancellation is not part of a frame yet"),
    (86, "deadlines are not part of a frame yet"),
    (87, "no time is attributed to frames yet"),
    (88, "not implemented: the waker of a task is not recorded"),
    (91, "frames have no panic handlers yet"),
];

/// The crates that may contain tests.
const CRATES: &[&str] = &[
    "sync",
    "context",
    "timers",
    "io",
    "executor",
    "conformance",
    "loom-tests",
    "integrations/http",
];

/// Functions that run a test on runtimes of 1, 2 and 8 workers.
const ON_WORKERS: &[&str] = &[
    "on_workers",
    "with_workers",
    "with_workers_in_frames",
    "everywhere",
];

/// Functions that run a test in the root frame, in a bound frame, and in a captured frame that is
/// entered in another bound frame.
const IN_START_FRAMES: &[&str] = &[
    "in_frames",
    "in_each_start_frame",
    "with_workers_in_frames",
    "everywhere",
];

/// A test of an item.
#[derive(Clone, Debug)]
pub(crate) struct ItemTest {
    pub(crate) item: u32,
    pub(crate) name: String,
    /// The path within the workspace, with `/`.
    pub(crate) file: String,
    pub(crate) on_workers: bool,
    pub(crate) start_frames: bool,
}

/// Returns the tests of items in one file.
fn tests_in(file: &str, source: &str) -> Vec<ItemTest> {
    let functions = functions(source);
    let on_workers = reaching(&functions, ON_WORKERS);
    let start_frames = reaching(&functions, IN_START_FRAMES);
    let test = |(index, function): (usize, &Function<'_>)| {
        Some(ItemTest {
            item: number_of(function.name).filter(|_| function.is_test)?,
            name: function.name.to_owned(),
            file: file.to_owned(),
            on_workers: on_workers[index],
            start_frames: start_frames[index],
        })
    };
    functions.iter().enumerate().filter_map(test).collect()
}

/// Returns the checks of the conformance suite, which runs on this runtime: each is a test on 1, 2
/// and 8 workers, in the three starting frames.
fn checks_of_the_suite(root: &Path) -> Vec<ItemTest> {
    let ours = "conformance/tests/framewise.rs";
    let runs = fs::read_to_string(root.join(ours)).unwrap_or_default();
    for workers in [1, 2, 8] {
        let run = format!("executor_tests!(Framewise::new({workers}))");
        assert!(runs.contains(&run), "{ours} does not have {run}");
    }
    let mut files = Vec::new();
    rust_files(&root.join("conformance/src/checks"), &mut files);
    let mut checks = Vec::new();
    for file in files {
        let source = fs::read_to_string(&file).unwrap();
        // A chapter's list: one name per line. A check that is not listed does not run.
        let names = source.lines().map(str::trim).filter(|line| {
            line.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        });
        checks.extend(names.filter_map(|name| {
            Some(ItemTest {
                item: number_of(name)?,
                name: name.to_owned(),
                file: ours.to_owned(),
                on_workers: true,
                start_frames: true,
            })
        }));
    }
    checks
}

/// Returns every test of an item in the workspace.
pub(crate) fn all_tests() -> Vec<ItemTest> {
    let root = workspace();
    let mut tests = checks_of_the_suite(&root);
    for name in CRATES {
        let mut files = Vec::new();
        rust_files(&root.join(name), &mut files);
        assert!(
            !files.is_empty(),
            "there is no source in {name}: was a crate moved?"
        );
        for path in files {
            let source = fs::read_to_string(&path).unwrap();
            let file = path.strip_prefix(&root).unwrap().to_string_lossy();
            tests.extend(tests_in(&file.replace('\\', "/"), &source));
        }
    }
    tests
}

/// Returns the items of these tests, with the number of tests for each.
fn by_item<'a>(tests: impl IntoIterator<Item = &'a ItemTest>) -> BTreeMap<u32, usize> {
    let mut counts = BTreeMap::new();
    for test in tests {
        *counts.entry(test.item).or_default() += 1;
    }
    counts
}

/// Formats items, for example `C-1, C-7`.
fn listed(items: impl IntoIterator<Item = u32>) -> String {
    let names: Vec<_> = items.into_iter().map(|item| format!("C-{item}")).collect();
    names.join(", ")
}

#[test]
fn every_item_of_the_contract_has_a_test() {
    let tests = all_tests();
    let counts = by_item(&tests);
    let due: Vec<u32> = ITEMS
        .filter(|item| LATER.iter().all(|(later, _)| later != item))
        .collect();
    report(&tests, &counts, due.len());

    let without = |counts: &BTreeMap<u32, usize>| {
        listed(
            due.iter()
                .copied()
                .filter(|item| !counts.contains_key(item)),
        )
    };
    let missing = without(&counts);
    assert!(
        missing.is_empty(),
        "items of the contract without a test (fn c<two digits>_...): {missing}"
    );
    let missing = without(&by_item(tests.iter().filter(|test| test.on_workers)));
    assert!(
        missing.is_empty(),
        "items without a test on 1, 2 and 8 workers: {missing}"
    );
    let missing = without(&by_item(tests.iter().filter(|test| test.start_frames)));
    assert!(
        missing.is_empty(),
        "items without a test that runs in the three starting frames: {missing}"
    );

    let unknown = listed(counts.keys().copied().filter(|item| !ITEMS.contains(item)));
    assert!(
        unknown.is_empty(),
        "tests of items that the contract does not have: {unknown}"
    );
    let moved = listed(
        LATER
            .iter()
            .map(|(later, _)| *later)
            .filter(|later| counts.contains_key(later)),
    );
    assert!(
        moved.is_empty(),
        "there are tests of {moved}: take them off the list of later ones"
    );
}

/// Prints the counts directly to the terminal, because the test harness captures the output of
/// passing tests.
fn report(tests: &[ItemTest], counts: &BTreeMap<u32, usize>, due: usize) {
    let flavor = |of: &str, is_of: &dyn Fn(&ItemTest) -> bool| {
        let tests: Vec<_> = tests.iter().filter(|test| is_of(test)).collect();
        let items = by_item(tests.iter().copied()).len();
        format!("{items} of {due} {of} ({} tests)\n", tests.len())
    };
    let mut text = String::from("\n");
    text += &flavor("items of the contract have tests", &|_| true);
    text += &flavor("on 1, 2 and 8 workers", &|test| test.on_workers);
    text += &flavor("in the root, bound and captured frames", &|test| {
        test.start_frames
    });
    let both = |test: &ItemTest| test.on_workers && test.start_frames;
    text += &flavor("both", &both);
    let seeded = |test: &ItemTest| test.file.starts_with("executor/tests/seeded");
    text += &flavor("in seeded runs with virtual time", &seeded);
    let each: Vec<_> = counts
        .iter()
        .map(|(item, count)| format!("C-{item}: {count}"))
        .collect();
    for line in each.chunks(10) {
        text += &format!("  {}\n", line.join(", "));
    }
    for (item, why) in LATER {
        text += &format!("  later, C-{item}: {why}\n");
    }
    std::io::stdout().lock().write_all(text.as_bytes()).unwrap();
}

#[test]
fn a_tests_item_and_flavors_are_read_from_its_source() {
    let source = "
fn watched(test: impl Fn()) {
    with_workers_in_frames(|_, _| test());
}
#[test]
fn c01_of_both() {
    watched(|| ());
}
#[test]
fn c02_of_workers() {
    on_workers(|_| ());
}
#[test]
fn c03_of_none() {
    assert!(true);
}
#[test]
fn of_no_item() {
    everywhere(|_| ());
}
";
    let tests: Vec<_> = tests_in("x.rs", source)
        .into_iter()
        .map(|test| (test.item, test.on_workers, test.start_frames))
        .collect();
    assert_eq!(
        tests,
        [(1, true, true), (2, true, false), (3, false, false)]
    );
}
