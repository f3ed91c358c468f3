//! Timers that are taken out of their wheels one by one, for a test tool that chooses the order of
//! firing.
//!
//! Owns a due timer between the wheel and its firing. Only the runtime's seeded runs use it
//! (feature `test-util`): the ordinary runtime fires batches.

use framewise_sync::Arc;

use super::{TimerEntry, TimerShard, Timers};
use crate::instant::Instant;
use crate::park_state::NEVER;

impl Timers {
    /// Returns an instant that is not later than the next deadline, and earlier if a timer was
    /// canceled. `None` if nothing will ever be due.
    #[doc(hidden)]
    pub fn next_due(&self) -> Option<Instant> {
        let earliest = self.earliest();
        (earliest != NEVER).then(|| self.common.clock.instant(earliest))
    }

    /// Takes out everything that is due now, without firing it.
    #[doc(hidden)]
    pub fn take_due(&self) -> Vec<DueTimer> {
        let now = self.common.clock.now_ticks();
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
/// Dropping it means that it never fires: a callback is dropped in its frame, like in
/// [`Timers::close`].
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
        if let Some(TimerEntry::Callback(state)) = self.entry.take() {
            state.discard();
        }
    }
}

impl std::fmt::Debug for DueTimer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DueTimer").finish_non_exhaustive()
    }
}
