//! What the models in `tests/` share: test doubles, trackers, and the functions that run a model.
//!
//! A model runs the shipped code under `--cfg framewise_loom`, where loom explores it exhaustively,
//! or under `--cfg framewise_shuttle` (the tests `shuttle_*`), where it is larger and shuttle
//! chooses schedules at random. In an ordinary build this crate is empty, and so are its tests: the
//! test command runs them again with each cfg set.

#![cfg(any(framewise_loom, framewise_shuttle))]

mod counted_value;
mod drop_tracker;
mod jobs;
mod listener;
mod mock_scheduler;
mod panics;
mod poison;
#[cfg(framewise_loom)]
mod run;
#[cfg(framewise_shuttle)]
mod schedules;
#[cfg(all(
    framewise_loom,
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod stacks;
mod test_waker;
mod timer_driver;
mod waits;

/// The shipped facade, for a test that compiles a shipped file again over waits of its own.
pub use framewise_sync as facade;

pub use counted_value::{CountedValue, DropCount};
pub use drop_tracker::{DropObserver, DropTracker};
pub use jobs::{end_of_pool, job, ran};
pub use listener::{Listener, ListenerDrops, Notified};
pub use mock_scheduler::{Kernel, MockScheduler, OmittedStep, TaskSet};
pub use poison::PoisoningAllocator;
#[cfg(framewise_loom)]
pub use run::{model, model_with_panics};
#[cfg(framewise_shuttle)]
pub use schedules::{below, finds, schedules};
pub use test_waker::TestWaker;
pub use timer_driver::TimerDriver;
pub use waits::{drive, wait_in_list, wait_in_slot};
