//! The current-thread runtime and the local runtime: the thread that is in `block_on` runs the
//! tasks.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod frames;
mod hand_over;
mod io_and_timers;
mod local;
mod nested;
mod panics;
mod scheduling;
mod shutdown;

use framewise::runtime::{Builder, Runtime};

/// Builds a current-thread runtime.
fn runtime() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}
