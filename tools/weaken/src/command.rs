//! The control flow of the command, from the arguments to the summary.

use std::collections::HashSet;
use std::fs;
use std::io::Read as _;
use std::process::ExitCode;

use crate::bounds;
use crate::checks::{self, Counts};
use crate::code;
use crate::faults;
use crate::groups::Protocols;
use crate::models::{self, Model};
use crate::mutation_run::{MutationRun, reaches};
use crate::options::{Action, Options, USAGE};
use crate::protocol::{self, Reached};
use crate::runs::{self, Run};
use crate::sites::{self, Listed};
use crate::summary::ModelReport;
use crate::table;

/// Runs the command with the given arguments.
pub fn main(arguments: impl Iterator<Item = String>) -> ExitCode {
    let mut arguments = arguments.peekable();
    if arguments.next_if_eq("code").is_some() {
        let arguments: Vec<String> = arguments.collect();
        return end(
            code::main(&arguments).map(|(problems, summary)| CheckResult { problems, summary })
        );
    }
    let options = match Options::parse(arguments) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("{problem}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    end(options.execute())
}

/// Prints the problems and the summary.
fn end(result: Result<CheckResult, String>) -> ExitCode {
    let result = result.unwrap_or_else(|problem| CheckResult {
        problems: vec![problem],
        summary: String::new(),
    });
    for problem in &result.problems {
        println!("problem: {problem}");
    }
    print!("{}", result.summary);
    if result.problems.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("{} problems", result.problems.len());
    ExitCode::FAILURE
}

/// The result of the command: problems, and the summary that is printed last.
#[derive(Debug, Default)]
struct CheckResult {
    problems: Vec<String>,
    summary: String,
}

impl Options {
    /// Executes the requested action.
    fn execute(&self) -> Result<CheckResult, String> {
        let mut runs = match &self.models {
            Some(file) => runs::parse(&read(file)?)?,
            None => Vec::new(),
        };
        let (models, reached) = match &self.action {
            Action::Bounds(file) => return self.measure_bounds(file),
            Action::Run(file) | Action::List(file) => {
                let executables = models::executables(&read(file)?);
                let (models, of_models) = models::record(&executables, self.jobs)?;
                runs = of_models;
                let reached = models.iter().flat_map(|model| model.reached.clone());
                let reached: HashSet<Reached> = reached.collect();
                (models, reached)
            }
            Action::Check(file) | Action::Update(file) | Action::Faults(file) => {
                (Vec::new(), protocol::parse(&read(file)?))
            }
        };
        let listed = sites::list(&self.sources, &self.facade, &reached)
            .map_err(|error| format!("the sources: {error}"))?;
        if let Action::List(_) = self.action {
            print_reached(&listed, &models);
            return Ok(CheckResult::default());
        }
        if reached.is_empty() {
            return Err("no model reached a site: were the models built with the cfg?".to_owned());
        }
        self.judge(&listed, &models, &runs, &reached)
    }

    fn judge(
        &self,
        listed: &Listed,
        models: &[Model],
        runs: &[Run],
        reached: &HashSet<Reached>,
    ) -> Result<CheckResult, String> {
        let protocols = match &self.protocols {
            Some(file) => Some(Protocols::parse(&read(file)?).map_err(|e| format!("{file}: {e}"))?),
            None => None,
        };
        let before = fs::read_to_string(&self.table).unwrap_or_default();
        let reached = reached
            .iter()
            .map(|site| (site.file.clone(), site.line, site.column));
        let runs_mutants = matches!(self.action, Action::Run(_));
        let run = MutationRun {
            models,
            before: &table::read(&before),
            reached: &reached.collect(),
            runs: &|file| runs_mutants && self.is_named(file),
            limit: self.limit,
            jobs: self.jobs,
        };
        let (rows, mut problems) = run.rows(&listed.sites);
        if let Action::Faults(_) = self.action {
            let faults = faults::list(&listed.sites, &rows, |file| self.is_named(file));
            return Ok(CheckResult {
                problems,
                summary: faults,
            });
        }
        let totals = checks::totals(&rows, listed);
        print!("{totals}");
        problems.extend(checks::problems(&rows, listed));
        let after = table::write(&totals, &rows);
        if let Action::Check(_) = self.action {
            if after != before {
                problems.push(format!(
                    "{} does not match the sources: {}",
                    self.table,
                    first_difference(&before, &after)
                ));
            }
        } else {
            fs::write(&self.table, after).map_err(|error| format!("{}: {error}", self.table))?;
        }
        let report = ModelReport {
            runs,
            protocols: protocols.as_ref(),
            whole: self.whole,
        };
        problems.extend(report.problems());
        let source = match (runs_mutants, self.only.is_empty()) {
            (true, true) => "all run now",
            (true, false) => "some files run now, the others from the table",
            (false, _) => "from the table",
        };
        Ok(CheckResult {
            problems,
            summary: report.summary(listed, &Counts::of(&rows), source),
        })
    }

    fn measure_bounds(&self, file: &str) -> Result<CheckResult, String> {
        let executables = models::executables(&read(file)?);
        let is_named = |name: &str| self.is_named(name);
        let (rows, mut problems) =
            bounds::measure(&executables, is_named, self.jobs, self.seconds)?;
        if rows.is_empty() {
            problems.push("no model recorded its run".to_owned());
        } else if let Some(into) = self.into.as_ref().filter(|_| self.only.is_empty()) {
            let table = bounds::write(&rows, self.seconds);
            fs::write(into, table).map_err(|error| format!("{into}: {error}"))?;
        }
        Ok(CheckResult {
            problems,
            summary: bounds::totals(&rows),
        })
    }

    /// Returns `true` if `--only` is empty or one of its texts is part of the name.
    fn is_named(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|text| name.contains(text.as_str()))
    }
}

