//! The two committed lists.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use crate::{Outcome, Outcomes};

/// The groups of the table, in its order.
pub(crate) const GROUPS: [&str; 11] = [
    "rt", "task", "time", "net", "driver", "signal", "process", "fs", "sync", "io", "macros",
];

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> Result<String, String> {
    fs::read_to_string(path(name)).map_err(|error| format!("{name}: {error}"))
}

/// Returns the lines of a list without its comments.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Returns the comment at the beginning of a list.
fn head(text: &str) -> String {
    let head = text.lines().take_while(|line| line.starts_with('#'));
    head.fold(String::new(), |head, line| head + line + "\n")
}

/// One test file of tokio's.
pub(crate) struct TestFile {
    pub(crate) group: String,
    /// How many tests it has over tokio itself, here.
    pub(crate) tests: usize,
    /// Why it is left out, if it is.
    pub(crate) left_out: Option<String>,
}

/// `files.txt`.
pub(crate) struct Files {
    head: String,
    pub(crate) files: BTreeMap<String, TestFile>,
}

impl Files {
    pub(crate) fn read() -> Result<Self, String> {
        let text = read("files.txt")?;
        let mut files = BTreeMap::new();
        for line in lines(&text) {
            let (entry, reason) = match line.split_once('|') {
                Some((entry, reason)) => (entry, Some(reason.trim().to_owned())),
                None => (line, None),
            };
            let words: Vec<&str> = entry.split_whitespace().collect();
            let [group, file, tests] = words[..] else {
                return Err(format!("files.txt: group, file, tests: {line}"));
            };
            if !GROUPS.contains(&group) {
                return Err(format!("files.txt: no such group: {line}"));
            }
            let tests = tests
                .parse()
                .map_err(|_| format!("files.txt: number of tests: {line}"))?;
            let file_entry = TestFile {
                group: group.to_owned(),
                tests,
                left_out: reason,
            };
            files.insert(file.to_owned(), file_entry);
        }
        let head = head(&text);
        Ok(Self { head, files })
    }

    /// Takes over how many tests each file has.
    pub(crate) fn set_counts(&mut self, results: &BTreeMap<String, Outcomes>) {
        for (file, outcomes) in results {
            if let Some(entry) = self.files.get_mut(file) {
                entry.tests = outcomes.len();
            }
        }
    }

    pub(crate) fn write(&self) -> Result<(), String> {
        let mut text = self.head.clone();
        for group in GROUPS {
            text.push('\n');
            for (name, file) in self.files.iter().filter(|(_, file)| file.group == group) {
                let reason = file.left_out.as_ref();
                let reason = reason.map_or(String::new(), |reason| format!(" | {reason}"));
                let _ = writeln!(text, "{group} {name} {}{reason}", file.tests);
            }
        }
        fs::write(path("files.txt"), text).map_err(|error| error.to_string())
    }
}

/// What `differences.txt` says of a test.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It is not applicable: it fails over tokio here, too, or tests what is left out.
    LeftOut,
    /// It runs and fails.
    Differs,
    /// It does not compile.
    Lacks,
    /// It passes or fails, by chance.
    Varies,
}

impl Kind {
    fn name(&self) -> &'static str {
        match self {
            Self::LeftOut => "left-out",
            Self::Differs => "differs",
            Self::Lacks => "lacks",
            Self::Varies => "varies",
        }
    }
}

/// `differences.txt`: `kind file::test | reason`. A test's name may be `*`, for all of its file.
pub(crate) struct Known {
    head: String,
    pub(crate) tests: BTreeMap<(String, String), (Kind, String)>,
}

impl Known {
    pub(crate) fn read() -> Result<Self, String> {
        let text = read("differences.txt")?;
        let mut tests = BTreeMap::new();
        for line in lines(&text) {
            let wrong = || format!("differences.txt: kind file::test | reason: {line}");
            let (entry, reason) = line.split_once('|').ok_or_else(wrong)?;
            let (kind, name) = entry.trim().split_once(' ').ok_or_else(wrong)?;
            let (file, test) = name.trim().split_once("::").ok_or_else(wrong)?;
            let kind = [Kind::LeftOut, Kind::Differs, Kind::Lacks, Kind::Varies]
                .into_iter()
                .find(|known| known.name() == kind)
                .ok_or_else(wrong)?;
            if reason.trim().is_empty() {
                return Err(wrong());
            }
            let key = (file.to_owned(), test.to_owned());
            tests.insert(key, (kind, reason.trim().to_owned()));
        }
        let head = head(&text);
        Ok(Self { head, tests })
    }

    /// Returns the entry of a test.
    pub(crate) fn of(&self, file: &str, test: &str) -> Option<&(Kind, String)> {
        let key = |test: &str| (file.to_owned(), test.to_owned());
        self.tests
            .get(&key(test))
            .or_else(|| self.tests.get(&key("*")))
    }

    /// Returns `true` if the test is known to run and fail.
    pub(crate) fn fails(&self, file: &str, test: &str) -> bool {
        self.of(file, test)
            .is_some_and(|(kind, _)| *kind != Kind::Lacks)
    }

    /// Makes the list that of this run: keeps the reasons of tests that still do not pass, removes
    /// those that pass, and enters new ones with what they said.
    pub(crate) fn learn(&mut self, results: &BTreeMap<String, Outcomes>, ran: &BTreeSet<String>) {
        let old = std::mem::take(&mut self.tests);
        for (key, (kind, reason)) in &old {
            let stays = matches!(kind, Kind::LeftOut | Kind::Varies);
            if stays || !ran.contains(&key.0) {
                self.tests
                    .insert(key.clone(), (kind.clone(), reason.clone()));
            }
        }
        for (file, outcomes) in results {
            for (test, outcome) in outcomes {
                let (kind, said) = match outcome {
                    Outcome::Passed => continue,
                    Outcome::Failed(said) => (Kind::Differs, said),
                    Outcome::Lacks(name) => (Kind::Lacks, name),
                };
                let key = (file.clone(), test.clone());
                if self
                    .of(file, test)
                    .is_some_and(|(kind, _)| matches!(kind, Kind::LeftOut | Kind::Varies))
                {
                    continue;
                }
                let reason = match old.get(&key) {
                    Some((known, reason)) if *known == kind && !reason.starts_with('?') => {
                        reason.clone()
                    }
                    _ => format!("? {}", said.replace(['|', '\n'], " ")),
                };
                self.tests.insert(key, (kind, reason));
            }
        }
    }

    pub(crate) fn write(&self) -> Result<(), String> {
        let mut text = self.head.clone();
        let mut last = "";
        for ((file, test), (kind, reason)) in &self.tests {
            if file != last {
                text.push('\n');
                last = file;
            }
            let _ = writeln!(text, "{} {file}::{test} | {reason}", kind.name());
        }
        fs::write(path("differences.txt"), text).map_err(|error| error.to_string())
    }
}
