//! The futures of `block_on` in a seeded run: tasks that may borrow from the caller of `block_on`.
//!
//! Guarantees that such a task ends before its caller continues.

use std::future::Future;
use std::panic::{self, Location};
use std::sync::Arc;
use std::{mem, process, thread};

use framewise_context::{Frame, coop};

use super::{Run, What, local_set, stop, with_run};
use crate::runtime::enter;
use crate::scheduler::spawner::Spawner;
use crate::task::header::TaskRef;
use crate::task::{JoinError, JoinHandle};

/// A task that is complete when this has been dropped.
struct Scoped<'run, T> {
    run: &'run Run,
    handle: JoinHandle<T>,
}

impl<T> Drop for Scoped<'_, T> {
    fn drop(&mut self) {
        /// Aborts the process: unwinding would leave a future with references into a stack that is
        /// gone.
        struct Abort;
        impl Drop for Abort {
            fn drop(&mut self) {
                process::abort();
            }
        }

        if self.handle.is_finished() {
            return;
        }
        let unwinds = Abort;
        self.handle.abort();
        while !self.handle.is_finished() {
            if !self.run.end_task(*self.handle.task()) {
                // Another thread has woken it, and is about to push it.
                thread::yield_now();
            }
        }
        mem::forget(unwinds);
    }
}

/// Runs `future` in `run`, in the caller's frame, until it is ready or the run is stopped; then
/// calls `after`. Returns `None` if the run was stopped.
pub(crate) fn finish<F: Future>(
    run: &Run,
    spawner: &Arc<Spawner>,
    future: F,
    site: &'static Location<'static>,
    after: impl FnOnce(),
) -> Option<Result<F::Output, JoinError>> {
    // SAFETY: the task is complete, and its output dropped or moved out, when `scoped` has been
    // dropped or taken from, and that is before this function returns or unwinds.
    let handle = unsafe {
        let future = local_set::in_current_set(future);
        Arc::clone(spawner).spawn_borrowing(future, Frame::current(), ())
    };
    let mut scoped = Scoped { run, handle };
    run.adopt(*scoped.handle.task(), site);
    let level = run.levels.enter(*scoped.handle.task());
    // The other tasks are not in the set that the caller is in.
    let left = local_set::leave_current_set();
    let is_done = run.run_until(|| scoped.handle.is_finished());
    let output = is_done.then(|| scoped.handle.take_output());
    after();
    drop((left, level));
    output
}

/// Runs `future` within the run that the thread is in. Returns it if the thread is in no run, or in
/// another runtime.
#[track_caller]
pub(crate) fn nested<F: Future>(future: F) -> Result<F::Output, F> {
    let site = Location::caller();
    let Some(spawner) = enter::current() else {
        return Err(future);
    };
    // Outside of a closure, so that the panic is reported at the caller.
    let may_block =
        with_run(|run| run.may_block.get() || !Arc::ptr_eq(run.shared(), &spawner.shared));
    assert!(
        may_block.unwrap_or(true),
        "block_on was called on a worker of a runtime, whose other tasks would stall: \
         use .await, or wrap the call in block_in_place or spawn_blocking"
    );
    let mut future = Some(future);
    let output = with_run(|run| {
        if !Arc::ptr_eq(run.shared(), &spawner.shared) {
            return None;
        }
        let future = future.take()?;
        let output = finish(run, &spawner, future, site, || ());
        Some(output.unwrap_or_else(|| run.unwind_stopped()))
    });
    match (output.flatten(), future) {
        (Some(Ok(output)), _) => Ok(output),
        (Some(Err(error)), _) => {
            let frame = error.frame().cloned().unwrap_or_default();
            match error.try_into_panic() {
                // In its own frame, which an outer catch reports (C-83).
                Ok(payload) => frame.run(|| panic::resume_unwind(payload)),
                Err(error) => panic!("the future of block_on was dropped: {error}"),
            }
        }
        (None, Some(future)) => Err(future),
        (None, None) => unreachable!("the future was taken to be run"),
    }
}

impl Run {
    /// Records that `task` belongs to a `block_on`, so that it may call `block_on` in turn.
    fn adopt(&self, task: TaskRef, site: &'static Location<'static>) {
        let mut names = self.names.borrow_mut();
        if let Some(info) = names.get(task) {
            info.may_block = true;
            info.set_site(site);
        }
    }

    /// Unwinds to the run, which reports why.
    fn unwind_stopped(&self) -> ! {
        let reason = self.stopped();
        let reason = reason.expect("a run that does not finish a future was stopped");
        stop::unwind(&reason, self.seed, &self.rejections)
    }

    /// Runs an aborted task. Returns `false` if it is not in the queue yet.
    fn end_task(&self, task: TaskRef) -> bool {
        self.collect();
        let ops = self
            .runnable
            .borrow()
            .iter()
            .position(|entry| matches!(entry.what, What::Task(other) if other == task));
        let Some(index) = ops else {
            return false;
        };
        let entry = self.runnable.borrow_mut().swap_remove(index);
        coop::with_unconstrained(|| Frame::root().run(|| self.run(entry.what)));
        true
    }
}
