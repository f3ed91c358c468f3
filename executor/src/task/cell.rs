//! The task as a whole: header, scheduler and future in one allocation, and what its holder does.
//!
//! Owns every place where a future is polled or dropped, and so every swap of the current frame.
//! The order of a task's end is fixed here: future dropped (in its frame), output stored, frame
//! released, joiner woken. Knows no queue: the scheduler is a type parameter. `cell/allocate.rs`
//! makes tasks.

use std::future::Future;
use std::mem::{self, offset_of};
use std::pin::Pin;
use std::ptr::NonNull;
use std::sync::Arc;
use std::task::{Context, Poll, RawWakerVTable};

use framewise_context::{Frame, announce_current, catch_unwind_of, coop, with_owner};
use framewise_sync::cell::UnsafeCell;

mod allocate;

pub(crate) use self::allocate::allocate;
use super::catch::catch_and_discard;
use super::error::JoinError;
use super::header::{Header, Polled, RunResult, TaskRef, Vtable};
use super::label::Label;
use super::mirrored;
pub(crate) use super::schedule::Schedule;
use super::state::{FinishAction, OutputOwner, StartAction, WakeAction};
use super::waker::BorrowedWaker;
use crate::observe::{self, Extension, Observation, Observer};

/// A task's one allocation.
#[repr(C)]
struct Core<F: Future, S: Schedule, L: Label> {
    header: Header,
    scheduler: S,
    label: L,
    stage: UnsafeCell<Stage<F>>,
}

/// An observed task's one allocation.
#[repr(C)]
struct Observed<F: Future, S: Schedule, L: Label> {
    extension: Extension,
    core: Core<F, S, L>,
}

enum Stage<F: Future> {
    Future(F),
    Output(Result<F::Output, JoinError>),
    Consumed,
}

impl<F: Future, S: Schedule, L: Label> Core<F, S, L> {
    const VTABLE: Vtable = Vtable {
        poll: Self::poll_once,
        cancel: Self::cancel_started,
        complete_with_error: Self::complete_with_error,
        schedule: Self::schedule,
        remove_queued: Self::remove_queued,
        owner: Self::owner,
        name: Self::name,
        take_output: Self::take_output,
        drop_output: Self::drop_output,
        free: Self::free,
        extension: 0,
        plain: None,
    };

    /// The table of a task of which the spawn and the end are observed.
    const OBSERVED_ENDS: Vtable = Vtable {
        free: Self::free_observed,
        extension: offset_of!(Observed<F, S, L>, core),
        plain: Some(&Self::VTABLE),
        ..Self::VTABLE
    };

    /// Like [`OBSERVED_ENDS`](Self::OBSERVED_ENDS), in a frame with mirrored variables.
    const OBSERVED_MIRRORED: Vtable = Vtable {
        poll: mirrored::poll,
        ..Self::OBSERVED_ENDS
    };

    /// The table of an observed task that is accounted for. What it does more is the same for all
    /// types, so the poll is compiled once.
    const ACCOUNTED: Vtable = Vtable {
        poll: observe::poll_accounted,
        schedule: observe::schedule,
        ..Self::OBSERVED_ENDS
    };

    /// The table of a task of which everything is observed.
    const OBSERVED: Vtable = Vtable {
        poll: observe::poll,
        ..Self::ACCOUNTED
    };

