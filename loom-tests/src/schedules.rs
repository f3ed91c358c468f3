//! Runs a model under shuttle: the number of schedules, how they are chosen, and how to replay one
//! that fails.
//!
//! | variable | meaning |
//! | --- | --- |
//! | `FRAMEWISE_SHUTTLE_ITERATIONS` | schedules of each kind, instead of the model's own number |
//! | `FRAMEWISE_SHUTTLE_SEED` | the seed; without it every run makes the same choices |
//! | `FRAMEWISE_SHUTTLE_REPLAY` | a file with the schedule that a failure printed: runs only that one |
//! | `FRAMEWISE_SHUTTLE_MODEL` | with `FRAMEWISE_SHUTTLE_REPLAY`, the name of the model, if a test has several |
//!
//! Half of the schedules choose any thread that can run, at every step. The other half use
//! priorities that change at a few random steps (PCT: Burckhardt et al., ASPLOS 2010): a thread
//! runs for long and is preempted at an unlikely place, which a fair choice hardly reaches.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use shuttle::rand::{RngCore as _, thread_rng};
use shuttle::scheduler::{PctScheduler, RandomScheduler, ReplayScheduler, Scheduler};
use shuttle::{Config, MaxSteps, Runner};

use crate::panics::{assert_no_panic_caught, record_panics};

/// The number of steps after which an execution fails: a model takes fewer, unless two threads spin
/// and wait for each other.
const STEPS_MAX: usize = 400_000;

/// One more than the number of steps at which the priorities change.
const DEPTH: usize = 4;

const SEED: u64 = 0x6672_616D_6577_6973;

/// Returns a random number below `n`, from the schedule's own source: a replay draws it again.
pub fn below(n: usize) -> usize {
    (thread_rng().next_u64() % n as u64) as usize
}

#[derive(Clone, Copy)]
enum Kind {
    Random,
    Priorities,
}

impl Kind {
    fn name(self) -> String {
        match self {
            Self::Random => "random".to_owned(),
            Self::Priorities => format!("pct depth {DEPTH}"),
        }
    }

    fn scheduler(self, count: usize) -> Box<dyn Scheduler + Send> {
        let seed = number("FRAMEWISE_SHUTTLE_SEED").unwrap_or(SEED);
        match self {
            Self::Random => Box::new(RandomScheduler::new_from_seed(seed, count)),
            Self::Priorities => Box::new(PctScheduler::new_from_seed(seed, DEPTH, count)),
        }
    }
}

/// Runs `body` under `count` random schedules of each kind and prints how many there were.
///
/// # Panics
///
/// Panics if an execution fails: a thread panicked, even if the panic was caught, or all remaining
/// threads are blocked. The output says how to replay the schedule.
pub fn schedules(name: &str, count: usize, body: impl Fn() + Send + Sync + 'static) {
    let body = Arc::new(body);
    if let Ok(file) = std::env::var("FRAMEWISE_SHUTTLE_REPLAY") {
        if std::env::var("FRAMEWISE_SHUTTLE_MODEL").is_ok_and(|model| model != name) {
            println!("model {name}: not replayed");
            return;
        }
        let replay = ReplayScheduler::new_from_file(&file);
        let replay = replay.unwrap_or_else(|error| panic!("cannot read {file}: {error}"));
        run(Box::new(replay), &AtomicUsize::new(0).into(), body);
        println!("model {name}: the schedule in {file} passes");
        return;
    }
    let count = number("FRAMEWISE_SHUTTLE_ITERATIONS").map_or(count, |count| count as usize);
    for kind in [Kind::Random, Kind::Priorities] {
        let executions = Arc::new(AtomicUsize::new(0));
        let outcome = attempt(kind.scheduler(count), &executions, &body);
        let executions = executions.load(Ordering::Relaxed);
        let kind = kind.name();
        match outcome {
            Ok(()) => println!("model {name}: {executions} schedules, {kind}, not exhaustive"),
            Err(payload) => {
                println!(
                    "model {name}: the {executions}th schedule failed, {kind}; \
                     to run it alone, put what is printed between quotes below `failing schedule` (not the \
                     seed) into a file, name that in FRAMEWISE_SHUTTLE_REPLAY, and the model in \
                     FRAMEWISE_SHUTTLE_MODEL"
                );
                resume_unwind(payload);
            }
        }
    }
}

/// A control: prints after how many schedules shuttle has noticed the fault in `body`.
///
/// # Panics
///
/// Panics if no schedule of the first `within` of each kind fails, or if one fails with a message
/// that does not contain `expected`.
pub fn finds(name: &str, within: usize, expected: &str, body: impl Fn() + Send + Sync + 'static) {
    let body = Arc::new(body);
    let mut found = Vec::new();
    for kind in [Kind::Random, Kind::Priorities] {
        let executions = Arc::new(AtomicUsize::new(0));
        if let Err(payload) = attempt(kind.scheduler(within), &executions, &body) {
            let message = message(&*payload);
            assert!(message.contains(expected), "it failed by {message:?}");
            let executions = executions.load(Ordering::Relaxed);
            found.push(format!("{}: {executions}", kind.name()));
        }
    }
    assert!(
        !found.is_empty(),
        "{name}: not noticed under {within} schedules of each kind"
    );
    println!("{name}: noticed at schedule {}", found.join(", "));
}

fn attempt(
    scheduler: Box<dyn Scheduler + Send>,
    executions: &Arc<AtomicUsize>,
    body: &Arc<impl Fn() + Send + Sync + 'static>,
) -> Result<(), Box<dyn Any + Send>> {
    catch_unwind(AssertUnwindSafe(|| {
        run(scheduler, executions, Arc::clone(body));
    }))
}

fn run(
    scheduler: Box<dyn Scheduler + Send>,
    executions: &Arc<AtomicUsize>,
    body: Arc<impl Fn() + Send + Sync + 'static>,
) {
    let mut config = Config::new();
    config.stack_size = 1 << 17;
    config.max_steps = MaxSteps::FailAfter(STEPS_MAX);
    config.silence_warnings = true;
    record_panics(&[]);
    let counted = Arc::clone(executions);
    Runner::new(scheduler, config).run(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        body();
        assert_no_panic_caught();
    });
    assert_no_panic_caught();
}

fn message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without a message")
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is not a number: {text:?}")),
    )
}
