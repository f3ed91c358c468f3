//! Scheduling points in front of loads, which make loom try the orders that it leaves out otherwise.
//!
//! loom tries the other order of two accesses to an atomic where at least one of them writes, but it
//! remembers only the *last* access. Thread A loads; thread B loads the same atomic and then writes
//! it, as each compare-exchange loop does. B's load hides A's, and two loads are not reordered: the
//! orders in which B's write precedes A's load are not tried from there.
//!
//! A **point** is a read-modify-write, relaxed, of a second atomic beside the first. Two points
//! depend on one another, so loom tries both orders of two loads, and with them what was hidden.
//! They order nothing for the threads.
//!
//! The environment variable `FRAMEWISE_POINTS`, read once a process, turns them on: they multiply a
//! model's executions.

use std::env;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;

use loom::sync::atomic::AtomicUsize;

/// The second atomic, where points are on.
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
