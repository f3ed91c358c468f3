//! Access for the models in `loom-tests` to the protocols' own types, which are not public
//! otherwise.
//!
//! Owns, under `framewise_loom` and `framewise_shuttle` only, what models need around them.
//! `ModelScheduler` is the smallest scheduler that a task can have. Models spawn real tasks on it,
//! take runnable tasks out of it on threads of their choice, and wake, abort and join them through
//! the shipped wakers and handles.

pub use crate::scheduler::core_slot::{CoreSlot, WakeWaiting};
pub use crate::scheduler::idle::Idle;
pub use crate::scheduler::idle::monitor::{MissingMonitor, Monitor};
pub use crate::scheduler::idle::parker::{Parker, Unparked};
pub use crate::scheduler::idle::state::{IdleState, SchedulerOps, notify_one, unpark};

pub use self::of_tasks::{ModelHooks, ModelLifoSlot, ModelScheduler, Runnable};

#[cfg(feature = "account")]
mod account;
mod blocking;
mod core_slot;
mod runnables;
mod runtime;
#[cfg(unix)]
mod signals;
mod workers;

#[cfg(feature = "account")]
pub use self::account::{ModelBlock, ModelKeys, ModelTally};

pub use self::blocking::{CORE_PANIC, ModelPool};

pub use self::core_slot::ModelSlot;

pub use self::runtime::ModelRuntime;

#[cfg(unix)]
pub use self::signals::{ModelListener, ModelSignals};

pub use self::workers::{ModelWorker, ModelWorkers};

/// The kernel below the runtime that this thread is in.
pub fn kernel() -> framewise_io::model::Kernel {
    framewise_io::model::kernel(&framewise_io::IoHandle::current())
}

/// The shipped loop of `block_on`, without a runtime around it.
pub fn block_on<F: std::future::Future>(future: F) -> F::Output {
    crate::runtime::block_on::wait_for(future, None)
}

