//! Runs a model under loom: sets its bounds, and prints and records how it ended.
//!
//! | variable | meaning |
//! | --- | --- |
//! | `LOOM_MAX_PREEMPTIONS` | loom's own: the preemption bound, 2 if it is not set |
//! | `FRAMEWISE_UNBOUNDED` | set to anything: no preemption bound |
//! | `FRAMEWISE_SECONDS` | cuts a model off after this many seconds, and fails it |
//! | `FRAMEWISE_MODELS` | the file to which a line is appended for each model that was run |
//!
//! The line has six fields with tabs between them: the test (`target::test`), the model's name, its
//! executions, its preemption bound (`-`: none), how it ended (`exhausted`, `cut off` or `failed`),
//! and its seconds. The crate `framewise-weaken` reads them.

use std::env;
use std::fmt;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::panics::{assert_no_panic_caught, record_panics};

/// Preemptions in one execution, of all its threads together, unless `LOOM_MAX_PREEMPTIONS` says
/// otherwise.
const DEFAULT_PREEMPTION_BOUND: usize = 2;

const UNBOUNDED: &str = "FRAMEWISE_UNBOUNDED";
const SECONDS: &str = "FRAMEWISE_SECONDS";
const MODELS: &str = "FRAMEWISE_MODELS";

/// Runs `body` under every interleaving within the preemption bound, and prints and records how
/// many there were.
///
/// A model that returns was exhausted within its bound. loom reports a run that was cut off as a
/// success; here it is a failure, and is recorded as cut off.
///
/// # Panics
///
/// Panics if an execution fails, even if the failure was caught (a task catches the panics of its
/// future, and loom's reports are panics too), if the model was cut off, and if the environment
/// asks loom for a cut-off that would go unnoticed.
pub fn model(name: &str, body: impl Fn() + Send + Sync + 'static) {
    model_with_panics(name, &[], body);
}

/// Like [`model`], for a model that panics on purpose, with messages that begin with a text of
/// `planned`.
///
/// These panics are not printed. Every other panic fails the model, caught or not: loom's own
/// reports, failed assertions, and panics with another message.
///
/// # Panics
///
/// Like [`model`].
pub fn model_with_panics(
    name: &str,
    planned: &'static [&'static str],
    body: impl Fn() + Send + Sync + 'static,
) {
    let mut builder = loom::model::Builder::new();
    assert!(
        builder.max_permutations.is_none() && builder.max_duration.is_none(),
        "a model that is cut off would be reported as passed: \
         unset LOOM_MAX_PERMUTATIONS and LOOM_MAX_DURATION, and see {SECONDS}"
    );
    builder.preemption_bound = match env::var_os(UNBOUNDED) {
        Some(_) => None,
        None => Some(builder.preemption_bound.unwrap_or(DEFAULT_PREEMPTION_BOUND)),
    };
    builder.max_duration = seconds();
    if builder.max_duration.is_some() {
        // loom then checks the clock before each execution.
        builder.checkpoint_interval = 1;
    }

    #[cfg(all(
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    ))]
    crate::stacks::keep();

    let mut run = Run::begin(name, builder.preemption_bound);
    let executions = Arc::clone(&run.executions);
    record_panics(planned);
    builder.check(move || {
        assert_no_panic_caught();
        executions.fetch_add(1, Ordering::Relaxed);
        body();
    });
    assert_no_panic_caught();
    // loom does not return how it ended. It was cut off only if the time had elapsed by then. If
    // the time elapsed during the very last execution, this reports a cut-off, which is the safe
    // mistake.
    run.ended = match builder.max_duration {
        Some(limit) if run.begun.elapsed() >= limit => Ended::CutOff,
        _ => Ended::Exhausted,
    };
    println!("{run}");
    assert!(
        matches!(run.ended, Ended::Exhausted),
        "it was cut off, so it proves nothing"
    );
}

/// Returns the time after which a model is cut off.
fn seconds() -> Option<Duration> {
    let text = env::var(SECONDS).ok()?;
    let seconds = text.parse();
    let seconds = seconds.unwrap_or_else(|error| panic!("{SECONDS}: {text:?}: {error}"));
    Some(Duration::from_secs(seconds))
}

/// A model that is being run. It is recorded when this is dropped, so also if the model panics.
struct Run {
    name: String,
    bound: Option<usize>,
    executions: Arc<AtomicUsize>,
    begun: Instant,
    ended: Ended,
}

#[derive(Clone, Copy)]
enum Ended {
    Exhausted,
    CutOff,
    Failed,
}

impl Run {
    fn begin(name: &str, bound: Option<usize>) -> Self {
        Self {
            name: name.to_owned(),
            bound,
            executions: Arc::default(),
            begun: Instant::now(),
            ended: Ended::Failed,
        }
    }

    fn executions(&self) -> usize {
        self.executions.load(Ordering::Relaxed)
    }

    fn record(&self, file: &str) {
        let bound = self.bound.map_or("-".to_owned(), |bound| bound.to_string());
        let line = format!(
            "{}\t{}\t{}\t{bound}\t{}\t{:.3}\n",
            test(),
            self.name,
            self.executions(),
            self.ended,
            self.begun.elapsed().as_secs_f64(),
        );
        // One write, since test executables may append to the same file.
        let mut options = OpenOptions::new();
        let written = options
            .create(true)
            .append(true)
            .open(file)
            .and_then(|mut file| file.write_all(line.as_bytes()));
        match written {
            Err(error) if !std::thread::panicking() => {
                panic!("{MODELS}: cannot record to {file}: {error}")
            }
            _ => {}
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if let Ok(file) = env::var(MODELS) {
            self.record(&file);
        }
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let executions = self.executions();
        write!(f, "model {}: {executions} executions, ", self.name)?;
        match self.bound {
            Some(bound) => write!(f, "preemption bound {bound}, ")?,
            None => f.write_str("no preemption bound, ")?,
        }
        write!(f, "{}", self.ended)
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exhausted => "exhausted",
            Self::CutOff => "cut off",
            Self::Failed => "failed",
        })
    }
}

/// Returns the test on this thread as the tables name it: the test target (without the hash that
/// cargo appends) and the thread's name, which libtest sets.
fn test() -> String {
    let executable = env::current_exe().unwrap_or_default();
    let stem = executable.file_stem().unwrap_or_default().to_string_lossy();
    let target = stem.rsplit_once('-').map_or(&*stem, |(target, _)| target);
    let thread = std::thread::current();
    format!("{target}::{}", thread.name().unwrap_or("-"))
}
