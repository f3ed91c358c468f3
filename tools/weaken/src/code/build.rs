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

/// Rejects the mutants that cause the errors: those at the places of the errors, except for moved
/// values. If no error is at a mutant, rejects all mutants of the functions with errors. Returns
/// how many.
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
        let skipped = moved_value(what).and_then(|value| {
            let assignment = format!("{value} = ");
            rewritten.skipped_before(line, column, |id| {
                let mutant = &source.points.mutants[id];
                mutant.change == "skipped" && mutant.code.starts_with(&assignment)
            })
        });
        match skipped {
            Some(id) => source.rejected.extend([id]),
            None => source.rejected.extend(rewritten.at(line, column)),
        }
        functions.extend(rewritten.of_function(line, column));
    }
    if source.rejected.len() == before {
        source.rejected.extend(functions);
    }
    source.rejected.len() - before
}

/// Returns the name of the value that is used after a move, if that is the error. Then the mutant
/// that does not compile is not at the use: it skips the assignment in between.
fn moved_value(error: &str) -> Option<&str> {
    let is_moved = error.contains("[E0382]") && error.contains(" moved value: ");
    is_moved.then(|| error.split('`').nth(1)).flatten()
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

#[cfg(test)]
mod tests {
    use super::*;

    /// `state` moves and is assigned again. The compiler reports the use of it that follows, which
    /// is in another mutant, or in none.
    #[test]
    fn a_value_that_is_used_after_a_move_rejects_the_skipped_assignment() {
        let text = "fn f(state: S) {\n\
            drop(state);\n\
            state = lock();\n\
            state.count();\n\
            loop {\n\
            state.wait(state.left);\n\
            state = lock();\n\
            }\n\
            }\n";
        let points = points::find(text, true, &[]).expect("it parses");
        let mut source = Changed {
            path: "src/pool.rs".to_owned(),
            text: text.to_owned(),
            points,
            rejected: HashSet::new(),
            first: 0,
        };
        let mut rejects = |place: &str| {
            let rewritten = source.rewritten();
            let at = rewritten.text.rfind(place).expect("it is in the text");
            let before = &rewritten.text[..at];
            let line = before.matches('\n').count() + 1;
            let column = at - before.rfind('\n').map_or(0, |at| at + 1) + 1;
            let error = format!(
                "src/pool.rs:{line}:{column}: error[E0382]: borrow of moved value: `state`: value borrowed"
            );
            let before = source.rejected.clone();
            reject(&mut source, &rewritten, &error);
            let new = source.rejected.difference(&before);
            new.map(|&id| {
                let mutant = &source.points.mutants[id];
                format!("{} {} {}", mutant.line, mutant.change, mutant.code)
            })
            .collect::<Vec<_>>()
        };
        assert_eq!(rejects("state.count()"), ["3 skipped state = lock();"]);
        assert_eq!(rejects("state.wait("), ["7 skipped state = lock();"]);
        // Neither assignment is skipped any more.
        assert_eq!(
            rejects("state.wait("),
            ["6 skipped state.wait(state.left);"]
        );
    }
}
