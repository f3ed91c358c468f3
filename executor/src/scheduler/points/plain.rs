//! The points without seeded runs: nothing happens at any of them.

use std::collections::VecDeque;
use std::future::Future;
use std::task::{Context, Poll};

use crate::scheduler::shared::Shared;
use crate::task::header::TaskRef;

/// A point at which a task may be preempted.
#[inline(always)]
pub(crate) fn poll(_cx: &mut Context<'_>) -> Poll<()> {
    Poll::Ready(())
}

/// Takes the first one.
#[inline(always)]
pub(crate) fn take_one<T>(queue: &mut VecDeque<T>) -> Option<T> {
    queue.pop_front()
}

/// Whether a set of tasks lets others run now.
#[inline(always)]
pub(crate) fn interrupts() -> bool {
    false
}

/// A claim was pushed to the injector.
#[inline(always)]
pub(crate) fn pushed(_shared: &Shared) {}

/// A task was made.
#[inline(always)]
pub(crate) fn spawned(_task: TaskRef) {}

/// A task is about to be complete.
#[inline(always)]
pub(crate) fn ended(_task: TaskRef) {}

/// Blocking is legal in `f`.
#[inline(always)]
pub(crate) fn blocking<R>(f: impl FnOnce() -> R) -> R {
    f()
}

/// Runs `future` within the run that the thread is in; gives it back where it is in none.
#[inline(always)]
pub(crate) fn nested<F: Future>(future: F) -> Result<F::Output, F> {
    Err(future)
}
