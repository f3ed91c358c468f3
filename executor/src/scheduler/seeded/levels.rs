//! The `block_on`s of a run that have not returned, from the run's own one to the innermost.
//!
//! Owns what it means that they share a stack: one returns only after all that began within it. On
//! threads of their own they would not wait for each other, so a run that stood still because of it
//! is told apart.

use std::cell::{Cell, RefCell};

use crate::task::header::TaskRef;

/// The tasks of the `block_on`s that are under way.
#[derive(Default)]
pub(super) struct Levels {
    tasks: RefCell<Vec<TaskRef>>,
    has_held_back: Cell<bool>,
}

impl Levels {
    /// A `block_on` begins. Its caller has a reference to the task until the guard is dropped.
    pub(super) fn enter(&self, task: TaskRef) -> Level<'_> {
        self.tasks.borrow_mut().push(task);
        Level(self)
    }

    /// Nothing can run: notes it where only the stack keeps a `block_on` from returning.
    pub(super) fn look(&self) {
        let tasks = self.tasks.borrow();
        let is_over = |task: &TaskRef| task.header().state.is_finished();
        if tasks.iter().any(is_over) {
            self.has_held_back.set(true);
        }
    }

    /// Returns `true` if a `block_on` could not return though nothing else could run.
    pub(super) fn has_held_back(&self) -> bool {
        self.has_held_back.get()
    }
}

/// A `block_on` that is under way.
pub(super) struct Level<'levels>(&'levels Levels);

impl Drop for Level<'_> {
    fn drop(&mut self) {
        self.0.tasks.borrow_mut().pop();
    }
}
