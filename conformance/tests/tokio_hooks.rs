//! The suite on tokio with its hooks, beside tokio without. The table in the docs must be equal to
//! the results.
#![cfg(tokio_unstable)]

/// Those that this test uses.
mod support {
    pub(crate) mod table_file;
    pub(crate) mod tokio;
    pub(crate) mod wrapping;
}

use std::thread;
use std::time::Duration;

use framewise_conformance::{Suite, Table};
use support::table_file;
use support::tokio::Tokio;
use support::wrapping::Wrapping::{Bare, Wrapped};

/// A check that hangs is a failure, and must not delay the others for long.
const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn the_table_of_tokios_hooks_is_what_the_suite_finds() {
    let start = |subject: &'static str, make: fn() -> Tokio| {
        thread::spawn(move || Suite::executor(subject, make).limit(LIMIT).run())
    };
    let running = [
        start("tokio, wrapped", || Tokio::new(Wrapped)),
        start("tokio, bare, with hooks", Tokio::with_hooks),
        start("tokio, bare", || Tokio::new(Bare)),
    ];
    let reports = running.map(|report| report.join().expect("a suite does not panic"));
    println!("{}", reports[1]);
    table_file::assert_written("TOKIO_HOOKS.md", "tokio_hooks", &Table::of(&reports));
}
