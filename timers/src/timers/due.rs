//! Timers that are taken out of their wheels one by one, for whoever chooses the order of firing.
//!
//! Owns a due timer between the wheel and its firing. For the runtime's seeded runs (feature
//! `test-util`): the ordinary runtime fires batches.

use std::time::Instant;

use framewise_sync::Arc;

use super::{TimerEntry, TimerShard, Timers};
use crate::gate::NEVER;

impl Timers {
    /// When the next timer may be due: not later than it is, and maybe earlier, where one was
    /// cancelled. `None`: nothing will ever be due.
    #[doc(hidden)]
    pub fn next_due(&self) -> Option<Instant> {
        let earliest = self.earliest();
        (earliest != NEVER).then(|| self.common.clock.instant(earliest))
    }

    /// Takes out everything that is due now, and fires nothing.
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

/// A timer that came out of its wheel and has not been fired yet.
///
/// One that is dropped fires no more: a callback is dropped in its frame, as at the timers' end.
#[must_use = "whoever waits for the timer waits until it is fired"]
pub struct DueTimer {
    shard: Arc<TimerShard>,
    entry: Option<TimerEntry>,
}

impl DueTimer {
    /// Wakes who waits, or calls the callback, in the frame that registered it.
    pub fn fire(mut self) {
        if let Some(entry) = self.entry.take() {
            self.shard.fire_one(entry);
        }
    }
}

impl Drop for DueTimer {
    fn drop(&mut self) {
        if let Some(TimerEntry::Callback(state)) = self.entry.take() {
            state.abandon();
        }
    }
}

impl std::fmt::Debug for DueTimer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DueTimer").finish_non_exhaustive()
    }
}
