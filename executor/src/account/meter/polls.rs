//! The measurement of a poll: whom it is for, how long its task waited for it, and its end, which
//! is a boundary.

use framewise_context::Frame;

use super::{Meter, NOTHING_RUNS, Running};
use crate::account::clock::AccountTicks;
use crate::account::request::{RequestCount, add_to};
use crate::account::runtime::TaskAccount;
use crate::task::header::Polled;

impl Meter {
    /// Polls a task by `poll`, and measures that. The caller runs the task.
    ///
    /// # Safety
    ///
    /// The task is the caller's until the poll, and after it if that returns `Pending`.
    #[inline(always)]
    pub(crate) unsafe fn measure(
        &self,
        task: *const TaskAccount,
        poll: impl FnOnce() -> Polled,
    ) -> Polled {
        // SAFETY: by the contract.
        unsafe {
            if !self.running.get().task.is_null() {
                return self.measure_nested(task, poll);
            }
            if self.worker.get().is_none() {
                // A thread of the pool was idle before, or took the call out of the queue.
                self.last.set(self.now());
            }
            self.measure_innermost(task, poll)
        }
    }

    /// # Safety
    ///
    /// Like [`measure`](Self::measure).
    #[inline(always)]
    unsafe fn measure_innermost(
        &self,
        task: *const TaskAccount,
        poll: impl FnOnce() -> Polled,
    ) -> Polled {
        // SAFETY: by the contract.
        self.begin_poll(unsafe { &*task });
        let polled = poll();
        self.attribute(self.now());
        if polled == Polled::Pending {
            // SAFETY: by the contract: the task is still the caller's.
            let task = unsafe { &*task };
            // If it was woken meanwhile, it is runnable from now on. Otherwise its waker says.
            let is_sampled = task.is_timed.get() || self.samples();
            task.set_runnable_since(if is_sampled { self.last.get() } else { 0 });
        }
        self.running.set(NOTHING_RUNS);
        self.current.set(self.none.get());
        // SAFETY: only this thread has the cell.
        if unsafe { (*self.kept.as_ptr()).is_some() } {
            drop(self.kept.take());
        }
        polled
    }

    /// Like [`measure`](Self::measure), within the poll of another task: for one of a `LocalSet`.
    ///
    /// # Safety
    ///
    /// Like [`measure`](Self::measure).
    #[cold]
    unsafe fn measure_nested(
        &self,
        task: *const TaskAccount,
        poll: impl FnOnce() -> Polled,
    ) -> Polled {
        self.attribute(self.now());
        let outer = (self.running.get(), self.kept.take());
        // SAFETY: by the contract.
        let polled = unsafe { self.measure_innermost(task, poll) };
        self.running.set(outer.0);
        self.kept.set(outer.1);
        self.switch(&Frame::current());
        polled
    }

    #[inline(always)]
    fn begin_poll(&self, task: &TaskAccount) {
        let since = task.runnable_since();
        if since == 0 {
            self.delay.set(0);
        } else {
            self.count_delay(task, since);
        }
        let next = self.current_of(task.tally(), task.request);
        self.running.set(Running {
            task,
            frame: task.frame,
        });
        self.current.set(next);
        // SAFETY: M2, M3.
        let shard = unsafe { &*next.shard };
        let (counter, count) = if task.is_call {
            (&shard.calls, RequestCount::Calls)
        } else {
            (&shard.polls, RequestCount::Polls)
        };
        self.writers().add(counter, 1);
        // SAFETY: M3.
        unsafe { add_to(task.request, count, 1) }
    }

    /// Counts how long the task was runnable.
    #[cold]
    #[inline(never)]
    fn count_delay(&self, task: &TaskAccount, since: AccountTicks) {
        if since > self.last.get() {
            // It became runnable after the last boundary, while the worker was looking for a task.
            self.attribute(self.now());
        }
        let delay = self.last.get().saturating_sub(since);
        self.delay.set(delay);
        let current = self.current_of(task.tally(), task.request);
        // The memory of the histogram is no key's.
        let looked_up = self.looks_up.replace(true);
        // SAFETY: M2, M3.
        unsafe {
            (*current.shard).record_delay(self.writers(), delay);
            add_to(task.request, RequestCount::Queued, delay);
        }
        self.looks_up.set(looked_up);
    }
}
