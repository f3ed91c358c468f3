//! The clock of a model: it stands still until the model sets it forward.
//!
//! Owns the time of the model that runs on this thread of the system (loom and shuttle run all
//! threads of a model on one). Only models have it: in an ordinary build `clock` asks the system.
//!
//! It promises what a clock does and no more. What a thread reads never goes back, not below what
//! it knows that another one has read or set, either. Beyond that a thread may read a time that is
//! past already, as if it had been stopped right after reading, and that two threads have read the
//! same time orders nothing between them.

use std::cell::RefCell;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use framewise_sync::atomic::{AtomicU64, Ordering};

std::thread_local! {
    // The system's thread-local and not the facade's, which is one of each thread of the model.
    static TIME: RefCell<Option<Arc<AtomicU64>>> = const { RefCell::new(None) };
}

/// The beginning of every model's time; the only look at the system's clock.
fn beginning() -> Instant {
    static BEGINNING: OnceLock<Instant> = OnceLock::new();
    *BEGINNING.get_or_init(Instant::now)
}

/// The time of the model on this thread. Without a [`ModelClock`] it is always the beginning, and
/// reading it is no step of the model.
pub(crate) fn now() -> Instant {
    let time = TIME.with(|time| time.borrow().clone());
    // Ordering: Relaxed. A clock publishes nothing.
    let nanos = time.map_or(0, |time| time.load(Ordering::Relaxed));
    beginning() + Duration::from_nanos(nanos)
}

/// A clock for one execution of a model, which begins at its time zero; threads that the model
/// starts have it, too. Clones are the same clock.
#[derive(Clone, Debug)]
pub struct ModelClock(Arc<AtomicU64>);

impl ModelClock {
    /// Gives the model that runs on this thread a clock, in the place of the one before.
    #[expect(clippy::new_without_default, reason = "it has an effect")]
    pub fn new() -> Self {
        let clock = Self(Arc::new(AtomicU64::new(0)));
        TIME.with(|time| *time.borrow_mut() = Some(Arc::clone(&clock.0)));
        clock
    }

    /// Sets the clock forward.
    pub fn advance(&self, by: Duration) {
        let nanos = u64::try_from(by.as_nanos()).expect("a model lasts less than 500 years");
        // Ordering: Relaxed, as in `now`.
        self.0.fetch_add(nanos, Ordering::Relaxed);
    }

    /// Sets the clock forward to an instant, unless that has passed.
    pub fn advance_to(&self, instant: Instant) {
        let since = instant.saturating_duration_since(beginning());
        let nanos = u64::try_from(since.as_nanos()).expect("a model lasts less than 500 years");
        // Ordering: Relaxed, as in `now`.
        self.0.fetch_max(nanos, Ordering::Relaxed);
    }
}

impl Drop for ModelClock {
    fn drop(&mut self) {
        // The one in the thread-local and this one: the last clone goes.
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
