//! How a task is made and put into its runtime's list, and that its panics are reported.
//!
//! Owns [`Spawner`], which tasks hold instead of the runtime. A new task goes on in `shared.rs`.

use std::future::Future;
use std::sync::Arc;

use framewise_context::{CaughtPanic, Frame};

use super::shared::Shared;
use crate::observe::Observer;
use crate::panics::report_unhandled;
use crate::seeded::hooks;
use crate::task::catch::catch_and_discard;
use crate::task::cell::{self, Schedule};
use crate::task::header::TaskRef;
use crate::task::label::Label;
use crate::task::{JoinError, JoinHandle};

/// A counted reference to a runtime, one for each worker and each handle that was made outside.
///
/// Tasks hold it instead of the runtime itself, so that the reference count of one worker's tasks
/// is in that worker's cache line.
pub(crate) struct Spawner {
    pub(crate) shared: Arc<Shared>,
    /// The list that the tasks belong to.
    index: usize,
    /// Repeats that the runtime has an observer, for the path of each spawn.
    is_observed: bool,
}

impl Spawner {
    pub(crate) fn new(shared: Arc<Shared>, index: usize) -> Arc<Self> {
        let is_observed = shared.observer().is_some();
        Arc::new(Self {
            shared,
            index,
            is_observed,
        })
    }

    /// Makes a task that carries `frame`, and schedules it.
    // Into the public functions, as `spawn_borrowing`: it is on the path of each spawn.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn spawn<F>(
        self: Arc<Self>,
        future: F,
        frame: Frame,
        label: impl Label,
    ) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        // SAFETY: nothing is borrowed, and any thread may run the future.
        unsafe { self.spawn_borrowing(future, frame, label) }
    }

    /// Like [`spawn`](Self::spawn), for a future that may borrow and need not be `Send`.
    ///
    /// # Safety
    ///
    /// The task is complete, and its output taken or dropped, before what they borrow ends. If they
    /// are not `Send`, only this thread runs the tasks of this runtime and ends it (rule T6 in
    /// `task/header.rs`).
    #[inline]
    #[track_caller]
    pub(crate) unsafe fn spawn_borrowing<F: Future>(
        self: Arc<Self>,
        future: F,
        frame: Frame,
        label: impl Label,
    ) -> JoinHandle<F::Output> {
        let spawner = Arc::as_ptr(&self);
        let task = cell::allocate(future, frame, self, label, true);
        hooks::spawned(task);
        // SAFETY: the handle's reference is ours to pass on.
        let handle = unsafe { JoinHandle::new(task) };
        // SAFETY: the task holds the spawner, and the handle the task.
        let spawner = unsafe { &*spawner };
        if spawner.shared.owned[spawner.index].insert(task) {
            spawner.shared.schedule(task);
        } else {
            // SAFETY: a new task is its spawner's to run.
            unsafe { task.complete_with_error(JoinError::cancelled(task.id())) }
        }
        handle
    }
}

impl Schedule for Arc<Spawner> {
    fn schedule(&self, task: TaskRef) {
        self.shared.schedule(task);
    }

    fn owner(&self) -> *const () {
        self.shared.address()
    }

    fn release(&self, task: TaskRef) {
        hooks::ended(task);
        self.shared.owned[self.index].remove(task);
    }

    fn unhandled_panic(&self, error: &JoinError) {
        self.shared.unhandled_panic(error);
    }

    #[inline]
    fn observer(&self) -> Option<&Observer> {
        if !self.is_observed {
            return None;
        }
        self.shared.observer().map(|observer| &**observer)
    }
}

impl Shared {
    /// Reports panics of wakers and callbacks.
    pub(crate) fn unhandled_panics(&self, panics: Vec<CaughtPanic>) {
        for panic in panics {
            catch_and_discard(|| self.unhandled_panic(&JoinError::caught(panic)));
        }
    }

    /// Reports a panic that no joiner takes.
    pub(crate) fn unhandled_panic(&self, error: &JoinError) {
        let _handled = report_unhandled(self.unhandled_panic.as_ref(), error);
    }
}
