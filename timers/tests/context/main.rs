//! The contract's items about time: C-50 to C-53 and C-92.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;

mod callbacks;
mod panics;
mod waits;

use std::sync::mpsc;
use std::time::Duration;

use framewise_context::ContextVar;
use framewise_test_support::in_each_start_frame;
use framewise_timers::{Timers, enter};

use common::undriven;

static REQUEST: ContextVar<u64> = ContextVar::new("request");

const SHORT: Duration = Duration::from_millis(1);

/// A value that reports the request in which it was dropped.
struct Dropped(mpsc::Sender<Option<u64>>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.send(REQUEST.get()).unwrap();
    }
}

/// Runs `test` in each start frame, on a thread of timers that fire only when the test says so.
fn on_undriven_timers(test: impl Fn(&Timers)) {
    in_each_start_frame(|| {
        let (timers, _) = undriven(1);
        let _entered = enter(&timers.handle(0));
        test(&timers);
    });
}
