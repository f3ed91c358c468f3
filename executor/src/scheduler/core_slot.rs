//! The resting core of a current-thread runtime, and the threads that wait for it.
//!
//! Owns which thread gets the core. A thread that is in `Runtime::block_on` either **drives** the
//! runtime, with the core, or waits: for its own future, and for the core, which it takes over when
//! the driving thread leaves. The core **rests** here while no thread drives. What a driving thread
//! does is in `worker/driving.rs`, and how a thread waits in `runtime/block_on.rs`. That a waiting
//! thread takes the scheduler over is tokio's idea.
//!
//! **No core rests while a thread waits.** A waiting thread is in the list, or was notified: it was
//! taken out of the list and woken, because the core came to rest. A notified thread looks for the
//! core again or leaves, and a thread that leaves while the core rests notifies the next one.

use std::collections::VecDeque;
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
    /// The threads that wait and were not notified, in the order in which they came.
    waiting: VecDeque<Arc<W>>,
}

impl<C, W: WakeWaiting> CoreSlot<C, W> {
    /// Creates the slot of a runtime that no thread drives yet.
    pub fn new(core: C) -> Self {
        Self(Mutex::new(Slot {
            resting: Some(core),
            waiting: VecDeque::new(),
        }))
    }

    /// Takes the core if it rests.
    pub fn take(&self) -> Option<C> {
        self.0.lock().resting.take()
    }

    /// Takes the core if it rests. Otherwise the thread of `waiter` waits for it, until
    /// [`stop_waiting`](Self::stop_waiting).
    pub fn take_or_wait(&self, waiter: &Arc<W>) -> Option<C> {
        let mut slot = self.0.lock();
        let core = slot.resting.take();
        if core.is_none() && !slot.waiting.iter().any(|other| Arc::ptr_eq(other, waiter)) {
            slot.waiting.push_back(Arc::clone(waiter));
        }
        core
    }

    /// Lets the core rest, and notifies a waiting thread.
    pub fn put_back(&self, core: C) {
        let next = {
            let mut slot = self.0.lock();
            debug_assert!(slot.resting.is_none(), "a runtime has one core");
            slot.resting = Some(core);
            slot.waiting.pop_front()
        };
        wake(next);
    }

    /// Takes a thread out of the list, whether it was notified or not. If the core rests, the
    /// thread may have been notified for it, so the next one is notified instead.
    pub fn stop_waiting(&self, waiter: &Arc<W>) {
        let next = {
            let mut slot = self.0.lock();
            slot.waiting.retain(|other| !Arc::ptr_eq(other, waiter));
            if slot.resting.is_some() {
                slot.waiting.pop_front()
            } else {
                None
            }
        };
        wake(next);
    }
}

fn wake<W: WakeWaiting>(next: Option<Arc<W>>) {
    if let Some(next) = next {
        next.wake_waiting();
    }
}
