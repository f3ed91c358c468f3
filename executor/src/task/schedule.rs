//! What a task asks of the scheduler that owns it.

use std::ptr;

use super::error::JoinError;
use super::header::TaskRef;
use crate::observe::Observer;

/// What a task asks of the scheduler that owns it.
pub(crate) trait Schedule: 'static {
    /// `true` if the tasks are calls that block a thread of their own.
    const BLOCKS: bool = false;

    /// Puts a woken task into a queue, which is its holder from then on. Called on any thread; runs
    /// no user code.
    fn schedule(&self, task: TaskRef);

    /// Takes an aborted task out of the queue that holds it. Returns `true` if the caller is its
    /// holder now. A scheduler whose queues only its own threads can search leaves the task there.
    /// Runs no user code.
    fn remove_queued(&self, _task: TaskRef) -> bool {
        false
    }

    /// The address by which [`ending`](crate::scheduler::ending) knows what the task ends with.
    fn owner(&self) -> *const () {
        ptr::null()
    }

    /// Forgets a task that is about to be complete.
    fn release(&self, task: TaskRef);

    /// Reports a panic without a joiner.
    fn unhandled_panic(&self, error: &JoinError);

    /// Returns what observes the tasks, which it does as long as the scheduler exists (T7).
    fn observer(&self) -> Option<&Observer> {
        None
    }
}
