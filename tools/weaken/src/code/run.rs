//! Runs each mutant against the tests that reach it, until a test fails.
//!
//! Owns the order of the tests: first the test that failed in the last run, then those of the
//! targets that the plan names, then the cheap ones. Models run before other tests, because a model
//! fails where another test would hang.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::plan::Plan;
use crate::each::each;
use crate::models::{self, Executable};
use crate::process::{self, Ended, Temporary};

/// The variables that select a process's mutant and name its record; see `choice.rs`.
const MUTANT: &str = "FRAMEWISE_MUTANT";
const REACHED: &str = "FRAMEWISE_MUTANTS_REACHED";

/// The result of a mutant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// This test fails.
    Killed(String),
    /// This test does not finish, and no test fails.
    Hangs(String),
    /// No test detects the mutant, and the source argues why.
    Argued(String),
    /// None of this many tests detects the mutant.
    Survives(usize),
    Rejected,
}

/// A test, and the numbers of the mutants that it reaches.
pub(crate) struct Test<'a> {
    executable: &'a Executable,
    test: String,
    pub(crate) name: String,
    cost: Duration,
    pub(crate) reached: HashSet<usize>,
    /// `true` under a model checker: every run is the same, so a failure needs no second run.
    is_model: bool,
}

/// The time limits and the number of processes.
pub(crate) struct Limits {
    pub(crate) jobs: usize,
    /// The timeout of one run, which is at least five times the test's own time.
    pub(crate) run: Duration,
    /// The budget for all runs of a mutant, except those of the targets that are tried first.
    pub(crate) mutant: Duration,
    /// Tests that take longer are skipped.
    pub(crate) slowest: Duration,
}

/// Runs each test once without a mutant. Leaves out controls, and tests that fail.
///
/// # Errors
///
/// If an executable cannot be run.
pub(crate) fn record<'a>(
    plan: &Plan,
    suites: &'a [Vec<Executable>],
    limits: &Limits,
) -> Result<Vec<Test<'a>>, String> {
    let mut tests = Vec::new();
    for (suite, executables) in plan.suites.iter().zip(suites) {
        let all = models::tests(executables)?;
        let of_suite = each(&all, limits.jobs, |(executable, test)| {
            let name = format!("{} {}", suite.name, executable.name_of(test));
            let file = Temporary::new(&name, "reached");
            let begun = Instant::now();
            let recorded = executable.run_recorded(test, &[(REACHED, file.0.clone())])?;
            let cost = begun.elapsed();
            if recorded.ended != Ended::Passed {
                eprintln!("{name} fails without a mutant and is left out");
                return Ok(None);
            }
            let reached = file
                .read()
                .lines()
                .filter_map(|line| line.parse().ok())
                .collect();
            let test = Test {
                executable,
                test: test.clone(),
                name,
                cost,
                reached,
                is_model: suite.cfg.is_some(),
            };
            Ok((!recorded.is_control() && cost < limits.slowest).then_some(test))
        });
        for test in of_suite {
            tests.extend(test.map_err(|error: String| error)?);
        }
        eprintln!("{}: {} tests so far", suite.name, tests.len());
    }
    Ok(tests)
}

/// Runs a mutant and returns its result.
///
/// # Errors
///
/// If a process cannot be run.
pub(crate) fn run(
    number: usize,
    tests: &[Test<'_>],
    before: Option<&Outcome>,
    first: &[String],
    limits: &Limits,
) -> Result<Outcome, String> {
    let killer = match before {
        Some(Outcome::Killed(test) | Outcome::Hangs(test)) => test.as_str(),
        _ => "",
    };
    let mut order: Vec<&Test<'_>> = tests
        .iter()
        .filter(|t| t.reached.contains(&number))
        .collect();
    order.sort_by_key(|test| {
        let magnitude = test.cost.as_millis().checked_ilog2();
        let is_first = is_of(&test.name, first);
        let is_late = !is_first || !test.is_model;
        (
            test.name != killer,
            !is_first,
            is_late,
            magnitude,
            &test.name,
        )
    });
    let (mut hangs, mut hung, mut tried) = (None, 0, 0);
    let mut spent = Duration::ZERO;
    for test in order {
        if hung > 1 || spent > limits.mutant && !is_of(&test.name, first) {
            break;
        }
        tried += 1;
        spent += test.cost;
        let ended = test.run(number, limits)?;
        // A failure or a timeout that the load of the machine causes must not count as a detection,
        // so the test must pass without the mutant.
        let is_detected = match ended {
            Ended::Passed => false,
            Ended::Failed if test.is_model => true,
            _ => test.run(usize::MAX, limits)? == Ended::Passed,
        };
        match ended {
            Ended::Failed if is_detected => return Ok(Outcome::Killed(test.name.clone())),
            Ended::TimedOut if is_detected => {
                hung += 1;
                hangs.get_or_insert_with(|| test.name.clone());
            }
            _ => {}
        }
    }
    Ok(hangs.map_or(Outcome::Survives(tried), Outcome::Hangs))
}

/// Returns `true` if the test, named `suite target::test`, belongs to one of the targets.
fn is_of(name: &str, targets: &[String]) -> bool {
    let target = name
        .split_once(' ')
        .and_then(|(_, rest)| rest.split_once("::"));
    target.is_some_and(|(target, _)| targets.iter().any(|first| first == target))
}

impl Test<'_> {
    fn run(&self, number: usize, limits: &Limits) -> Result<Ended, String> {
        let mut command = process::test(self.executable.command(), &self.test);
        command.env(MUTANT, number.to_string()).env_remove(REACHED);
        let limit = limits.run.max(self.cost * 5);
        process::wait(command, limit).map_err(|error| format!("{}: {error}", self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_is_between_the_suite_and_the_test() {
        let first = ["idle".to_owned()];
        assert!(is_of("loom idle::a", &first));
        assert!(!is_of("loom monitor::idle::a", &first));
        assert!(!is_of("idle monitor::a", &first));
    }
}
