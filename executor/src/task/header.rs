//! What every task looks like from outside: the header, and the pointer that queues hold.
//!
//! Owns the layout of the header and the vtable, whose functions know the future's type. Knows
//! neither queues nor workers. The task goes on in `cell.rs`, where the type is known.
//!
//! # The safety argument
//!
//! - **T1. Shape.** A task is one allocation of `cell::Core<F, S, L>`, a `repr(C)` struct that
//!   begins with `Header`. The header's vtable was made for these types, so its functions may cast
//!   the pointer back. An observed task is one allocation of an [`Extension`] and the core behind
//!   it; its vtable says so, and at which distance. The pointer to a task is to the core in both
//!   cases, and may be used for the whole allocation. If the output `T` of the future that was
//!   spawned is large, `F` is a `BoxOutput`, or a blocking call that does the same, so the task's
//!   output is a `LargeOutput<T>`. Only the join handle, which knows `T`, differs by that.
//! - **T2. Liveness and the stage.** The thread that drops the last reference frees the task. The
//!   task keeps one of its own until it is finished, so the holder of a runnable task needs none
//!   (S3). The stage (future or output) belongs to the runner from `start` until `complete`, and
//!   from then on to the join handle, or to the runner if there is no handle.
//! - **T3. The frame.** Written when the task is made; taken out by the runner after the future is
//!   gone. Only the runner borrows it in between.
//! - **T4. The join waker.** Its slot belongs to the join handle while `JOIN_WAKER` is off, and is
//!   read-only for both sides while it is on (S5). A handle that is dropped takes the waker out,
//!   unless the completing thread is waking it: then that thread does.
//! - **T5. The links.** Accessed only under the lock of the list that a task may be in: its
//!   owner's, from `insert` until just before it completes, or, for a blocking call, the pool's
//!   queue, from `push_back` until it is taken out.
//! - **T6. The right thread.** The future is polled and dropped only by `run`, which is called by
//!   the scheduler that owns the task. A scheduler whose tasks are not `Send` (a set, a local
//!   runtime) calls it on its own thread only. The output is `Send` where the handle that carries
//!   it away is.
//! - **T7. The observer.** An extension points to the observer of the scheduler that owns the task.
//!   The scheduler, which is in the same allocation, keeps the observer.

use std::fmt;
use std::ptr::NonNull;
use std::sync::Arc;
use std::task::{RawWakerVTable, Waker};

use framewise_context::Frame;
use framewise_sync::cell::UnsafeCell;

use super::error::JoinError;
use super::id::Id;
use super::state::{PollEndAction, StartAction, TaskState, WakeAction};
use super::waker::WAKER_VTABLE;
use crate::observe::Extension;
use crate::scheduler::ending;

/// The first 56 bytes of every task. With the scheduler's pointer, which follows, 64.
#[repr(C)]
pub(crate) struct Header {
    pub(crate) state: TaskState,
    pub(crate) vtable: &'static Vtable,
    /// The task's frame, until it is released. Rule T3.
    pub(crate) frame: UnsafeCell<Frame>,
    /// Neighbors in a list of the scheduler that owns the task. Rule T5.
    pub(crate) links: UnsafeCell<Links>,
    /// The waker of the join handle's last poll. Rule T4.
    pub(crate) join_waker: UnsafeCell<Option<Waker>>,
}

/// A task's place in its owner's list.
#[derive(Default)]
pub(crate) struct Links {
    pub(crate) previous: Option<NonNull<Header>>,
    pub(crate) next: Option<NonNull<Header>>,
}

/// The functions that know the types of future and scheduler. Each is unsafe by rule T1.
pub(crate) struct Vtable {
    /// Polls the future of a started task, with a waker of this table, and completes the task if
    /// it is ready.
    pub(crate) poll: unsafe fn(NonNull<Header>, &'static RawWakerVTable) -> Polled,
    /// Drops the future of a started task that was aborted, and completes the task.
    pub(crate) cancel: unsafe fn(NonNull<Header>),
    /// Completes the task with this error instead of running it.
    pub(crate) complete_with_error: unsafe fn(NonNull<Header>, JoinError),
    /// Gives the runnable task to the scheduler.
    pub(crate) schedule: unsafe fn(NonNull<Header>),
    /// Takes an aborted task out of the scheduler's queue, if the scheduler can do so, and runs it.
    pub(crate) remove_queued: unsafe fn(NonNull<Header>),
    /// The address of the runtime or pool that the task ends with.
    pub(crate) owner: unsafe fn(NonNull<Header>) -> *const (),
    /// The task's name, which is in the task's memory and does not change.
    pub(crate) name: unsafe fn(NonNull<Header>) -> Option<NonNull<Arc<str>>>,
    /// Moves the output to `*mut Option<Result<F::Output, JoinError>>`. The task is finished.
    pub(crate) take_output: unsafe fn(NonNull<Header>, *mut ()),
    /// Drops the output, if it is still there. The caller owns it.
    pub(crate) drop_output: unsafe fn(NonNull<Header>),
    /// Frees the task, which has no reference left.
    pub(crate) free: unsafe fn(NonNull<Header>),
    /// The distance from the task's extension to its header, in bytes; 0 if it has none.
    pub(crate) extension: usize,
    /// The table that this one differs from in what it observes; `None` in that table.
    pub(crate) plain: Option<&'static Vtable>,
}

/// What a poll left behind.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Polled {
    /// The future is pending. The caller still runs the task, and ends that.
    Pending,
    /// The task is complete. Do not touch it again.
    Ended,
}

/// What a run of a task asks of its caller.
#[must_use]
pub(crate) enum RunResult {
    /// Nothing: the task is idle, runnable elsewhere, or complete. Do not touch it again.
    Done,
    /// To put the task at the end of a queue: it was woken while it ran.
    Reschedule(TaskRef),
}

