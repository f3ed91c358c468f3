//! A busy worker's look at a sibling that stands still.
//!
//! A worker that never runs out of tasks never searches, and where all are so, nobody sleeps who
//! could keep watch (`watch.rs`): what a worker that blocks has in its queue would wait for it. So a
//! worker looks at one sibling after another, now and then, and takes tasks from one whose count
//! of ticks has not moved since its last look.
//!
//! Nothing is measured in time. A sibling whose polls take so much longer than this worker's that it
//! only seems to stand still gives up tasks to one that is quicker, which does no harm.

use crossbeam_utils::CachePadded;
use framewise_sync::atomic::{AtomicU32, Ordering};
use framewise_sync::deque::Steal;

use super::queue::LocalQueue;
use super::shared::WorkerFace;
use crate::task::header::TaskRef;

/// Ticks between two looks.
pub(crate) const TICKS_PER_LOOK: u32 = 16;

/// A worker's ticks: by them a busy sibling sees that it stands still.
pub(crate) struct Ticks(AtomicU32);

impl Ticks {
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// The worker counts a tick.
    pub(crate) fn count(&self) {
        // Ordering: Relaxed, both. Only compared with itself, and written by the owner.
        let ticks = self.0.load(Ordering::Relaxed).wrapping_add(1);
        self.0.store(ticks, Ordering::Relaxed);
    }

    /// The worker's ticks so far.
    pub(super) fn get(&self) -> u32 {
        // Ordering: Relaxed, as in count.
        self.0.load(Ordering::Relaxed)
    }
}

/// Whom a worker looks at, and what it saw there.
pub(crate) struct Relief {
    ticks_to_look: u32,
    sibling: usize,
    /// The sibling's ticks at the last look.
    ticks: u32,
}

impl Relief {
    pub(crate) fn new() -> Self {
        Self {
            ticks_to_look: TICKS_PER_LOOK,
            sibling: 0,
            ticks: 0,
        }
    }

    /// Called at each tick of the worker `own`, which has this queue: a task of a sibling that stands
    /// still.
    pub(crate) fn look(
        &mut self,
        own: usize,
        queue: &LocalQueue,
        workers: &[CachePadded<WorkerFace>],
    ) -> Option<TaskRef> {
        self.ticks_to_look -= 1;
        if self.ticks_to_look > 0 {
            return None;
        }
        self.ticks_to_look = TICKS_PER_LOOK;
        let sibling = &workers[self.sibling].queue;
        if self.sibling != own && sibling.ticks.get() == self.ticks {
            let stolen = match queue.steal_from(sibling) {
                Steal::Success(task) => Some(task),
                Steal::Empty => sibling.steal_slot(),
                Steal::Retry => None,
            };
            // There may be more: the next look is at the same one.
            if stolen.is_some() {
                return stolen;
            }
        }
        self.sibling = (self.sibling + 1) % workers.len();
        if self.sibling == own {
            self.sibling = (self.sibling + 1) % workers.len();
        }
        self.ticks = workers[self.sibling].queue.ticks.get();
        None
    }
}
