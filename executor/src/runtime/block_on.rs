//! Running one future on the thread that calls, until it is ready.
//!
//! Owns the waker of such a thread. The workers run tasks, timers and I/O meanwhile. In a
//! current-thread runtime the thread that has the core does that itself (`current_thread.rs`).

use std::future::Future;
use std::mem::{self, ManuallyDrop};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

use framewise_context::{coop, defer_wake, suspend_deferred_wakes};
use framewise_sync::atomic::{AtomicBool, Ordering};
use framewise_sync::thread::{self, Thread};

use crate::runtime::with_tokio_budget;
use crate::scheduler::idle::state;
use crate::scheduler::shared::Shared;
use crate::scheduler::worker::driving;
use crate::scheduler::{ending, worker};
use crate::seeded::hooks;

/// The vtable of a thread's waker. Waking a thread runs no user code, so timers and I/O keep no
/// frame for it: the vtable is in the context crate's list. For that it is written by hand; the
/// vtable that `std` makes of a `Wake` has no address of its own.
pub(crate) static WAKER_VTABLE: RawWakerVTable =
    RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

/// Wakes a thread out of `block_on`. (Held by `std`'s `Arc`, since loom's does not convert to a
/// pointer.)
pub(crate) struct ThreadWaker {
    parks_as: ParksAs,
    woken: AtomicBool,
}

/// How the thread waits.
enum ParksAs {
    /// By its token.
    Thread(Thread),
    /// As the only worker of a current-thread runtime.
    Worker(Arc<Shared>),
}

impl ThreadWaker {
    /// Creates the waker of this thread, which will wait by its token.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            parks_as: ParksAs::Thread(thread::current()),
            woken: AtomicBool::new(false),
        })
    }

    /// Creates the waker of the thread that drives a current-thread runtime.
    pub(super) fn of_worker(shared: &Arc<Shared>) -> Arc<Self> {
        Arc::new(Self {
            parks_as: ParksAs::Worker(Arc::clone(shared)),
            woken: AtomicBool::new(false),
        })
    }

    /// Makes a waker, which holds a reference of its own.
    pub(super) fn waker(self: &Arc<Self>) -> Waker {
        let data = Arc::into_raw(Arc::clone(self)).cast();
        // SAFETY: the functions of the vtable, below, keep the contract of RawWaker.
        unsafe { Waker::new(data, &WAKER_VTABLE) }
    }

    /// Parks the thread until there was a wake since the last call. On this waker's own thread.
    pub(super) fn wait(&self) {
        while !self.take_wake() {
            thread::park();
        }
    }

    /// Returns `true` if there was a wake since the last call. On this waker's own thread.
    pub(super) fn take_wake(&self) -> bool {
        // Ordering: Acquire, pairs with wake.
        self.woken.swap(false, Ordering::Acquire)
    }

    /// Returns `true` if there was a wake since the last [`take_wake`](Self::take_wake).
    pub(super) fn is_woken(&self) -> bool {
        // Ordering: Relaxed. A wake that is not seen here unparks the worker afterwards, and
        // take_wake acquires.
        self.woken.load(Ordering::Relaxed)
    }

    pub(super) fn wake(&self) {
        // Ordering: Release, pairs with take_wake: the poll sees what was done before the
        // wake. Only the first wake since the last poll makes a system call.
        // Unnoticed: always, because another unpark only costs a system call.
        if !self.woken.swap(true, Ordering::Release) {
            match &self.parks_as {
                ParksAs::Thread(thread) => thread.unpark(),
                ParksAs::Worker(shared) => state::unpark(&**shared, 0),
            }
        }
    }
}

/// # Safety
///
/// `data` is the data of a waker with this vtable that is alive during the call. The waker keeps
/// its reference.
unsafe fn borrowed(data: *const ()) -> (ManuallyDrop<Waker>, ManuallyDrop<Arc<ThreadWaker>>) {
    // SAFETY: by the contract: the data came from Arc::into_raw, and neither copy is dropped here.
    unsafe {
        (
            ManuallyDrop::new(Waker::new(data, &WAKER_VTABLE)),
            ManuallyDrop::new(Arc::from_raw(data.cast())),
        )
    }
}

unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: the contract of RawWakerVTable: the waker is alive, and so is the Arc.
    unsafe { Arc::increment_strong_count(data.cast::<ThreadWaker>()) }
    RawWaker::new(data, &WAKER_VTABLE)
}

unsafe fn wake(data: *const ()) {
    // SAFETY: the contract of RawWakerVTable: the waker is alive, and consumed here.
    unsafe {
        wake_by_ref(data);
        drop_waker(data);
    }
}

unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: the contract of RawWakerVTable: the waker is alive.
    let (waker, thread_waker) = unsafe { borrowed(data) };
    // A user-supplied waker that wakes this thread runs in a frame, which is released first: when
    // the thread's wait is over, the waker does not keep it any more (C-48).
    if !defer_wake(&waker) {
        thread_waker.wake();
    }
}

unsafe fn drop_waker(data: *const ()) {
    // SAFETY: the contract of RawWakerVTable: the waker is alive, and its reference is dropped
    // here.
    drop(unsafe { Arc::from_raw(data.cast::<ThreadWaker>()) });
}

/// Polls `future` on this thread until it is ready. The caller has entered the runtime of `shared`.
///
/// # Panics
///
/// Panics on a worker, whose other tasks would be stalled, and within `block_on` of a
/// current-thread runtime. Panics before it waits on the thread that is ending the runtime, and in
/// a forked child.
#[track_caller]
pub(crate) fn block_on<F: Future>(future: F, shared: &Shared) -> F::Output {
    let future = match hooks::nested(future) {
        Ok(output) => return output,
        Err(future) => future,
    };
    assert_not_on_worker();
    if shared.tokio.is_on() {
        return shared.tokio.run(|| wait_for(future, Some(shared)));
    }
    // Not in a closure, so that a panic names the caller.
    wait_for(future, Some(shared))
}

#[track_caller]
pub(super) fn assert_not_on_worker() {
    assert!(
        !driving::is_in_current_thread(),
        "block_on was called in a task, or within another block_on, of a current-thread runtime, \
         whose tasks would stall: use .await, or wrap the call in spawn_blocking"
    );
    assert!(
        !worker::is_on_worker(),
        "block_on was called on a worker of a runtime, whose other tasks would stall: \
         use .await, or wrap the call in block_in_place or spawn_blocking"
    );
}

/// Checks that the threads exist that could wake this one. (A system call.)
#[track_caller]
pub(super) fn assert_not_in_forked_child(shared: &Shared) {
    assert!(
        !shared.is_in_forked_child(),
        "block_on would wait forever: this process was forked from the one that made the \
         runtime, and has none of its threads; make a new runtime in the child"
    );
}

/// Polls `future` on this thread until it is ready. A model has no runtime, and so no `shared`.
#[track_caller]
pub(crate) fn wait_for<F: Future>(future: F, shared: Option<&Shared>) -> F::Output {
    // A user-supplied waker that calls `block_on` must not wait here for a wake that it has
    // deferred.
    let _suspended = suspend_deferred_wakes();
    let thread_waker = ThreadWaker::new();
    let waker = thread_waker.waker();
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    let mut may_wait = false;
    loop {
        let poll = || coop::with_budget(|| future.as_mut().poll(&mut cx));
        if let Poll::Ready(output) = with_tokio_budget(poll) {
            return output;
        }
        // Checked once, before a wait, where one more system call does not matter.
        // Unnoticed: always and `false`, because it is only checked more often.
        if !mem::replace(&mut may_wait, true) {
            assert!(
                !shared.is_some_and(|shared| ending::must_not_block(shared.address())),
                "block_on would wait on the thread that is ending its runtime, as code does that a \
                 destructor calls while the runtime shuts down: wait before the shutdown, or wrap the \
                 call in block_in_place"
            );
            if let Some(shared) = shared {
                assert_not_in_forked_child(shared);
            }
        }
        thread_waker.wait();
    }
}

#[cfg(all(test, not(any(framewise_loom, framewise_shuttle))))]
mod tests;
