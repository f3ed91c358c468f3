//! Call sites of operations, and the one operation that is weakened.
//!
//! A **site** is a place in the source that calls an operation of this crate: file, line and
//! column. The environment decides, once per process, what happens at sites:
//!
//! | `FRAMEWISE_SITES` | what is done |
//! | --- | --- |
//! | not set | nothing |
//! | `record FILE` | each site that a thread of the process reaches is appended to the file, once |
//! | `mutate SITE CHANGE` | the operation at that site is weakened |
//!
//! A record is a line of seven fields separated by tabs: the test's name (the thread's, as libtest
//! sets it; loom runs all threads of a model on it), the file, the line, the column, the operation,
//! its ordering, and the ordering of its failure. A missing field is `-`.
//!
//! `SITE` is `file:line:column` as recorded. `CHANGE` is `success=Relaxed` or another ordering
//! (also for operations that have only one), `failure=Relaxed`, or `skip`.
//!
//! The crate `framewise-weaken` reads the records and chooses the mutants. This module does not
//! judge orderings.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::panic::Location;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;

const VARIABLE: &str = "FRAMEWISE_SITES";

enum Mode {
    Off,
    Record { file: String },
    Mutate(Mutant),
}

struct Mutant {
    file: String,
    line: u32,
    column: u32,
    change: Change,
}

#[derive(Clone, Copy)]
enum Change {
    Success(Ordering),
    Failure(Ordering),
    Skip,
}

/// Reports an operation with one ordering; returns the ordering to use, or `None` to skip it.
#[track_caller]
#[inline]
pub(super) fn ordered(operation: &'static str, ordering: Ordering) -> Option<Ordering> {
    match at(Location::caller(), operation, Some(ordering), None) {
        None | Some(Change::Failure(_)) => Some(ordering),
        Some(Change::Success(weaker)) => Some(weaker),
        Some(Change::Skip) => None,
    }
}

/// Reports an operation with separate orderings for success and failure; returns those to use.
#[track_caller]
#[inline]
pub(super) fn exchange(
    operation: &'static str,
    success: Ordering,
    failure: Ordering,
) -> (Ordering, Ordering) {
    match at(Location::caller(), operation, Some(success), Some(failure)) {
        None | Some(Change::Skip) => (success, failure),
        Some(Change::Success(weaker)) => (weaker, failure),
        Some(Change::Failure(weaker)) => (success, weaker),
    }
}

/// Reports an operation without an ordering; returns `false` if the caller must skip it.
#[track_caller]
#[inline]
pub(super) fn step(operation: &'static str) -> bool {
    !matches!(
        at(Location::caller(), operation, None, None),
        Some(Change::Skip)
    )
}

/// Reports an operation that cannot be weakened.
#[track_caller]
#[inline]
pub(super) fn reached(operation: &'static str) {
    at(Location::caller(), operation, None, None);
}

fn at(
    location: &'static Location<'static>,
    operation: &'static str,
    success: Option<Ordering>,
    failure: Option<Ordering>,
) -> Option<Change> {
    static MODE: OnceLock<Mode> = OnceLock::new();
    match MODE.get_or_init(Mode::from_environment) {
        Mode::Off => None,
        Mode::Record { file } => {
            if is_new(location) {
                record(file, location, operation, success, failure);
            }
            None
        }
        Mode::Mutate(mutant) => mutant.is_at(location).then_some(mutant.change),
    }
}

/// Returns `true` if this thread sees the location for the first time.
fn is_new(location: &'static Location<'static>) -> bool {
    thread_local! {
        static SEEN: RefCell<HashSet<usize>> = RefCell::default();
    }
    // One location can have several addresses, which costs an extra line in the record.
    SEEN.try_with(|seen| seen.borrow_mut().insert(ptr::from_ref(location).addr()))
        .unwrap_or(true)
}

fn record(
    file: &str,
    location: &Location<'_>,
    operation: &str,
    success: Option<Ordering>,
    failure: Option<Ordering>,
) {
    let name = |ordering: Option<Ordering>| match ordering {
        Some(ordering) => format!("{ordering:?}"),
        None => "-".to_owned(),
    };
    let thread = std::thread::current();
    let line = format!(
        "{}\t{}\t{}\t{}\t{operation}\t{}\t{}\n",
        thread.name().unwrap_or("-"),
        normal(location.file()),
        location.line(),
        location.column(),
        name(success),
        name(failure),
    );
    // A single write, because test executables can share one file.
    let mut options = OpenOptions::new();
    let written = options
        .create(true)
        .append(true)
        .open(file)
        .and_then(|mut file| file.write_all(line.as_bytes()));
    written.unwrap_or_else(|error| panic!("{VARIABLE}: cannot record to {file}: {error}"));
}

/// Returns the path with `/` as separator, and without the `..` that `#[path]` introduces.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split(['/', '\\']) {
        match part {
            "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

impl Mode {
    fn from_environment() -> Self {
        let Ok(value) = std::env::var(VARIABLE) else {
            return Mode::Off;
        };
        let mode = match value.split_once(' ') {
            Some(("record", file)) => Some(Mode::Record {
                file: file.to_owned(),
            }),
            Some(("mutate", mutant)) => Mutant::parse(mutant).map(Mode::Mutate),
            _ => None,
        };
        mode.unwrap_or_else(|| panic!("{VARIABLE}: not understood: {value:?}"))
    }
}

impl Mutant {
    fn parse(text: &str) -> Option<Self> {
        let (site, change) = text.rsplit_once(' ')?;
        let (site, column) = site.rsplit_once(':')?;
        let (file, line) = site.rsplit_once(':')?;
        let change = match change.split_once('=') {
            Some(("success", name)) => Change::Success(ordering(name)?),
            Some(("failure", name)) => Change::Failure(ordering(name)?),
            None if change == "skip" => Change::Skip,
            _ => return None,
        };
        Some(Self {
            file: file.to_owned(),
            line: line.parse().ok()?,
            column: column.parse().ok()?,
            change,
        })
    }

    fn is_at(&self, location: &Location<'_>) -> bool {
        self.line == location.line()
            && self.column == location.column()
            && self.file == normal(location.file())
    }
}

fn ordering(name: &str) -> Option<Ordering> {
    match name {
        "Relaxed" => Some(Ordering::Relaxed),
        "Acquire" => Some(Ordering::Acquire),
        "Release" => Some(Ordering::Release),
        "AcqRel" => Some(Ordering::AcqRel),
        "SeqCst" => Some(Ordering::SeqCst),
        _ => None,
    }
}
