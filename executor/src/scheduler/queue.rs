//! One worker's tasks: a bounded FIFO deque, a last-in slot, and the yielded.
//!
//! Owns the order in which a worker takes its own tasks. The deque is crossbeam's, and trusted to
//! keep the contract in `framewise_sync::deque`.
//! The slot holds the task that was woken last: it is what the running task just made ready, so it
//! runs next, with warm caches. Nobody is ever woken for it. A thief takes it only as a last resort,
//! and only where a thief has seen it before: then the worker is in a long poll, which may never
//! end, while the partner of a quick one would be back in the slot by the next look. Yielded tasks
//! wait in a private list until the deque is empty; no thief reaches them.

use std::collections::VecDeque;
use std::ptr;

use framewise_sync::atomic::{AtomicPtr, Ordering};
use framewise_sync::deque::{Injector, Steal, Stealer, Worker};

use super::relief::Ticks;
use crate::task::header::{Header, TaskRef};

/// Tasks in the deque beyond which a push goes to the injector, where every worker looks. The
/// deque's buffer would grow and shrink with allocations. (In a model it is just so many that a
/// batch has a rest.)
const DEQUE_LEN_MAX: usize = if cfg!(any(framewise_loom, framewise_shuttle)) {
    3
} else {
    256
};

/// Tasks in a row that may come from the last-in slot before the deque has its turn.
const SLOT_STREAK_MAX: u32 = 3;

/// Tasks that one look at the injector takes at most.
const INJECTOR_BATCH_MAX: usize = 32;

/// What thieves see of a worker's queue.
pub(crate) struct QueueFace {
    pub(crate) stealer: Stealer<TaskRef>,
    slot: LastInSlot,
    pub(crate) ticks: Ticks,
}

/// The last-in slot: at most one claim, taken by whoever swaps it out. The lowest bit of the pointer
/// says that a thief has seen this claim here; it goes with the claim.
pub(crate) struct LastInSlot(AtomicPtr<Header>);

const SEEN: usize = 1;

const _: () = assert!(align_of::<Header>() > SEEN, "the pointer's bit is free");

impl LastInSlot {
    pub(crate) fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// The owner puts a claim in and gets the one back that was there.
    pub(crate) fn replace(&self, task: TaskRef) -> Option<TaskRef> {
        // Ordering: Release publishes the task to a thief. No Acquire: the one displaced is one that
        // the owner put here.
        Self::wrap(self.0.swap(task.as_ptr(), Ordering::Release))
    }

    /// The owner takes the claim out.
    pub(crate) fn take(&self) -> Option<TaskRef> {
        // Ordering: Relaxed. Saves the read-modify-write where the slot is empty, which the owner
        // knows for sure.
        if self.0.load(Ordering::Relaxed).is_null() {
            return None;
        }
        // Ordering: Relaxed. The owner put it here, and where the core has changed threads since, its
        // way there orders that.
        Self::wrap(self.0.swap(ptr::null_mut(), Ordering::Relaxed))
    }

    /// Takes the claim out if it has been here since a thief looked last.
    pub(crate) fn take_seen(&self) -> Option<TaskRef> {
        // Ordering: Relaxed. A thief that is too early finds the task next time.
        let now = self.0.load(Ordering::Relaxed);
        if now.is_null() {
            return None;
        }
        if now.addr() & SEEN == 0 {
            let seen = now.map_addr(|address| address | SEEN);
            // Ordering: Relaxed, both. Publishes nothing, and being a read-modify-write it keeps
            // for the taker what replace has released. Where it fails, the worker is at work.
            let _ = self
                .0
                .compare_exchange(now, seen, Ordering::Relaxed, Ordering::Relaxed);
            return None;
        }
        // Ordering: Acquire, pairs with replace; Relaxed where the claim has gone.
        let taken =
            self.0
                .compare_exchange(now, ptr::null_mut(), Ordering::Acquire, Ordering::Relaxed);
        taken.ok().and_then(Self::wrap)
    }

    fn wrap(pointer: *mut Header) -> Option<TaskRef> {
        let pointer = pointer.map_addr(|address| address & !SEEN);
        // SAFETY: the slot holds only what `replace` put in, a claim, which keeps its task alive
        // (S3), and a swap gives it to one thread.
        ptr::NonNull::new(pointer).map(|pointer| unsafe { TaskRef::new(pointer) })
    }
}

/// A worker's own end of its queue.
pub(crate) struct LocalQueue {
    deque: Worker<TaskRef>,
    /// Tasks that yielded; they follow when the deque is empty.
    yielded: VecDeque<TaskRef>,
    /// Tasks in a row that came from the slot.
    slot_streak: u32,
}

