//! The list of sites: the operations that the sources show, and those that only the models reached.
//!
//! Decides what counts as a site. An operation with an `Ordering` among its arguments is a site. A
//! lock, wait, notification or unpark is a site if the name of its receiver is declared as such a
//! primitive somewhere in the same source directory, or if a model reached it.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io;
use std::path::Path;

use crate::arguments::{self, Argument};
use crate::lexer::Kind;
use crate::protocol::Reached;
use crate::source::{Holders, Source, closing};

/// A call of an operation of the facade.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Site {
    pub(crate) file: String,
    pub(crate) line: u32,
    pub(crate) column: u32,
    pub(crate) function: String,
    pub(crate) operation: String,
    /// Counts the calls of this operation within the function, from 1.
    pub(crate) number: usize,
    /// The ordering arguments: none, one, or one for success and one for failure.
    pub(crate) orderings: Vec<String>,
    /// The line and column of each ordering in the source; empty if only a model shows the site.
    pub(crate) written: Vec<(u32, u32)>,
    /// The arguments of the source for surviving mutants.
    pub(crate) arguments: Vec<Argument>,
}

impl Site {
    /// Returns the operation's name in tables: `load`, and `load #2` for the second one.
    pub(crate) fn title(&self) -> String {
        match self.number {
            1 => self.operation.clone(),
            number => format!("{} #{number}", self.operation),
        }
    }

    /// Returns `AcqRel`, or `AcqRel, Acquire` with the failure ordering.
    pub(crate) fn ordering(&self) -> String {
        match self.orderings.is_empty() {
            true => "-".to_owned(),
            false => self.orderings.join(", "),
        }
    }

    /// Returns the place as `file:line:column`, which the facade and editors understand.
    pub(crate) fn place(&self) -> String {
        format!("{}:{}:{}", self.file, self.line, self.column)
    }
}

/// The sites of the shipped sources, ordered by file and place.
#[derive(Debug, Default)]
pub(crate) struct Listed {
    pub(crate) sites: Vec<Site>,
    /// The number of operations on `std`'s own atomics per file. loom does not see these.
    pub(crate) exempt: BTreeMap<String, usize>,
    /// Arguments that match no site, as `file:line`.
    pub(crate) stray_arguments: Vec<String>,
}

const OPERATIONS: [&str; 16] = [
    "load",
    "store",
    "swap",
    "compare_exchange",
    "compare_exchange_weak",
    "fetch_update",
    "fetch_add",
    "fetch_sub",
    "fetch_and",
    "fetch_nand",
    "fetch_or",
    "fetch_xor",
    "fetch_max",
    "fetch_min",
    "compare_and_swap",
    "fetch_ptr_add",
];

const ORDERINGS: [&str; 5] = ["Relaxed", "Acquire", "Release", "AcqRel", "SeqCst"];

/// Lists the sites of the Rust files in these directories.
///
/// # Errors
///
/// If a directory or a file cannot be read.
pub(crate) fn list(
    directories: &[String],
    facade: &str,
    reached: &HashSet<Reached>,
) -> io::Result<Listed> {
    let mut listed = Listed::default();
    for directory in directories {
        let mut files = Vec::new();
        rust_files(Path::new(directory), &mut files)?;
        files.sort();
        let mut sources = Vec::new();
        for file in files {
            let text = fs::read_to_string(&file)?;
            sources.push(Source::read(&file, &text, facade));
        }
        let unshipped = unshipped_files(&sources);
        let shipped = sources.iter().filter(|source| {
            !unshipped.iter().any(|path| {
                source.path == format!("{path}.rs") || source.path.starts_with(&format!("{path}/"))
            })
        });
        let holders = Holders::of_all(&sources);
        for source in shipped {
            list_source(source, &holders, reached, &mut listed);
        }
    }
    Ok(listed)
}

fn rust_files(directory: &Path, files: &mut Vec<String>) -> io::Result<()> {
    if directory.is_file() {
        files.push(slashes(directory));
        return Ok(());
    }
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            if name != "tests" {
                rust_files(&path, files)?;
            }
        } else if name.ends_with(".rs") && name != "tests.rs" {
            files.push(slashes(&path));
        }
    }
    Ok(())
}

fn slashes(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "/")
}

/// Returns the paths, without `.rs`, of modules that are declared behind a `cfg` for tests or
/// models.
fn unshipped_files(sources: &[Source]) -> Vec<String> {
    let mut files = Vec::new();
    for source in sources {
        let (parent, name) = source.path.rsplit_once('/').unwrap_or(("", &source.path));
        let directory = match name {
            "lib.rs" | "main.rs" | "mod.rs" => parent.to_owned(),
            _ => format!("{parent}/{}", name.trim_end_matches(".rs")),
        };
        for module in &source.unshipped_modules {
            files.push(format!("{directory}/{module}"));
        }
    }
    files
}

