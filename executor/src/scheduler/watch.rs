//! The watch: a worker that blocks must not freeze the others' I/O, timers and tasks.
//!
//! A worker that runs a task which turns out to block (or never ends) leaves things behind: the
//! driver, which only one worker at a time sleeps in and so *attends*, and the task in its last-in
//! slot, of which nobody is told. The workers that sleep know nothing of it. So while any worker is
//! awake and another sleeps, one sleeper keeps watch: it sleeps for a [`ROUND`] at most, and then
//! looks for work as any worker does, at the slots too, and attends the driver if nobody does. When
//! all workers sleep nobody keeps watch, so an idle runtime does not wake up at all.
//!
//! The watch is kept by a worker on its condition variable (the keeper, one at most) or, where there
//! is none, by the attendant. Two rules keep it safe:
//!
//! - W1. A worker that came out of a sleep of any kind asks what is [`missing`](Watch::missing)
//!   before it runs user code, which may block. Where the attendant sleeps without a limit, it sets
//!   one from outside; where nobody attends, it wakes a sleeper, if there is one. Whoever so wakes
//!   up keeps watch by W2, or finds a task and is itself under this rule. (An attendant that has
//!   left by the time that its limit is set comes to that lock yet, and to one of these rules.)
//! - W2. A worker sleeps without a limit only if, after it was counted as parked, somebody else
//!   kept watch or all workers were parked. Whoever stops keeping watch is awake: it comes back to
//!   this rule or to W1.
//!
//! Both sides write and then read what the other wrote, and the lock of `Idle`'s list stands between:
//! W1 has given its attendance or its watch up, takes the lock in `Idle::unpark`, and then reads who
//! keeps watch and who is parked; W2 takes the lock in `Idle::park`, and then reads who keeps watch
//! and whether all are parked. Whoever takes it second sees what the first one wrote before. If that
//! is W2, it sees that a worker is awake and keeps watch no more, and keeps watch itself; if it is
//! W1, it sees that the other one is parked, and wakes it or sets its limit.
//!
//! Cost: one wake-up a `ROUND` at most while some workers are awake and others asleep. When that
//! state begins, one notify where the driver was left, and where it was not, one call that sets a
//! timer and wakes nobody yet: a task that is pushed to an idle runtime does not wait for a sibling
//! to be woken. While that timer is still to fire it is not set again, so that a busy runtime, whose
//! attendant is off to sleep before the keeper that it has notified is awake, makes that call once a
//! `ROUND` at most. The keeper goes on for as long as somebody woke up during the last round, so that
//! the state does not begin anew with each event. When all sleep again, what was set is not taken
//! back: the timer and the keeper each wake up once more for nothing.

use std::time::Duration;

use framewise_sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// How long nobody looks at what a worker that blocks has left behind.
pub(crate) const ROUND: Duration = Duration::from_millis(5);

/// Who attends the driver, and who keeps watch.
#[derive(Debug)]
pub struct Watch {
    /// The worker that sleeps in the driver, plus one, above a bit that says that it keeps watch;
    /// zero for none.
    attendant: AtomicUsize,
    /// A worker on its condition variable keeps watch.
    kept: AtomicBool,
    /// How often a worker that was asleep has gone to run user code.
    awakenings: AtomicUsize,
}

const KEEPS_WATCH: usize = 1;

impl Watch {
    /// Nobody sleeps.
    pub fn new() -> Self {
        Self {
            attendant: AtomicUsize::new(0),
            kept: AtomicBool::new(false),
            awakenings: AtomicUsize::new(0),
        }
    }

    /// A worker goes to sleep in the driver, whose lock it holds, and keeps watch there or not.
    pub fn attend(&self, worker: usize, keeps_watch: bool) {
        let attendant = (worker + 1) << 1 | usize::from(keeps_watch);
        // Ordering: Relaxed. Whoever misses it wakes somebody needlessly. A swap, for loom's sake: to
        // it a store and a read-modify-write are unordered.
        // Survives: skipped, because who finds no attendant wakes somebody needlessly.
        self.attendant.swap(attendant, Ordering::Relaxed);
    }

    /// That worker is awake again.
    pub fn leave(&self) {
        // Ordering: Relaxed. The lock of `Idle`'s list follows. A swap, as in attend.
        self.attendant.swap(0, Ordering::Relaxed);
    }

    /// The worker that sleeps in the driver.
    pub fn attendant(&self) -> Option<usize> {
        // Ordering: Relaxed. A hint.
        (self.attendant.load(Ordering::Relaxed) >> 1).checked_sub(1)
    }

    /// What is missing for the watch to be kept: W1. Asked by a worker that came out of a sleep,
    /// once, after its [`Idle::unpark`](super::idle::Idle::unpark).
    pub fn missing(&self) -> Missing {
        // Ordering: Relaxed. Compared with itself, to keep the watch on while there is traffic.
        // Survives: skipped, because the watch then ends sooner, and is taken up again when missed.
        self.awakenings.fetch_add(1, Ordering::Relaxed);
        // Ordering: Relaxed, here and below: after the lock in `Idle::unpark`; see the module's head.
        if self.kept.load(Ordering::Relaxed) {
            return Missing::Nothing;
        }
        let mut attendant = self.attendant.load(Ordering::Relaxed);
        while attendant != 0 && attendant & KEEPS_WATCH == 0 {
            match self.attendant.compare_exchange(
                attendant,
                attendant | KEEPS_WATCH,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Missing::Limit,
                Err(now) => attendant = now,
            }
        }
        if attendant == 0 {
            Missing::Watcher
        } else {
            Missing::Nothing
        }
    }

    /// Whether a worker on its condition variable keeps watch, so that the attendant need not: W2.
    pub fn is_kept(&self) -> bool {
        // Ordering: Relaxed. After the lock in `Idle::park`.
        self.kept.load(Ordering::Relaxed)
    }

    /// A worker is about to sleep on its condition variable. True: it keeps watch. False: another
    /// one does, and this one need not.
    #[must_use]
    pub fn start(&self) -> bool {
        // Ordering: Relaxed. The swap elects one. Where it reads what another one's wrote, that one
        // sees this worker parked when it has next had the lock of `Idle`'s list, which this one had before.
        // Survives: skipped, because several then keep watch, and somebody is woken needlessly.
        !self.kept.swap(true, Ordering::Relaxed)
    }

    /// The keeper is awake again.
    pub fn stop(&self) {
        // Ordering: Relaxed. The lock of `Idle`'s list follows. A swap, since by one
        // it reads what a start that failed has written.
        self.kept.swap(false, Ordering::Relaxed);
    }

    /// How often a worker was woken to run user code so far.
    pub fn awakenings(&self) -> usize {
        // Ordering: Relaxed. Compared with itself.
        self.awakenings.load(Ordering::Relaxed)
    }
}

/// What a worker has to see to before it runs user code: see W1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Missing {
    /// Somebody keeps watch.
    Nothing,
    /// The attendant sleeps without a limit. It is down as the one that keeps watch now, and the
    /// caller makes it wake up within a round.
    Limit,
    /// Nobody attends, and nobody keeps watch: a sleeper must be woken, if there is one.
    Watcher,
}

impl Default for Watch {
    fn default() -> Self {
        Self::new()
    }
}
