//! How a model is run by loom: its bounds, saying and recording what they were.
//!
//! | variable | what it does |
//! | --- | --- |
//! | `LOOM_MAX_PREEMPTIONS` | loom's own: the preemption bound, 2 where it is not set |
//! | `FRAMEWISE_UNBOUNDED` | set to anything: no preemption bound |
//! | `FRAMEWISE_SECONDS` | a model is cut off after so many seconds, and fails by that |
//! | `FRAMEWISE_MODELS` | the file to which a line is appended for each model that was run |
//!
//! The line has six fields with tabs between them: the test (`target::test`), the model's name, its
//! executions, its preemption bound (`-`: none), how it ended (`exhausted`, `cut off` or `failed`),
//! and its seconds. The other end of this is the crate `framewise-weaken`.

use std::env;
use std::fmt;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::panics::{listen_for_panics, no_panic_was_caught};

/// Preemptions in one execution, of all its threads together, unless `LOOM_MAX_PREEMPTIONS` says otherwise.
const DEFAULT_PREEMPTION_BOUND: usize = 2;

const UNBOUNDED: &str = "FRAMEWISE_UNBOUNDED";
const SECONDS: &str = "FRAMEWISE_SECONDS";
const MODELS: &str = "FRAMEWISE_MODELS";

/// Runs `body` under every interleaving within the preemption bound, and prints and records how
/// many there were.
///
/// A model that returns was exhausted within its bound. loom reports a run that was cut off as a
/// success; here it is a failure, and is told as cut off.
///
/// # Panics
///
/// Panics when an execution fails, also where the failure was caught (a task catches the panics of
/// its future, loom's reports among them), when the model was cut off, and when the environment asks
/// loom for a cut-off that would go unnoticed.
pub fn model(name: &str, body: impl Fn() + Send + Sync + 'static) {
    model_with_panics(name, &[], body);
}

/// As [`model`], where panics that begin with one of the words of `planned` are a part of the model.
///
/// They are not printed. Every other panic fails the model as ever, caught or not: loom's own
/// reports, failed assertions, and what is planned but says something else.
///
/// # Panics
///
/// As [`model`].
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
        // loom looks at the clock before each execution then.
        builder.checkpoint_interval = 1;
    }

    #[cfg(all(
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    ))]
    crate::stacks::keep();

    let mut run = Run::begin(name, builder.preemption_bound);
    let executions = Arc::clone(&run.executions);
    listen_for_panics(planned);
    builder.check(move || {
        no_panic_was_caught();
        executions.fetch_add(1, Ordering::Relaxed);
        body();
    });
    no_panic_was_caught();
    // loom does not say which it was. It gave up only if the time was out by then; where the time
    // was out during the very last execution, this errs on the side of doubt.
    run.ended = match builder.max_duration {
        Some(limit) if run.begun.elapsed() >= limit => Ended::CutOff,
        _ => Ended::Exhausted,
    };
    println!("{run}");
    assert!(
        matches!(run.ended, Ended::Exhausted),
        "it was cut off, which says nothing"
    );
}

/// The time after which a model is cut off.
fn seconds() -> Option<Duration> {
    let text = env::var(SECONDS).ok()?;
    let seconds = text.parse();
    let seconds = seconds.unwrap_or_else(|error| panic!("{SECONDS}: {text:?}: {error}"));
    Some(Duration::from_secs(seconds))
}

/// A model that is being run. Recorded when it goes, so that one that panics is, too.
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
        // In one write, since test executables can have one file.
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

/// The test on this thread, as tables have it: the test target (cargo adds a hash to its name) and
/// the thread's name, which libtest sets.
fn test() -> String {
    let executable = env::current_exe().unwrap_or_default();
    let stem = executable.file_stem().unwrap_or_default().to_string_lossy();
    let target = stem.rsplit_once('-').map_or(&*stem, |(target, _)| target);
    let thread = std::thread::current();
    format!("{target}::{}", thread.name().unwrap_or("-"))
}
