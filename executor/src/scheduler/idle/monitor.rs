//! The monitor: a worker in a long poll must freeze neither the driver nor its siblings' tasks.
//!
//! Owns which worker blocks on the driver and whether there is a monitor. The rules W1 and W2,
//! their proof and their cost are in `README.md`. The idea is Go's `sysmon`; here a parked worker
//! does its work, and only while another worker is active.

use std::time::Duration;

use framewise_sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// How long the monitor blocks before it scans what other workers may have left behind.
pub(crate) const MONITOR_INTERVAL: Duration = Duration::from_millis(5);

/// The driver owner, and whether there is a monitor.
#[derive(Debug)]
pub struct Monitor {
    /// The worker that blocks on the driver, plus one, shifted left above the bit `MONITORS`; zero
    /// if there is none.
    driver_owner: AtomicUsize,
    /// A worker on its condition variable is the monitor.
    running: AtomicBool,
    /// How often a worker that was parked went on to run user code.
    unpark_count: AtomicUsize,
}

/// The driver owner blocks with a timeout, as the monitor.
const MONITORS: usize = 1;

impl Monitor {
    /// Creates the state in which no worker is parked.
    pub fn new() -> Self {
        Self {
            driver_owner: AtomicUsize::new(0),
            running: AtomicBool::new(false),
            unpark_count: AtomicUsize::new(0),
        }
    }

    /// Records that `worker`, which holds the driver's lock, is about to block there, as the
    /// monitor or not.
    pub fn set_driver_owner(&self, worker: usize, monitors: bool) {
        let owner = (worker + 1) << 1 | usize::from(monitors);
        // Ordering: Relaxed. A reader that misses it wakes a worker needlessly. A swap, because
        // loom leaves a store and a read-modify-write unordered.
        // Survives: skipped, because a worker that sees no driver owner wakes another needlessly.
        self.driver_owner.swap(owner, Ordering::Relaxed);
    }

    /// Records that the driver owner has returned.
    pub fn clear_driver_owner(&self) {
        // Ordering: Relaxed. The lock of the list of parked workers follows. A swap, like in
        // set_driver_owner.
        self.driver_owner.swap(0, Ordering::Relaxed);
    }

    /// Returns the worker that blocks on the driver.
    pub fn driver_owner(&self) -> Option<usize> {
        // Ordering: Relaxed. A hint.
        (self.driver_owner.load(Ordering::Relaxed) >> 1).checked_sub(1)
    }

    /// Returns what the caller must do for there to be a monitor (W1). Called once by a worker that
    /// returned from its park, after
    /// [`Idle::deregister_parked`](super::Idle::deregister_parked).
    pub fn missing(&self) -> MissingMonitor {
        // Ordering: Relaxed. Compared with itself, so that the monitor continues while there is
        // traffic.
        // Survives: skipped, because the monitor then ends sooner, and W1 starts it again.
        self.unpark_count.fetch_add(1, Ordering::Relaxed);
        // Ordering: Relaxed, here and below: after the lock in deregister_parked; see README.md.
        if self.running.load(Ordering::Relaxed) {
            return MissingMonitor::Nothing;
        }
        let mut owner = self.driver_owner.load(Ordering::Relaxed);
        while owner != 0 && owner & MONITORS == 0 {
            match self.driver_owner.compare_exchange(
                owner,
                owner | MONITORS,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return MissingMonitor::Timeout,
                Err(seen) => owner = seen,
            }
        }
        if owner == 0 {
            MissingMonitor::Worker
        } else {
            MissingMonitor::Nothing
        }
    }

    /// Returns `true` if a worker on its condition variable is the monitor, so that the driver
    /// owner need not be (W2).
    pub fn is_running(&self) -> bool {
        // Ordering: Relaxed. After the lock in register_parked.
        self.running.load(Ordering::Relaxed)
    }

    /// Makes the calling worker, which is about to block on its condition variable, the monitor.
    /// Returns `false` if there is one already.
    #[must_use]
    pub fn try_start(&self) -> bool {
        // Ordering: Relaxed. The swap elects one. If it reads what another worker's wrote, that one
        // sees this worker as parked after its next lock of the list, which this one had before.
        // Survives: skipped, because two monitors then wake a worker needlessly.
        !self.running.swap(true, Ordering::Relaxed)
    }

    /// Records that the monitor has returned from its park.
    pub fn stop(&self) {
        // Ordering: Relaxed. The lock of the list of parked workers follows. A swap, because it
        // reads what a try_start that failed has written.
        self.running.swap(false, Ordering::Relaxed);
    }

    /// Returns how often a worker that was parked went on to run user code.
    pub fn unpark_count(&self) -> usize {
        // Ordering: Relaxed. Compared with itself.
        self.unpark_count.load(Ordering::Relaxed)
    }
}

/// What a worker must do for there to be a monitor before it runs user code (W1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum MissingMonitor {
    /// Nothing: there is a monitor.
    Nothing,
    /// The driver owner blocks without a timeout. It is recorded as the monitor now, and the caller
    /// arms its timed wake-up.
    Timeout,
    /// No worker owns the driver and none is the monitor: the caller unparks a worker, if one is
    /// parked.
    Worker,
}

impl Default for Monitor {
    fn default() -> Self {
        Self::new()
    }
}
