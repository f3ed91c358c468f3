//! The copy of the workspace, in which each mutant is a run-time choice, and the test executables
//! built from it.
//!
//! Decides which mutants are rejected because they do not compile.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::plan::{Plan, Suite};
use super::points::{self, Points};
use super::report::{self, Key, Row};
use super::rewrite::{Rewritten, rewrite};
use super::run::Outcome;
use crate::models::{self, Executable};

/// A source file with mutants.
pub(crate) struct Changed {
    pub(crate) path: String,
    pub(crate) text: String,
    pub(crate) points: Points,
    /// The mutants that do not compile.
    pub(crate) rejected: HashSet<usize>,
    /// The number of its first mutant, counted over all sources.
    pub(crate) first: usize,
}

impl Changed {
    /// Returns the numbers of its mutants.
    pub(crate) fn numbers(&self) -> Range<usize> {
        self.first..self.first + self.points.mutants.len()
    }

    fn rewritten(&self) -> Rewritten {
        rewrite(&self.text, &self.points, &self.rejected, self.first)
    }
}

/// Reads the sources that the plan names.
///
/// # Errors
///
/// If a source cannot be read, or does not parse.
pub(crate) fn sources(plan: &Plan) -> Result<Vec<Changed>, String> {
    let mut first = 0;
    let mut all = Vec::new();
    for source in &plan.sources {
        let path = source.path.clone();
        let text = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
        let points = points::find(&text, source.has_order, &plan.ignored)
            .map_err(|error| format!("{path}: {error}"))?;
        let count = points.mutants.len();
        all.push(Changed {
            path,
            text,
            points,
            rejected: HashSet::new(),
            first,
        });
        first += count;
    }
    Ok(all)
}

/// Rejects the mutants that did not compile in the last run.
pub(crate) fn reject_known(sources: &mut [Changed], known: &HashMap<Key, Outcome>) {
    let rows = report::rows(sources);
    let is_rejected = |row: &Row<'_>| known.get(&row.key()) == Some(&Outcome::Rejected);
    let rejected: Vec<bool> = rows.iter().map(is_rejected).collect();
    for source in sources {
        let of_source = source.numbers().filter(|&number| rejected[number]);
        source.rejected = of_source.map(|number| number - source.first).collect();
    }
}

/// The directories of the copy and of its build.
pub(crate) struct Copy {
    pub(crate) tree: PathBuf,
    pub(crate) target: PathBuf,
}

impl Copy {
    /// Copies all files that git tracks or would add. Does not touch unchanged files, so that cargo
    /// does not rebuild them.
    fn take(&self, plan: &Plan, changed: &[Changed]) -> Result<(), String> {
        let mut list = Command::new("git");
        list.args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ]);
        let list = list.output().map_err(|error| format!("git: {error}"))?;
        let names = String::from_utf8_lossy(&list.stdout).into_owned();
        for name in names.split('\0').filter(|name| Path::new(name).is_file()) {
            if changed.iter().any(|source| source.path == name) {
                continue;
            }
            let mut bytes = fs::read(name).map_err(|error| format!("{name}: {error}"))?;
            if name.ends_with(".rs") {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                // Each file declares the choice function, which needs `unsafe`.
                let mut text = text.replace("#![forbid(unsafe_code)]", "");
                if name == plan.choice {
                    text += "\n#[doc(hidden)]\nmod choice;\n";
                }
                bytes = text.into_bytes();
            }
            write(&self.tree.join(name), &bytes)?;
        }
        let choice = Path::new(&plan.choice).with_file_name("choice.rs");
        write(&self.tree.join(choice), include_bytes!("choice.rs"))
    }

    /// Builds every suite, and rejects mutants that do not compile.
    ///
    /// # Errors
    ///
    /// If anything other than a mutant does not compile.
    pub(crate) fn build(
        &self,
        plan: &Plan,
        changed: &mut [Changed],
    ) -> Result<Vec<Vec<Executable>>, String> {
        self.take(plan, changed)?;
        plan.suites
            .iter()
            .map(|suite| self.build_suite(suite, changed))
            .collect()
    }

    fn build_suite(
        &self,
        suite: &Suite,
        changed: &mut [Changed],
    ) -> Result<Vec<Executable>, String> {
        loop {
            let rewritten: Vec<_> = changed.iter().map(Changed::rewritten).collect();
            for (source, rewritten) in changed.iter().zip(&rewritten) {
                write(&self.tree.join(&source.path), rewritten.text.as_bytes())?;
            }
            let (is_built, _, errors) = self.cargo(suite, "short")?;
            if is_built {
                let (_, messages, _) = self.cargo(suite, "json")?;
                return Ok(models::executables(&messages));
            }
            let mut count = 0;
            for (source, rewritten) in changed.iter_mut().zip(&rewritten) {
                count += reject(source, rewritten, &errors);
            }
            eprintln!("{}: {count} mutants do not compile", suite.name);
            if count == 0 {
                return Err(format!("{} does not compile:\n{errors}", suite.name));
            }
        }
    }

    fn cargo(&self, suite: &Suite, format: &str) -> Result<(bool, String, String), String> {
        let mut cargo = Command::new("cargo");
        cargo
            .args(["test", "--no-run", "--message-format", format])
            .args(&suite.arguments)
            .current_dir(&self.tree)
            .stdin(Stdio::null());
        let mut target = self.target.clone();
        if let Some(cfg) = &suite.cfg {
            let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
            cargo.env("RUSTFLAGS", format!("{flags} --cfg {cfg}").trim());
            target.push(cfg.rsplit('_').next().unwrap_or_default());
        }
        let output = cargo.arg("--target-dir").arg(target).output();
        let output = output.map_err(|error| format!("cargo: {error}"))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok((
            output.status.success(),
            text(&output.stdout),
            text(&output.stderr),
        ))
    }
}

/// Rejects the mutants at the places of the errors. If no error is at a mutant, rejects all mutants
/// of the functions with errors. Returns how many.
fn reject(source: &mut Changed, rewritten: &Rewritten, errors: &str) -> usize {
    let before = source.rejected.len();
    let mut functions: HashSet<usize> = HashSet::new();
    for line in errors.lines() {
        let mut fields = line.splitn(4, ':');
        let (Some(path), Some(line), Some(column), Some(what)) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let (Ok(line), Ok(column)) = (line.parse::<usize>(), column.parse::<usize>()) else {
            continue;
        };
        // A source that another crate includes has a path relative to that crate.
        let is_here = Path::new(path).ends_with(&source.path)
            || source.path.ends_with(path.trim_start_matches("../"));
        if !is_here || !what.trim_start().starts_with("error") {
            continue;
        }
        source.rejected.extend(rewritten.at(line, column));
        functions.extend(rewritten.of_function(line, column));
    }
    if source.rejected.len() == before {
        source.rejected.extend(functions);
    }
    source.rejected.len() - before
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    if fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    let failed = |error| format!("{}: {error}", path.display());
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).map_err(failed)?;
    }
    fs::write(path, bytes).map_err(failed)
}
