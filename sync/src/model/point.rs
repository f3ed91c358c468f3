//! Scheduling points before loads, which make loom explore orders that it otherwise omits.
//!
//! loom explores the other order of two accesses to an atomic if at least one of them writes, but
//! it remembers only the *last* access. Suppose thread A loads; then thread B loads the same atomic
//! and writes it, as every compare-exchange loop does. B's load hides A's, and loom does not
//! reorder two loads, so from there it does not explore the orders in which B's write precedes A's
//! load.
//!
//! A **point** is a relaxed read-modify-write of a second atomic beside the first. Two points
//! depend on each other, so loom explores both orders of the two loads, and with them the hidden
//! orders. Points order nothing for the threads.
//!
//! The environment variable `FRAMEWISE_POINTS`, read once per process, turns them on: they multiply
//! a model's executions.

use std::env;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;

use loom::sync::atomic::AtomicUsize;

/// The second atomic, if points are on.
#[derive(Debug)]
pub(super) struct Point(Option<AtomicUsize>);

impl Point {
    #[track_caller]
    pub(super) fn new() -> Self {
        static IS_ON: OnceLock<bool> = OnceLock::new();
        let is_on = *IS_ON.get_or_init(|| env::var_os("FRAMEWISE_POINTS").is_some());
        Self(is_on.then(|| AtomicUsize::new(0)))
    }

    /// Lets loom switch threads here.
    #[track_caller]
    pub(super) fn pass(&self) {
        if let Some(point) = &self.0 {
            // Ordering: Relaxed, it publishes nothing.
            point.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Default for Point {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}
