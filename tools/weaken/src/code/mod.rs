//! Mutation testing of the code between the atomic operations.
//!
//! The other half of this crate weakens operations of the facade. This half mutates the code
//! between them. It copies the workspace, writes each mutation into the copy as a run-time choice
//! (`points.rs`, `rewrite.rs`), builds all tests of a plan once (`plan.rs`, `build.rs`), records
//! which tests reach which choice, and runs these tests with one mutation at a time (`run.rs`).
//! `report.rs` writes the table. The shipped sources contain only the arguments for survivors.

mod build;
mod plan;
mod points;
mod report;
mod rewrite;
mod run;

use std::fs;
use std::time::Duration;

use crate::each::each;
use build::Copy;
use plan::Plan;
use report::Row;
use run::{Limits, Outcome};

pub(crate) const USAGE: &str = "\
usage: framewise-weaken code --plan FILE --table FILE [OPTION...]

  --plan FILE        the test suites and the sources to mutate
  --table FILE       the table that is read and written
  --scratch DIR      the directory for the copy and its build (target/mutants)
  --only TEXT...     only files whose path contains one of these; keep the other rows
  --stale            run only mutants that the table does not have, survivors, and what did not compile
  --check            run no test: compare the table with the sources
  --update           run no test: rewrite the table from its own results, after arguments changed
  --list             run no test: print each mutant with its number
  --jobs N           processes at a time (2)
  --limit SECONDS    timeout of a test: at least this, at least five times its own time (6)
  --budget SECONDS   for all tests of a mutant, except those of the plan's first targets (15)
  --slowest SECONDS  skip tests that take longer (8)
";

/// The parsed command line.
#[derive(Default)]
struct Options {
    plan: String,
    table: String,
    scratch: String,
    only: Vec<String>,
    is_stale: bool,
    is_check: bool,
    is_update: bool,
    is_list: bool,
    /// The values of `--jobs`, `--limit`, `--budget` and `--slowest`.
    numbers: [u64; 4],
}

/// Runs the mode with these arguments; returns the problems and the summary.
///
/// # Errors
///
/// If a file cannot be read, or a suite cannot be built or run.
pub(crate) fn main(arguments: &[String]) -> Result<(Vec<String>, String), String> {
    let options = Options::parse(arguments)?;
    let read = |file: &str| fs::read_to_string(file).map_err(|error| format!("{file}: {error}"));
    let plan = Plan::parse(&read(&options.plan)?)?;
    let before = fs::read_to_string(&options.table).unwrap_or_default();
    let mut sources = build::sources(&plan)?;
    if options.is_list {
        let rows = report::rows(&sources);
        let lines = rows
            .iter()
            .enumerate()
            .map(|(number, row)| describe(number, row) + "\n");
        return Ok((Vec::new(), lines.collect()));
    }
    let mut known = report::read(&before);
    if options.is_check || options.is_update {
        let mut rows = report::rows(&sources);
        rows.iter_mut()
            .for_each(|row| row.outcome = known.get(&row.key()).cloned());
        let mut problems = report::argue(&mut rows, &sources);
        let after = report::write(&rows);
        if options.is_update {
            let written = fs::write(&options.table, after);
            written.map_err(|error| format!("{}: {error}", options.table))?;
        } else if problems.is_empty() && after != before {
            problems.push(format!("{} does not match the sources", options.table));
        }
        return Ok((problems, totals(&rows)));
    }
    let scratch = std::path::absolute(&options.scratch);
    let scratch = scratch.map_err(|error| format!("{}: {error}", options.scratch))?;
    // Do not use the workspace's own target directory: cargo would mix up the executables of the
    // two trees.
    let copy = Copy {
        tree: scratch.join("tree"),
        target: scratch.join("target"),
    };
    if options.only.is_empty() {
        // A mutant may compile now, because the code around it has changed.
        known.retain(|_, outcome| *outcome != Outcome::Rejected);
    }
    build::reject_known(&mut sources, &known);
    let suites = copy.build(&plan, &mut sources)?;
    let limits = options.limits();
    let tests = run::record(&plan, &suites, &limits)?;
    let mut rows = report::rows(&sources);
    for row in rows.iter_mut().filter(|row| row.outcome.is_none()) {
        row.outcome = known.get(&row.key()).cloned();
    }
    // Write the table after each source, so that an interrupted run keeps its results.
    for (source, planned) in sources.iter().zip(&plan.sources) {
        let numbers: Vec<usize> = source.numbers().collect();
        let outcomes = each(&numbers, limits.jobs, |&number| {
            let row = &rows[number];
            let there = known.get(&row.key());
            if row.outcome == Some(Outcome::Rejected) || !options.runs(row.path, there) {
                return Ok(row.outcome.clone());
            }
            let outcome = run::run(number, &tests, there, &planned.first, &limits)?;
            eprintln!("{}: {outcome:?}", describe(number, row));
            Ok(Some(outcome))
        });
        for (number, outcome) in numbers.into_iter().zip(outcomes) {
            rows[number].outcome = outcome.map_err(|error: String| error)?;
        }
        let text = report::write(&rows);
        fs::write(&options.table, text).map_err(|error| format!("{}: {error}", options.table))?;
    }
    let problems = report::argue(&mut rows, &sources);
    let text = report::write(&rows);
    fs::write(&options.table, text).map_err(|error| format!("{}: {error}", options.table))?;
    Ok((problems, totals(&rows)))
}