/// Where a pushed task ended up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// In the last-in slot, which was empty: not worth waking anybody.
    Slot,
    /// A task went to the deque or the injector, where siblings may take it.
    Shared,
}

impl LocalQueue {
    pub(crate) fn new() -> (Self, QueueFace) {
        let deque = Worker::new_fifo();
        let face = QueueFace {
            stealer: deque.stealer(),
            slot: LastInSlot::new(),
            ticks: Ticks::new(),
        };
        (
            Self {
                deque,
                yielded: VecDeque::new(),
                slot_streak: 0,
            },
            face,
        )
    }

    /// A task was woken or spawned by this worker: it goes into the slot.
    #[inline]
    pub(crate) fn push(
        &self,
        task: TaskRef,
        face: &QueueFace,
        injector: &Injector<TaskRef>,
    ) -> Pushed {
        match face.slot.replace(task) {
            None => Pushed::Slot,
            Some(displaced) => self.push_deque(displaced, injector),
        }
    }

    fn push_deque(&self, task: TaskRef, injector: &Injector<TaskRef>) -> Pushed {
        if self.deque.len() < DEQUE_LEN_MAX {
            self.deque.push(task);
        } else {
            injector.push(task);
        }
        Pushed::Shared
    }

    /// A task that ran was woken meanwhile: it goes behind all others.
    pub(crate) fn push_yielded(&mut self, task: TaskRef) {
        self.yielded.push_back(task);
    }

    /// The next of the worker's own tasks, but for the yielded.
    #[inline]
    pub(crate) fn pop(
        &mut self,
        face: &QueueFace,
        injector: &Injector<TaskRef>,
    ) -> Option<TaskRef> {
        if self.slot_streak < SLOT_STREAK_MAX {
            if let Some(task) = face.slot.take() {
                self.slot_streak += 1;
                return Some(task);
            }
        } else if let Some(task) = face.slot.take() {
            // Two tasks that wake each other in turn must not starve the deque.
            self.push_deque(task, injector);
        }
        self.slot_streak = 0;
        self.deque.pop()
    }

    /// Takes a fair share of the injector: one task to run, the rest into the deque.
    pub(crate) fn pop_injector(
        &self,
        injector: &Injector<TaskRef>,
        workers: usize,
    ) -> Option<TaskRef> {
        loop {
            if injector.is_empty() {
                return None;
            }
            let share = (injector.len() / workers + 1).min(INJECTOR_BATCH_MAX);
            match injector.steal_batch_with_limit_and_pop(&self.deque, share) {
                Steal::Success(task) => return Some(task),
                Steal::Empty => return None,
                Steal::Retry => {}
            }
        }
    }

    /// Takes half of a sibling's deque: one task to run, the rest into the own deque.
    pub(crate) fn steal_from(&self, sibling: &QueueFace) -> Steal<TaskRef> {
        sibling.stealer.steal_batch_and_pop(&self.deque)
    }

    pub(crate) fn has_yielded(&self) -> bool {
        !self.yielded.is_empty()
    }

    /// The yielded have their turn: they go into the deque, in order. True where siblings may take
    /// some.
    pub(crate) fn admit_yielded(&mut self, injector: &Injector<TaskRef>) -> bool {
        let many = self.yielded.len() > 1;
        while let Some(task) = self.yielded.pop_front() {
            self.push_deque(task, injector);
        }
        many
    }

    /// Whether siblings could take something.
    pub(crate) fn has_backlog(&self) -> bool {
        !self.deque.is_empty()
    }

    /// Gives every task back, for the runtime's end.
    pub(crate) fn drain(&mut self, face: &QueueFace, injector: &Injector<TaskRef>) {
        self.admit_yielded(injector);
        while let Some(task) = face.slot.take().or_else(|| self.deque.pop()) {
            injector.push(task);
        }
    }
}

impl QueueFace {
    /// A thief's last resort: a task that a thief has seen in the slot before.
    pub(crate) fn steal_slot(&self) -> Option<TaskRef> {
        self.slot.take_seen()
    }

    /// Moves the tasks that a thief can reach into the injector, for the end of a runtime whose worker is
    /// in a poll that blocks.
    pub(crate) fn drain_remotely(&self, injector: &Injector<TaskRef>) {
        let stolen = Worker::new_fifo();
        loop {
            match self.stealer.steal_batch_and_pop(&stolen) {
                Steal::Success(task) => injector.push(task),
                Steal::Retry => continue,
                Steal::Empty => break,
            }
            while let Some(task) = stolen.pop() {
                injector.push(task);
            }
        }
        // The first attempt marks the task. If the slot changes meanwhile, the worker is at work again, and
        // drains its queue itself.
        if let Some(task) = self.steal_slot().or_else(|| self.steal_slot()) {
            injector.push(task);
        }
    }
}
