//! The worker of a current-thread runtime: the thread that is in `Runtime::block_on`.
//!
//! Owns the loop that gives the future of `block_on`, the **main future**, its turn between tasks,
//! and what is left of the worker while no thread drives the runtime. It takes tasks, ticks and
//! parks like any worker (`worker.rs`). Which thread drives is decided in `core_slot.rs`; the main
//! future's waker is in `runtime/block_on.rs`.
//!
//! The order is tokio's: the main future first, then up to 61 tasks (the interval of events), first
//! in, first out, then the main future again if it was woken. A worker that has no task parks,
//! unless the main future was woken.

use std::cell::Cell;
use std::ptr;
use std::sync::Arc;

use framewise_context::{Frame, coop, suspend_deferred_wakes, with_owner};
use framewise_io::Batch;

use super::{Core, WORKER, WorkerThread, with_worker};
use crate::account::meter::Meter;
use crate::runtime::enter;
use crate::scheduler::queue::LocalQueue;
use crate::scheduler::shared::Shared;
use crate::scheduler::spawner::Spawner;
use crate::scheduler::ticks::Intervals;
use crate::task::local::current::MadeCurrent;

framewise_sync::thread_local! {
    /// Set while this thread polls the main future of a current-thread runtime that another thread
    /// drives.
    static WAITS_FOR_CORE: Cell<bool> = const { Cell::new(false) };
}

/// Calls `poll`, of a main future on a thread that waits for the core. What must not block on the
/// driving thread is rejected here, too: which of the threads drives depends on their timing, and
/// code that works only on some of them would fail by chance. Besides, this thread may be the next
/// to drive, for which it must return from the poll.
pub(crate) fn while_waiting_for_core<R>(poll: impl FnOnce() -> R) -> R {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            WAITS_FOR_CORE.with(|waits| waits.set(self.0));
        }
    }
    let _restore = Restore(WAITS_FOR_CORE.with(|waits| waits.replace(true)));
    poll()
}

/// Returns `true` on a thread that drives a current-thread runtime, and in the main future of one
/// that waits for the core.
pub(crate) fn is_in_current_thread() -> bool {
    WAITS_FOR_CORE.with(Cell::get)
        || with_worker(|worker| {
            worker.is_some_and(|worker| worker.shared.flavor.is_current_thread())
        })
}

/// The worker of a current-thread runtime, without a thread.
pub(crate) struct RestingWorker {
    spawner: Arc<Spawner>,
    core: Box<Core>,
    batch: Batch,
}

/// The future of `block_on`, as the loop sees it.
pub(crate) trait MainFuture {
    type Output;

    /// Polls the future, in its frame. Returns `None` if it is pending.
    fn poll(&mut self) -> Option<Self::Output>;

    /// Returns `true` if the future was woken since the last call.
    fn take_wake(&mut self) -> bool;

    /// Returns `true` if the future was woken since the last `take_wake`.
    fn is_woken(&self) -> bool;

    /// Called once, before the first task is run or the thread waits.
    fn before_tasks(&self);
}

impl RestingWorker {
    /// Creates the worker of a runtime that no thread drives yet.
    pub(crate) fn new(shared: &Arc<Shared>, queue: LocalQueue, intervals: Intervals) -> Self {
        shared.register_worker();
        let core = Core::new(queue, intervals);
        Self {
            spawner: Spawner::new(Arc::clone(shared), core.index),
            core,
            batch: Batch::default(),
        }
    }

