//! The models: tests of given executables, each run in its own process.
//!
//! A model is any test that passes and reaches a site. A test that should panic is a control, not a
//! model. `mutation_run.rs` runs the models with mutations.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::each::each;
use crate::process::{self, Ended, Temporary, UNMUTATED_TIMEOUT, wait};
use crate::protocol::{self, Reached, VARIABLE};
use crate::runs::{self, Run};

/// A test executable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Executable {
    path: PathBuf,
    /// The package's directory, in which cargo would run the executable.
    directory: Option<PathBuf>,
    /// The name of the test target.
    target: String,
}

/// A test that reaches sites.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    executable: Executable,
    test: String,
    /// The time that the test took without a mutation.
    pub(crate) cost: Duration,
    pub(crate) reached: HashSet<Reached>,
}

/// Parses cargo's messages (`--message-format=json`), or one path per line.
pub(crate) fn executables(text: &str) -> Vec<Executable> {
    text.lines().filter_map(executable).collect()
}

fn executable(line: &str) -> Option<Executable> {
    if !line.starts_with('{') {
        let path = PathBuf::from(line.trim());
        let stem = path.file_stem()?.to_string_lossy().into_owned();
        let target = stem
            .rsplit_once('-')
            .map_or(stem.as_str(), |(name, _)| name);
        return Some(Executable {
            target: target.to_owned(),
            directory: None,
            path,
        });
    }
    let profile = line.split_once("\"profile\":{")?.1.split('}').next()?;
    if !profile.contains("\"test\":true") {
        return None;
    }
    let target = line.split_once("\"target\":{")?.1;
    Some(Executable {
        path: PathBuf::from(text_of(line, "executable")?),
        directory: text_of(line, "manifest_path")
            .and_then(|manifest| Some(Path::new(&manifest).parent()?.to_owned())),
        target: text_of(target, "name")?,
    })
}

/// Returns the text of a JSON field. Only backslash escapes are handled, which is enough for the
/// fields of cargo that are read here.
fn text_of(json: &str, field: &str) -> Option<String> {
    let rest = json.split_once(&format!("\"{field}\":\""))?.1;
    let mut text = String::new();
    let mut characters = rest.chars();
    loop {
        match characters.next()? {
            '"' => return Some(text),
            '\\' => text.push(characters.next()?),
            c => text.push(c),
        }
    }
}

impl Executable {
    /// Returns the command that runs the executable in the directory that cargo would use.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        command
    }

    /// Returns the names of the executable's tests.
    fn tests(&self) -> io::Result<Vec<String>> {
        let output = self.command().arg("--list").output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(text
            .lines()
            .filter_map(|line| line.strip_suffix(": test"))
            .map(str::to_owned)
            .collect())
    }
}

/// Returns each test with its executable.
///
/// # Errors
///
/// If an executable cannot be run.
pub(crate) fn tests(executables: &[Executable]) -> Result<Vec<(&Executable, String)>, String> {
    let mut tests = Vec::new();
    for executable in executables {
        let names = executable.tests();
        let names = names.map_err(|error| format!("{}: {error}", executable.path.display()))?;
        tests.extend(names.into_iter().map(|test| (executable, test)));
    }
    Ok(tests)
}

/// Runs every test once, without a mutation. Returns the tests that are models, and the runs that
/// all tests recorded.
///
/// # Errors
///
/// If an executable cannot be run, or a test fails without a mutation.
pub(crate) fn record(
    executables: &[Executable],
    jobs: usize,
) -> Result<(Vec<Model>, Vec<Run>), String> {
    let tests = tests(executables)?;
    let done = each(&tests, jobs, |(executable, test)| {
        record_one(executable, test)
    });
    let (mut models, mut runs) = (Vec::new(), Vec::new());
    for recorded in done {
        let (model, mut of_test) = recorded?;
        models.extend(model);
        runs.append(&mut of_test);
    }
    models.sort_by_key(Model::name);
    Ok((models, runs))
}

