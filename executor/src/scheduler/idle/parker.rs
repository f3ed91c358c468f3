//! How one worker blocks: on the driver, or on a condition variable of its own.
//!
//! Owns the word that says which, so that an unpark does no more than it must: nothing for an
//! active worker, one notification for a worker on its condition variable, one call of
//! `wake_driver` for the driver owner. Knows neither the queues nor mio. The worker continues in
//! `state.rs`.
//!
//! ```text
//!   EMPTY ──park──▶ PARKED ──unpark──▶ NOTIFIED ──(returns)──▶ EMPTY
//!     │ │              └──(timeout)──▶ EMPTY
//!     │ └─enter_driver──▶ IN_DRIVER ──unpark──▶ NOTIFIED ──leave_driver──▶ EMPTY
//!     │                      └──leave_driver (an event, a timeout)──▶ EMPTY
//!     └─unpark──▶ NOTIFIED ──park/enter_driver (does not block)──▶ EMPTY
//! ```

use std::time::Duration;

use framewise_sync::atomic::{AtomicUsize, Ordering};
use framewise_sync::{Condvar, Mutex};

const EMPTY: usize = 0;
const PARKED: usize = 1;
const IN_DRIVER: usize = 2;
const NOTIFIED: usize = 3;

/// Blocks and wakes one worker.
#[derive(Debug)]
pub struct Parker {
    state: AtomicUsize,
    lock: Mutex<()>,
    unparked: Condvar,
}

/// Why [`Parker::park`] returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unparked {
    /// Another thread called `unpark`.
    Notified,
    /// The limit has passed.
    TimedOut,
}

impl Parker {
    /// Creates the parker of an active worker.
    pub fn new() -> Self {
        Self {
            state: AtomicUsize::new(EMPTY),
            lock: Mutex::new(()),
            unparked: Condvar::new(),
        }
    }

    /// Blocks on the condition variable until [`unpark`](Self::unpark), or for `limit`.
    pub fn park(&self, limit: Option<Duration>) -> Unparked {
        let mut guard = self.lock.lock();
        // Ordering: Relaxed. This worker wrote EMPTY; if it was notified already, consume acquires.
        if self
            .state
            .compare_exchange(EMPTY, PARKED, Ordering::Relaxed, Ordering::Relaxed)
            .is_err()
        {
            self.consume();
            return Unparked::Notified;
        }
        loop {
            let timed_out;
            (guard, timed_out) = match limit {
                Some(limit) => self.unparked.wait_timeout(guard, limit),
                None => (self.unparked.wait(guard), false),
            };
            // Ordering: Relaxed. consume acquires.
            if self.state.load(Ordering::Relaxed) == NOTIFIED {
                self.consume();
                return Unparked::Notified;
            }
            if timed_out {
                return match self.reset() {
                    NOTIFIED => Unparked::Notified,
                    _ => Unparked::TimedOut,
                };
            }
        }
    }

    /// Announces that the worker is about to block on the driver. Returns `false` if it was
    /// notified and must not block.
    #[must_use]
    pub fn enter_driver(&self) -> bool {
        // Ordering: Relaxed, like in park. A later unpark sees IN_DRIVER and wakes the driver,
        // which keeps a wake-up that precedes its wait.
        let entered =
            self.state
                .compare_exchange(EMPTY, IN_DRIVER, Ordering::Relaxed, Ordering::Relaxed);
        if entered.is_err() {
            self.consume();
        }
        entered.is_ok()
    }

    /// Records that the worker returned from the driver, for whatever reason.
    pub fn leave_driver(&self) {
        self.reset();
    }

    /// Wakes the worker, or makes its next park return at once. Calls `wake_driver` if it blocks on
    /// the driver.
    pub fn unpark(&self, wake_driver: impl FnOnce()) {
        // Ordering: Release, pairs with reset: the worker sees what preceded the unpark. Nothing
        // that the worker wrote is read here.
        match self.state.swap(NOTIFIED, Ordering::Release) {
            PARKED => {
                // Taking the lock once makes sure that the worker is not between its check and its
                // wait.
                drop(self.lock.lock());
                self.unparked.notify_one();
            }
            IN_DRIVER => wake_driver(),
            _ => {}
        }
    }

    fn consume(&self) {
        let before = self.reset();
        debug_assert_eq!(before, NOTIFIED, "only a notification is consumed");
    }

    fn reset(&self) -> usize {
        // Ordering: Acquire, pairs with unpark: what was pushed before it is seen.
        self.state.swap(EMPTY, Ordering::Acquire)
    }
}

impl Default for Parker {
    fn default() -> Self {
        Self::new()
    }
}
