//! A core that moves to another thread, because this one is about to block (`block_in_place`).

use std::sync::Arc;

use framewise_context::Frame;

use super::{Core, driving, run, with_worker};
use crate::account::meter::{self, Meter};
use crate::scheduler::idle::state::SchedulerOps;
use crate::scheduler::shared::Shared;

/// A worker's core on its way to another thread.
pub(crate) struct CoreHandoff {
    shared: Arc<Shared>,
    core: Option<Box<Core>>,
}

impl CoreHandoff {
    /// Works with the core, on the thread that received it.
    pub(crate) fn run(mut self) {
        if let Some(core) = self.core.take() {
            run(Arc::clone(&self.shared), core);
        }
    }
}

impl Drop for CoreHandoff {
    /// No thread received the core, so its tasks move to where the other workers, or the runtime's
    /// end, find them.
    fn drop(&mut self) {
        if let Some(mut core) = self.core.take() {
            core.queue.drain();
            self.shared.deregister_worker(true);
        }
    }
}

/// Hands this worker's core off to a thread of the blocking pool, which calls [`CoreHandoff::run`].
/// Takes the core back if no thread can be started. In a runtime that is closing the core ends
/// instead. Does nothing on a thread without a core.
///
/// # Panics
///
/// Panics within `block_on` of a current-thread runtime.
#[track_caller]
pub(crate) fn hand_off_core() {
    assert!(
        !driving::is_in_current_thread(),
        "block_in_place can call blocking only when running on the multi-threaded runtime: no other \
         thread can run the tasks of a current-thread runtime meanwhile; use spawn_blocking"
    );
    with_worker(|worker| {
        let Some(worker) = worker else { return };
        let Some(core) = worker.core.borrow_mut().take() else {
            return;
        };
        let shared = &worker.shared;
        // Before another thread has the core, and with it the worker's counters.
        let metered = shared
            .account()
            .and_then(|account| meter::with_here(account, Meter::hand_off).flatten());
        shared.register_replacement();
        let handoff = CoreHandoff {
            shared: Arc::clone(shared),
            core: Some(core),
        };
        // In the worker's runtime: the current one may be another.
        let Err(mut handoff) = shared.blocking.run_core(handoff, &worker.spawner) else {
            return;
        };
        if shared.is_closing() {
            // Drop the core instead of taking it back: shutdown waits for every live core before it
            // closes the timers and I/O that this thread may be about to block on. In the root
            // frame, because these destructors are not the task's.
            // Unnoticed: skipped, because each task, waker and callback that ends has a frame of
            // its own.
            Frame::root().run(|| drop(handoff));
        } else {
            // Unnoticed: moved behind the next, because this thread is counted until it leaves, and
            // so is its core.
            *worker.core.borrow_mut() = handoff.core.take();
            // Unnoticed: moved behind the next, because this thread does nothing else in between.
            if let Some(index) = metered {
                worker.with_meter(|meter| meter.take_back(index));
            }
            shared.deregister_worker(false);
        }
    });
}
