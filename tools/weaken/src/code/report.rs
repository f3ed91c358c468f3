//! The table, and its problems.
//!
//! Owns the table's text and the form of an argument for a survivor, which stands above the code:
//!
//! ```text
//! // Unnoticed: negated, because …
//! // Unnoticed: left out `x.is_empty()` and skipped, because …
//! ```

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use super::build::Changed;
use super::points::Mutant;
use super::run::Outcome;
use crate::lexer;

/// A mutant with its place and its result.
pub(crate) struct Row<'a> {
    pub(crate) path: &'a str,
    pub(crate) mutant: &'a Mutant,
    /// The number of earlier mutants with the same function, change and code.
    pub(crate) repeated: usize,
    pub(crate) outcome: Option<Outcome>,
}

/// Identifies a row across runs.
pub(crate) type Key = (String, String, String, String, usize);

impl Row<'_> {
    pub(crate) fn key(&self) -> Key {
        let Mutant {
            function,
            change,
            code,
            ..
        } = self.mutant;
        let change = change.replace('|', "¦");
        let code = code.replace('|', "¦");
        (
            self.path.to_owned(),
            function.clone(),
            change,
            code,
            self.repeated,
        )
    }
}

/// Returns the rows of all mutants, in the order of their numbers.
pub(crate) fn rows(sources: &[Changed]) -> Vec<Row<'_>> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    for source in sources {
        let mut seen: HashMap<(&str, &str, &str), usize> = HashMap::new();
        for (id, mutant) in source.points.mutants.iter().enumerate() {
            let count = seen
                .entry((&mutant.function, &mutant.change, &mutant.code))
                .or_default();
            rows.push(Row {
                path: &source.path,
                mutant,
                repeated: *count,
                outcome: source.rejected.contains(&id).then_some(Outcome::Rejected),
            });
            *count += 1;
        }
    }
    rows
}

/// An argument in a source.
#[derive(Debug, PartialEq, Eq)]
struct Argument {
    line: usize,
    /// The line of code below the comment.
    code_line: usize,
    label: String,
    reason: String,
}

fn arguments(source: &str) -> Vec<Argument> {
    let (_, comments) = lexer::lex(source);
    let mut found = Vec::new();
    let mut at = 0;
    while at < comments.len() {
        let mut end = at + 1;
        while end < comments.len() && comments[end].line == comments[end - 1].line + 1 {
            end += 1;
        }
        let lines = comments[at..end].iter().map(|comment| comment.text.trim());
        let text = lines.collect::<Vec<_>>().join(" ");
        for part in text.split("Unnoticed: ").skip(1) {
            let (labels, reason) = part.split_once(", because ").unwrap_or((part, ""));
            for label in labels.split(" and ") {
                found.push(Argument {
                    line: comments[at].line as usize,
                    code_line: comments[end - 1].line as usize + 1,
                    label: label.trim().to_owned(),
                    reason: reason.trim().trim_end_matches('.').to_owned(),
                });
            }
        }
        at = end;
    }
    found
}

impl Argument {
    fn is_of(&self, mutant: &Mutant) -> bool {
        let with_code = format!("{} `{}", mutant.change, mutant.code);
        let label = self.label.trim_end_matches('`');
        mutant.line == self.code_line
            && (self.label == mutant.change
                || label.len() > mutant.change.len() && with_code.starts_with(label))
    }
}