fn list_source(
    source: &Source,
    holders: &Holders,
    reached: &HashSet<Reached>,
    listed: &mut Listed,
) {
    let mut sites = Vec::new();
    for at in 0..source.tokens.len() {
        if source.is_unshipped(at) {
            continue;
        }
        let Some(orderings) = operation(source, holders, at) else {
            continue;
        };
        if !orderings.is_empty() && !source.atomics_are_facades {
            *listed.exempt.entry(source.path.clone()).or_default() += 1;
            continue;
        }
        let tokens = orderings.iter().map(|&at| &source.tokens[at]);
        let names = tokens.clone().map(|token| token.text.clone()).collect();
        let mut site = site(source, at, source.tokens[at].text.clone(), names);
        site.written = tokens.map(|token| (token.line, token.column)).collect();
        sites.push(site);
    }
    // Add the places that a model reached and the source text does not show as sites.
    for place in reached.iter().filter(|place| place.file == source.path) {
        let known = |site: &Site| (site.line, site.column) == (place.line, place.column);
        if let Some(at) = source.token_at(place.line, place.column)
            && !source.is_unshipped(at)
            && !sites.iter().any(known)
        {
            sites.push(site(
                source,
                at,
                place.operation.clone(),
                place.orderings.clone(),
            ));
        }
    }
    sites.sort_by_key(|site| (site.line, site.column));
    number(&mut sites);
    let strays = arguments::attach(source, &mut sites);
    let strays = strays.iter().map(|line| format!("{}:{line}", source.path));
    listed.stray_arguments.extend(strays);
    listed.sites.append(&mut sites);
}

fn site(source: &Source, at: usize, operation: String, orderings: Vec<String>) -> Site {
    let token = &source.tokens[at];
    Site {
        file: source.path.clone(),
        line: token.line,
        column: token.column,
        function: source.function(at).to_owned(),
        operation,
        number: 1,
        orderings,
        written: Vec::new(),
        arguments: Vec::new(),
    }
}

fn number(sites: &mut [Site]) {
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    for site in sites {
        let key = (site.function.clone(), site.operation.clone());
        let count = counts.entry(key).or_default();
        *count += 1;
        site.number = *count;
    }
}

/// Returns the ordering arguments, as token indices, if the token calls an operation.
fn operation(source: &Source, holders: &Holders, at: usize) -> Option<Vec<usize>> {
    let tokens = &source.tokens;
    let name = tokens[at].text.as_str();
    if !tokens[at].is_identifier() || !tokens.get(at + 1)?.is("(") {
        return None;
    }
    let is_method = at > 0 && tokens[at - 1].is(".");
    let is_declared = at > 0 && tokens[at - 1].is("fn");
    let receiver = || {
        let receiver = at.checked_sub(2).map(|receiver| &tokens[receiver])?;
        matches!(receiver.kind, Kind::Identifier | Kind::Number).then_some(receiver.text.as_str())
    };
    let held_by = |names: &HashSet<String>| receiver().is_some_and(|name| names.contains(name));
    match name {
        _ if is_declared => None,
        "fence" if !is_method => Some(orderings(source, at + 1)).filter(|found| !found.is_empty()),
        _ if is_method && OPERATIONS.contains(&name) => {
            Some(orderings(source, at + 1)).filter(|found| !found.is_empty())
        }
        // A tuple field is identified by its number, which is meaningful only within its own file.
        "lock" | "try_lock" if is_method => {
            let own = receiver().is_some_and(|name| name.starts_with(|c: char| c.is_ascii_digit()));
            let holders = if own { &source.holders } else { holders };
            held_by(&holders.mutexes).then(Vec::new)
        }
        "wait" | "wait_timeout" | "notify_one" | "notify_all" if is_method => {
            held_by(&holders.condvars).then(Vec::new)
        }
        "unpark" if is_method => held_by(&holders.threads).then(Vec::new),
        _ => None,
    }
}

/// Returns the `Ordering::…` tokens among the arguments of the call whose opening parenthesis is at
/// `open`.
fn orderings(source: &Source, open: usize) -> Vec<usize> {
    let end = open + closing(&source.tokens[open..]);
    let mut depth = 0;
    let mut found = Vec::new();
    for at in open..end {
        let token = &source.tokens[at];
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            // The orderings within a closure belong to other calls.
            "|" if depth == 1 && !found.is_empty() => break,
            name if depth == 1
                && ORDERINGS.contains(&name)
                && at >= 3
                && source.tokens[at - 3].is("Ordering") =>
            {
                found.push(at);
            }
            _ => {}
        }
    }
    found
}

impl Holders {
    fn of_all(sources: &[Source]) -> Self {
        let mut all = Self::default();
        for source in sources {
            all.mutexes.extend(source.holders.mutexes.iter().cloned());
            all.condvars.extend(source.holders.condvars.iter().cloned());
            all.threads.extend(source.holders.threads.iter().cloned());
        }
        all
    }
}

#[cfg(test)]
#[path = "sites_tests.rs"]
mod tests;
