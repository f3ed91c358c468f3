//! The queues: the injector, and for each worker a bounded FIFO deque, a LIFO slot and a yield
//! queue.
//!
//! Owns the order in which a worker takes its own tasks, and what siblings can steal of them. Knows
//! neither when a worker searches nor when one is notified: [`Push`] says what a push asks for.
//! A task that is taken out is polled by `worker.rs`.
//!
//! The **LIFO slot** holds the task that was woken last, which the running task just made ready: it
//! runs next, with warm caches (tokio's and Go's idea). No worker is notified for it. A sibling
//! steals it as a last resort, and only if a sibling marked it before: then its worker is in a long
//! poll, which may never end, whereas the partner of a quick one would have been replaced by the
//! next scan. The **yield queue** holds tasks that were woken while they ran. They wait until the
//! deque is empty; no sibling reaches them. The deque is crossbeam's, which keeps the contract in
//! `framewise_sync::deque`.

use std::collections::VecDeque;
use std::ptr;
use std::sync::Arc;

use crossbeam_utils::CachePadded;
use framewise_sync::atomic::{AtomicPtr, Ordering};
use framewise_sync::deque::{Injector, Steal, Stealer, Worker};

use super::idle::stall::TickCounter;
use crate::task::header::{Header, TaskRef};

/// The length of a deque beyond which a push goes to the injector, where every worker looks. The
/// deque's buffer would grow and shrink with allocations. (In a model just long enough for a batch
/// to leave a rest.)
const DEQUE_LEN_MAX: usize = if cfg!(any(framewise_loom, framewise_shuttle)) {
    3
} else {
    256
};

/// Tasks in a row that may come from the LIFO slot before the deque has its turn.
const LIFO_STREAK_MAX: u32 = 3;

/// Tasks that a worker takes from the injector at once, at most.
const INJECTOR_BATCH_MAX: usize = 32;

/// The queues of a runtime, as every thread sees them.
pub(crate) struct Queues {
    /// Tasks from other threads, and what a full deque displaces.
    pub(crate) injector: Injector<TaskRef>,
    remotes: Box<[Arc<CachePadded<RemoteQueue>>]>,
}

/// What siblings see of a worker's queue.
struct RemoteQueue {
    stealer: Stealer<TaskRef>,
    lifo_slot: LifoSlot,
    ticks: TickCounter,
}

impl Queues {
    /// Creates the queues of `workers` workers, and each worker's own end.
    pub(crate) fn new(workers: usize) -> (Arc<Self>, Vec<LocalQueue>) {
        let deques: Vec<_> = (0..workers).map(|_| Worker::new_fifo()).collect();
        let remotes = deques.iter().map(|deque| {
            Arc::new(CachePadded::new(RemoteQueue {
                stealer: deque.stealer(),
                lifo_slot: LifoSlot::new(),
                ticks: TickCounter::new(),
            }))
        });
        let queues = Arc::new(Self {
            injector: Injector::new(),
            remotes: remotes.collect(),
        });
        let local = |(index, deque)| LocalQueue {
            index,
            deque,
            yield_queue: VecDeque::new(),
            lifo_streak: 0,
            remote: Arc::clone(&queues.remotes[index]),
            queues: Arc::clone(&queues),
        };
        let locals = deques.into_iter().enumerate().map(local).collect();
        (queues, locals)
    }

    /// Returns the number of workers.
    pub(crate) fn workers(&self) -> usize {
        self.remotes.len()
    }

    /// Returns `true` if the worker `thief` could steal a task from a deque, or take one from the
    /// injector.
    pub(crate) fn has_stealable(&self, thief: usize) -> bool {
        !self.injector.is_empty()
            || self
                .remotes
                .iter()
                .enumerate()
                .any(|(index, remote)| index != thief && !remote.stealer.is_empty())
    }

    /// Takes a task out of a worker's LIFO slot, if a sibling marked it before.
    pub(crate) fn steal_lifo(&self, victim: usize) -> Option<TaskRef> {
        self.remotes[victim].lifo_slot.steal_marked()
    }

