//! The end of a runtime: which workers are left, and what the last one does.
//!
//! Owns the count of the threads that work, and the order of the steps:
//!
//! 1. [`close`](Shared::close) asks every worker to leave, and unparks it.
//! 2. A worker that leaves moves its tasks into the injector and counts itself out
//!    ([`deregister_worker`](Shared::deregister_worker)). A thread that handed its core off is in
//!    `block_in_place`; it leaves when its poll returns.
//! 3. When no core is left, all tasks are aborted, and timers and I/O closed, in this order and
//!    before any user code runs ([`cancel_all`](Shared::cancel_all)). This does not wait for the
//!    threads in `block_in_place`, which may be waiting for exactly that, and for a worker whose
//!    poll blocks no longer than a grace period (`blocked_polls.rs`).
//! 4. The last thread to leave drops the aborted tasks, until the lists are empty. Its
//!    waits end with an error or a panic (`ending.rs`).
//!    (The worker of a current-thread runtime is counted from the start. The thread that shuts the
//!    runtime down is the last: `worker/driving.rs`.)
//! 5. Only then [`wait_for_end`](Shared::wait_for_end) returns; the runtime joins the threads and
//!    closes the blocking pool (`runtime/shutdown.rs`).

use std::mem;
use std::time::Instant;

use framewise_sync::atomic::{AtomicBool, Ordering};
use framewise_sync::{Condvar, Mutex};

use super::ending;
use super::idle::state::{self, SchedulerOps};
use super::shared::Shared;
#[cfg(unix)]
use crate::signal::inbox::wake_all;
use crate::task::header::RunResult;
use crate::task::state::WakeAction;

/// In place of a number of threads: the last one is ending the tasks, or has ended them.
const ENDING: usize = usize::MAX - 1;
const ENDED: usize = usize::MAX;

/// `true` if a runtime is closing, and which threads still work for it.
pub(super) struct Lifecycle {
    closing: AtomicBool,
    live: Mutex<Live>,
    ended: Condvar,
    /// The process that made the runtime. A forked child has its memory, but none of its threads.
    process: u32,
}

struct Live {
    /// Threads that work, or one of the two constants.
    threads: usize,
    /// Threads that work with a core.
    with_core: usize,
    /// Threads that handed their core off: they are in `block_in_place`, or about to leave.
    without_core: usize,
    /// Step 3 was taken, or is about to be, though threads still work.
    is_cancelled_early: bool,
}

impl Lifecycle {
    /// Creates the state of a runtime that no thread works for yet.
    pub(super) fn new() -> Self {
        Self {
            closing: AtomicBool::new(false),
            live: Mutex::new(Live {
                threads: 0,
                with_core: 0,
                without_core: 0,
                is_cancelled_early: false,
            }),
            ended: Condvar::new(),
            process: std::process::id(),
        }
    }

    /// Returns `true` after [`Shared::close`].
    pub(super) fn is_closing(&self) -> bool {
        // Ordering: Relaxed, like in close.
        self.closing.load(Ordering::Relaxed)
    }
}

impl Shared {
    /// Step 1: asks every worker to leave.
    pub(crate) fn close(&self) {
        // Ordering: Relaxed. It publishes nothing but itself. Parked workers see it after the
        // unparks that follow, and threads that leave by themselves are ordered by the lock of
        // `live`: either they leave before `end_if_last_left` below, which sees that, or they see
        // this.
        self.lifecycle.closing.store(true, Ordering::Relaxed);
        // Unnoticed: moved behind the next, because that does nothing unless all workers have left.
        for worker in 0..self.workers() {
            state::unpark(self, worker);
        }
        // If no worker was started, or a bug of ours ended them all, no other thread will do it.
        self.end_if_last_left();
    }

    /// Counts a thread that begins to work with a core of its own.
    pub(crate) fn register_worker(&self) {
        let mut live = self.lifecycle.live.lock();
        live.threads += 1;
        live.with_core += 1;
    }

    /// Counts a thread that begins to work with the core of another one, which is in
    /// `block_in_place`.
    pub(crate) fn register_replacement(&self) {
        let mut live = self.lifecycle.live.lock();
        live.threads += 1;
        live.without_core += 1;
    }

    /// Step 2: counts out a thread that stops working, and with it its core unless it handed that
    /// off.
    pub(crate) fn deregister_worker(&self, has_core: bool) {
        {
            let mut live = self.lifecycle.live.lock();
            let count = if has_core {
                &mut live.with_core
            } else {
                &mut live.without_core
            };
            // A thread that a bug of ours unwinds does not know which it is.
            *count = count.saturating_sub(1);
        }
        if self.is_closing() {
            self.cancel_for_blocked_workers();
        }
        self.lifecycle.live.lock().threads -= 1;
        if self.is_closing() {
            self.end_if_last_left();
        }
    }

