//! The command line, and what follows what.

use std::collections::HashSet;
use std::fs;
use std::io::Read as _;
use std::process::ExitCode;
use std::time::Duration;

use crate::campaign::{Campaign, is_there};
use crate::models::{self, Model};
use crate::protocol::{self, Reached};
use crate::sites::{self, Listed};
use crate::table;
use crate::verdict::{self, Allowances};

const USAGE: &str = "\
usage: framewise-weaken --sources PATH... --table FILE [--allow FILE] [--facade CRATE] ACTION

  --sources PATH...    the shipped code: directories or files, relative as the compiler names them
  --table FILE         the table that is read and written
  --allow FILE         `file count reason` lines: where sites may be unreached
  --facade CRATE       the crate whose primitives are sites (framewise_sync)

actions
  --run FILE           run the mutants with the test executables that FILE names (`-`: standard
                       input): cargo's messages (--message-format=json), or one path a line
      --only TEXT...   of the files whose path contains one of these; keep the other rows
      --jobs N         processes at a time (2)
      --limit SECONDS  for a mutated model, if 20 times its own time is less (60)
  --list FILE          the same executables: only tell which models reach which site
  --check RECORD       run nothing: compare the sources with the table and with the sites that the
                       models recorded (FRAMEWISE_SITES=\"record FILE\")
  --update RECORD      run nothing: write the table anew from its own results
";

/// Runs the command with these arguments.
pub fn main(arguments: impl Iterator<Item = String>) -> ExitCode {
    let options = match Options::parse(arguments) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("{problem}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match options.execute() {
        Ok(problems) if problems.is_empty() => ExitCode::SUCCESS,
        Ok(problems) => {
            for problem in &problems {
                println!("problem: {problem}");
            }
            println!("{} problems", problems.len());
            ExitCode::FAILURE
        }
        Err(problem) => {
            println!("problem: {problem}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Debug)]
enum Action {
    Run(String),
    List(String),
    Check(String),
    Update(String),
}

#[derive(Debug)]
struct Options {
    sources: Vec<String>,
    table: String,
    allow: Option<String>,
    facade: String,
    action: Action,
    only: Vec<String>,
    jobs: usize,
    limit: Duration,
}

impl Options {
    fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut arguments = arguments.peekable();
        let (mut sources, mut only) = (Vec::new(), Vec::new());
        let (mut table, mut allow, mut action) = (None, None, None);
        let (mut facade, mut jobs, mut limit) = ("framewise_sync".to_owned(), 2, 60);
        while let Some(option) = arguments.next() {
            let mut values = Vec::new();
            while let Some(value) = arguments.next_if(|value| !value.starts_with("--")) {
                values.push(value);
            }
            match option.as_str() {
                "--sources" => sources = values,
                "--only" => only = values,
                _ => {
                    let [value] = values.as_slice() else {
                        return Err(format!("{option} needs one value"));
                    };
                    let value = value.clone();
                    let number = || value.parse::<usize>().map_err(|e| format!("{option}: {e}"));
                    match option.as_str() {
                        "--table" => table = Some(value),
                        "--allow" => allow = Some(value),
                        "--facade" => facade = value,
                        "--jobs" => jobs = number()?,
                        "--limit" => limit = number()? as u64,
                        "--run" => action = Some(Action::Run(value)),
                        "--list" => action = Some(Action::List(value)),
                        "--check" => action = Some(Action::Check(value)),
                        "--update" => action = Some(Action::Update(value)),
                        _ => return Err(format!("no such option: {option}")),
                    }
                }
            }
        }
        if sources.is_empty() {
            return Err("--sources is missing".to_owned());
        }
        Ok(Self {
            sources,
            table: table.ok_or("--table is missing")?,
            allow,
            facade,
            action: action.ok_or("an action is missing")?,
            only,
            jobs,
            limit: Duration::from_secs(limit),
        })
    }

    /// Does it; returns what is wrong.
    fn execute(&self) -> Result<Vec<String>, String> {
        let (models, reached) = match &self.action {
            Action::Run(file) | Action::List(file) => {
                let executables = models::executables(&read(file)?);
                let models = models::record(&executables, self.jobs)?;
                let reached = models.iter().flat_map(|model| model.reached.clone());
                let reached: HashSet<Reached> = reached.collect();
                (models, reached)
            }
            Action::Check(file) | Action::Update(file) => {
                (Vec::new(), protocol::parse(&read(file)?))
            }
        };
        let listed = sites::list(&self.sources, &self.facade, &reached)
            .map_err(|error| format!("the sources: {error}"))?;
        if let Action::List(_) = self.action {
            tell(&listed, &models);
            return Ok(Vec::new());
        }
        if reached.is_empty() {
            return Err("no model reached anything: were they built with the cfg?".to_owned());
        }
        self.judge(&listed, &models, &reached)
    }

    fn judge(
        &self,
        listed: &Listed,
        models: &[Model],
        reached: &HashSet<Reached>,
    ) -> Result<Vec<String>, String> {
        let allowances = match &self.allow {
            Some(file) => Allowances::parse(&read(file)?)?,
            None => Allowances::default(),
        };
        let before = fs::read_to_string(&self.table).unwrap_or_default();
        let reached = reached
            .iter()
            .map(|site| (site.file.clone(), site.line, site.column));
        let campaign = Campaign {
            models,
            before: &table::read(&before),
            reached: &reached.collect(),
            runs: &|file| {
                let is_named = |text: &String| file.contains(text.as_str());
                matches!(self.action, Action::Run(_))
                    && (self.only.is_empty() || self.only.iter().any(is_named))
            },
            limit: self.limit,
            jobs: self.jobs,
        };
        let (rows, mut problems) = campaign.rows(&listed.sites);
        problems.extend(verdict::problems(&rows, listed, &allowances));
        let totals = verdict::totals(&rows, listed, &allowances);
        print!("{totals}");
        let after = table::write(&totals, &rows);
        if let Action::Check(_) = self.action {
            if after != before {
                problems.push(format!(
                    "{} is not what the sources say: {}",
                    self.table,
                    first_difference(&before, &after)
                ));
            }
        } else {
            fs::write(&self.table, after).map_err(|error| format!("{}: {error}", self.table))?;
        }
        Ok(problems)
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

fn first_difference(before: &str, after: &str) -> String {
    let mut lines = before.lines();
    for line in after.lines() {
        let old = lines.next();
        if old != Some(line) {
            return format!("it has {:?} instead of {line:?}", old.unwrap_or("its end"));
        }
    }
    format!("it goes on with {:?}", lines.next().unwrap_or_default())
}

/// Each site with the models that reach it.
fn tell(listed: &Listed, models: &[Model]) {
    for site in &listed.sites {
        let there = models.iter().filter(|model| is_there(model, site));
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
