//! What the pool's threads run: calls, which are tasks, and cores.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use framewise_context::control::{self, Ended, OnCancel};
use framewise_context::coop;

use super::queued::end_unrun;
use super::{BlockingPool, Host};
use crate::observe::Observer;
use crate::panics::report_unhandled;
use crate::scheduler::spawner::Spawner;
use crate::seeded::hooks;
use crate::task::JoinError;
use crate::task::cell::Schedule;
use crate::task::header::{RunResult, TaskRef};

/// What the pool is asked to do.
pub(crate) enum Job<H: Host = Arc<Spawner>> {
    Task(TaskRef),
    /// A worker's core that is handed off to another thread.
    Core(H::Core),
}

impl<H: Host> Job<H> {
    /// Runs the job.
    pub(crate) fn run(self) {
        match self {
            Self::Task(task) => {
                // SAFETY: the queue held the runnable task, so the thread that took it out is its
                // holder.
                if let Err(ended) = unsafe { check_frame(task) } {
                    // SAFETY: as above.
                    unsafe { end_unrun(task, ended) }
                    return;
                }
                // SAFETY: as above; and the closure is Send.
                let ran = unsafe { task.run() };
                debug_assert!(
                    matches!(ran, RunResult::Done),
                    "a blocking call is polled once"
                );
            }
            Self::Core(core) => H::work(core),
        }
    }

    /// Ends the job without running it: with `error`, or cancelled if the pool is closed.
    pub(crate) fn fail(self, error: Option<&io::Error>) {
        match self {
            Self::Task(task) => {
                let error = match error {
                    None => JoinError::cancelled(task.id()),
                    Some(error) => {
                        let error = io::Error::new(error.kind(), error.to_string());
                        JoinError::rejected(task.id(), error)
                    }
                };
                // SAFETY: the queue held the runnable task, so the caller, which took it out, is
                // its holder.
                unsafe { task.complete_with_error(error) }
            }
            // Its destructor lets the worker leave.
            // Unnoticed: skipped, because the core is dropped at the end of the arm, too.
            Self::Core(core) => drop(core),
        }
    }
}

/// Returns the reason if the work of the task's frame has ended.
///
/// # Safety
///
/// The caller is the task's holder.
unsafe fn check_frame(task: TaskRef) -> Result<(), Ended> {
    // SAFETY: rule T3: the frame is the holder's until the task runs or ends.
    task.header().frame.with(|frame| unsafe {
        if (*frame).is_root() {
            Ok(())
        } else {
            (*frame).run(control::check)
        }
    })
}

/// The future of a blocking job: ready at its first poll.
pub(super) struct BlockingCall<F> {
    pub(super) f: Option<F>,
    /// Watches the control of the call's frame while the call waits for a thread.
    pub(super) guard: Option<OnCancel>,
}

impl<F> Unpin for BlockingCall<F> {}

impl<F: FnOnce() -> R, R> Future for BlockingCall<F> {
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<R> {
        self.guard = None;
        let f = self.f.take().expect("a blocking call is polled once");
        // It may block without limit: there is no task that could yield.
        Poll::Ready(coop::with_unconstrained(f))
    }
}

/// The scheduler of blocking jobs. Each is runnable, and held by the pool, from its start to its
/// end, so there is nothing to wake.
pub(super) struct BlockingSchedule<H: Host>(pub(super) BlockingPool<H>);

impl<H: Host> Schedule for BlockingSchedule<H> {
    fn schedule(&self, _task: TaskRef) {
        unreachable!("a blocking job is runnable from its start until its end");
    }

    fn remove_queued(&self, task: TaskRef) -> bool {
        self.0.lock().queue.remove(task)
    }

    fn owner(&self) -> *const () {
        self.0.address()
    }

    const BLOCKS: bool = true;

    fn release(&self, task: TaskRef) {
        hooks::ended(task);
    }

    fn unhandled_panic(&self, error: &JoinError) {
        let _handled = report_unhandled(self.0.0.unhandled_panic.as_ref(), error);
    }

    fn observer(&self) -> Option<&Observer> {
        self.0.0.observer.get().map(|observer| &**observer)
    }
}