fn read(file: &str) -> Result<String, String> {
    let mut text = String::new();
    let read = match file {
        "-" => std::io::stdin().read_to_string(&mut text).map(|_| ()),
        _ => fs::read_to_string(file).map(|read| text = read),
    };
    read.map_err(|error| format!("{file}: {error}"))?;
    Ok(text)
}

/// Describes the first row that differs, which is more useful than a changed total; if all rows are
/// equal, the first line that differs.
fn first_difference(before: &str, after: &str) -> String {
    let is_row = |line: &&str| line.starts_with("| `");
    let of = |is_meant: &dyn Fn(&&str) -> bool| {
        let mut old = before.lines().filter(is_meant);
        let mut new = after.lines().filter(is_meant);
        loop {
            match (old.next(), new.next()) {
                (None, None) => return None,
                (old, new) if old != new => return Some((old, new)),
                _ => {}
            }
        }
    };
    let describe =
        |line: Option<&str>| line.map_or("its end".to_owned(), |line| format!("{line:?}"));
    match of(&is_row).or_else(|| of(&|_| true)) {
        Some((old, new)) => format!("it has {} instead of {}", describe(old), describe(new)),
        None => "only the line endings differ".to_owned(),
    }
}

/// Prints each site with the models that reach it.
fn print_reached(listed: &Listed, models: &[Model]) {
    for site in &listed.sites {
        let there = models.iter().filter(|model| reaches(model, site));
        let names: Vec<_> = there.map(Model::name).collect();
        println!(
            "{} {} {} {}: {} models: {}",
            site.place(),
            site.function,
            site.operation,
            site.ordering(),
            names.len(),
            names.join(" ")
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_more_than_a_total() {
        let before = "- Mutants: 2.\n| `f` | a |\n| `g` | a |\n";
        let after = "- Mutants: 1.\n| `f` | a |\n| `g` | b |\n";
        let expected = r#"it has "| `g` | a |" instead of "| `g` | b |""#;
        assert_eq!(first_difference(before, after), expected);
        let after = "- Mutants: 1.\n| `f` | a |\n| `g` | a |\n";
        let expected = r#"it has "- Mutants: 2." instead of "- Mutants: 1.""#;
        assert_eq!(first_difference(before, after), expected);
        let expected = r#"it has "| `f` | a |" instead of its end"#;
        assert_eq!(first_difference("| `f` | a |\n", ""), expected);
    }
}
