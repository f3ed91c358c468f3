//! The shipped queues of a runtime's workers, in a model.
//!
//! The queues, the search and the check for a stalled sibling are the shipped ones, on the model of
//! the deque. Only their caller (`worker.rs`) is left out: a model calls them in its own order.

use std::sync::Arc;

use framewise_sync::deque::Steal;

use super::of_tasks::Runnable;
use crate::scheduler::idle::search;
use crate::scheduler::idle::stall::{StallDetector, TICKS_PER_CHECK};
use crate::scheduler::queue::{LocalQueue, Push, Queues};
use crate::task::header::TaskRef;

/// The injector, and what workers see of one another.
#[derive(Clone)]
pub struct ModelWorkers(Arc<Queues>);

impl ModelWorkers {
    /// Creates workers with empty queues.
    pub fn new(workers: usize) -> (Self, Vec<ModelWorker>) {
        let (queues, locals) = Queues::new(workers);
        let workers = locals.into_iter().map(|queue| ModelWorker {
            queue,
            stall_detector: StallDetector::new(),
        });
        (Self(queues), workers.collect())
    }

    /// Pushes a task like a thread that is no worker.
    pub fn inject(&self, runnable: Runnable) {
        self.0.injector.push(runnable.0);
    }

    /// Makes one attempt to take a task out of the injector, as the runtime's end does.
    pub fn steal_injected(&self) -> Steal<Runnable> {
        wrap(self.0.injector.steal())
    }

    /// Returns `true` if the worker could take a task from elsewhere: its scan before it blocks.
    pub fn has_stealable(&self, thief: usize) -> bool {
        self.0.has_stealable(thief)
    }
}

/// A worker's own end of its queue, and its stall detector.
pub struct ModelWorker {
    queue: LocalQueue,
    stall_detector: StallDetector,
}

impl ModelWorker {
    /// Counts a tick of this worker.
    pub fn tick(&self) {
        self.queue.queues().ticks(self.queue.index()).count();
    }

    /// Pushes a task that the running one woke. Returns `true` if siblings can steal a task now.
    pub fn push(&self, runnable: Runnable) -> bool {
        self.queue.push(runnable.0) == Push::Notify
    }

    /// Pushes a task that was woken while it ran.
    pub fn push_yielded(&mut self, runnable: Runnable) {
        self.queue.push_yielded(runnable.0);
    }

    /// Moves the yield queue into the deque.
    pub fn drain_yield_queue(&mut self) -> bool {
        self.queue.drain_yield_queue()
    }

    /// Takes one of the worker's own tasks.
    pub fn pop(&mut self) -> Option<Runnable> {
        self.queue.pop().map(Runnable)
    }

    /// Takes the worker's share of the injector.
    pub fn pop_injector(&self) -> Option<Runnable> {
        self.queue.pop_injector().map(Runnable)
    }

    /// Makes one attempt to steal from a sibling.
    pub fn steal_from(&self, sibling: usize) -> Steal<Runnable> {
        wrap(self.queue.steal_from(sibling))
    }

    /// Searches for a task like a worker that has none.
    pub fn search(&self) -> Option<Runnable> {
        search::steal_work(&self.queue, || 0).map(Runnable)
    }

    /// Returns `true` if siblings could steal a task.
    pub fn has_backlog(&self) -> bool {
        self.queue.has_backlog()
    }

    /// Moves every task into the injector.
    pub fn drain(&mut self) {
        self.queue.drain();
    }

    /// Makes the ticks from one check of a sibling to the next, and returns what the check stole.
    pub fn check(&mut self) -> Option<Runnable> {
        let mut found = None;
        for _ in 0..TICKS_PER_CHECK {
            assert!(found.is_none(), "a check is the last tick");
            found = self.stall_detector.check(&self.queue);
        }
        found.map(Runnable)
    }
}

fn wrap(stolen: Steal<TaskRef>) -> Steal<Runnable> {
    match stolen {
        Steal::Success(task) => Steal::Success(Runnable(task)),
        Steal::Empty => Steal::Empty,
        Steal::Retry => Steal::Retry,
    }
}