    /// Runs `main` and the runtime's tasks, timers and I/O on this thread, until `main` is ready.
    /// Then calls `put_back`, also if `main` panics. The loop is at the root.
    pub(crate) fn drive<M: MainFuture>(
        self,
        main: &mut M,
        put_back: impl FnOnce(RestingWorker),
    ) -> M::Output {
        /// Ends the thread's time as the worker.
        struct Leave<'a, P: FnOnce(RestingWorker)> {
            worker: &'a WorkerThread,
            put_back: Option<P>,
        }
        impl<P: FnOnce(RestingWorker)> Drop for Leave<'_, P> {
            fn drop(&mut self) {
                let worker = self.worker;
                // Before another thread can have the core.
                WORKER.with(|current| current.set(worker.outer));
                if let Some(core) = worker.core.borrow_mut().take()
                    && let Some(put_back) = self.put_back.take()
                {
                    put_back(RestingWorker {
                        spawner: Arc::clone(&worker.spawner),
                        core,
                        batch: worker.batch.take(),
                    });
                }
            }
        }

        let _entered = enter::enter(&self.spawner, self.core.index);
        let worker = WorkerThread::new(self.spawner, self.core, self.batch);
        WORKER.with(|current| current.set(&worker));
        let leave = Leave {
            worker: &worker,
            put_back: Some(put_back),
        };
        // Left before the core is put back, with which another thread gets the counters.
        let meter = worker.new_meter();
        let _metered = meter.as_ref().map(Meter::enter);
        // A user-supplied waker that calls `block_on` must not wait here for a wake that it has
        // deferred.
        let _suspended = suspend_deferred_wakes();
        outside_of_tasks(|| leave.worker.drive(main))
    }

    /// Ends the runtime: drops its tasks on this thread, each in its own frame.
    pub(crate) fn end(self) {
        let Self {
            spawner, mut core, ..
        } = self;
        let shared = &spawner.shared;
        // The destructors that the end runs find the runtime.
        let _entered = enter::enter(&spawner, core.index);
        core.queue.drain();
        outside_of_tasks(|| shared.deregister_worker(true));
    }
}

/// Calls `f` at the root, outside of the task, the poll and the set that this thread may be in, as
/// on a thread of its own.
fn outside_of_tasks<R>(f: impl FnOnce() -> R) -> R {
    let _no_set = MadeCurrent::new(ptr::null());
    // SAFETY: no task is named.
    unsafe {
        with_owner(ptr::null(), || {
            coop::with_unconstrained(|| Frame::root().run(f))
        })
    }
}

impl WorkerThread {
    fn drive<M: MainFuture>(&self, main: &mut M) -> M::Output {
        self.before_user_code();
        if let Some(output) = main.poll() {
            return output;
        }
        self.with_meter(Meter::boundary);
        main.before_tasks();
        let mut has_yielded = main.is_woken();
        loop {
            self.run_turn(|| main.is_woken(), has_yielded);
            if main.take_wake() {
                self.before_user_code();
                if let Some(output) = main.poll() {
                    return output;
                }
                has_yielded = main.is_woken();
                self.with_meter(Meter::boundary);
            }
        }
    }

    /// Returns the number of tasks that have their turn before the main future.
    fn polls_in_turn(&self) -> u32 {
        let core = self.core.borrow();
        core.as_ref().map_or(1, |core| core.ticks.event_interval())
    }

    /// Runs the tasks that have their turn before the main future, first in, first out. If there is
    /// none, parks, unless the main future was woken: by its own poll, where it yields, after which
    /// the driver has its turn; or by another's.
    fn run_turn(&self, is_main_woken: impl Fn() -> bool, has_main_yielded: bool) {
        for _ in 0..self.polls_in_turn() {
            self.keep_order();
            let Some(task) = self.next_task() else {
                // A wake that comes from here on unparks this worker.
                // Unnoticed: always, because a wake unparks the worker before it parks, too.
                if !is_main_woken() {
                    self.park();
                } else if has_main_yielded {
                    self.before_user_code();
                    self.tick();
                }
                return;
            };
            self.run(task);
        }
    }

    /// Takes the task in the LIFO slot behind those that were woken before. One thread runs them
    /// all, so the slot would save nothing: it would only change the order.
    pub(super) fn keep_order(&self) {
        if let Some(core) = self.core.borrow().as_ref() {
            core.queue.keep_order();
        }
    }
}
