//! Deterministic tests: seeded runs.

mod environment;
mod explorer;
mod failure;
mod preempt;

pub use explorer::{Explored, Explorer, Run};
pub use failure::Failure;
pub use framewise_macros::preemptible;
pub use preempt::{Preemptible, PreemptibleFuture, preempt};

use std::future::Future;

/// Runs a test under many seeds, and panics at the first that fails.
///
/// # Panics
///
/// Panics with the failure of the first run that fails.
#[track_caller]
pub fn check<F: Future>(make: impl Fn() -> F) {
    Explorer::new().check(make);
}

/// Runs a future under one seed and gives its output.
///
/// # Panics
///
/// Panics with the failure, where the run fails.
#[track_caller]
pub fn run<F: Future>(seed: u64, make: impl FnOnce() -> F) -> F::Output {
    Explorer::new().run(seed, make).unwrap()
}

/// Runs a test under the seeds from 0 to `runs`, and says what was seen.
#[track_caller]
pub fn explore<F: Future>(runs: u64, make: impl Fn() -> F) -> Explored {
    Explorer::new().runs(runs).explore(make)
}