/// A pointer to a task. Its owner knows whether it carries a reference, or the right to run the
/// task.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct TaskRef(NonNull<Header>);

// SAFETY: rule T1: every field that other threads may touch is an atomic or guarded by the state's
// protocol, and futures that are not Send belong to schedulers that run on one thread (rule T6).
unsafe impl Send for TaskRef {}
// SAFETY: like for Send.
unsafe impl Sync for TaskRef {}

impl fmt::Debug for TaskRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TaskRef").field(&self.0).finish()
    }
}

impl TaskRef {
    /// Wraps a pointer to a live task.
    ///
    /// # Safety
    ///
    /// The pointer came from `cell::allocate`, and the task is alive while the `TaskRef` is used:
    /// its user has a reference, or is the task's holder (rule T2).
    pub(crate) unsafe fn new(pointer: NonNull<Header>) -> Self {
        Self(pointer)
    }

    pub(crate) fn as_ptr(self) -> *mut Header {
        self.0.as_ptr()
    }

    pub(crate) fn pointer(self) -> NonNull<Header> {
        self.0
    }

    pub(crate) fn id(self) -> Id {
        Id::of(self.0)
    }

    /// Returns the task's name, if it has one.
    pub(crate) fn name(&self) -> Option<&Arc<str>> {
        // SAFETY: rule T2, by the contract of `new`; the name is alive as long as the task.
        unsafe { (self.header().vtable.name)(self.0).map(|name| name.as_ref()) }
    }

    /// Returns the address by which [`current`](super::current) knows the task.
    #[inline]
    pub(crate) fn owner_address(self) -> *const () {
        self.0.as_ptr().cast_const().cast()
    }

    #[inline]
    pub(crate) fn header(&self) -> &Header {
        // SAFETY: rule T2, by the contract of `new`.
        unsafe { self.0.as_ref() }
    }

    /// Runs the task on this thread: one poll, or the end of an aborted task.
    ///
    /// # Safety
    ///
    /// The caller is the task's holder, and gives that up (S2). The future may run on this thread
    /// (T6).
    #[inline]
    pub(crate) unsafe fn run(self) -> RunResult {
        match self.header().state.start() {
            StartAction::Poll => {
                // SAFETY: the pointer is to a live task (T2), which the caller, its holder, has
                // started.
                match unsafe { (self.header().vtable.poll)(self.0, &WAKER_VTABLE) } {
                    Polled::Pending => match self.header().state.finish_poll() {
                        PollEndAction::Idle => RunResult::Done,
                        PollEndAction::Reschedule => RunResult::Reschedule(self),
                    },
                    Polled::Ended => RunResult::Done,
                }
            }
            StartAction::Cancel => {
                // SAFETY: like for the poll.
                unsafe { (self.header().vtable.cancel)(self.0) }
                RunResult::Done
            }
        }
    }

    /// Returns the task's extension, if it is observed.
    #[inline]
    pub(crate) fn extension(&self) -> Option<&Extension> {
        let distance = self.header().vtable.extension;
        if distance == 0 {
            return None;
        }
        // SAFETY: rule T1: the extension is that far in front of the header, in the same
        // allocation, which is alive (T2).
        Some(unsafe { &*self.0.as_ptr().byte_sub(distance).cast::<Extension>() })
    }

    /// Returns the task's frame, for the time of one call of user code by the runner.
    ///
    /// # Safety
    ///
    /// The caller is the task's holder or runs it, and has not released the frame (T3).
    pub(crate) unsafe fn frame<'a>(self) -> &'a Frame {
        // SAFETY: rule T3, by the contract: only the caller changes the frame's cell.
        unsafe { self.0.as_ref() }
            .frame
            .with(|frame| unsafe { &*frame })
    }

    /// Completes the task with `error` instead of running it: its future is dropped here, in its
    /// frame.
    ///
    /// # Safety
    ///
    /// Like [`run`](Self::run).
    pub(crate) unsafe fn complete_with_error(self, error: JoinError) {
        // SAFETY: like in `run`.
        unsafe { (self.header().vtable.complete_with_error)(self.0, error) }
    }

    /// Wakes the task. The caller keeps its reference.
    #[inline]
    pub(crate) fn wake(self) {
        if self.header().state.wake() == WakeAction::Submit {
            // SAFETY: `Submit` made us the holder, and the caller's reference keeps the task (and
            // with it the scheduler) alive until this returns.
            unsafe { (self.header().vtable.schedule)(self.0) }
        }
    }

    /// Aborts the task. The caller keeps its reference.
    pub(crate) fn abort(self) {
        match self.header().state.abort() {
            // SAFETY: like in `wake`.
            WakeAction::Submit => unsafe { (self.header().vtable.schedule)(self.0) },
            // SAFETY: the caller's reference keeps the task alive until this returns, and it is
            // aborted.
            WakeAction::Nothing => unsafe { (self.header().vtable.remove_queued)(self.0) },
        }
    }

    /// Returns `true` if this thread is ending the task's runtime and the task is aborted: waiting
    /// for it here could last forever. The caller has a reference.
    #[cold]
    pub(crate) fn is_ending_here(self) -> bool {
        self.header().state.is_cancelled()
            // SAFETY: the caller's reference keeps the task alive.
            && ending::is_ending(unsafe { (self.header().vtable.owner)(self.0) })
    }

    /// Drops a reference, and frees the task with the last one.
    #[inline]
    pub(crate) fn drop_reference(self) {
        if self.header().state.drop_reference() {
            // SAFETY: it was the last reference, so no other thread has the task (T2).
            unsafe { (self.header().vtable.free)(self.0) }
        }
    }
}
