//! How one worker sleeps: in the driver, or on a condition variable of its own.
//!
//! Owns the word that says which, so that an unpark does what is needed and no more: nothing for a
//! worker that is awake, one notify for one on its condition variable, one call of `wake_driver`
//! for the one in the driver. Knows no queue and no mio.
//!
//! ```text
//!   EMPTY ──park──▶ WAITING ──unpark──▶ NOTIFIED ──(woken)──▶ EMPTY
//!     │ │              └──(the time is out)──▶ EMPTY
//!     │ └─enter_driver──▶ IN_DRIVER ──unpark──▶ NOTIFIED ──leave_driver──▶ EMPTY
//!     │                      └──leave_driver (an event, the time)──▶ EMPTY
//!     └─unpark──▶ NOTIFIED ──park/enter_driver (do not sleep)──▶ EMPTY
//! ```

use std::time::Duration;

use framewise_sync::atomic::{AtomicUsize, Ordering};
use framewise_sync::{Condvar, Mutex};

const EMPTY: usize = 0;
const WAITING: usize = 1;
const IN_DRIVER: usize = 2;
const NOTIFIED: usize = 3;

/// The sleeping place of one worker.
#[derive(Debug)]
pub struct Parker {
    state: AtomicUsize,
    lock: Mutex<()>,
    woken: Condvar,
}

/// Why [`Parker::park`] returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unparked {
    /// Somebody called `unpark`.
    Notified,
    /// The time ran out.
    TimedOut,
}

impl Parker {
    /// A worker that is awake.
    pub fn new() -> Self {
        Self {
            state: AtomicUsize::new(EMPTY),
            lock: Mutex::new(()),
            woken: Condvar::new(),
        }
    }

    /// Sleeps on the condition variable until [`unpark`](Self::unpark), or for `limit`.
    pub fn park(&self, limit: Option<Duration>) -> Unparked {
        let mut guard = self.lock.lock();
        // Ordering: Relaxed. EMPTY was written by this worker; where it was notified already,
        // consume acquires.
        if self
            .state
            .compare_exchange(EMPTY, WAITING, Ordering::Relaxed, Ordering::Relaxed)
            .is_err()
        {
            self.consume();
            return Unparked::Notified;
        }
        loop {
            let timed_out;
            (guard, timed_out) = match limit {
                Some(limit) => self.woken.wait_timeout(guard, limit),
                None => (self.woken.wait(guard), false),
            };
            // Ordering: Relaxed. consume acquires.
            if self.state.load(Ordering::Relaxed) == NOTIFIED {
                self.consume();
                return Unparked::Notified;
            }
            if timed_out {
                return match self.leave() {
                    NOTIFIED => Unparked::Notified,
                    _ => Unparked::TimedOut,
                };
            }
        }
    }

    /// Announces that the worker goes to sleep in the driver. False: it was notified meanwhile and
    /// must not.
    #[must_use]
    pub fn enter_driver(&self) -> bool {
        // Ordering: Relaxed, as in park. The unparker that comes later sees IN_DRIVER and wakes the
        // driver, whose own mechanism keeps a wake that precedes the sleep.
        let entered =
            self.state
                .compare_exchange(EMPTY, IN_DRIVER, Ordering::Relaxed, Ordering::Relaxed);
        if entered.is_err() {
            self.consume();
        }
        entered.is_ok()
    }

    /// The worker came out of the driver, for whatever reason.
    pub fn leave_driver(&self) {
        self.leave();
    }

    /// Wakes the worker, or makes its next sleep end at once. `wake_driver` is called where it
    /// sleeps in the driver.
    pub fn unpark(&self, wake_driver: impl FnOnce()) {
        // Ordering: Release, pairs with leave: what was done before the unpark is seen after the
        // sleep. Nothing that the sleeper wrote is read here.
        match self.state.swap(NOTIFIED, Ordering::Release) {
            WAITING => {
                // Taking the lock once makes sure that the sleeper is not between its check and
                // its wait.
                drop(self.lock.lock());
                self.woken.notify_one();
            }
            IN_DRIVER => wake_driver(),
            _ => {}
        }
    }

    fn consume(&self) {
        let before = self.leave();
        debug_assert_eq!(before, NOTIFIED, "only a notification is consumed");
    }

    fn leave(&self) -> usize {
        // Ordering: Acquire, pairs with unpark: what was pushed before it is seen.
        self.state.swap(EMPTY, Ordering::Acquire)
    }
}

impl Default for Parker {
    fn default() -> Self {
        Self::new()
    }
}
