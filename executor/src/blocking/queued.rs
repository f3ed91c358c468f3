//! Blocking calls that wait for a thread when the work of their frame ends.
//!
//! Such a call is taken out of the queue and completed with an error: its closure is dropped in its
//! frame, by the thread that ends the work. Only calls in a frame with a deadline or a scope are
//! watched.
//!
//! The callback of the end needs the task, which is allocated later with the callback's guard in
//! it. So both share a slot, which the caller of `spawn` fills. The end and the push race:
//!
//! - The callback sets `Ended` and then looks for the call in the queue.
//! - The caller pushes the call and then looks for `Ended`.
//!
//! So at least one of them finds it, unless a thread has taken it. That thread checks the frame
//! before it runs the call.

use framewise_context::control::{Controlled, Ended, OnCancel};
use framewise_sync::{Arc, Mutex};

use super::{BlockingPool, Host};
use crate::task::JoinError;
use crate::task::header::TaskRef;

/// The slot that the callback and the caller of `spawn` share.
pub(super) struct QueuedCall<H: Host> {
    pool: BlockingPool<H>,
    slot: Mutex<Slot>,
}

enum Slot {
    Unallocated,
    /// With a reference to the task.
    Allocated(TaskRef),
    Ended(Ended),
}

impl<H: Host> QueuedCall<H> {
    /// Watches the control of the current frame. `None`: it has none.
    ///
    /// # Errors
    ///
    /// Returns the reason if the work of the frame has ended.
    pub(super) fn watch(pool: &BlockingPool<H>) -> Result<Option<(OnCancel, Arc<Self>)>, Ended> {
        let controlled = Controlled::current();
        let Some(control) = controlled.control() else {
            return Ok(None);
        };
        let queued = Arc::new(Self {
            pool: pool.clone(),
            slot: Mutex::new(Slot::Unallocated),
        });
        let (target, watching) = (control.target(), Arc::clone(&queued));
        let guard = control.watch(move || {
            if let Some(ended) = target.ended() {
                watching.end(ended);
            }
        })?;
        Ok(Some((guard, queued)))
    }

    /// Fills the slot, before the call is pushed.
    pub(super) fn allocated(&self, task: TaskRef) {
        task.header().state.add_reference();
        let mut slot = self.slot.lock();
        match &*slot {
            Slot::Unallocated => *slot = Slot::Allocated(task),
            // It is found after the push.
            _ => {
                drop(slot);
                task.drop_reference();
            }
        }
    }

    /// Takes the call out of the queue if the work of its frame has ended. The caller has pushed
    /// it, and has a reference to the task.
    pub(super) fn pushed(&self, task: TaskRef) {
        let ended = match &*self.slot.lock() {
            Slot::Ended(ended) => ended.clone(),
            _ => return,
        };
        self.take_out(task, ended);
    }

    fn end(&self, ended: Ended) {
        let slot = std::mem::replace(&mut *self.slot.lock(), Slot::Ended(ended.clone()));
        if let Slot::Allocated(task) = slot {
            self.take_out(task, ended);
            task.drop_reference();
        }
    }

    fn take_out(&self, task: TaskRef, ended: Ended) {
        if self.pool.lock().queue.remove(task) {
            // SAFETY: the queue held the runnable task, so this thread, which took it out, is its
            // holder.
            unsafe { end_unrun(task, ended) }
        }
    }
}

impl<H: Host> Drop for QueuedCall<H> {
    fn drop(&mut self) {
        // A model's lock has no `get_mut`.
        let slot = std::mem::replace(&mut *self.slot.lock(), Slot::Unallocated);
        if let Slot::Allocated(task) = slot {
            task.drop_reference();
        }
    }
}

/// Completes a call that was not run because the work of its frame has ended.
///
/// # Safety
///
/// The caller is the task's holder.
pub(super) unsafe fn end_unrun(task: TaskRef, ended: Ended) {
    let error = JoinError::frame_ended(Some(task.id()), ended);
    // SAFETY: the caller's promise.
    unsafe { task.complete_with_error(error) }
}