std::thread_local! {
    /// Not part of the model: loom runs all of a model's threads on one thread of the system.
    static IS_GRACE_OVER: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Makes each grace period end at once until this is dropped; made by [`end_grace`].
#[must_use = "the period is over only while this lives"]
#[derive(Debug)]
pub struct EndedGrace(());

/// Makes each grace period end at once: a shutdown ends the runtime without the workers that have
/// not left by then. In other models it waits for them.
pub fn end_grace() -> EndedGrace {
    IS_GRACE_OVER.set(true);
    EndedGrace(())
}

impl Drop for EndedGrace {
    fn drop(&mut self) {
        IS_GRACE_OVER.set(false);
    }
}

/// Returns `true` while an [`EndedGrace`] lives.
pub(crate) fn is_grace_over() -> bool {
    IS_GRACE_OVER.get()
}

mod of_tasks {
    use std::future::Future;
    use std::task::Waker;

    use framewise_context::Frame;
    use framewise_sync::Arc;
    use framewise_sync::atomic::{AtomicUsize, Ordering};
    use framewise_sync::cell::UnsafeCell;

    use super::runnables::Runnables;
    use crate::observe::{Hooks, Observer, TaskHook};
    use crate::scheduler::queue::LifoSlot;
    use crate::task::cell::{self, Schedule};
    use crate::task::header::{RunResult, TaskRef};
    use crate::task::owned::OwnedTasks;
    use crate::task::waker::{BorrowedWaker, TRACKED_WAKER_VTABLE, WAKER_VTABLE};
    use crate::task::{AbortHandle, JoinError, JoinHandle, JoinSet};

    /// A scheduler with the least queue there is.
    #[derive(Clone)]
    pub struct ModelScheduler(Arc<Common>);

    struct Common {
        runnables: Runnables,
        owned: Option<OwnedTasks>,
        observer: Option<Observer>,
        unhandled_panics: AtomicUsize,
    }

    /// The hooks that the tasks of a model had called, in order. A cell, so that loom detects calls
    /// that are not ordered.
    #[derive(Clone, Default)]
    pub struct ModelHooks(Arc<Calls>);

    #[derive(Default)]
    struct Calls(UnsafeCell<Vec<&'static str>>);

    // SAFETY: loom reports accesses that are not ordered.
    unsafe impl Send for Calls {}
    // SAFETY: as above.
    unsafe impl Sync for Calls {}

    impl Calls {
        fn add(&self, name: &'static str) {
            // SAFETY: loom reports an access at the same time.
            self.0.with_mut(|calls| unsafe { (*calls).push(name) });
        }
    }

    impl ModelHooks {
        /// Returns the calls.
        pub fn calls(&self) -> Vec<&'static str> {
            // SAFETY: loom reports a write at the same time.
            self.0.0.with(|calls| unsafe { (*calls).clone() })
        }

        fn hook(&self, name: &'static str) -> Option<TaskHook> {
            let calls = self.0.clone();
            Some(std::sync::Arc::new(move |_, _| calls.add(name)))
        }
    }

    impl ModelScheduler {
        /// Creates a scheduler that keeps no list of its tasks: one lock less.
        pub fn new() -> Self {
            Self::build(None, None)
        }

        /// Creates a scheduler that keeps no list, whose tasks have hooks and track their wakes.
        pub fn observed() -> (Self, ModelHooks) {
            let calls = ModelHooks::default();
            let hooks = Hooks {
                spawn: calls.hook("spawn"),
                before_poll: calls.hook("before"),
                after_poll: calls.hook("after"),
                complete: calls.hook("complete"),
                drop: calls.hook("drop"),
            };
            (
                Self::build(None, Observer::new(hooks, true, None, None)),
                calls,
            )
        }

        /// Creates a scheduler with the list by which a shutdown finds the tasks.
        pub fn with_list() -> Self {
            Self::build(Some(OwnedTasks::new()), None)
        }

        fn build(owned: Option<OwnedTasks>, observer: Option<Observer>) -> Self {
            Self(Arc::new(Common {
                runnables: Runnables::new(),
                owned,
                observer,
                unhandled_panics: AtomicUsize::new(0),
            }))
        }

        /// Like a runtime's `spawn`: a task that the closed list rejects is cancelled on this
        /// thread.
        pub fn spawn<F: Future + 'static>(&self, future: F, frame: Frame) -> JoinHandle<F::Output> {
            let task = cell::allocate(future, frame, TaskScheduler::new(&self.0), (), true);
            // SAFETY: the handle's reference is ours to pass on.
            let handle = unsafe { JoinHandle::new(task) };
            if self.0.owned.as_ref().is_none_or(|owned| owned.insert(task)) {
                self.0.runnables.put(task);
            } else {
                // SAFETY: a new task is its spawner's to run.
                unsafe { task.complete_with_error(JoinError::cancelled(task.id())) }
            }
            handle
        }

        /// Like `spawn`, into a set.
        pub fn spawn_in<T: 'static>(
            &self,
            set: &mut JoinSet<T>,
            future: impl Future<Output = T> + 'static,
        ) -> AbortHandle {
            set.insert(self.spawn(future, Frame::root()))
        }

        /// Like `spawn`, for a task without a join handle, which the caller holds.
        pub fn spawn_detached<F: Future + 'static>(&self, future: F, frame: Frame) -> Runnable {
            let task = cell::allocate(future, frame, TaskScheduler::new(&self.0), (), false);
            assert!(
                self.0.owned.as_ref().is_none_or(|owned| owned.insert(task)),
                "a model spawns detached tasks before it closes"
            );
            Runnable(task)
        }

        /// Takes a runnable task, if there is one.
        pub fn take(&self) -> Option<Runnable> {
            self.0.runnables.take().map(Runnable)
        }

        /// Runs runnable tasks until there is none.
        pub fn run_all(&self) {
            while let Some(runnable) = self.take() {
                runnable.run_to_end();
            }
        }

        /// The first part of a shutdown: closes the list to new tasks and aborts those in it.
        pub fn close(&self) {
            self.list().close_and_abort_all();
        }

        /// Returns `true` if every task has left the list.
        pub fn is_empty(&self) -> bool {
            self.list().is_empty()
        }

        fn list(&self) -> &OwnedTasks {
            let owned = self.0.owned.as_ref();
            owned.expect("a model that closes has a list")
        }

        /// Returns the number of panics without a joiner.
        pub fn unhandled_panics(&self) -> usize {
            // Ordering: Relaxed. Read after all threads were joined.
            self.0.unhandled_panics.load(Ordering::Relaxed)
        }
    }

    impl Default for ModelScheduler {
        fn default() -> Self {
            Self::new()
        }
    }

    /// The scheduler as a task reaches it, inside the task's memory.
    struct TaskScheduler {
        common: Arc<Common>,
        /// Read by every use and written by the end, so that loom detects a use after the end.
        ended: UnsafeCell<bool>,
    }

    impl TaskScheduler {
        fn new(common: &Arc<Common>) -> Self {
            Self {
                common: Arc::clone(common),
                ended: UnsafeCell::new(false),
            }
        }

        fn alive(&self) -> &Common {
            // SAFETY: loom reports a write at the same time.
            let ended = self.ended.with(|ended| unsafe { *ended });
            assert!(!ended, "a task was used after its end");
            &self.common
        }
    }

    impl Drop for TaskScheduler {
        fn drop(&mut self) {
            self.ended.with_mut(|ended| {
                // SAFETY: loom reports an access at the same time.
                let before = unsafe { std::mem::replace(&mut *ended, true) };
                assert!(!before, "a task was freed twice");
            });
        }
    }

    impl Schedule for TaskScheduler {
        fn schedule(&self, task: TaskRef) {
            self.alive().runnables.put(task);
            // The waker's reference must keep the task until scheduling is over.
            self.alive();
        }

        fn release(&self, task: TaskRef) {
            if let Some(owned) = &self.alive().owned {
                owned.remove(task);
            }
        }

        fn unhandled_panic(&self, _error: &JoinError) {
            let panics = &self.alive().unhandled_panics;
            panics.fetch_add(1, Ordering::Relaxed);
        }

        fn observer(&self) -> Option<&Observer> {
            self.common.observer.as_ref()
        }
    }

    /// A runnable task that was taken out of a queue.
    #[must_use = "a runnable that is dropped is a task that never runs again"]
    pub struct Runnable(pub(super) TaskRef);

    impl Runnable {
        /// Polls the task once. Returns it if it was woken meanwhile.
        pub fn run(self) -> Option<Runnable> {
            // SAFETY: runnable, by the type, and the futures of models are `Send`.
            match unsafe { self.0.run() } {
                RunResult::Done => None,
                RunResult::Reschedule(task) => Some(Runnable(task)),
            }
        }

        /// Polls the task until it is not woken meanwhile.
        pub fn run_to_end(self) {
            let mut again = self.run();
            while let Some(runnable) = again {
                again = runnable.run();
            }
        }

        /// Completes the task with an error instead of running it.
        pub fn complete_with_error(self) {
            // SAFETY: like in `run`.
            unsafe {
                self.0
                    .complete_with_error(JoinError::cancelled(self.0.id()))
            }
        }

        /// Returns a waker of the task, with a reference of its own.
        pub fn waker(&self) -> Waker {
            let table = if self.0.extension().is_some() {
                &TRACKED_WAKER_VTABLE
            } else {
                &WAKER_VTABLE
            };
            BorrowedWaker::new(self.0, table).clone()
        }

        /// Puts the task (back) into the queue.
        pub fn put(self, scheduler: &ModelScheduler) {
            scheduler.0.runnables.put(self.0);
        }
    }

    /// A shipped LIFO slot.
    #[derive(Clone)]
    pub struct ModelLifoSlot(Arc<LifoSlot>);

    impl ModelLifoSlot {
        /// Creates an empty slot.
        #[expect(
            clippy::new_without_default,
            reason = "a model names its initial state"
        )]
        pub fn new() -> Self {
            Self(Arc::new(LifoSlot::new()))
        }

        /// Puts a task in, and returns the one that it displaces. For the owner.
        pub fn replace(&self, runnable: Runnable) -> Option<Runnable> {
            self.0.replace(runnable.0).map(Runnable)
        }

        /// Takes the task. For the owner.
        pub fn take(&self) -> Option<Runnable> {
            self.0.take().map(Runnable)
        }

        /// Takes a task that a thief has marked before. For a thief.
        pub fn steal_marked(&self) -> Option<Runnable> {
            self.0.steal_marked().map(Runnable)
        }
    }
}
