//! The budget: a socket that is always ready must not keep its task from ever yielding.
//!
//! Owns a count a thread. Where a source is ready, one operation in [`OPERATIONS`] is made to wait
//! all the same: its task is woken at once and goes behind the others, and whoever drives timers
//! and I/O between two polls has a turn. The count belongs to no task, so there is nothing that an
//! executor must set, and nothing that could run out for good: a future that is polled by a nested
//! executor goes on at its next poll.

use std::task::{Context, Poll};

use framewise_sync::cell::Cell;

/// How many operations in a row are not made to wait. At one or two microseconds each they are
/// short beside the millisecond in which timers are expected, and long beside one yield.
pub(crate) const OPERATIONS: u32 = 32;

framewise_sync::thread_local! {
    static LEFT: Cell<u32> = const { Cell::new(OPERATIONS) };
}

/// Counts an operation. `Pending`: it waits, and its task has been woken.
#[inline]
pub(crate) fn poll_spend(cx: &mut Context<'_>) -> Poll<()> {
    let left = LEFT.with(Cell::get);
    if left > 0 {
        LEFT.with(|cell| cell.set(left - 1));
        return Poll::Ready(());
    }
    make_wait(cx)
}

#[cold]
fn make_wait(cx: &mut Context<'_>) -> Poll<()> {
    LEFT.with(|cell| cell.set(OPERATIONS));
    cx.waker().wake_by_ref();
    Poll::Pending
}
