//! The suite on five executors. The table in the docs must be equal to the results.

mod support;

use std::path::Path;
use std::time::Duration;
use std::{env, fs, thread};

use framewise_conformance::{Executor, Report, Suite, Table};
use support::framewise::Framewise;
use support::local_pool::LocalPool;
use support::smol::Smol;
use support::thread_pool::ThreadPool;
use support::tokio::Tokio;
use support::wrapping::Wrapping::{Bare, Wrapped};

/// If this variable is set, the test writes the file instead of comparing it.
const WRITE: &str = "FRAMEWISE_WRITE_TABLE";

const FILE: &str = "TABLE.md";

/// The number of differing lines that are shown per side.
const LINES_SHOWN: usize = 20;

/// A check that hangs is a failure, and must not delay the others for long.
const LIMIT: Duration = Duration::from_secs(20);

type Running = thread::JoinHandle<Report>;

fn start<E: Executor>(subject: &'static str, make: fn() -> E) -> Running {
    thread::spawn(move || Suite::executor(subject, make).limit(LIMIT).run())
}

fn reports() -> Vec<Report> {
    let running = [
        start("framewise", || Framewise::new(2)),
        start("smol", || Smol::new(Wrapped)),
        start("tokio", || Tokio::new(Wrapped)),
        start("`LocalPool`", || LocalPool(Wrapped)),
        start("`ThreadPool`", || ThreadPool::new(Wrapped)),
        start("smol, bare", || Smol::new(Bare)),
        start("tokio, bare", || Tokio::new(Bare)),
        start("`LocalPool`, bare", || LocalPool(Bare)),
        start("`ThreadPool`, bare", || ThreadPool::new(Bare)),
    ];
    running
        .map(|report| report.join().expect("a suite does not panic"))
        .into()
}

#[test]
fn the_table_in_the_docs_is_what_the_suite_finds() {
    let reports = reports();
    for report in &reports {
        println!("{report}");
    }
    reports[0].assert_conformant();
    let table = Table::of(&reports).to_string();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    if env::var_os(WRITE).is_some() {
        fs::write(&file, table).expect("the package's directory can be written");
        return;
    }
    let written = fs::read_to_string(&file).expect("the file is in the package");
    let only_in = |one: &str, other: &str| -> String {
        let lines = one
            .lines()
            .filter(|line| !other.lines().any(|o| o == *line));
        lines
            .take(LINES_SHOWN)
            .map(|line| format!("  {line}\n"))
            .collect()
    };
    assert!(
        written == table,
        "{FILE} is not what the suite finds now. Only in the file:\n{}Only found:\n{}\
         To write what was found: {WRITE}=1 cargo test -p framewise-conformance --test table",
        only_in(&written, &table),
        only_in(&table, &written),
    );
}
