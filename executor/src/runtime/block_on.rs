//! Running one future on the thread that calls, until it is ready.
//!
//! Owns the waker of such a thread. The workers run the tasks, timers and I/O meanwhile.

use std::future::Future;
use std::mem;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use framewise_context::coop;
use framewise_sync::atomic::{AtomicBool, Ordering};
use framewise_sync::thread::{self, Thread};

use crate::scheduler::shared::Shared;
use crate::scheduler::{points, worker};

/// Wakes a thread out of `block_on`. (In `std`'s `Arc`, since `Wake` asks for that.)
struct ThreadWaker {
    thread: Thread,
    woken: AtomicBool,
}

impl ThreadWaker {
    /// Sleeps until there was a wake since the last time. On this waker's own thread.
    fn wait(&self) {
        // Ordering: Acquire, pairs with wake_by_ref.
        while !self.woken.swap(false, Ordering::Acquire) {
            thread::park();
        }
    }
}

impl Wake for ThreadWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Ordering: Release, pairs with wait: the poll sees what was done before the
        // wake. Only the first wake since the last poll makes a system call.
        // Unnoticed: always, because an unpark more only costs a system call.
        if !self.woken.swap(true, Ordering::Release) {
            self.thread.unpark();
        }
    }
}

/// Polls `future` on this thread until it is ready. The caller has entered the runtime, which is
/// `shared`'s.
///
/// # Panics
///
/// Panics on a worker: its other tasks would stand still. And in a forked child, before it waits:
/// nobody would wake it.
#[track_caller]
pub(crate) fn block_on<F: Future>(future: F, shared: &Shared) -> F::Output {
    let future = match points::nested(future) {
        Ok(output) => return output,
        Err(future) => future,
    };
    assert!(
        !worker::is_on_worker(),
        "block_on was called on a worker of a runtime, whose other tasks would stand still: \
         use .await, or wrap the call in block_in_place or spawn_blocking"
    );
    wait_for(future, Some(shared))
}

/// Polls `future` on this thread until it is ready. A model has no runtime, and so no `shared`.
#[track_caller]
pub(crate) fn wait_for<F: Future>(future: F, shared: Option<&Shared>) -> F::Output {
    let thread_waker = Arc::new(ThreadWaker {
        thread: thread::current(),
        woken: AtomicBool::new(false),
    });
    let waker = Waker::from(Arc::clone(&thread_waker));
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    let mut may_wait = false;
    loop {
        let polled = coop::with_budget(|| future.as_mut().poll(&mut cx));
        if let Poll::Ready(output) = polled {
            return output;
        }
        // Asked once, beside a wait, where a system call more does not count.
        // Unnoticed: always and `false`, because it is only asked more often.
        if !mem::replace(&mut may_wait, true) {
            assert!(
                !shared.is_some_and(Shared::is_in_forked_child),
                "block_on would wait for ever: this process was forked from the one that made the \
                 runtime, and has none of its threads; make a new runtime in the child"
            );
        }
        thread_waker.wait();
    }
}
