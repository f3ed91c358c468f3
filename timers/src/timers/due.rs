//! The timers of a runtime whose clock can be stopped (feature `test-util`).
//!
//! Owns the jump of a stopped clock to the next timer, and, for seeded runs, which choose the order
//! of firing, a due timer between the wheel and its firing: the ordinary runtime fires batches. It
//! must not know when a runtime has nothing to do.

use framewise_sync::Arc;

use super::{TimerEntry, TimerShard, Timers};
use crate::clock::Clock;
use crate::instant::Instant;
use crate::park_state::NEVER;
use crate::test_clock::TestClock;

impl Timers {
    /// Like [`new`](Self::new), with a clock that can be stopped.
    #[doc(hidden)]
    pub fn new_stoppable(wheels: usize, unpark: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        Self::with_clock(wheels, Clock::start_stoppable(), unpark)
    }

    /// Stops the clock, if it can be stopped. See [`pause`](crate::pause).
    #[doc(hidden)]
    pub fn stop_clock(&self) {
        self.test_clock().map(TestClock::stop);
    }

    /// Stops the clock for good, for a seeded run, which moves it. `preempts` decides at each poll
    /// of a timer's future whether other tasks run first.
    #[doc(hidden)]
    pub fn drive_clock(&self, preempts: fn() -> bool) {
        if let Some(clock) = self.test_clock() {
            clock.drive(preempts);
        }
    }

    /// Returns the time of these timers' clock.
    #[doc(hidden)]
    pub fn now(&self) -> Instant {
        self.common.clock.now()
    }

    /// Returns `true` if the clock is stopped. The driver then waits for the next timer by
    /// [`jump`](Self::jump). If it waits for something else, it calls this again whenever it is
    /// woken.
    #[doc(hidden)]
    pub fn is_clock_stopped(&self) -> bool {
        self.test_clock().is_some_and(TestClock::is_stopped)
    }

    /// Moves the stopped clock to the next deadline, if there is one, without firing it.
    #[doc(hidden)]
    pub fn jump(&self) {
        if let Some(next) = self.next_due() {
            self.advance_to(next);
        }
    }

    /// Moves the stopped clock to `instant`, unless that has passed.
    #[doc(hidden)]
    pub fn advance_to(&self, instant: Instant) {
        if let Some(clock) = self.test_clock() {
            clock.move_to(instant);
        }
    }

    fn test_clock(&self) -> Option<&TestClock> {
        self.common.clock.test_clock()
    }

    /// Returns the next deadline. `None` if nothing will ever be due.
    #[doc(hidden)]
    pub fn next_due(&self) -> Option<Instant> {
        for shard in &self.shards {
            shard.queue.settle_next();
        }
        let earliest = self.earliest();
        (earliest != NEVER).then(|| self.common.clock.instant(earliest))
    }

    /// Takes out everything that is due at `instant`, without firing it.
    #[doc(hidden)]
    pub fn take_due(&self, instant: Instant) -> Vec<DueTimer> {
        let now = self.common.clock.ticks_begun(instant);
        let mut due = Vec::new();
        for shard in &self.shards {
            while shard.queue.next() <= now {
                let entries = shard.queue.take_due(now).into_iter();
                due.extend(entries.map(|entry| DueTimer {
                    shard: Arc::clone(shard),
                    entry: Some(entry),
                }));
            }
        }
        due
    }
}

/// A timer that was taken out of its wheel and has not fired yet.
///
/// Dropping it means that it never fires: a callback is dropped in its frame, and a frame's work
/// ends, like in [`Timers::close`].
#[must_use = "the waiting task is not woken until the timer is fired"]
pub struct DueTimer {
    shard: Arc<TimerShard>,
    entry: Option<TimerEntry>,
}

impl DueTimer {
    /// Wakes the waiting task, or calls the callback, in the frame that registered it.
    pub fn fire(mut self) {
        if let Some(entry) = self.entry.take() {
            self.shard.fire_one(entry);
        }
    }
}

impl Drop for DueTimer {
    fn drop(&mut self) {
        match self.entry.take() {
            Some(TimerEntry::Callback(state)) => state.discard(),
            Some(TimerEntry::Control(target)) => {
                target.shut_down(&mut |caught| _ = self.shard.common.report(caught));
            }
            Some(TimerEntry::Waker(_)) | None => {}
        }
    }
}

impl std::fmt::Debug for DueTimer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DueTimer").finish_non_exhaustive()
    }
}
