//! The `block_on`s of a run that have not returned, from the run's own one to the innermost.
//!
//! Owns the consequence of their sharing a stack: one returns only after all that began within it.
//! On threads of their own they would not wait for each other, so the report of a deadlocked run
//! says whether one was blocked by nesting.

use std::cell::{Cell, RefCell};

use crate::task::header::TaskRef;

/// The tasks of the `block_on`s that have not returned.
#[derive(Default)]
pub(super) struct Levels {
    tasks: RefCell<Vec<TaskRef>>,
    is_blocked_by_nesting: Cell<bool>,
}

impl Levels {
    /// Records the begin of a `block_on`. The caller has a reference to the task until the guard is
    /// dropped.
    pub(super) fn enter(&self, task: TaskRef) -> Level<'_> {
        self.tasks.borrow_mut().push(task);
        Level(self)
    }

    /// Called if nothing can run: records whether only the stack keeps a `block_on` from returning.
    pub(super) fn check(&self) {
        let tasks = self.tasks.borrow();
        let is_over = |task: &TaskRef| task.header().state.is_finished();
        if tasks.iter().any(is_over) {
            self.is_blocked_by_nesting.set(true);
        }
    }

    /// Returns `true` if a `block_on` could not return though nothing else could run.
    pub(super) fn is_blocked_by_nesting(&self) -> bool {
        self.is_blocked_by_nesting.get()
    }
}

/// A `block_on` that has not returned, until it is dropped.
pub(super) struct Level<'levels>(&'levels Levels);

impl Drop for Level<'_> {
    fn drop(&mut self) {
        self.0.tasks.borrow_mut().pop();
    }
}
