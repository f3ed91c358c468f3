//! Deadlines and cancellation in a runtime: whose they are, whom they end, and what is left.
//!
//! Most tests run under paused time, so a deadline passes exactly when nothing else can run. The
//! node itself is tested in `context/src/control/tests.rs`, its races in `loom-tests/tests/`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(
    clippy::async_yields_async,
    reason = "a scope starts what outlasts its future"
)]

mod blocking;
mod cancels;
mod ends;
mod files;
mod obeys;
mod others;
mod scopes;
mod sockets;
mod table;
mod waits;

use std::time::Duration;

use framewise::runtime::{Builder, Runtime};

const MS: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// A current-thread runtime whose time is paused from the start.
fn paused() -> Runtime {
    let builder = Builder::new_current_thread().start_paused(true);
    builder.build().unwrap()
}