    /// Moves the tasks of a worker that siblings can steal into the injector, for the end of a
    /// runtime whose worker is in a poll that blocks.
    pub(crate) fn drain_remotely(&self, victim: usize) {
        let stealer = &self.remotes[victim].stealer;
        let stolen = Worker::new_fifo();
        loop {
            match stealer.steal_batch_and_pop(&stolen) {
                Steal::Success(task) => self.injector.push(task),
                Steal::Retry => continue,
                Steal::Empty => break,
            }
            while let Some(task) = stolen.pop() {
                self.injector.push(task);
            }
        }
        // The first attempt marks the task. If the slot changes meanwhile, the worker is making
        // progress, and drains its queue itself.
        if let Some(task) = self.steal_lifo(victim).or_else(|| self.steal_lifo(victim)) {
            self.injector.push(task);
        }
    }

    /// Returns the ticks of a worker.
    pub(crate) fn ticks(&self, worker: usize) -> &TickCounter {
        &self.remotes[worker].ticks
    }
}

/// Holds at most one runnable task; the thread that swaps it out owns it. The lowest bit of the
/// pointer says that a sibling has marked this task; it leaves with the task.
pub(crate) struct LifoSlot(AtomicPtr<Header>);

const MARKED: usize = 1;

const _: () = assert!(align_of::<Header>() > MARKED, "the pointer's bit is free");

impl LifoSlot {
    pub(crate) fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// Puts a task in, and returns the one that it displaces. For the owner.
    pub(crate) fn replace(&self, task: TaskRef) -> Option<TaskRef> {
        // Ordering: Release publishes the task to a thief. No Acquire: the owner put the displaced
        // task here.
        Self::wrap(self.0.swap(task.as_ptr(), Ordering::Release))
    }

    /// Takes the task out. For the owner.
    pub(crate) fn take(&self) -> Option<TaskRef> {
        // Ordering: Relaxed. Saves the read-modify-write if the slot is empty, which the owner
        // knows for sure.
        if self.0.load(Ordering::Relaxed).is_null() {
            return None;
        }
        // Ordering: Relaxed. The owner put it here; where the core has changed threads since, the
        // handoff orders that.
        Self::wrap(self.0.swap(ptr::null_mut(), Ordering::Relaxed))
    }

    /// Takes the task out if a thief has marked it, and marks it otherwise.
    pub(crate) fn steal_marked(&self) -> Option<TaskRef> {
        // Ordering: Relaxed. A thief that is too early finds the task next time.
        let now = self.0.load(Ordering::Relaxed);
        if now.is_null() {
            return None;
        }
        if now.addr() & MARKED == 0 {
            let marked = now.map_addr(|address| address | MARKED);
            // Ordering: Relaxed, both. Publishes nothing, and being a read-modify-write it keeps
            // what replace has released for the thief. If it fails, the owner is making progress.
            let _ = self
                .0
                .compare_exchange(now, marked, Ordering::Relaxed, Ordering::Relaxed);
            return None;
        }
        // Ordering: Acquire, pairs with replace; Relaxed if the task is gone.
        let taken =
            self.0
                .compare_exchange(now, ptr::null_mut(), Ordering::Acquire, Ordering::Relaxed);
        taken.ok().and_then(Self::wrap)
    }

    fn wrap(pointer: *mut Header) -> Option<TaskRef> {
        let pointer = pointer.map_addr(|address| address & !MARKED);
        // SAFETY: the slot holds only what `replace` put in, a runnable task, which stays alive
        // (S3), and a swap gives it to one thread.
        ptr::NonNull::new(pointer).map(|pointer| unsafe { TaskRef::new(pointer) })
    }
}

/// A worker's own end of its queue.
pub(crate) struct LocalQueue {
    index: usize,
    deque: Worker<TaskRef>,
    /// Tasks that were woken while they ran; they follow when the deque is empty.
    yield_queue: VecDeque<TaskRef>,
    /// Tasks in a row that came from the LIFO slot.
    lifo_streak: u32,
    /// What siblings see of this queue.
    remote: Arc<CachePadded<RemoteQueue>>,
    queues: Arc<Queues>,
}

