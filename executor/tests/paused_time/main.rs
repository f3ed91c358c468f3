//! Paused time in a runtime: what stops it, what moves it, and what must not.
//!
//! The clock itself is tested in `timers/tests/test_clock.rs`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod advancing;
mod frames;
mod inhibited;
mod jumping;
mod kinds;

use std::time::Duration;

use framewise::runtime::{Builder, Runtime};

const MS: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// A current-thread runtime whose time is paused from the start.
fn paused() -> Runtime {
    let builder = Builder::new_current_thread().start_paused(true);
    builder.build().unwrap()
}
