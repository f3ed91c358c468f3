//! The suite on five executors. The table in the docs must be equal to the results.

mod support;

use std::thread;
use std::time::Duration;

use framewise_conformance::{Executor, Report, Suite, Table};
use support::framewise::Framewise;
use support::local_pool::LocalPool;
use support::smol::Smol;
use support::table_file;
use support::thread_pool::ThreadPool;
use support::tokio::Tokio;
use support::wrapping::Wrapping::{Bare, Wrapped};

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
    table_file::assert_written("TABLE.md", "table", &Table::of(&reports));
}
