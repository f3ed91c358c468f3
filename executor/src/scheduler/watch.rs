//! The watch: a worker that blocks must not freeze the others' I/O and timers.
//!
//! Only one worker at a time sleeps in the driver and so *attends* it. When it leaves to run a task
//! that turns out to block, nobody waits for events any more, while the other workers sleep on
//! their condition variables and know nothing of it. So one of these keeps watch: it sleeps with a
//! time limit, and when it wakes to find the driver unattended, it takes it over (and looks into
//! the queues of the worker that blocks). The watch ends when the driver is attended and was not
//! left during a whole round, so an idle runtime does not wake up at all.
//!
//! Two rules keep it safe:
//!
//! - W1. A worker that came out of a sleep of any kind asks [`Watch::is_needed`] before it runs
//!   user code, which may block. If so, it wakes a sleeper, if there is one, which then attends,
//!   keeps watch, or finds a task and is itself under this rule.
//! - W2. The keeper gives up only if, after it stopped, the driver is still attended. The attendant
//!   will come out of its sleep later, and W1 applies to it.
//!
//! Both sides write and then read what the other wrote, with a SeqCst fence in between: of an
//! attendant that leaves and a keeper that stops at the same time, one sees the other.
//!
//! Cost: one wake-up a `ROUND` at most while the runtime is busy on some workers and idle on
//! others, and one notify when that state begins.

use std::time::Duration;

use framewise_sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};

/// How long the driver may be unattended.
pub(crate) const ROUND: Duration = Duration::from_millis(5);

/// Who attends the driver, and whether somebody keeps watch.
#[derive(Debug)]
pub struct Watch {
    /// The worker that sleeps in the driver, plus one; zero for none.
    attendant: AtomicUsize,
    kept: AtomicBool,
    /// How often the driver was left.
    departures: AtomicUsize,
}

impl Watch {
    /// Nobody sleeps.
    pub fn new() -> Self {
        Self {
            attendant: AtomicUsize::new(0),
            kept: AtomicBool::new(false),
            departures: AtomicUsize::new(0),
        }
    }

    /// A worker goes to sleep in the driver, whose lock it holds.
    pub fn attend(&self, worker: usize) {
        // Ordering: Relaxed. Whoever misses it keeps watch or wakes somebody needlessly.
        self.attendant.store(worker + 1, Ordering::Relaxed);
    }

    /// That worker is awake again.
    pub fn leave(&self) {
        // Ordering: Relaxed, both: the fence in is_needed follows, by rule W1.
        self.departures.fetch_add(1, Ordering::Relaxed);
        self.attendant.store(0, Ordering::Relaxed);
    }

    /// The worker that sleeps in the driver.
    pub fn attendant(&self) -> Option<usize> {
        // Ordering: Relaxed. A hint, but in may_end, which has a fence.
        self.attendant.load(Ordering::Relaxed).checked_sub(1)
    }

    /// Whether nobody attends and nobody keeps watch. Asked by a worker that came out of a sleep.
    #[must_use]
    pub fn is_needed(&self) -> bool {
        // Ordering: SeqCst fence, pairs with the one in may_end; see W2.
        fence(Ordering::SeqCst);
        // Ordering: Relaxed, both: after the fence.
        self.attendant.load(Ordering::Relaxed) == 0 && !self.kept.load(Ordering::Relaxed)
    }

    /// A worker is about to sleep on its condition variable. True: it keeps the watch.
    #[must_use]
    pub fn start(&self) -> bool {
        // Ordering: Relaxed. The swap elects one; nothing is published.
        !self.kept.swap(true, Ordering::Relaxed)
    }

    /// The watch ends. The keeper goes on to ask is_needed (W1) or may_end (W2).
    pub fn stop(&self) {
        // Ordering: Relaxed. A fence follows in both. A swap, for loom's sake: to it two stores are
        // unordered even where a read-modify-write came between.
        self.kept.swap(false, Ordering::Relaxed);
    }

    /// Whether the keeper, having stopped, may sleep without a limit: the driver is attended, and
    /// was not left since `departures` was read.
    #[must_use]
    pub fn may_end(&self, departures: usize) -> bool {
        // Ordering: SeqCst fence, pairs with the one in is_needed; see W2.
        fence(Ordering::SeqCst);
        self.attendant().is_some() && self.departures() == departures
    }

    /// How often the driver was left so far.
    pub fn departures(&self) -> usize {
        // Ordering: Relaxed. Compared with itself, to keep the watch on while there is traffic.
        self.departures.load(Ordering::Relaxed)
    }
}

impl Default for Watch {
    fn default() -> Self {
        Self::new()
    }
}
