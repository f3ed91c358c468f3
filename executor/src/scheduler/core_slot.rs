//! The resting core of a current-thread runtime, and the threads that wait for it.
//!
//! Owns which thread gets the core. A thread that is in `Runtime::block_on` either **drives** the
//! runtime, with the core, or waits: for its own future, and for the core, which it takes over when
//! the driving thread leaves. The core **rests** here while no thread drives. What a driving thread
//! does is in `worker/driving.rs`, and how a thread waits in `runtime/block_on.rs`. That a waiting
//! thread takes the scheduler over is tokio's idea.
//!
//! A thread enters the list of those that wait only while the core is taken. When the core comes to
//! rest, the list is emptied, and each thread that was in it is woken and looks again. All of them,
//! because a thread may be unable to look: its future's poll may block, or wait in a `block_on`
//! within the first, for what only a driving thread can do.

use std::mem;
use std::sync::Arc;

use framewise_sync::Mutex;

/// What a thread that waits for the core is woken by.
pub trait WakeWaiting {
    /// Wakes the thread, or makes its next wait return at once.
    fn wake_waiting(&self);
}

/// Holds the core of a current-thread runtime while no thread drives it.
#[derive(Debug)]
pub struct CoreSlot<C, W>(Mutex<Slot<C, W>>);

#[derive(Debug)]
struct Slot<C, W> {
    resting: Option<C>,
    /// The threads that wait. Empty while the core rests.
    waiting: Vec<Arc<W>>,
}

impl<C, W: WakeWaiting> CoreSlot<C, W> {
    /// Creates the slot of a runtime that no thread drives yet.
    pub fn new(core: C) -> Self {
        Self(Mutex::new(Slot {
            resting: Some(core),
            waiting: Vec::new(),
        }))
    }

    /// Takes the core if it rests.
    pub fn take(&self) -> Option<C> {
        self.0.lock().resting.take()
    }

    /// Takes the core if it rests. Otherwise `waiter` is woken when it does, once.
    pub fn take_or_wait(&self, waiter: &Arc<W>) -> Option<C> {
        let mut slot = self.0.lock();
        let core = slot.resting.take();
        if core.is_none() && !slot.waiting.iter().any(|other| Arc::ptr_eq(other, waiter)) {
            slot.waiting.push(Arc::clone(waiter));
        }
        core
    }

    /// Takes a thread out of the list. It may have been woken meanwhile.
    pub fn stop_waiting(&self, waiter: &Arc<W>) {
        let waiting = &mut self.0.lock().waiting;
        waiting.retain(|other| !Arc::ptr_eq(other, waiter));
    }

    /// Lets the core rest, and wakes the threads that wait.
    pub fn put_back(&self, core: C) {
        let waiting = {
            let mut slot = self.0.lock();
            debug_assert!(slot.resting.is_none(), "a runtime has one core");
            slot.resting = Some(core);
            mem::take(&mut slot.waiting)
        };
        for waiter in waiting {
            waiter.wake_waiting();
        }
    }
}
