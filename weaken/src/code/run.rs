//! The mutants against the tests that reach them, until one fails.
//!
//! Owns which test is tried first: the one that failed the last time, then those of the targets that
//! the plan names, models before others since they fail where others hang, then the cheap ones.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::plan::Plan;
use crate::each::each;
use crate::models::{self, Executable};
use crate::process::{self, Ended, Temporary};

/// Names the mutant that a process runs, and the file of those that it reaches: see `choice.rs`.
const MUTANT: &str = "FRAMEWISE_MUTANT";
const REACHED: &str = "FRAMEWISE_MUTANTS_REACHED";

/// What became of a mutant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// That test fails.
    Killed(String),
    /// That one does not end, and none fails.
    Hangs(String),
    /// No test notices, and the source says why.
    Argued(String),
    /// None of so many tests notices.
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
    /// Under a model checker each run is the same, so that a failure needs no second look.
    is_model: bool,
}

/// How much is run.
pub(crate) struct Limits {
    pub(crate) jobs: usize,
    /// For one run, if five times the test's own time is less.
    pub(crate) run: Duration,
    /// For all runs of a mutant, but those of the targets that are tried first.
    pub(crate) mutant: Duration,
    /// Slower tests are not run at all.
    pub(crate) slowest: Duration,
}

/// Runs each test once. Controls are left out, and so is what fails without a mutant.
///
/// # Errors
///
/// When an executable cannot be run.
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
                eprintln!("{name} fails without a mutant, and is left out");
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

/// Runs a mutant, and says what became of it.
///
/// # Errors
///
/// When a process cannot be run.
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
        match test.run(number, limits)? {
            Ended::Passed => {}
            // Other work on the machine must not look like a test that notices.
            Ended::Failed if test.is_model || test.run(usize::MAX, limits)? == Ended::Passed => {
                return Ok(Outcome::Killed(test.name.clone()));
            }
            Ended::Failed => {}
            Ended::TimedOut => {
                hung += 1;
                hangs.get_or_insert_with(|| test.name.clone());
            }
        }
    }
    Ok(hangs.map_or(Outcome::Survives(tried), Outcome::Hangs))
}

/// Returns `true` if the test, as `suite target::test`, is of one of the targets.
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
        assert!(!is_of("loom watch::idle::a", &first));
        assert!(!is_of("idle watch::a", &first));
    }
}
