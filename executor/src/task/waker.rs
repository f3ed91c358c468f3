//! A task's `Waker`: one reference to the task, and a static table, of which there are two.
//!
//! During a poll the waker is borrowed from the poller, so that building it moves no count. These
//! wakers run no user code, so timers and I/O need not keep a frame for them: the context crate
//! registers the vtable. `state.rs` decides who schedules the task, in `scheduler/shared.rs`.

use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr::{self, NonNull};
use std::task::{RawWaker, RawWakerVTable, Waker};

use super::header::{Header, TaskRef};
use crate::observe;

pub(crate) static WAKER_VTABLE: RawWakerVTable =
    RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

/// The table of tasks whose wakes are recorded.
pub(crate) static TRACKED_WAKER_VTABLE: RawWakerVTable =
    RawWakerVTable::new(clone_tracked, wake_tracked, wake_tracked_by_ref, drop_waker);

/// A waker that borrows what keeps the task alive for its poller.
pub(crate) struct BorrowedWaker(ManuallyDrop<Waker>);

impl BorrowedWaker {
    #[inline]
    pub(crate) fn new(task: TaskRef, table: &'static RawWakerVTable) -> Self {
        // SAFETY: the table's functions, one of the two tables here, keep the contract of RawWaker.
        // The waker is never dropped, so no reference is given up that was not taken.
        Self(ManuallyDrop::new(unsafe {
            Waker::new(task.as_ptr().cast_const().cast(), table)
        }))
    }
}

impl Deref for BorrowedWaker {
    type Target = Waker;

    #[inline]
    fn deref(&self) -> &Waker {
        &self.0
    }
}

/// Returns `true` if `waker` belongs to a task that will be dropped instead of being polled again.
pub(crate) fn is_of_ending_task(waker: &Waker) -> bool {
    // SAFETY: a waker with one of our tables, alive here, has our data.
    (ptr::eq(waker.vtable(), &WAKER_VTABLE) || ptr::eq(waker.vtable(), &TRACKED_WAKER_VTABLE))
        && unsafe { task(waker.data()) }.header().state.is_cancelled()
}

/// # Safety
///
/// `data` is the data of a waker with our table that is alive during the call.
#[inline]
unsafe fn task(data: *const ()) -> TaskRef {
    // SAFETY: the data of our wakers is the pointer to the header, never null, and the waker's
    // reference (or its poller) keeps the task alive (T2).
    unsafe { TaskRef::new(NonNull::new_unchecked(data.cast::<Header>().cast_mut())) }
}

unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: the contract of RawWakerVTable: the waker is alive.
    let task = unsafe { task(data) };
    task.header().state.add_reference();
    RawWaker::new(data, &WAKER_VTABLE)
}

unsafe fn wake(data: *const ()) {
    // SAFETY: the contract of RawWakerVTable: the waker is alive, and consumed here.
    let task = unsafe { task(data) };
    // The reference is given up only after scheduling: it keeps the scheduler alive.
    task.wake();
    task.drop_reference();
}

unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: the contract of RawWakerVTable: the waker is alive.
    unsafe { task(data) }.wake();
}

unsafe fn clone_tracked(data: *const ()) -> RawWaker {
    // SAFETY: the contract of RawWakerVTable: the waker is alive.
    let task = unsafe { task(data) };
    task.header().state.add_reference();
    RawWaker::new(data, &TRACKED_WAKER_VTABLE)
}

unsafe fn wake_tracked(data: *const ()) {
    // SAFETY: the contract of RawWakerVTable: the waker is alive, and consumed here.
    unsafe {
        wake_tracked_by_ref(data);
        drop_waker(data);
    }
}

unsafe fn wake_tracked_by_ref(data: *const ()) {
    // SAFETY: the contract of RawWakerVTable: the waker is alive.
    let task = unsafe { task(data) };
    observe::woken(task);
    task.wake();
}

unsafe fn drop_waker(data: *const ()) {
    // SAFETY: the contract of RawWakerVTable: the waker is alive, and consumed here.
    unsafe { task(data) }.drop_reference();
}
