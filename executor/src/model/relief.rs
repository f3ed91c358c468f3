//! The workers whom the shipped `Relief` looks at, in a model.
//!
//! Owns the deques, which stand in for crossbeam's: each promises what a deque must and no more.
//! The last-in slots, the counts of ticks and the look itself are the shipped ones.

use std::ptr;

use crossbeam_deque::Steal;
use framewise_sync::Arc;
use framewise_sync::atomic::{AtomicPtr, Ordering};

use super::of_tasks::Claim;
use crate::scheduler::queue::LastInSlot;
use crate::scheduler::relief::{Relief, Siblings, TICKS_PER_LOOK, Ticks};
use crate::task::header::{Header, TaskRef};

/// Claims that can be in a deque at a time.
const PLACES: usize = 2;

/// What workers see of one another.
#[derive(Clone)]
pub struct ModelWorkers(Arc<Vec<Face>>);

struct Face {
    deque: [AtomicPtr<Header>; PLACES],
    slot: LastInSlot,
    ticks: Ticks,
}

impl ModelWorkers {
    /// Workers that have nothing to do and have not ticked.
    pub fn new(workers: usize) -> Self {
        let face = || Face {
            deque: std::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())),
            slot: LastInSlot::new(),
            ticks: Ticks::new(),
        };
        Self(Arc::new((0..workers).map(|_| face()).collect()))
    }

    /// The worker counts a tick.
    pub fn tick(&self, worker: usize) {
        self.0[worker].ticks.count();
    }

    /// The worker's running task woke another one.
    pub fn push(&self, worker: usize, claim: Claim) {
        if let Some(displaced) = self.0[worker].slot.replace(claim.0) {
            self.push_deque(worker, Claim(displaced));
        }
    }

    /// The worker puts a claim into its deque.
    pub fn push_deque(&self, worker: usize, claim: Claim) {
        for place in &self.0[worker].deque {
            // Ordering: Release, pairs with the takers; Relaxed where the place is taken.
            let put = place.compare_exchange(
                ptr::null_mut(),
                claim.0.as_ptr(),
                Ordering::Release,
                Ordering::Relaxed,
            );
            if put.is_ok() {
                return;
            }
        }
        panic!("more claims than places");
    }

    /// The worker takes one of its own.
    pub fn pop(&self, worker: usize) -> Option<Claim> {
        let face = &self.0[worker];
        face.slot.take().map(Claim).or_else(|| {
            face.deque.iter().find_map(|place| {
                // Ordering: Acquire, pairs with push_deque.
                let task = place.swap(ptr::null_mut(), Ordering::Acquire);
                claim(task).map(Claim)
            })
        })
    }
}

/// A place's claim.
fn claim(task: *mut Header) -> Option<TaskRef> {
    // SAFETY: a place holds a claim, which keeps its task alive (S3), and who takes it out is one.
    ptr::NonNull::new(task).map(|task| unsafe { TaskRef::new(task) })
}

impl Siblings for ModelWorkers {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn ticks(&self, sibling: usize) -> &Ticks {
        &self.0[sibling].ticks
    }

    fn steal_from(&self, sibling: usize) -> Steal<TaskRef> {
        for place in &self.0[sibling].deque {
            // Ordering: Relaxed. A look.
            let task = place.load(Ordering::Relaxed);
            if task.is_null() {
                continue;
            }
            // Ordering: Acquire, pairs with push_deque; Relaxed where somebody else has taken it.
            let taken =
                place.compare_exchange(task, ptr::null_mut(), Ordering::Acquire, Ordering::Relaxed);
            return match taken {
                Ok(task) => claim(task).map_or(Steal::Empty, Steal::Success),
                Err(_) => Steal::Retry,
            };
        }
        Steal::Empty
    }

    fn steal_slot(&self, sibling: usize) -> Option<TaskRef> {
        self.0[sibling].slot.take_seen()
    }
}

/// A worker that relieves others.
pub struct ModelRelief {
    own: usize,
    relief: Relief,
}

impl ModelRelief {
    /// The worker has not looked yet.
    pub fn new(own: usize) -> Self {
        Self {
            own,
            relief: Relief::new(),
        }
    }

    /// As many of the worker's ticks as there are from one look to the next.
    pub fn look(&mut self, workers: &ModelWorkers) -> Option<Claim> {
        let mut found = None;
        for _ in 0..TICKS_PER_LOOK {
            assert!(found.is_none(), "a look is the last tick");
            found = self.relief.look(self.own, workers);
        }
        found.map(Claim)
    }
}
