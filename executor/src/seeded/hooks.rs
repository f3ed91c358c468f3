//! Test hooks: the calls by which the ordinary code lets a seeded run take part.
//!
//! Each calls the run that this thread is in, if any. Tasks, handles and sets call these functions
//! and know no run. Without seeded runs, `plain_hooks.rs` has the same functions, which compile to
//! nothing.

use std::collections::VecDeque;
use std::future::Future;
use std::task::{Context, Poll};

use crate::scheduler::shared::Shared;
use crate::seeded;
use crate::task::header::TaskRef;

/// A point at which a task may be preempted: it is then woken at once, and others may run first.
#[inline]
pub(crate) fn poll(cx: &mut Context<'_>) -> Poll<()> {
    if interrupts() {
        cx.waker().wake_by_ref();
        return Poll::Pending;
    }
    Poll::Ready(())
}

/// Takes the entry that the run chooses, or the first one outside of a run.
#[inline]
pub(crate) fn take_one<T>(queue: &mut VecDeque<T>) -> Option<T> {
    if queue.len() < 2 {
        return queue.pop_front();
    }
    let index = seeded::with_live(|run| run.choose(queue.len())).unwrap_or(0);
    queue.remove(index)
}

/// Returns `true` if a set of tasks must let others run now.
#[inline]
pub(crate) fn interrupts() -> bool {
    seeded::with_live(seeded::Run::preempts).unwrap_or(false)
}

/// Records that a task was pushed to the injector.
#[inline]
pub(crate) fn pushed(shared: &Shared) {
    seeded::with_run(|run| run.pushed(shared));
}

/// Records that a task was made, by the caller of the `track_caller` function.
#[inline]
#[track_caller]
pub(crate) fn spawned(task: TaskRef) {
    let site = std::panic::Location::caller();
    seeded::with_run(|run| run.spawned(task, site));
}

/// Records that a task is about to be complete.
#[inline]
pub(crate) fn ended(task: TaskRef) {
    seeded::with_run(|run| run.ended(task));
}

/// Runs `f`, in which blocking is legal.
#[inline]
pub(crate) fn blocking<R>(f: impl FnOnce() -> R) -> R {
    seeded::blocking(f)
}

/// Runs `future` within the run that the thread is in, or returns it if there is none.
#[inline]
#[track_caller]
pub(crate) fn nested<F: Future>(future: F) -> Result<F::Output, F> {
    seeded::nested(future)
}
