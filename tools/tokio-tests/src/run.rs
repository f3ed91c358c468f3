//! Runs the test programs with a limit.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use crate::build::Built;
use crate::lists::Known;
use crate::package::Package;
use crate::{Outcome, Outcomes};

/// How long a whole test program may run.
const PROGRAM_LIMIT: Duration = Duration::from_secs(40);

/// How long one test may run by itself.
const TEST_LIMIT: Duration = Duration::from_secs(12);

/// How long a test may run that is known to fail, perhaps by not ending.
const KNOWN_LIMIT: Duration = Duration::from_secs(3);

/// Programs that run at once.
const AT_ONCE: usize = 3;

/// Runs everything. Returns the outcomes by file. Tests that are known to fail run by themselves.
pub(crate) fn run_all(
    package: &Package,
    built: &BTreeMap<String, Built>,
    known: &Known,
) -> BTreeMap<String, Outcomes> {
    let programs: Vec<(&String, &Path)> = built
        .iter()
        .filter_map(|(file, built)| Some((file, built.program.as_deref()?)))
        .collect();
    let queue = Mutex::new(programs.iter());
    let results: Mutex<BTreeMap<String, Outcomes>> = Mutex::default();
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().expect("no thread panics").next();
                    let Some((file, program)) = next else { break };
                    let outcomes = run_program(package, program, |test| known.fails(file, test));
                    let mut results = results.lock().expect("no thread panics");
                    results.insert((*file).clone(), outcomes);
                }
            });
        }
    });
    let mut results = results.into_inner().expect("no thread panics");
    // Again, with nothing beside it: the machine may have been busy.
    for (file, program) in &programs {
        let Some(outcomes) = results.get_mut(*file) else {
            continue;
        };
        for (test, outcome) in outcomes {
            if matches!(outcome, Outcome::Failed(said) if said != ENDLESS)
                && !known.fails(file, test)
            {
                *outcome = run_test(package, program, test, TEST_LIMIT);
            }
        }
    }
    for (file, built) in built {
        let outcomes = results.entry(file.clone()).or_default();
        for (test, lacking) in &built.removed {
            outcomes.insert(test.clone(), Outcome::Lacks(lacking.clone()));
        }
    }
    results
}

/// Runs all tests of a program. A test that did not report is run by itself.
fn run_program(package: &Package, program: &Path, fails: impl Fn(&str) -> bool) -> Outcomes {
    let (listing, _) = run_command(package, program, &["--list"], TEST_LIMIT);
    let tests: Vec<&str> = listing
        .lines()
        .filter_map(|line| line.strip_suffix(": test"))
        .collect();
    let mut arguments = vec!["--test-threads=2", "--exact"];
    for test in tests.iter().filter(|test| fails(test)) {
        arguments.extend(["--skip", test]);
    }
    let (output, _) = run_command(package, program, &arguments, PROGRAM_LIMIT);
    let mut outcomes = Outcomes::new();
    for test in tests {
        let limit = if fails(test) { KNOWN_LIMIT } else { TEST_LIMIT };
        let outcome =
            reported(&output, test).unwrap_or_else(|| run_test(package, program, test, limit));
        if let Some(outcome) = outcome_or_ignored(outcome) {
            outcomes.insert(test.to_owned(), outcome);
        }
    }
    outcomes
}

/// A test that is ignored is none.
fn outcome_or_ignored(outcome: Outcome) -> Option<Outcome> {
    (outcome != Outcome::Failed(IGNORED.to_owned())).then_some(outcome)
}

const IGNORED: &str = "ignored";

const ENDLESS: &str = "it does not end";

/// Runs one test by itself.
fn run_test(package: &Package, program: &Path, test: &str, limit: Duration) -> Outcome {
    let (output, ended) = run_command(
        package,
        program,
        &["--exact", test, "--test-threads=2"],
        limit,
    );
    match reported(&output, test) {
        Some(outcome) => outcome,
        None if !ended => Outcome::Failed(ENDLESS.to_owned()),
        None => Outcome::Failed("the process is aborted".to_owned()),
    }
}

/// Returns what a program's output says of a test.
fn reported(output: &str, test: &str) -> Option<Outcome> {
    let line = output.lines().find_map(|line| {
        let rest = line.strip_prefix("test ")?.strip_prefix(test)?;
        let rest = rest.strip_prefix(" - should panic").unwrap_or(rest);
        rest.strip_prefix(" ... ")
    })?;
    match line.split_whitespace().next()? {
        "ok" => Some(Outcome::Passed),
        "ignored," | "ignored" => Some(Outcome::Failed(IGNORED.to_owned())),
        "FAILED" => Some(Outcome::Failed(panic_message(output, test))),
        _ => None,
    }
}

/// Returns the first line of a test's panic, and its place.
fn panic_message(output: &str, test: &str) -> String {
    let section = format!("---- {test} stdout ----");
    let Some((_, section)) = output.split_once(&section) else {
        return "it failed".to_owned();
    };
    let section = section.split("\n---- ").next().unwrap_or_default();
    let mut lines = section
        .lines()
        .skip_while(|line| !line.contains(" panicked at "));
    let place = lines
        .next()
        .and_then(|line| line.rsplit_once(" panicked at "));
    let place = place.map_or("", |(_, place)| place.trim_end_matches(':'));
    let place = place.rsplit('/').next().unwrap_or_default();
    let message: Vec<&str> = lines
        .map(str::trim)
        .take_while(|line| !line.is_empty() && !line.starts_with("note:"))
        .take(3)
        .collect();
    let message: String = message.join("; ").chars().take(200).collect();
    if place.is_empty() {
        section
            .trim()
            .lines()
            .next()
            .unwrap_or("it failed")
            .to_owned()
    } else {
        format!("{message} ({place})")
    }
}

/// Runs a command. Returns its output, and whether it ended within the limit. Its process group is
/// killed afterwards, with what the tests may have left.
fn run_command(
    package: &Package,
    program: &Path,
    arguments: &[&str],
    limit: Duration,
) -> (String, bool) {
    let child = Command::new(program)
        .args(arguments)
        .current_dir(&package.directory)
        .env_remove("RUST_BACKTRACE")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn();
    let Ok(mut child) = child else {
        return (String::new(), false);
    };
    let group = child.id();
    let mut stdout = child.stdout.take().expect("it is piped");
    let reader = thread::spawn(move || {
        let mut output = Vec::new();
        let _ = stdout.read_to_end(&mut output);
        String::from_utf8_lossy(&output).into_owned()
    });
    let deadline = Instant::now() + limit;
    let mut ended = false;
    while Instant::now() < deadline && !ended {
        ended = child.try_wait().is_ok_and(|status| status.is_some());
        if !ended {
            thread::sleep(Duration::from_millis(10));
        }
    }
    let _ = Command::new("kill")
        .args(["-KILL", "--", &format!("-{group}")])
        .stderr(Stdio::null())
        .status();
    let _ = child.wait();
    (reader.join().unwrap_or_default(), ended)
}
