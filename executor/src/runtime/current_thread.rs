//! `Runtime::block_on` of a current-thread runtime: the thread drives the runtime, or waits until
//! it can.
//!
//! Owns the main future's polls, and the waiting for the core while another thread drives. The loop
//! of the driving thread is in `scheduler/worker/driving.rs`, the hand-over in
//! `scheduler/core_slot.rs`.

use std::future::Future;
use std::mem;
use std::pin::{Pin, pin};
use std::ptr;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use framewise_context::{Frame, coop, current_owner, suspend_deferred_wakes, with_owner};

use super::block_on::{ThreadWaker, assert_not_in_forked_child, assert_not_on_worker};
use crate::runtime::with_tokio_budget;
use crate::scheduler::core_slot::{CoreSlot, WakeWaiting};
use crate::scheduler::shared::Shared;
use crate::scheduler::worker::driving::{self, MainFuture, RestingWorker};
use crate::seeded::hooks;
use crate::task::local::current::{MadeCurrent, current_set};
use crate::task::local::shared::LocalShared;

/// The core of a current-thread runtime, while no thread drives it.
pub(super) type WorkerSlot = CoreSlot<RestingWorker, ThreadWaker>;

impl WakeWaiting for ThreadWaker {
    fn wake_waiting(&self) {
        self.wake();
    }
}

/// Polls `future` on this thread until it is ready, and drives the runtime meanwhile, unless
/// another thread does. The caller has entered the runtime.
///
/// # Panics
///
/// Panics on a worker, whose other tasks would be stalled, and within `block_on` of a
/// current-thread runtime, whether this thread drives it or waits. Panics before it waits in a
/// forked child.
#[track_caller]
pub(super) fn block_on<F: Future>(future: F, slot: &WorkerSlot, shared: &Arc<Shared>) -> F::Output {
    let future = match hooks::nested(future) {
        Ok(output) => return output,
        Err(future) => future,
    };
    assert_not_on_worker();
    if shared.tokio.is_on() {
        return shared.tokio.run(|| drive_or_wait(future, slot, shared));
    }
    drive_or_wait(future, slot, shared)
}

#[track_caller]
fn drive_or_wait<F: Future>(future: F, slot: &WorkerSlot, shared: &Arc<Shared>) -> F::Output {
    let mut future = pin!(future);
    let worker = match slot.take() {
        Some(worker) => worker,
        None => match wait_for_core(future.as_mut(), slot, Some(shared)) {
            Ok(worker) => worker,
            Err(output) => return output,
        },
    };
    let thread_waker = ThreadWaker::of_worker(shared);
    let mut main = Main {
        future,
        waker: thread_waker.waker(),
        thread_waker,
        frame: Frame::current(),
        owner: current_owner(),
        // Code that polls a set and blocks within may spawn onto the set. Not in a local runtime,
        // which runs such tasks itself, and meanwhile.
        set: if shared.flavor.is_local() {
            ptr::null()
        } else {
            current_set()
        },
        shared,
    };
    worker.drive(&mut main, |worker| slot.put_back(worker))
}

/// Polls `future` until this thread gets the core. Returns the output if it is ready before. A
/// model has a core of its own, and no `shared`.
pub(crate) fn wait_for_core<C, F: Future>(
    mut future: Pin<&mut F>,
    slot: &CoreSlot<C, ThreadWaker>,
    shared: Option<&Shared>,
) -> Result<C, F::Output> {
    /// A thread that waits for the core, until it leaves.
    struct Waiting<'a, C> {
        slot: &'a CoreSlot<C, ThreadWaker>,
        thread_waker: Arc<ThreadWaker>,
    }
    impl<C> Drop for Waiting<'_, C> {
        fn drop(&mut self) {
            self.slot.stop_waiting(&self.thread_waker);
        }
    }

    let _suspended = suspend_deferred_wakes();
    let waiting = Waiting {
        slot,
        thread_waker: ThreadWaker::new(),
    };
    let waker = waiting.thread_waker.waker();
    let mut cx = Context::from_waker(&waker);
    let mut may_wait = false;
    loop {
        if let Some(core) = slot.take_or_wait(&waiting.thread_waker) {
            return Ok(core);
        }
        let poll = || coop::with_budget(|| future.as_mut().poll(&mut cx));
        let poll = || driving::while_waiting_for_core(poll);
        if let Poll::Ready(output) = with_tokio_budget(poll) {
            return Err(output);
        }
        if !mem::replace(&mut may_wait, true)
            && let Some(shared) = shared
        {
            assert_not_in_forked_child(shared);
        }
        waiting.thread_waker.wait();
    }
}

/// The future of `block_on` on the thread that drives.
struct Main<'a, F> {
    future: Pin<&'a mut F>,
    waker: Waker,
    thread_waker: Arc<ThreadWaker>,
    /// The caller's.
    frame: Frame,
    /// The task that the caller is in, or null.
    owner: *const (),
    /// The set that the caller is polling, or null.
    set: *const LocalShared,
    shared: &'a Shared,
}

impl<F: Future> MainFuture for Main<'_, F> {
    type Output = F::Output;

    fn poll(&mut self) -> Option<F::Output> {
        let _set = MadeCurrent::new(self.set);
        let mut cx = Context::from_waker(&self.waker);
        let future = self.future.as_mut();
        let poll = || with_tokio_budget(|| coop::with_budget(|| future.poll(&mut cx)));
        // SAFETY: the caller is further down on this thread's stack, in the code of that task.
        match unsafe { with_owner(self.owner, || self.frame.run(poll)) } {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }

    fn take_wake(&mut self) -> bool {
        self.thread_waker.take_wake()
    }

    fn is_woken(&self) -> bool {
        self.thread_waker.is_woken()
    }

    fn before_tasks(&self) {
        assert_not_in_forked_child(self.shared);
    }
}