fn describe(number: usize, row: &Row<'_>) -> String {
    let mutant = row.mutant;
    let place = format!("{number} {}:{} {}", row.path, mutant.line, mutant.function);
    format!("{place}: {} `{}`", mutant.change, mutant.code)
}

fn totals(rows: &[Row<'_>]) -> String {
    let line = report::write(rows);
    let line = line
        .lines()
        .find_map(|line| line.strip_prefix("- Mutants: "));
    format!("mutants {}\n", line.unwrap_or_default())
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self {
            scratch: "target/mutants".to_owned(),
            numbers: [2, 6, 15, 8],
            ..Self::default()
        };
        let mut arguments = arguments.iter().cloned().peekable();
        while let Some(option) = arguments.next() {
            let mut values = Vec::new();
            while let Some(value) = arguments.next_if(|value| !value.starts_with("--")) {
                values.push(value);
            }
            match (option.as_str(), values.as_slice()) {
                ("--only", _) => options.only = values,
                ("--stale", []) => options.is_stale = true,
                ("--check", []) => options.is_check = true,
                ("--update", []) => options.is_update = true,
                ("--list", []) => options.is_list = true,
                ("--plan", [file]) => options.plan = file.clone(),
                ("--table", [file]) => options.table = file.clone(),
                ("--scratch", [directory]) => options.scratch = directory.clone(),
                (option, [value]) => {
                    let names = ["--jobs", "--limit", "--budget", "--slowest"];
                    let place = names.iter().position(|name| *name == option);
                    let number = value.parse().ok();
                    let (Some(place), Some(number)) = (place, number) else {
                        return Err(format!("unknown argument: {option} {value}\n\n{USAGE}"));
                    };
                    options.numbers[place] = number;
                }
                (option, _) => return Err(format!("unknown argument: {option}\n\n{USAGE}")),
            }
        }
        if options.plan.is_empty() || options.table.is_empty() {
            return Err(format!("--plan or --table is missing\n\n{USAGE}"));
        }
        Ok(options)
    }

    fn limits(&self) -> Limits {
        let [jobs, limit, budget, slowest] = self.numbers;
        Limits {
            jobs: jobs as usize,
            run: Duration::from_secs(limit),
            mutant: Duration::from_secs(budget),
            slowest: Duration::from_secs(slowest),
        }
    }

    fn runs(&self, path: &str, there: Option<&Outcome>) -> bool {
        let is_named = self.only.is_empty() || self.only.iter().any(|text| path.contains(text));
        let is_decided = there.is_some_and(|there| !matches!(there, Outcome::Survives(_)));
        is_named && !(self.is_stale && is_decided)
    }
}
