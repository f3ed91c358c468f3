//! Models of the timers: arming against parking, and everything that races with a firing timer.
//!
//! The shipped wheels, queues, park state, futures and callbacks. Time is a tick that each model
//! passes in. A driver that parks is a word, "parked until tick d", and a count of the calls of
//! `unpark`. A lost wake-up is a driver that is parked past an armed timer, without an unpark, when
//! all threads have finished.

#![cfg(framewise_loom)]

mod arming;
mod firing;

use std::time::Duration;

/// Longer than any model runs, by the real clock.
const LONG: Duration = Duration::from_secs(100_000);

/// A tick by which [`LONG`] has passed.
const LONG_AFTER: u64 = 1 << 40;
