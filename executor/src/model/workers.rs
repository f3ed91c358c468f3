//! Workers' queues, and those who look into them, in a model.
//!
//! The queues, the search and the look at a sibling are the shipped ones, on the stand-in for the
//! deque. What is left out is who calls them in which order (`worker.rs`): a model says that.

use crossbeam_utils::CachePadded;
use framewise_sync::Arc;
use framewise_sync::deque::{Injector, Steal};

use super::of_tasks::Claim;
use crate::scheduler::park::Parker;
use crate::scheduler::queue::{LocalQueue, Pushed};
use crate::scheduler::relief::{Relief, TICKS_PER_LOOK};
use crate::scheduler::search;
use crate::scheduler::shared::WorkerFace;
use crate::task::header::TaskRef;

/// What workers see of one another, and the injector.
#[derive(Clone)]
pub struct ModelWorkers(Arc<Common>);

struct Common {
    faces: Box<[CachePadded<WorkerFace>]>,
    injector: Injector<TaskRef>,
}

impl ModelWorkers {
    /// Workers that have nothing to do and have not ticked.
    pub fn new(workers: usize) -> (Self, Vec<ModelWorker>) {
        let (queues, faces): (Vec<_>, Vec<_>) = (0..workers)
            .map(|_| {
                let (queue, face) = LocalQueue::new();
                let face = WorkerFace {
                    queue: face,
                    parker: Parker::new(),
                };
                (queue, CachePadded::new(face))
            })
            .unzip();
        let common = Self(Arc::new(Common {
            faces: faces.into_boxed_slice(),
            injector: Injector::new(),
        }));
        let workers = queues.into_iter().enumerate().map(|(index, queue)| {
            let workers = common.clone();
            ModelWorker {
                index,
                queue,
                relief: Relief::new(),
                workers,
            }
        });
        let workers = workers.collect();
        (common, workers)
    }

    /// A push from outside.
    pub fn inject(&self, claim: Claim) {
        self.0.injector.push(claim.0);
    }

    /// Takes one of the injector's, as a runtime does at its end. What comes of it is said in full.
    pub fn steal_injected(&self) -> Steal<Claim> {
        wrap(self.0.injector.steal())
    }

    /// Whether the worker could take something: its look before it sleeps.
    pub fn has_stealable(&self, thief: usize) -> bool {
        search::has_stealable(thief, &self.0.faces, &self.0.injector)
    }
}

/// A worker's own end: its queue, and whom it relieves.
pub struct ModelWorker {
    index: usize,
    queue: LocalQueue,
    relief: Relief,
    workers: ModelWorkers,
}

impl ModelWorker {
    /// The worker counts a tick.
    pub fn tick(&self) {
        self.workers.0.faces[self.index].queue.ticks.count();
    }

    /// The worker's running task woke another one. True: siblings may take something now.
    pub fn push(&self, claim: Claim) -> bool {
        let common = &*self.workers.0;
        let face = &common.faces[self.index].queue;
        self.queue.push(claim.0, face, &common.injector) == Pushed::Shared
    }

    /// The running task was woken meanwhile.
    pub fn push_yielded(&mut self, claim: Claim) {
        self.queue.push_yielded(claim.0);
    }

    /// The yielded have their turn.
    pub fn admit_yielded(&mut self) -> bool {
        self.queue.admit_yielded(&self.workers.0.injector)
    }

    /// The worker takes one of its own.
    pub fn pop(&mut self) -> Option<Claim> {
        let common = &*self.workers.0;
        let face = &common.faces[self.index].queue;
        self.queue.pop(face, &common.injector).map(Claim)
    }

    /// The worker's share of the injector.
    pub fn pop_injector(&self) -> Option<Claim> {
        let common = &*self.workers.0;
        let task = self
            .queue
            .pop_injector(&common.injector, common.faces.len());
        task.map(Claim)
    }

    /// One steal from a sibling. What comes of it is said in full.
    pub fn steal_from(&self, sibling: usize) -> Steal<Claim> {
        wrap(self.queue.steal_from(&self.workers.0.faces[sibling].queue))
    }

    /// The search of a worker that has nothing.
    pub fn search(&self) -> Option<Claim> {
        let common = &*self.workers.0;
        let (faces, injector) = (&common.faces, &common.injector);
        search::look_everywhere(self.index, &self.queue, faces, injector, || 0).map(Claim)
    }

    /// Whether siblings could take something.
    pub fn has_backlog(&self) -> bool {
        self.queue.has_backlog()
    }

    /// The worker leaves, and gives every task to the injector.
    pub fn drain(&mut self) {
        let common = &*self.workers.0;
        let face = &common.faces[self.index].queue;
        self.queue.drain(face, &common.injector);
    }

    /// As many of the worker's ticks as there are from one look at a sibling to the next.
    pub fn look(&mut self) -> Option<Claim> {
        let mut found = None;
        for _ in 0..TICKS_PER_LOOK {
            assert!(found.is_none(), "a look is the last tick");
            let faces = &self.workers.0.faces;
            found = self.relief.look(self.index, &self.queue, faces);
        }
        found.map(Claim)
    }
}

fn wrap(stolen: Steal<TaskRef>) -> Steal<Claim> {
    match stolen {
        Steal::Success(task) => Steal::Success(Claim(task)),
        Steal::Empty => Steal::Empty,
        Steal::Retry => Steal::Retry,
    }
}