    /// If every remaining thread is in `block_in_place`, takes step 3 now, once. The blocked code
    /// may be waiting for a timer, a socket or a task of this runtime, so waiting for it first
    /// would deadlock. Later calls drop the tasks that a leaving thread has put into the injector,
    /// which the blocked code may be waiting for, too.
    fn cancel_for_blocked_workers(&self) {
        let is_first = {
            let mut live = self.lifecycle.live.lock();
            // Unnoticed: left out `live.without_core == 0`, because the end then follows at once,
            // and takes the same step.
            if !live.is_cancelled_early && (live.with_core > 0 || live.without_core == 0) {
                return;
            }
            !mem::replace(&mut live.is_cancelled_early, true)
        };
        ending::while_ending(self.address(), || {
            // Unnoticed: always, because the other parts of cancel_all do nothing the second time.
            if is_first {
                self.cancel_all();
            } else {
                self.drop_queued();
            }
        });
    }

    /// Takes step 3 without the workers that have not left a closing runtime: each is in a poll, or
    /// in a callback, that blocks and may be waiting for a timer, a socket or a task of this
    /// runtime. Later calls drop the tasks that have come into a queue since.
    pub(super) fn cancel_for_blocked_polls(&self) {
        /// Counts the thread out even if a bug of ours unwinds it.
        struct Leave<'a>(&'a Shared);
        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                self.0.lifecycle.live.lock().threads -= 1;
                self.0.end_if_last_left();
            }
        }

        let is_first = {
            let mut live = self.lifecycle.live.lock();
            // If no thread works, the last one to leave takes these steps, or has.
            if matches!(live.threads, 0 | ENDING | ENDED) {
                return;
            }
            // The end waits for this thread, too.
            live.threads += 1;
            !mem::replace(&mut live.is_cancelled_early, true)
        };
        let _leave = Leave(self);
        ending::while_ending(self.address(), || {
            // Unnoticed: always, because cancel_all does nothing more the second time.
            if is_first {
                self.cancel_all();
            }
            // A worker that leaves meanwhile drains its own queue, and then sees
            // `is_cancelled_early`.
            for worker in 0..self.workers() {
                self.queues.drain_remotely(worker);
            }
            self.drop_queued();
        });
    }

    /// Takes steps 3 and 4 if no thread is left, once.
    fn end_if_last_left(&self) {
        {
            let mut live = self.lifecycle.live.lock();
            if live.threads != 0 {
                return;
            }
            live.threads = ENDING;
        }
        self.end();
        // Only now is the runtime at its end for the threads that wait.
        self.lifecycle.live.lock().threads = ENDED;
        self.lifecycle.ended.notify_all();
    }

    /// Returns `true` in a forked child of the process that made the runtime. (A system call.)
    pub(crate) fn is_in_forked_child(&self) -> bool {
        std::process::id() != self.lifecycle.process
    }

    /// Step 5: waits until the last worker has ended the tasks. Returns `false` if the deadline
    /// passed.
    pub(crate) fn wait_for_end(&self, deadline: Option<Instant>) -> bool {
        let mut live = self.lifecycle.live.lock();
        while live.threads != ENDED {
            live = match deadline {
                None => self.lifecycle.ended.wait(live),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return false;
                    }
                    self.lifecycle.ended.wait_timeout(live, left).0
                }
            };
        }
        true
    }

    /// Steps 3 and 4.
    fn end(&self) {
        ending::while_ending(self.address(), || {
            self.cancel_all();
            // A waker on another thread may have made a task runnable and not pushed it yet. It is
            // about to, so the lists become empty; and a task that is queued is in a list.
            while !self.owned.iter().all(|owned| owned.is_empty()) {
                // Unnoticed: moved behind the next, because both are repeated.
                framewise_sync::thread::yield_now();
                self.drop_queued();
            }
        });
    }

    /// Step 3: aborts every task, closes timers and I/O, and drops the tasks that no thread is
    /// running.
    ///
    /// The order matters. Only a task that is aborted may find its timers closed and stay pending.
    /// User code that waits for a timer or a socket, as the destructors of the dropped futures may,
    /// gets an error or a panic at once, since no driver would ever wake it.
    fn cancel_all(&self) {
        for owned in &self.owned {
            owned.close_and_abort_all();
        }
        self.close_timers_and_io();
        self.drop_queued();
    }

    /// Drops the tasks that are in the injector.
    fn drop_queued(&self) {
        while let Some(task) = self.queues.injector.steal().success() {
            // The thread that aborts all tasks may not have reached this one yet.
            let wake = task.header().state.abort();
            debug_assert_eq!(wake, WakeAction::Nothing, "the caller is the task's holder");
            // SAFETY: a task that comes out of a queue is runnable, and the tasks of this scheduler
            // may run on any thread, or a local runtime is ended on its own. The task is aborted,
            // so this drops the future.
            let result = unsafe { task.run() };
            debug_assert!(matches!(result, RunResult::Done));
        }
    }

    /// Closes timers, I/O and signals: every wait for any of them ends.
    fn close_timers_and_io(&self) {
        // All are closed before user code runs, which may wait for any. User code runs without
        // locks.
        let timers = self.timers.begin_close();
        let waits = self.driver.lock().begin_shutdown();
        #[cfg(unix)]
        let signals = self.signals.begin_close();
        // Unnoticed: moved behind the next, because the wakers of timers and sockets are called in
        // no promised order.
        timers.finish();
        self.unhandled_panics(waits.finish().panics);
        #[cfg(unix)]
        self.unhandled_panics(wake_all(signals));
    }
}

#[cfg(all(test, not(any(framewise_loom, framewise_shuttle))))]
mod tests;
