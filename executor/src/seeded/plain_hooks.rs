//! The hooks without seeded runs: none of them does anything.

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

/// Takes the first entry.
#[inline(always)]
pub(crate) fn take_one<T>(queue: &mut VecDeque<T>) -> Option<T> {
    queue.pop_front()
}

/// Returns `true` if a set of tasks must let others run now.
#[inline(always)]
pub(crate) fn interrupts() -> bool {
    false
}

/// Records that a task was pushed to the injector.
#[inline(always)]
pub(crate) fn pushed(_shared: &Shared) {}

/// Records that a task was made.
#[inline(always)]
pub(crate) fn spawned(_task: TaskRef) {}

/// Records that a task is about to be complete.
#[inline(always)]
pub(crate) fn ended(_task: TaskRef) {}

/// Runs `f`, in which blocking is legal.
#[inline(always)]
pub(crate) fn blocking<R>(f: impl FnOnce() -> R) -> R {
    f()
}

/// Runs `future` within the run that the thread is in, or returns it if there is none.
#[inline(always)]
pub(crate) fn nested<F: Future>(future: F) -> Result<F::Output, F> {
    Err(future)
}