    fn observed_table(observer: &Observer, frame: &Frame) -> &'static Vtable {
        match observer.observation() {
            Observation::Everything => &Self::OBSERVED,
            Observation::Accounted => &Self::ACCOUNTED,
            Observation::Ends if frame.is_mirrored() => &Self::OBSERVED_MIRRORED,
            Observation::Ends => &Self::OBSERVED_ENDS,
        }
    }

    /// The table of a task in a frame with mirrored variables. Those of observed polls serve such
    /// frames, too.
    const MIRRORED: Vtable = Vtable {
        poll: mirrored::poll,
        plain: Some(&Self::VTABLE),
        ..Self::VTABLE
    };

    /// # Safety
    ///
    /// `task` is alive and of this very type (T1), which the table that it carries says.
    unsafe fn of<'a>(task: NonNull<Header>) -> &'a Self {
        // SAFETY: by the contract of this function; header is the first field of a repr(C) struct.
        unsafe { task.cast::<Self>().as_ref() }
    }

    /// # Safety
    ///
    /// The caller is the task's holder and has started it; the future may run on this thread (T6).
    /// The table is of task wakers.
    unsafe fn poll_once(pointer: NonNull<Header>, wakers: &'static RawWakerVTable) -> Polled {
        // SAFETY: the caller runs the task, so it is alive (S3).
        let (core, task) = unsafe { (Self::of(pointer), TaskRef::new(pointer)) };
        match core.poll(task, wakers) {
            Poll::Pending => Polled::Pending,
            Poll::Ready(output) => {
                // SAFETY: we run the task, and `core` is not used any more.
                unsafe { Self::end(pointer, output) }
                Polled::Ended
            }
        }
    }

    /// # Safety
    ///
    /// Like [`poll_once`](Self::poll_once).
    #[cold]
    unsafe fn cancel_started(pointer: NonNull<Header>) {
        // SAFETY: like in `poll_once`.
        unsafe {
            let output = Self::of(pointer).cancel(TaskRef::new(pointer));
            Self::end(pointer, output);
        }
    }

    /// # Safety
    ///
    /// Like [`TaskRef::complete_with_error`].
    unsafe fn complete_with_error(pointer: NonNull<Header>, error: JoinError) {
        // SAFETY: the task is runnable, so it is alive (S3).
        let core = unsafe { Self::of(pointer) };
        let wake = core.header.state.abort();
        debug_assert_eq!(wake, WakeAction::Nothing, "the caller is the holder");
        let start = core.header.state.start();
        debug_assert_eq!(start, StartAction::Cancel, "it was aborted just now");
        // SAFETY: the task is alive.
        let task = unsafe { TaskRef::new(pointer) };
        let output = core.in_frame(|| Err(core.drop_stage(task).err().unwrap_or(error)));
        // SAFETY: we run the task, and `core` is not used any more.
        unsafe { Self::end(pointer, output) }
    }

    /// One poll, in the task's frame and with a full budget. On `Ready` the future has been
    /// dropped.
    fn poll(
        &self,
        task: TaskRef,
        wakers: &'static RawWakerVTable,
    ) -> Poll<Result<F::Output, JoinError>> {
        self.frame().run_poll(|| {
            let waker = BorrowedWaker::new(task, wakers);
            let mut cx = Context::from_waker(&waker);
            let poll = || {
                self.stage.with_mut(|stage| {
                    // SAFETY: rule T2: we run the task, so the stage is ours.
                    let Stage::Future(future) = (unsafe { &mut *stage }) else {
                        unreachable!("a task that is not complete holds its future")
                    };
                    // SAFETY: pinned by the allocation: it is not moved until it is dropped in
                    // place.
                    let polled = unsafe { Pin::new_unchecked(future) }.poll(&mut cx);
                    if polled.is_ready() {
                        // SAFETY: as above. A destructor that panics is caught with the poll.
                        unsafe { *stage = Stage::Consumed }
                    }
                    polled
                })
            };
            // SAFETY: we run the task, so it is alive.
            match unsafe { catch_unwind_of(task.owner_address(), poll) } {
                Ok(polled) => polled.map(Ok),
                Err(panic) => {
                    // The panic was first, and is what the joiner hears of.
                    catch_and_discard(|| drop(self.drop_stage(task)));
                    Poll::Ready(Err(JoinError::panicked(task.id(), panic)))
                }
            }
        })
    }

    /// Drops the future of an aborted task, in the task's frame. It is not a poll, so it has no
    /// budget; that of a poll around it is restored.
    fn cancel(&self, task: TaskRef) -> Result<F::Output, JoinError> {
        coop::with_unconstrained(|| {
            self.in_frame(|| {
                let panic = self.drop_stage(task).err();
                Err(panic.unwrap_or_else(|| JoinError::cancelled(task.id())))
            })
        })
    }

    /// Drops what the stage holds, in the caller's frame; an error is the panic of a destructor.
    fn drop_stage(&self, task: TaskRef) -> Result<(), JoinError> {
        let drop_value = || {
            // SAFETY: the stage is the caller's (T2). The assignment drops the old value in place
            // and stores the new one even where that unwinds.
            self.stage
                .with_mut(|stage| unsafe { *stage = Stage::Consumed });
        };
        // SAFETY: the caller keeps the task alive.
        unsafe { catch_unwind_of(task.owner_address(), drop_value) }
            .map_err(|panic| JoinError::panicked(task.id(), panic))
    }

    fn in_frame<R>(&self, f: impl FnOnce() -> R) -> R {
        self.frame().run(f)
    }

    /// The task's frame, for the time of one call of user code by the runner.
    fn frame(&self) -> &Frame {
        // SAFETY: rule T3: the runner alone changes the frame's cell, and not before that call
        // returned.
        self.header.frame.with(|frame| unsafe { &*frame })
    }

    /// The end of a task whose future is gone. It may be freed before this returns, so this takes
    /// no reference to it.
    ///
    /// # Safety
    ///
    /// The caller runs the task (T2).
    unsafe fn end(pointer: NonNull<Header>, mut output: Result<F::Output, JoinError>) {
        // SAFETY: alive until our own reference is given up, below.
        let (core, task) = unsafe { (Self::of(pointer), TaskRef::new(pointer)) };
        if const { L::MAY_HAVE_NAME }
            && let Err(error) = &mut output
        {
            error.set_name(core.label.name());
        }
        if task.extension().is_some() {
            // SAFETY: we run the task, and the frame is still there.
            unsafe { observe::ended(task) }
        }
        core.scheduler.release(task);
        let state = &core.header.state;
        // Unnoticed: never, because the output is then stored, and discarded when the task is
        // complete.
        if state.is_detached() {
            // An output without a destructor needs no frame: nothing would run in it.
            if mem::needs_drop::<F::Output>() || output.is_err() {
                core.in_frame(|| core.discard(task, output));
            } else {
                mem::forget(output);
            }
        } else {
            // SAFETY: rule T2: not complete yet, so the stage is still ours.
            core.stage
                .with_mut(|stage| unsafe { *stage = Stage::Output(output) });
        }
        // SAFETY: rule T3: we run the task, so the frame is ours.
        let is_root = core
            .header
            .frame
            .with(|frame| unsafe { (*frame).is_root() });
        // Unnoticed: never, because the two steps of a task in a frame do the same.
        let done = if is_root {
            match state.complete_and_finish() {
                (OutputOwner::Detached, FinishAction::Nothing) => {
                    core.in_frame(|| core.discard_stage(task));
                    if state.drop_reference() {
                        FinishAction::Free
                    } else {
                        FinishAction::Nothing
                    }
                }
                (OutputOwner::Detached, done) => {
                    core.in_frame(|| core.discard_stage(task));
                    done
                }
                (OutputOwner::Joined, done) => done,
            }
        } else {
            if state.complete() == OutputOwner::Detached {
                core.in_frame(|| core.discard_stage(task));
            }
            core.release_frame();
            state.finish()
        };
        let free = match done {
            FinishAction::Nothing => return,
            FinishAction::Free => true,
            FinishAction::WakeJoiner => {
                core.wake_joiner();
                if state.release_join_waker() {
                    return;
                }
                core.drop_join_waker();
                state.drop_reference()
            }
        };
        if free {
            // SAFETY: the last reference is gone, so no other thread has the task.
            unsafe {
                if task.extension().is_some() {
                    Self::free_observed(pointer);
                } else {
                    Self::free(pointer);
                }
            }
        }
    }

    /// Drops the frame; the destructors of its values run at the worker's root.
    fn release_frame(&self) {
        // SAFETY: rule T3: we run the task and nothing borrows the frame any more.
        let frame = self
            .header
            .frame
            .with_mut(|frame| unsafe { mem::take(&mut *frame) });
        if frame.is_mirrored() {
            // It may be the one that is announced.
            announce_current();
        }
        // The panic hook has printed the panic of a destructor; the joiner must not wait forever.
        catch_and_discard(|| drop(frame));
    }

    fn wake_joiner(&self) {
        // SAFETY: rule T4: JOIN_WAKER is on, so both sides only read the slot.
        self.header.join_waker.with(|waker| unsafe {
            if let Some(waker) = &*waker {
                // A user-supplied waker may panic; the references must still balance.
                catch_and_discard(|| waker.wake_by_ref());
            }
        });
    }

    fn drop_join_waker(&self) {
        // SAFETY: rule T4: the handle went while JOIN_WAKER was on, so the slot is ours.
        let waker = self
            .header
            .join_waker
            .with_mut(|waker| unsafe { (*waker).take() });
        catch_and_discard(|| drop(waker));
    }

    /// Drops the output of a task without a joiner, in the caller's frame.
    fn discard(&self, task: TaskRef, output: Result<F::Output, JoinError>) {
        // Unnoticed: moved behind the next, because what returns there is no error.
        if let Err(error) = &output
            && error.is_panic()
        {
            self.scheduler.unhandled_panic(error);
        }
        if !mem::needs_drop::<F::Output>() && output.is_ok() {
            return;
        }
        // SAFETY: the caller keeps the task alive.
        unsafe { with_owner(task.owner_address(), || catch_and_discard(|| drop(output))) }
    }

    /// Like [`discard`](Self::discard), for an output that was stored already, or never.
    fn discard_stage(&self, task: TaskRef) {
        if let Some(output) = self.take_stage() {
            self.discard(task, output);
        }
    }

    fn take_stage(&self) -> Option<Result<F::Output, JoinError>> {
        // SAFETY: rule T2: the task is complete, and the caller owns the output.
        let stage = self
            .stage
            .with_mut(|stage| unsafe { mem::replace(&mut *stage, Stage::Consumed) });
        match stage {
            Stage::Output(output) => Some(output),
            Stage::Consumed => None,
            Stage::Future(_) => unreachable!("a complete task holds no future"),
        }
    }

    /// # Safety
    ///
    /// The caller is the task's holder and gives that up, and a reference or the like keeps the
    /// task alive until this returns.
    unsafe fn schedule(pointer: NonNull<Header>) {
        // SAFETY: alive, by the contract.
        let (core, task) = unsafe { (Self::of(pointer), TaskRef::new(pointer)) };
        core.scheduler.schedule(task);
    }

    /// # Safety
    ///
    /// A reference keeps the task alive until this returns.
    unsafe fn owner(pointer: NonNull<Header>) -> *const () {
        // SAFETY: by the contract.
        unsafe { Self::of(pointer) }.scheduler.owner()
    }

    /// # Safety
    ///
    /// The task is alive.
    unsafe fn name(pointer: NonNull<Header>) -> Option<NonNull<Arc<str>>> {
        // SAFETY: by the contract.
        let name = unsafe { Self::of(pointer) }.label.name();
        name.map(NonNull::from)
    }

    /// # Safety
    ///
    /// The task is aborted, and a reference keeps it alive until this returns. Its future may be
    /// dropped on any thread if its scheduler's `remove_queued` can return `true` (T6).
    unsafe fn remove_queued(pointer: NonNull<Header>) {
        // SAFETY: alive, by the contract.
        let (core, task) = unsafe { (Self::of(pointer), TaskRef::new(pointer)) };
        if core.scheduler.remove_queued(task) {
            // SAFETY: the task is runnable, and the caller is its holder now.
            let ran = unsafe { task.run() };
            debug_assert!(
                matches!(ran, RunResult::Done),
                "an aborted task is not polled"
            );
        }
    }

    /// # Safety
    ///
    /// The caller is the join handle, the task is finished, and `destination` points to an
    /// `Option<Result<F::Output, JoinError>>`.
    unsafe fn take_output(pointer: NonNull<Header>, destination: *mut ()) {
        // SAFETY: by the contract.
        unsafe {
            let output = Self::of(pointer).take_stage();
            *destination.cast::<Option<Result<F::Output, JoinError>>>() = output;
        }
    }

    /// # Safety
    ///
    /// The caller is the join handle, and the task is complete.
    unsafe fn drop_output(pointer: NonNull<Header>) {
        // As by the worker, had the handle been dropped earlier: a destructor that panics does not
        // reach the code that drops the handle.
        // SAFETY: by the contract. The caller's reference keeps the task alive.
        unsafe { Self::of(pointer).discard_stage(TaskRef::new(pointer)) }
    }

    /// # Safety
    ///
    /// No other thread has the task, and its future is dropped.
    unsafe fn free(pointer: NonNull<Header>) {
        // SAFETY: it came from Box::leak in `allocate_core`, and no other thread has it.
        let core = unsafe { Box::from_raw(pointer.cast::<Self>().as_ptr()) };
        core.observe_free();
    }

    /// # Safety
    ///
    /// Like [`free`](Self::free), for an observed task.
    unsafe fn free_observed(pointer: NonNull<Header>) {
        // SAFETY: rule T1: the pointer may be used for the whole allocation, which is a
        // box of this type; no other thread has it. The extension is dropped before the
        // scheduler, which keeps the observer (T7).
        let observed = unsafe {
            let extension = pointer.byte_sub(offset_of!(Observed<F, S, L>, core));
            Box::from_raw(extension.cast::<Observed<F, S, L>>().as_ptr())
        };
        observed.core.observe_free();
    }

    /// Lets a model see a use of the task that is not over yet; compiles to nothing.
    fn observe_free(&self) {
        self.header.frame.with_mut(|_| ());
        self.header.links.with_mut(|_| ());
        self.header.join_waker.with_mut(|_| ());
        self.stage.with_mut(|_| ());
    }
}
