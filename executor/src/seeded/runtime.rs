//! The runtime of a seeded run: one without threads, driven by the loop of `mod.rs`.
//!
//! Owns its start and its end. The output is taken before the end, so that it outlives the tasks
//! that the future left behind, as with an ordinary runtime.

use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;

use framewise_io::IoDriver;

use super::{InRun, Run, RunReport, Stop, hooks};
use crate::blocking::BlockingPool;
use crate::panics::{PanicHook, report_callback_panics};
use crate::runtime::Flavor;
use crate::runtime::enter::{self, NO_IO};
use crate::runtime::start::register_wakers;
use crate::scheduler::shared::Shared;
use crate::scheduler::spawner::Spawner;
use crate::scheduler::worker;
use crate::task::JoinError;

/// The settings of [`run`].
#[derive(Clone, Copy)]
pub(crate) struct RunSettings {
    pub(crate) seed: u64,
    pub(crate) steps_max: u64,
    /// A panic without a joiner ends the run.
    pub(crate) fails_on_unhandled: bool,
}

/// How a run ended.
pub(crate) enum RunOutcome<T> {
    /// Its future was ready.
    Output(T),
    /// Its future panicked.
    Panic(JoinError),
    /// It was stopped before, or something else went wrong.
    Stopped(Stop),
}

/// Runs the future that `make` returns, and everything that it spawns, under a seed. The run ends
/// with the future; the tasks that are left are dropped.
pub(crate) fn run<F: Future>(
    settings: RunSettings,
    make: impl FnOnce() -> F,
    site: &'static Location<'static>,
) -> (RunOutcome<F::Output>, RunReport) {
    assert!(
        !InRun::is_set(),
        "a seeded run was started within another one: runs do not nest"
    );
    assert!(
        !worker::is_on_worker(),
        "a seeded run was started on a worker of a runtime, whose other tasks would stall"
    );
    register_wakers();
    let hook: PanicHook = Arc::new(move |error| {
        if settings.fails_on_unhandled {
            let message = error.to_string();
            super::with_run(|run| run.stop(Stop::Unhandled(message)));
        }
    });
    let shared = threadless(&hook);
    shared.timers.drive_clock(hooks::interrupts);
    let spawner = Spawner::new(Arc::clone(&shared), shared.outside());
    let run = Run::new(shared, settings.seed, settings.steps_max);
    let _entered = enter::enter(&spawner, spawner.shared.outside());
    let in_run = InRun::enter(&run);
    let mut report = None;
    let output = super::finish(&run, &spawner, async { boxed(make).await }, site, || {
        report = Some(run.report());
        in_run.end();
        run.shut_down();
    });
    let report = report.unwrap_or_else(|| run.report());
    let outcome = match (output, run.stopped()) {
        // A panic of the run's own future says more than what followed from it.
        (Some(Err(error)), _) => RunOutcome::Panic(error),
        (_, Some(stop)) => RunOutcome::Stopped(stop),
        (Some(Ok(output)), None) => RunOutcome::Output(output),
        (None, None) => unreachable!("a run that does not end was stopped"),
    };
    (outcome, report)
}

/// Returns the future that `make` returns, in a box: by value it would be in each stack frame of
/// the run.
#[inline(never)]
fn boxed<F: Future>(make: impl FnOnce() -> F) -> Pin<Box<F>> {
    Box::pin(make())
}

/// Creates what the workers of a runtime share, for a runtime that has none.
fn threadless(hook: &PanicHook) -> Arc<Shared> {
    let reject = Arc::new(|_| Err(io::Error::new(io::ErrorKind::Unsupported, NO_IO)));
    let (driver, io) = IoDriver::new(reject)
        .unwrap_or_else(|error| panic!("no runtime could be made for a seeded run: {error}"));
    let blocking = BlockingPool::without_threads(Some(Arc::clone(hook)));
    let (shared, _no_queues) = Shared::new(
        0,
        driver,
        io,
        blocking,
        Some(Arc::clone(hook)),
        Flavor::MultiThread,
    );
    report_callback_panics(&shared.timers, Some(Arc::clone(hook)));
    shared
}