/// Assigns the arguments to the survivors; returns the problems.
pub(crate) fn argue(rows: &mut [Row<'_>], sources: &[Changed]) -> Vec<String> {
    let mut problems = Vec::new();
    for source in sources {
        for argument in arguments(&source.text) {
            let mut is_used = false;
            let of_source = rows.iter_mut().filter(|row| row.path == source.path);
            for row in of_source.filter(|row| argument.is_of(row.mutant)) {
                if let Some(Outcome::Survives(_) | Outcome::Hangs(_) | Outcome::Argued(_)) =
                    row.outcome
                {
                    row.outcome = Some(Outcome::Argued(argument.reason.clone()));
                    is_used = true;
                }
            }
            if !is_used || argument.reason.is_empty() {
                problems.push(format!(
                    "{}:{}: this `Unnoticed:` argument matches no survivor: {}",
                    source.path, argument.line, argument.label
                ));
            }
        }
    }
    for row in rows.iter() {
        let place = format!("{}:{}: {}", row.path, row.mutant.line, row.mutant.function);
        let what = format!("{place}: {} `{}`", row.mutant.change, row.mutant.code);
        match &row.outcome {
            Some(Outcome::Survives(0)) => problems.push(format!("{what}: no test reaches it")),
            Some(Outcome::Survives(count)) => {
                problems.push(format!("{what}: survives {count} tests"));
            }
            None => problems.push(format!("{what}: has not run, and has no row in the table")),
            _ => {}
        }
    }
    problems
}

/// The number of mutants per result, of one function or of all.
#[derive(Default)]
struct Counts {
    mutants: usize,
    killed: usize,
    hang: usize,
    argued: usize,
    surviving: usize,
    /// The number of mutants that each test target has killed.
    by: BTreeMap<String, usize>,
}

impl Counts {
    fn add(&mut self, outcome: &Outcome) {
        let mut by = |test: &String| {
            let target = test.split("::").next().unwrap_or_default().to_owned();
            *self.by.entry(target).or_default() += 1;
        };
        match outcome {
            Outcome::Rejected => return,
            Outcome::Killed(test) => {
                by(test);
                self.killed += 1;
            }
            Outcome::Hangs(test) => {
                by(test);
                self.hang += 1;
            }
            Outcome::Argued(_) => self.argued += 1,
            Outcome::Survives(_) => self.surviving += 1,
        }
        self.mutants += 1;
    }

    fn cells(&self) -> String {
        let Self {
            mutants,
            killed,
            hang,
            argued,
            surviving,
            ..
        } = self;
        format!("{mutants} | {killed} | {hang} | {argued} | {surviving}")
    }
}

/// Returns the table's text.
pub(crate) fn write(rows: &[Row<'_>]) -> String {
    let mut functions: Vec<((&str, &str), Counts)> = Vec::new();
    let mut all = Counts::default();
    for row in rows {
        let Some(outcome) = &row.outcome else {
            continue;
        };
        let of = (row.path, row.mutant.function.as_str());
        if functions.last().is_none_or(|(last, _)| *last != of) {
            functions.push((of, Counts::default()));
        }
        if let Some((_, counts)) = functions.last_mut() {
            counts.add(outcome);
        }
        all.add(outcome);
    }
    let rejected = rows
        .iter()
        .filter(|row| row.outcome == Some(Outcome::Rejected));
    let mut text = format!(
        "# Mutants of the code between the atomic operations\n\n\
         Generated by `framewise-weaken code`: do not edit. Each mutant is one small change of the shipped code; \
         the tests that\nreach it are run until one fails. What only does not end is counted apart.\n\n\
         - Mutants: {}; killed: {}; killed by a hang: {}; argued: {}; surviving: {}.\n\
         - Changes that do not compile: {}.\n\n\
         ## By function\n\n\
         | function | mutants | killed | by a hang | argued | surviving | by the tests of |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | --- |\n",
        all.mutants,
        all.killed,
        all.hang,
        all.argued,
        all.surviving,
        rejected.count()
    );
    for ((path, function), counts) in functions.iter().filter(|(_, counts)| counts.mutants > 0) {
        let name = path.rsplit('/').next().unwrap_or(path);
        let by = counts
            .by
            .iter()
            .map(|(target, count)| format!("{target} {count}"));
        let by = by.collect::<Vec<_>>().join(", ");
        let _ = writeln!(
            text,
            "| `{name}` `{function}` | {} | {by} |",
            counts.cells()
        );
    }
    let mut path = "";
    for row in rows {
        let Some(outcome) = &row.outcome else {
            continue;
        };
        if row.path != path {
            path = row.path;
            let _ = write!(
                text,
                "\n## {path}\n\n| function | change | code | result |\n| --- | --- | --- | --- |\n"
            );
        }
        let result = match outcome {
            Outcome::Killed(test) => format!("killed by `{test}`"),
            Outcome::Hangs(test) => format!("hangs in `{test}`"),
            Outcome::Argued(reason) => format!("argued: {reason}"),
            Outcome::Survives(count) => format!("**survives** {count} tests"),
            Outcome::Rejected => "does not compile".to_owned(),
        };
        let (_, function, change, code, _) = row.key();
        let result = result.replace('|', "¦");
        let _ = writeln!(text, "| {function} | {change} | `` {code} `` | {result} |");
    }
    text
}

/// Parses a table's rows.
pub(crate) fn read(table: &str) -> HashMap<Key, Outcome> {
    let mut rows = HashMap::new();
    let mut path = "";
    for line in table.lines() {
        if let Some(name) = line.strip_prefix("## ") {
            path = name;
        }
        let cells = line
            .strip_prefix("| ")
            .and_then(|line| line.strip_suffix(" |"));
        let cells: Vec<&str> = cells.map_or(Vec::new(), |cells| cells.split(" | ").collect());
        let [function, change, code, result] = cells.as_slice() else {
            continue;
        };
        let Some(code) = code
            .strip_prefix("`` ")
            .and_then(|code| code.strip_suffix(" ``"))
        else {
            continue;
        };
        let quoted = |start: &str| {
            let rest = result.strip_prefix(start)?;
            Some(rest.trim_end_matches('`').to_owned())
        };
        let outcome = if let Some(test) = quoted("killed by `") {
            Outcome::Killed(test)
        } else if let Some(test) = quoted("hangs in `") {
            Outcome::Hangs(test)
        } else if let Some(reason) = result.strip_prefix("argued: ") {
            Outcome::Argued(reason.to_owned())
        } else if *result == "does not compile" {
            Outcome::Rejected
        } else {
            let count = result.split(' ').find_map(|word| word.parse().ok());
            Outcome::Survives(count.unwrap_or(0))
        };
        let mut key = (
            path.to_owned(),
            (*function).to_owned(),
            (*change).to_owned(),
            code.to_owned(),
            0,
        );
        while rows.contains_key(&key) {
            key.4 += 1;
        }
        rows.insert(key, outcome);
    }
    rows
}
