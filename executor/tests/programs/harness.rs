//! Runs programs on runtimes and compares the observations with the model.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::env;
use std::io::{self, Write};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use framewise::runtime::{Builder, Runtime};
use framewise::spawn_root;
use proptest::test_runner::{Config, FileFailurePersistence, TestCaseError, TestError, TestRunner};

use crate::bindings::Bindings;
use crate::expect::{Observation, Place};
use crate::generate::Programs;
use crate::model::{self, Conditions};
use crate::program::Program;
use crate::real;
use crate::real::faults::Fault;
use crate::real::hook::{self, unhandled_panic};
use crate::real::run::Run;
use crate::real::task_hooks::TaskHooks;
use crate::variables::{Seen, assign_keys};
use crate::work::Moment;

/// The timeout after which a program counts as hanging. No test measures time with it.
const HANG: Duration = Duration::from_secs(60);

/// The default number of programs per property.
const CASES: u32 = 4000;

/// The number of runs of a smaller program before it counts as passing, because it may fail only
/// through a race.
const ROUNDS: u64 = 25;

/// The number of schedules per program in seeded runs; each round uses others.
const SEEDS: u64 = 4;

/// The running programs, by the address of their runs.
static UNDER_WAY: Mutex<BTreeMap<usize, Begun>> = Mutex::new(BTreeMap::new());

struct Begun {
    since: Instant,
    run: Arc<Run>,
    program: Program,
}

/// Registers a program while it runs, so that the report of a hang names it.
struct UnderWay(usize);