/// What a push of a worker to its own queue asks of its caller.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Push {
    /// Nothing: the task is in the LIFO slot, and this worker runs it next.
    LifoSlot,
    /// To notify a worker: siblings can steal a task now.
    Notify,
    /// Nothing yet: siblings can steal a task, and the worker notifies one later.
    NotifyLater,
}

impl LocalQueue {
    /// Returns the number of the worker that this queue belongs to.
    pub(crate) fn index(&self) -> usize {
        self.index
    }

    /// Returns all queues of the runtime.
    pub(crate) fn queues(&self) -> &Queues {
        &self.queues
    }

    /// Puts a task that this worker woke or spawned into the LIFO slot.
    #[inline]
    pub(crate) fn push(&self, task: TaskRef) -> Push {
        match self.remote.lifo_slot.replace(task) {
            None => Push::LifoSlot,
            Some(displaced) => {
                self.push_deque(displaced);
                Push::Notify
            }
        }
    }

    fn push_deque(&self, task: TaskRef) {
        if self.deque.len() < DEQUE_LEN_MAX {
            self.deque.push(task);
        } else {
            self.queues.injector.push(task);
        }
    }

    /// Moves the task in the LIFO slot behind those that it displaced, so that tasks which were
    /// woken in an order run in that order.
    pub(crate) fn keep_order(&self) {
        if let Some(task) = self.remote.lifo_slot.take() {
            self.push_deque(task);
        }
    }

    /// Puts a task that was woken while it ran behind all others.
    pub(crate) fn push_yielded(&mut self, task: TaskRef) {
        self.yield_queue.push_back(task);
    }

    /// Takes the next of the worker's own tasks, except those in the yield queue.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<TaskRef> {
        if self.lifo_streak < LIFO_STREAK_MAX {
            if let Some(task) = self.remote.lifo_slot.take() {
                self.lifo_streak += 1;
                return Some(task);
            }
        } else if let Some(task) = self.remote.lifo_slot.take() {
            // Two tasks that wake each other in turn must not starve the deque.
            self.push_deque(task);
        }
        self.lifo_streak = 0;
        self.deque.pop()
    }

    /// Takes a fair share of the injector: returns one task, and puts the rest into the deque.
    pub(crate) fn pop_injector(&self) -> Option<TaskRef> {
        let injector = &self.queues.injector;
        loop {
            if injector.is_empty() {
                return None;
            }
            let share = (injector.len() / self.queues.workers() + 1).min(INJECTOR_BATCH_MAX);
            match injector.steal_batch_with_limit_and_pop(&self.deque, share) {
                Steal::Success(task) => return Some(task),
                Steal::Empty => return None,
                Steal::Retry => {}
            }
        }
    }

    /// Steals half of a sibling's deque: returns one task, and puts the rest into the own deque.
    pub(crate) fn steal_from(&self, victim: usize) -> Steal<TaskRef> {
        let victim = &self.queues.remotes[victim];
        victim.stealer.steal_batch_and_pop(&self.deque)
    }

    /// Returns `true` if a task is in the yield queue.
    pub(crate) fn has_yielded(&self) -> bool {
        !self.yield_queue.is_empty()
    }

    /// Moves the yield queue into the deque, in order. Returns `true` if siblings may take some of
    /// it.
    #[inline(always)]
    pub(crate) fn drain_yield_queue(&mut self) -> bool {
        let many = self.yield_queue.len() > 1;
        while let Some(task) = self.yield_queue.pop_front() {
            self.push_deque(task);
        }
        many
    }

    /// Returns `true` if siblings could steal a task of this worker.
    pub(crate) fn has_backlog(&self) -> bool {
        !self.deque.is_empty()
    }

    /// Moves every task into the injector, when the worker leaves the runtime.
    pub(crate) fn drain(&mut self) {
        self.drain_yield_queue();
        while let Some(task) = self.remote.lifo_slot.take().or_else(|| self.deque.pop()) {
            self.queues.injector.push(task);
        }
    }
}
