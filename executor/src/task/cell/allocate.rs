//! How a task's memory is made: the core, with or without an extension in front of it.

use std::future::Future;
use std::ptr::NonNull;

use framewise_context::Frame;
use framewise_sync::cell::UnsafeCell;

use super::{Core, Observed, Stage};
use crate::observe::{self, Extension};
use crate::task::header::{Header, Links, TaskRef, Vtable};
use crate::task::label::Label;
use crate::task::large::{BoxOutput, is_large};
use crate::task::schedule::Schedule;
use crate::task::state::TaskState;

/// Allocates a task in `frame`. The caller is its holder, and has the join handle's reference
/// (where `joined`) and the task's own. A large output is stored in a box, as the join handle
/// expects (T1). An observed task is spawned by the caller of the `track_caller` function.
#[inline]
#[track_caller]
pub(crate) fn allocate<F: Future, S: Schedule, L: Label>(
    future: F,
    frame: Frame,
    scheduler: S,
    label: L,
    joined: bool,
) -> TaskRef {
    if const { is_large::<F::Output>() } {
        allocate_core(BoxOutput(future), frame, scheduler, label, joined)
    } else {
        allocate_core(future, frame, scheduler, label, joined)
    }
}

// Into the function that spawns: it is on the path of each spawn.
#[inline(always)]
#[track_caller]
fn allocate_core<F: Future, S: Schedule, L: Label>(
    future: F,
    frame: Frame,
    scheduler: S,
    label: L,
    joined: bool,
) -> TaskRef {
    if const { L::IS_OBSERVABLE } && scheduler.observer().is_some() {
        return allocate_observed(future, frame, scheduler, label, joined);
    }
    let vtable = if frame.is_mirrored() {
        &Core::<F, S, L>::MIRRORED
    } else {
        &Core::<F, S, L>::VTABLE
    };
    let mut memory = Box::<Core<F, S, L>>::new_uninit();
    // SAFETY: the place is that of the box, which is forgotten: the task's last reference frees it.
    unsafe {
        Core::write(
            memory.as_mut_ptr(),
            future,
            frame,
            scheduler,
            label,
            joined,
            vtable,
        )
    };
    let pointer = NonNull::from(Box::leak(memory)).cast();
    // SAFETY: the pointer is to a live task, which the caller's references keep alive.
    unsafe { TaskRef::new(pointer) }
}

/// Like [`allocate_core`], for a scheduler with an observer. It is a function of its own, so that
/// the other path is as short as can be.
#[cold]
#[inline(never)]
#[track_caller]
fn allocate_observed<F: Future, S: Schedule, L: Label>(
    future: F,
    frame: Frame,
    scheduler: S,
    label: L,
    joined: bool,
) -> TaskRef {
    let observer = scheduler.observer().expect("the caller has found one");
    let vtable = Core::<F, S, L>::observed_table(observer, &frame);
    let observer = NonNull::from(observer);
    let mut memory = Box::<Observed<F, S, L>>::new_uninit();
    // SAFETY: the places are those of a box that is large enough; both are written before it is
    // used. The observer is the scheduler's, which is in the box (T7).
    unsafe {
        let place = memory.as_mut_ptr();
        let extension = Extension::new(observer, S::BLOCKS, &frame);
        Core::write(
            &raw mut (*place).core,
            future,
            frame,
            scheduler,
            label,
            joined,
            vtable,
        );
        (&raw mut (*place).extension).write(extension);
    }
    // The pointer to the core comes from the one to the box, so it may be used for all of it (T1).
    let place: *mut Observed<F, S, L> = Box::into_raw(memory).cast();
    // SAFETY: the place is that of the core, in the box.
    let core = unsafe { NonNull::new_unchecked(&raw mut (*place).core) };
    // SAFETY: the pointer is to a live task, which the caller's references keep alive.
    let task = unsafe { TaskRef::new(core.cast()) };
    // SAFETY: the caller is the task's holder.
    unsafe { observe::spawned(task) }
    task
}

impl<F: Future, S: Schedule, L: Label> Core<F, S, L> {
    /// Writes a new task to `place`, field by field: a whole one would be made on the stack first,
    /// and copied.
    ///
    /// # Safety
    ///
    /// `place` is valid for writes.
    #[inline(always)]
    unsafe fn write(
        place: *mut Self,
        future: F,
        frame: Frame,
        scheduler: S,
        label: L,
        joined: bool,
        vtable: &'static Vtable,
    ) {
        let state = if joined {
            TaskState::new()
        } else {
            TaskState::new_detached()
        };
        // SAFETY: the caller's promise. No field is left out.
        unsafe {
            (&raw mut (*place).header).write(Header {
                state,
                vtable,
                frame: UnsafeCell::new(frame),
                links: UnsafeCell::new(Links::default()),
                join_waker: UnsafeCell::new(None),
            });
            (&raw mut (*place).scheduler).write(scheduler);
            (&raw mut (*place).label).write(label);
            (&raw mut (*place).stage).write(UnsafeCell::new(Stage::Future(future)));
        }
    }
}