impl UnderWay {
    fn new(run: &Arc<Run>, program: &Program) -> Self {
        static WATCHER: Once = Once::new();
        WATCHER.call_once(|| {
            thread::spawn(|| {
                loop {
                    thread::sleep(HANG / 10);
                    for begun in lock(&UNDER_WAY).values() {
                        if begun.since.elapsed() > HANG {
                            let Begun { run, program, .. } = begun;
                            // Write directly to stderr, because an abort would lose the captured
                            // output of the test.
                            let _ = writeln!(io::stderr(), "{run:?} hangs: {program:?}");
                            std::process::abort();
                        }
                    }
                }
            });
        });
        let key = Arc::as_ptr(run).addr();
        let begun = Begun {
            since: Instant::now(),
            run: Arc::clone(run),
            program: program.clone(),
        };
        lock(&UNDER_WAY).insert(key, begun);
        Self(key)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        lock(&UNDER_WAY).remove(&self.0);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Builds a runtime for programs.
pub(crate) fn runtime(workers: usize) -> Runtime {
    start(builder(workers))
}

fn builder(workers: usize) -> Builder {
    hook::install();
    assign_keys();
    Builder::new()
        .worker_threads(workers)
        .on_unhandled_panic(unhandled_panic)
}

fn start(builder: Builder) -> Runtime {
    builder.build().expect("a runtime can be started")
}

/// Runs a program on a runtime that keeps running.
pub(crate) fn check(runtime: &Runtime, program: &Program, fault: Fault) -> Result<(), String> {
    let run = Run::new(fault, true);
    let _under_way = UnderWay::new(&run, program);
    to_calm(runtime, &run, program);
    let worker = runtime.block_on(async { spawn_root(async { Seen::now() }).await });
    if worker.ok() != Some(at_root()) {
        run.complain("C-32, C-36: a task at the root sees a binding".to_owned());
    }
    let on = Conditions {
        cut_short: false,
        ends: false,
        has_hook: true,
    };
    compare(&run, program, on).map(drop)
}

/// Returns the observations of a program.
pub(crate) fn observations(runtime: &Runtime, program: &Program) -> Vec<(Place, Observation)> {
    let run = Run::new(Fault::None, true);
    let _under_way = UnderWay::new(&run, program);
    to_calm(runtime, &run, program);
    run.take().0
}

fn to_calm(runtime: &Runtime, run: &Arc<Run>, program: &Program) {
    real::execute(run, program, runtime.handle());
    run.wait_for_calm();
    run.end_tasks();
}

/// The time at which a runtime is shut down.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum ShutDown {
    /// When all tasks have ended or wait forever.
    WhenCalm,
    /// As soon as the program's own future is ready.
    AtOnce,
}

/// Runs a program on its own runtime, which has hooks for tasks and is shut down afterwards.
pub(crate) fn check_to_the_end(
    workers: usize,
    program: &Program,
    shut_down: ShutDown,
    fault: Fault,
) -> Result<(), String> {
    let run = Run::new(fault, true);
    let _under_way = UnderWay::new(&run, program);
    let task_hooks = TaskHooks::default();
    let runtime = start(task_hooks.set(builder(workers)));
    real::execute(&run, program, runtime.handle());
    if shut_down == ShutDown::WhenCalm {
        run.wait_for_calm();
    }
    drop(runtime);
    run.end_tasks();
    for complaint in task_hooks.complaints() {
        run.complain(complaint);
    }
    let on = Conditions {
        cut_short: shut_down == ShutDown::AtOnce,
        ends: true,
        has_hook: true,
    };
    compare(&run, program, on).map(drop)
}

/// Runs a program in seeded runs, the first of them twice.
pub(crate) fn check_seeded(
    program: &Program,
    seeds: Range<u64>,
    shut_down: ShutDown,
    fault: Fault,
) -> Result<(), String> {
    hook::install();
    assign_keys();
    let first_seed = seeds.start;
    for seed in seeds {
        let once = || {
            let run = Run::new(fault, false);
            let _under_way = UnderWay::new(&run, program);
            let waits = shut_down == ShutDown::WhenCalm;
            real::execute_seeded(&run, program, seed, waits)?;
            run.end_tasks();
            let on = Conditions {
                cut_short: !waits,
                ends: true,
                has_hook: false,
            };
            let observations = compare(&run, program, on)?;
            Ok(observations
                .into_iter()
                .map(|(place, _)| place)
                .collect::<Vec<_>>())
        };
        let under = |why: String| format!("under seed {seed}: {why}");
        let first = once().map_err(under)?;
        if seed == first_seed && once().map_err(under)? != first {
            return Err(under(
                "a second run came to the places in another order".to_owned(),
            ));
        }
    }
    Ok(())
}

/// Returns the seeds of a round.
pub(crate) fn seeds(round: u64) -> Range<u64> {
    round * SEEDS..(round + 1) * SEEDS
}

/// Returns what is observed at the root.
fn at_root() -> Seen {
    let seen = Bindings::default().seen(&Moment::default());
    *seen.first().expect("there is always one")
}

/// Compares the observations with the model, and returns them.
fn compare(
    run: &Run,
    program: &Program,
    on: Conditions,
) -> Result<Vec<(Place, Observation)>, String> {
    let leaked = run.leaked();
    run.wake_late();
    let (observations, mut complaints) = run.take();
    if leaked > 0 {
        complaints.push(format!(
            "C-19, C-47, C-48, C-78: {leaked} values are never dropped"
        ));
    }
    if Seen::now() != at_root() {
        complaints.push("C-64, C-74: the thread of block_on is left in another frame".to_owned());
    }
    complaints.extend(model::expected(program, on).compare(program, &observations));
    if complaints.is_empty() {
        Ok(observations)
    } else {
        Err(complaints.join("\n"))
    }
}

/// Returns the configuration with the number of programs per property.
fn config() -> Config {
    let mut config = Config::default();
    if env::var_os("PROPTEST_CASES").is_none() {
        config.cases = CASES;
    }
    config
}

/// Checks that random programs behave like the model. A failing program is made smaller and
/// printed; meanwhile each candidate runs for several rounds.
pub(crate) fn property(
    programs: &Programs,
    share: u32,
    check: impl Fn(&Program, u64) -> Result<(), String>,
) {
    let mut config = config();
    config.cases = config.cases.div_ceil(share);
    config.failure_persistence = Some(Box::new(FileFailurePersistence::Direct(
        "tests/programs/regressions.txt",
    )));
    if let Some((program, why)) = smallest_failing(TestRunner::new(config), programs, check) {
        panic!("the smallest program that fails:{program:?}\n{why}");
    }
}

/// Like [`property`], from a fixed seed. Returns the failing program, if there is one.
pub(crate) fn search(
    programs: &Programs,
    cases: u32,
    check: impl Fn(&Program, u64) -> Result<(), String>,
) -> Option<(Program, String)> {
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = proptest::test_runner::TestRng::deterministic_rng(config.rng_algorithm);
    smallest_failing(TestRunner::new_with_rng(config, rng), programs, check)
}

fn smallest_failing(
    mut runner: TestRunner,
    programs: &Programs,
    check: impl Fn(&Program, u64) -> Result<(), String>,
) -> Option<(Program, String)> {
    let shrinks = Cell::new(false);
    let result = runner.run(programs, |program| {
        for round in 0..if shrinks.get() { ROUNDS } else { 1 } {
            check(&program, round).map_err(|why| {
                shrinks.set(true);
                TestCaseError::fail(why)
            })?;
        }
        Ok(())
    });
    match result {
        Ok(()) => None,
        Err(TestError::Fail(why, program)) => Some((program, why.message().to_owned())),
        Err(TestError::Abort(why)) => panic!("the property gave up: {why}"),
    }
}
