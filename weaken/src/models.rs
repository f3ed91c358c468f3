//! The models: tests in executables that others built, each run in a process of its own.
//!
//! Owns the processes and their limits. A model is any test that passes and reaches a site; a test
//! that should panic is a control and no model. What it learns goes on to `campaign.rs`.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::each::each;
use crate::protocol::{self, Reached, VARIABLE};

/// A test executable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Executable {
    path: PathBuf,
    /// The package's directory, in which cargo would run it.
    directory: Option<PathBuf>,
    /// The name of the test target.
    target: String,
}

/// A test that reaches sites.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    executable: Executable,
    test: String,
    /// How long it took.
    pub(crate) cost: Duration,
    pub(crate) reached: HashSet<Reached>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Passed,
    Failed,
    TimedOut,
}

/// How long a test may take that is not mutated.
const PATIENCE: Duration = Duration::from_secs(3600);

/// Reads cargo's messages (`--message-format=json`), or one path a line.
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

/// The text of a JSON field, of which cargo's are plain but for the backslashes of paths.
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
    fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        command
    }

    /// The names of its tests.
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

/// Runs every test once, alone, and keeps those that are models.
///
/// # Errors
///
/// When an executable cannot be run, or a test fails that is not mutated.
pub(crate) fn record(executables: &[Executable], jobs: usize) -> Result<Vec<Model>, String> {
    let mut tests = Vec::new();
    for executable in executables {
        let names = executable.tests();
        let names = names.map_err(|error| format!("{}: {error}", executable.path.display()))?;
        tests.extend(names.into_iter().map(|test| (executable, test)));
    }
    let done = each(&tests, jobs, |(executable, test)| {
        record_one(executable, test)
    });
    let mut models = Vec::new();
    for model in done {
        models.extend(model?);
    }
    models.sort_by_key(Model::name);
    Ok(models)
}

fn record_one(executable: &Executable, test: &str) -> Result<Option<Model>, String> {
    let name = format!("{}::{test}", executable.target);
    let file = temporary(&name);
    let text = file.to_string_lossy();
    let output_file = format!("{text}.out");
    let failed = |error: io::Error| format!("{name}: {error}");
    let output = fs::File::create(&output_file).map_err(failed)?;
    let begun = Instant::now();
    let mut command = command(executable, test, &protocol::record(&text));
    command.stdout(output);
    let ended = wait(command, PATIENCE).map_err(failed)?;
    let cost = begun.elapsed();
    let output = fs::read_to_string(&output_file).unwrap_or_default();
    let record = fs::read_to_string(&file).unwrap_or_default();
    let _ = fs::remove_file(&output_file);
    let _ = fs::remove_file(&file);
    if ended != Ended::Passed {
        return Err(format!("{name} fails without a mutation:\n{output}"));
    }
    let is_control = output.contains(" - should panic ... ");
    let reached = protocol::parse(&record);
    if is_control || reached.is_empty() {
        return Ok(None);
    }
    eprintln!("recorded {name}: {} sites, {cost:.1?}", reached.len());
    Ok(Some(Model {
        executable: executable.clone(),
        test: test.to_owned(),
        cost,
        reached,
    }))
}

fn temporary(name: &str) -> PathBuf {
    let plain = |c: char| if c.is_alphanumeric() { c } else { '_' };
    let name: String = name.chars().map(plain).collect();
    std::env::temp_dir().join(format!("framewise-weaken-{}-{name}", std::process::id()))
}

fn command(executable: &Executable, test: &str, sites: &str) -> Command {
    let mut command = executable.command();
    command
        .args(["--exact", test, "--test-threads", "1"])
        .env(VARIABLE, sites)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// Waits for the process, or ends it.
fn wait(mut command: Command, limit: Duration) -> io::Result<Ended> {
    let begun = Instant::now();
    let mut child = command.spawn()?;
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(match status.success() {
                true => Ended::Passed,
                false => Ended::Failed,
            });
        }
        if begun.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            return Ok(Ended::TimedOut);
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

impl Model {
    /// As tables have it: the test target and the test.
    pub(crate) fn name(&self) -> String {
        format!("{}::{}", self.executable.target, self.test)
    }

    /// Runs it with one operation weakened.
    ///
    /// # Errors
    ///
    /// When the process cannot be run.
    pub(crate) fn run(&self, place: &str, change: &str, limit: Duration) -> io::Result<Ended> {
        let sites = protocol::mutate(place, change);
        wait(command(&self.executable, &self.test, &sites), limit)
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
        let told: Vec<_> = found
            .iter()
            .map(|found| (found.target.as_str(), found.path.to_str(), &found.directory))
            .collect();
        let directory = Some(PathBuf::from("/w/c\\d"));
        assert_eq!(
            told,
            [
                ("ring", Some("/t/deps/ring-0a1b"), &directory),
                ("two_words", Some("/t/deps/two_words-99ff"), &None),
            ]
        );
    }

    #[test]
    fn a_process_that_does_not_end_is_ended() {
        let mut command = Command::new("sleep");
        command.arg("1000");
        assert_eq!(wait(command, Duration::ZERO).unwrap(), Ended::TimedOut);
    }

    #[test]
    fn a_process_tells_by_its_status() {
        for (program, ended) in [("true", Ended::Passed), ("false", Ended::Failed)] {
            assert_eq!(wait(Command::new(program), PATIENCE).unwrap(), ended);
        }
    }
}
