//! Runs tokio's own published tests over framewise-tokio.
//!
//! ```text
//! cargo run -p framewise-tokio-tests                 builds and runs all, prints the table
//! cargo run -p framewise-tokio-tests -- FILE...      only these test files
//! cargo run -p framewise-tokio-tests -- --baseline   over tokio itself; writes files.txt again
//! cargo run -p framewise-tokio-tests -- --learn      takes differences.txt from this run
//! ```
//!
//! The tests are those of the package tokio that the workspace's `Cargo.lock` names, in cargo's
//! registry. They are copied to a generated package under `target/tokio-tests`, whose `tokio` is
//! framewise-tokio. Two lists are kept here: `files.txt` (each file, its group, and how many tests
//! it has over tokio itself, or why it is left out) and `differences.txt` (each test that does not
//! pass, with the reason). A test that fails and is not listed, or that is listed and passes, makes
//! the run fail.

mod build;
mod items;
mod lists;
mod package;
mod report;
mod run;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Instant;

use lists::{Files, Known};
use package::Package;

/// The version whose tests the lists are about.
const TOKIO: &str = "1.54.1";

/// What became of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Passed,
    /// It ran, and failed or did not end.
    Failed(String),
    /// It does not compile: what is missing.
    Lacks(String),
}

/// The outcomes of one test file, by test.
type Outcomes = BTreeMap<String, Outcome>;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<bool, String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (options, named): (Vec<_>, Vec<_>) = arguments
        .iter()
        .map(String::as_str)
        .partition(|argument| argument.starts_with("--"));
    let option = |name| options.contains(&name);
    if let Some(unknown) = options
        .iter()
        .find(|option| !["--baseline", "--learn"].contains(option))
    {
        return Err(format!("unknown option {unknown}"));
    }
    let is_baseline = option("--baseline");

    let started = Instant::now();
    let mut files = Files::read()?;
    let mut known = Known::read()?;
    let package = Package::generate(&files, &named, is_baseline)?;
    let built = build::build(&package)?;
    let build_seconds = started.elapsed().as_secs();
    let started = Instant::now();
    let results = run::run_all(&package, &built, &known);
    eprintln!(
        "built in {build_seconds} s, ran in {} s",
        started.elapsed().as_secs()
    );
    if is_baseline {
        for (file, outcomes) in &results {
            for (test, outcome) in outcomes {
                if *outcome != Outcome::Passed {
                    println!("{file}::{test}: {outcome:?}");
                }
            }
        }
        files.set_counts(&results);
        files.write()?;
        return Ok(true);
    }
    if option("--learn") {
        known.learn(&results, &package.files);
        known.write()?;
    }
    Ok(report::print(&files, &package.files, &known, &results))
}