fn record_one(executable: &Executable, test: &str) -> Result<(Option<Model>, Vec<Run>), String> {
    let name = executable.name_of(test);
    let sites = Temporary::new(&name, "sites");
    let begun = Instant::now();
    let environment = [(VARIABLE, protocol::record(&sites.0))];
    let recorded = executable.run_recorded(test, &environment)?;
    let cost = begun.elapsed();
    if recorded.ended != Ended::Passed {
        return Err(format!(
            "{name} fails without a mutation:\n{}",
            recorded.output
        ));
    }
    let reached = protocol::parse(&sites.read());
    if recorded.is_control() || reached.is_empty() {
        return Ok((None, recorded.runs));
    }
    eprintln!("recorded {name}: {} sites, {cost:.1?}", reached.len());
    let model = Model {
        executable: executable.clone(),
        test: test.to_owned(),
        cost,
        reached,
    };
    Ok((Some(model), recorded.runs))
}

/// The result of one run of a test.
pub(crate) struct Recorded {
    pub(crate) ended: Ended,
    output: String,
    /// The runs that its models recorded.
    pub(crate) runs: Vec<Run>,
}

impl Recorded {
    /// Returns `true` if the test is a `should_panic` test that passed.
    pub(crate) fn is_control(&self) -> bool {
        self.ended == Ended::Passed && self.output.contains(" - should panic ... ")
    }
}

impl Executable {
    /// Returns the test's name in tables: the test target and the test.
    pub(crate) fn name_of(&self, test: &str) -> String {
        format!("{}::{test}", self.target)
    }

    /// Runs a test and returns its output and the runs that it recorded.
    ///
    /// # Errors
    ///
    /// If the process cannot be run, or its record is malformed.
    pub(crate) fn run_recorded(
        &self,
        test: &str,
        environment: &[(&str, String)],
    ) -> Result<Recorded, String> {
        let name = self.name_of(test);
        let (record, stdout) = (Temporary::new(&name, "runs"), Temporary::new(&name, "out"));
        let failed = |error: io::Error| format!("{name}: {error}");
        let output = fs::File::create(&stdout.0).map_err(failed)?;
        let mut command = process::test(self.command(), test);
        command
            .env(runs::VARIABLE, &record.0)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdout(output);
        let ended = wait(command, UNMUTATED_TIMEOUT).map_err(failed)?;
        Ok(Recorded {
            ended,
            output: stdout.read(),
            runs: runs::parse(&record.read())?,
        })
    }
}

impl Model {
    /// Returns the test's name in tables: the test target and the test.
    pub(crate) fn name(&self) -> String {
        self.executable.name_of(&self.test)
    }

    /// Runs the model with one weakened operation.
    ///
    /// # Errors
    ///
    /// If the process cannot be run.
    pub(crate) fn run(&self, place: &str, change: &str, limit: Duration) -> io::Result<Ended> {
        let mut command = process::test(self.executable.command(), &self.test);
        command.env(VARIABLE, protocol::mutate(place, change));
        wait(command, limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargos_messages_and_plain_paths() {
        let text = concat!(
            r#"{"reason":"compiler-artifact","manifest_path":"/w/c\\d/Cargo.toml","#,
            r#""target":{"kind":["test"],"name":"ring"},"profile":{"debuginfo":0,"test":true},"#,
            r#""executable":"/t/deps/ring-0a1b"}"#,
            "\n",
            r#"{"reason":"compiler-artifact","target":{"name":"x"},"profile":{"test":false},"executable":"/t/x"}"#,
            "\n",
            r#"{"reason":"build-finished","success":true}"#,
            "\n/t/deps/two_words-99ff\n",
        );
        let found = executables(text);
        let actual: Vec<_> = found
            .iter()
            .map(|found| (found.target.as_str(), found.path.to_str(), &found.directory))
            .collect();
        let directory = Some(PathBuf::from("/w/c\\d"));
        assert_eq!(
            actual,
            [
                ("ring", Some("/t/deps/ring-0a1b"), &directory),
                ("two_words", Some("/t/deps/two_words-99ff"), &None),
            ]
        );
    }
}
