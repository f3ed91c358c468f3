//! How a busy worker notices a sibling that stalls, and takes tasks from it.
//!
//! A worker that never runs out of tasks never searches, and if all workers are busy, none is
//! parked that could be the monitor (`monitor.rs`): the tasks in the queue of a worker that blocks
//! would wait for it. So an active worker checks one sibling after another, now and then, and
//! steals from one whose tick count has not moved since its last check.
//!
//! Nothing is measured in time. A sibling that only seems to stall, because its polls take much
//! longer than this worker's, loses tasks to a faster one, which does no harm.

use framewise_sync::atomic::{AtomicU32, Ordering};
use framewise_sync::deque::Steal;

use crate::scheduler::queue::LocalQueue;
use crate::task::header::TaskRef;

/// Ticks between two checks.
pub(crate) const TICKS_PER_CHECK: u32 = 16;

/// Counts the ticks of one worker.
pub(crate) struct TickCounter(AtomicU32);

impl TickCounter {
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Counts a tick. For the worker itself.
    pub(crate) fn count(&self) {
        // Ordering: Relaxed, both. Only compared with itself, and written by the owner.
        let ticks = self.0.load(Ordering::Relaxed).wrapping_add(1);
        self.0.store(ticks, Ordering::Relaxed);
    }

    /// Returns the number of ticks so far.
    pub(in crate::scheduler) fn get(&self) -> u32 {
        // Ordering: Relaxed, like in count.
        self.0.load(Ordering::Relaxed)
    }
}

/// The sibling that a worker checks next, and what it saw there.
pub(crate) struct StallDetector {
    ticks_to_check: u32,
    sibling: usize,
    /// The sibling's ticks at the last check.
    ticks: u32,
}

impl StallDetector {
    pub(crate) fn new() -> Self {
        Self {
            ticks_to_check: TICKS_PER_CHECK,
            sibling: 0,
            ticks: 0,
        }
    }

    /// Returns a task of a sibling that stalls. Called at each tick of the worker with this queue;
    /// most calls check nothing.
    pub(crate) fn check(&mut self, queue: &LocalQueue) -> Option<TaskRef> {
        self.ticks_to_check -= 1;
        if self.ticks_to_check > 0 {
            return None;
        }
        self.ticks_to_check = TICKS_PER_CHECK;
        let (own, queues) = (queue.index(), queue.queues());
        if self.sibling != own && queues.ticks(self.sibling).get() == self.ticks {
            let stolen = match queue.steal_from(self.sibling) {
                Steal::Success(task) => Some(task),
                Steal::Empty => queues.steal_lifo(self.sibling),
                Steal::Retry => None,
            };
            // There may be more, so the next check is of the same sibling.
            if stolen.is_some() {
                return stolen;
            }
        }
        self.sibling = (self.sibling + 1) % queues.workers();
        if self.sibling == own {
            self.sibling = (self.sibling + 1) % queues.workers();
        }
        self.ticks = queues.ticks(self.sibling).get();
        None
    }
}
