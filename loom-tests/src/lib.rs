//! What the models in `tests/` share.
//!
//! A model runs the shipped code under `--cfg framewise_loom`, where loom exhausts it, or under
//! `--cfg framewise_shuttle` (the tests `shuttle_*`), where it is larger and shuttle chooses
//! schedules at random. In an ordinary build this crate is empty, and so are its tests: the test
//! command runs them again with each cfg set.

#![cfg(any(framewise_loom, framewise_shuttle))]

mod bell;
mod driven;
mod jobs;
mod listener;
mod mirror;
mod once;
mod panics;
mod poison;
mod probe;
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
mod waits;

/// The shipped facade, for a test that stands in its place.
pub use framewise_sync as facade;

pub use bell::Bell;
pub use driven::Driven;
pub use jobs::{end_of_pool, job, ran};
pub use listener::{Listener, Told, Watches};
pub use mirror::{Kernel, LeftOut, Mirror, TaskSet};
pub use once::{EndWatch, EndWatched};
pub use poison::PoisoningAllocator;
pub use probe::{Drops, Probe};
#[cfg(framewise_loom)]
pub use run::{model, model_with_panics};
#[cfg(framewise_shuttle)]
pub use schedules::{below, finds, schedules};
pub use waits::{drive, wait_in_list, wait_in_slot};
