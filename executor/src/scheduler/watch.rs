//! The watch: a worker that blocks must not freeze the others' I/O and timers.
//!
//! Only one worker at a time sleeps in the driver. When it leaves to run a task that turns out to
//! block, nobody waits for events any more, while the other workers sleep on their condition
//! variables and know nothing of it. So one of these keeps watch: it sleeps with a time limit, and
//! when it wakes to find the driver unattended, it takes it over (and looks into the queues of the
//! worker that blocks). The watch ends when nothing happened during a whole round, so an idle
//! runtime does not wake up at all; the worker that next leaves the driver starts it again.
//!
//! Cost: [`ROUND`] wake-ups a second at most while the runtime is busy on some workers and idle on
//! others, and one notify when that state begins.

use std::time::Duration;

use framewise_sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// How long the driver may be unattended.
pub(crate) const ROUND: Duration = Duration::from_millis(5);

/// Whether somebody keeps watch, and whether something happened.
pub(crate) struct Watch {
    kept: AtomicBool,
    departures: AtomicUsize,
}

impl Watch {
    pub(crate) fn new() -> Self {
        Self {
            kept: AtomicBool::new(false),
            departures: AtomicUsize::new(0),
        }
    }

    /// A worker leaves the driver. True: nobody keeps watch, and a sleeper should be woken to.
    #[must_use]
    pub(crate) fn left_driver(&self) -> bool {
        // Ordering: Relaxed. The count is compared with itself only.
        self.departures.fetch_add(1, Ordering::Relaxed);
        // Ordering: SeqCst, pairs with stop: of a watch that ends and a worker that leaves the
        // driver one sees the other.
        !self.kept.load(Ordering::SeqCst)
    }

    /// A worker looks at the driver between two polls. The watch must not end on finding the driver
    /// taken by such a look: the worker may block in its next poll.
    pub(crate) fn looked_at_driver(&self) {
        // Ordering: SeqCst, pairs with departures in the keeper, which found the driver taken.
        self.departures.fetch_add(1, Ordering::SeqCst);
    }

    /// A worker is about to sleep on its condition variable. True: it keeps the watch.
    #[must_use]
    pub(crate) fn start(&self) -> bool {
        // Ordering: SeqCst, as in left_driver.
        !self.kept.swap(true, Ordering::SeqCst)
    }

    /// The watch ends: its keeper has work, or nothing happened.
    pub(crate) fn stop(&self) {
        // Ordering: SeqCst, as in left_driver.
        self.kept.store(false, Ordering::SeqCst);
    }

    /// How often the driver was left so far.
    pub(crate) fn departures(&self) -> usize {
        // Ordering: SeqCst, so that it is not read before stop.
        self.departures.load(Ordering::SeqCst)
    }
}
