//! The clock of a model, which only the model advances.
//!
//! Owns the time of the model that runs on this OS thread (loom and shuttle run all threads of a
//! model on one). Only models have it: in an ordinary build `clock` asks the system.
//!
//! It promises what a clock does and no more. Time never goes backwards for a thread: neither
//! behind its own reads, nor behind reads and updates of other threads that happen before.
//! Otherwise a thread may read a time that has passed, as if it had been preempted right after
//! reading. That two threads read the same time orders nothing between them.

use std::cell::RefCell;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use framewise_sync::atomic::{AtomicU64, Ordering};

use crate::instant::Instant;

std::thread_local! {
    // `std`'s thread-local and not the facade's, which is one for each thread of the model.
    static TIME: RefCell<Option<Arc<AtomicU64>>> = const { RefCell::new(None) };
}

/// Returns the start of every model's time. Only here a model reads the system's clock.
fn beginning() -> Instant {
    static BEGINNING: OnceLock<Instant> = OnceLock::new();
    *BEGINNING.get_or_init(|| Instant::from_std(std::time::Instant::now()))
}

/// Returns the time of the model on this thread. Without a [`ModelClock`] it is always the start,
/// and reading it is no step of the model.
pub(crate) fn now() -> Instant {
    let time = TIME.with(|time| time.borrow().clone());
    // Ordering: Relaxed. A clock publishes nothing.
    let nanos = time.map_or(0, |time| time.load(Ordering::Relaxed));
    beginning() + Duration::from_nanos(nanos)
}

/// A clock for one execution of a model, starting at time zero. Threads that the model starts share
/// it, and clones are the same clock.
#[derive(Clone, Debug)]
pub struct ModelClock(Arc<AtomicU64>);

impl ModelClock {
    /// Gives the model that runs on this thread a clock, replacing any previous one.
    #[expect(clippy::new_without_default, reason = "it has an effect")]
    pub fn new() -> Self {
        let clock = Self(Arc::new(AtomicU64::new(0)));
        TIME.with(|time| *time.borrow_mut() = Some(Arc::clone(&clock.0)));
        clock
    }

    /// Advances the clock.
    pub fn advance(&self, by: Duration) {
        let nanos = u64::try_from(by.as_nanos()).expect("a model lasts less than 500 years");
        // Ordering: Relaxed, as in `now`.
        self.0.fetch_add(nanos, Ordering::Relaxed);
    }

    /// Advances the clock to an instant, unless that has passed.
    pub fn advance_to(&self, instant: Instant) {
        let since = instant.duration_since(beginning());
        let nanos = u64::try_from(since.as_nanos()).expect("a model lasts less than 500 years");
        // Ordering: Relaxed, as in `now`.
        self.0.fetch_max(nanos, Ordering::Relaxed);
    }
}

impl Drop for ModelClock {
    fn drop(&mut self) {
        // The thread-local has one reference and `self` the other: this is the last clone.
        if Arc::strong_count(&self.0) == 2 {
            let _ = TIME.try_with(|time| {
                let mut time = time.borrow_mut();
                if time.as_ref().is_some_and(|time| Arc::ptr_eq(time, &self.0)) {
                    *time = None;
                }
            });
        }
    }
}
