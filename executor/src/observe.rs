//! Observing tasks: the hooks of a runtime, and the record of what wakes a task.
//!
//! Owns what a task is extended by in a runtime that observes its tasks, and the steps around
//! spawn, wake, poll and end that such a task takes. A task of any other runtime has no extension,
//! and another vtable, so that it pays nothing at a poll or a wake, and one test where it is made
//! and where it ends. The steps know no type of a future: each of them calls the ordinary function
//! from the [plain](crate::task::header::Vtable::plain) table.
//!
//! This file has the steps, in the order of a task's life; `extension.rs` what they work on,
//! `hooks.rs` the user's hooks, `wakes.rs` the record of wakes and ancestors.

mod extension;
mod hooks;
mod wakes;

use std::ptr::NonNull;
use std::sync::Arc;
use std::task::RawWakerVTable;

pub(crate) use self::extension::Extension;
pub(crate) use self::hooks::Hooks;
#[cfg(any(framewise_loom, framewise_shuttle))]
pub(crate) use self::hooks::TaskHook;
pub use self::hooks::TaskMeta;
pub use self::wakes::{Ancestor, Wake, WakeSource, last_wake, lineage};
use crate::account::runtime::RuntimeAccount;
use crate::panics::PanicHook;
use crate::task::header::{Header, Polled, TaskRef, Vtable};
use crate::task::mirrored;

/// What a runtime observes its tasks by. It is made with the runtime, and ends after all of its
/// tasks (rule T7 in `task/header.rs`).
pub(crate) struct Observer {
    hooks: Hooks,
    /// `true` if wakes and ancestors are recorded.
    tracks_wakes: bool,
    unhandled_panic: Option<PanicHook>,
    /// The runtime's account, if it has one.
    pub(crate) account: Option<Arc<RuntimeAccount>>,
}

/// How much of a task's life is observed: which vtable it needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Observation {
    /// Its spawn and its end.
    Ends,
    /// Its wakes, and the time of its polls.
    Accounted,
    /// All of it.
    Everything,
}

impl Observer {
    /// Returns the observer of a runtime with these settings; `None` if it observes nothing.
    pub(crate) fn new(
        hooks: Hooks,
        tracks_wakes: bool,
        unhandled_panic: Option<PanicHook>,
        account: Option<Arc<RuntimeAccount>>,
    ) -> Option<Self> {
        (tracks_wakes || account.is_some() || !hooks.is_empty()).then_some(Self {
            hooks,
            tracks_wakes,
            unhandled_panic,
            account,
        })
    }

    /// Returns how much is observed of a task.
    pub(crate) fn observation(&self) -> Observation {
        if self.tracks_wakes || self.hooks.are_of_polls() {
            Observation::Everything
        } else if self.account.is_some() {
            Observation::Accounted
        } else {
            Observation::Ends
        }
    }
}

/// Returns the ordinary table of an observed task.
fn plain(task: TaskRef) -> &'static Vtable {
    let plain = task.header().vtable.plain;
    plain.expect("the table of an observed task names the plain one")
}

fn extension(task: &TaskRef) -> &Extension {
    task.extension().expect("an observed task has an extension")
}

/// A task was made.
///
/// # Safety
///
/// The task is observed. The caller is its holder, and has not scheduled it.
pub(crate) unsafe fn spawned(task: TaskRef) {
    // SAFETY: by the contract.
    unsafe { extension(&task).spawned(task) }
}

/// Records which code wakes the task. The caller has a reference, and wakes the task next.
pub(crate) fn woken(task: TaskRef) {
    extension(&task).woken();
}

/// Puts a task into a queue.
///
/// # Safety
///
/// Like the function of the plain table.
pub(crate) unsafe fn schedule(pointer: NonNull<Header>) {
    // SAFETY: by the contract.
    unsafe {
        let task = TaskRef::new(pointer);
        extension(&task).runnable();
        (plain(task).schedule)(pointer)
    }
}

/// Polls a task by the plain table.
///
/// # Safety
///
/// Like the function of the plain table, for an observed task.
#[inline(always)]
unsafe fn poll_plainly(pointer: NonNull<Header>, wakers: &'static RawWakerVTable) -> Polled {
    // SAFETY: by the contract: the caller runs the task.
    unsafe {
        let task = TaskRef::new(pointer);
        if task.frame().is_mirrored() {
            mirrored::poll(pointer, wakers)
        } else {
            (plain(task).poll)(pointer, wakers)
        }
    }
}

/// Polls a task, in the midst of its observers.
///
/// # Safety
///
/// Like the function of the plain table, for an observed task.
pub(crate) unsafe fn poll(pointer: NonNull<Header>, _wakers: &'static RawWakerVTable) -> Polled {
    // SAFETY: by the contract: the caller runs the task.
    unsafe {
        let task = TaskRef::new(pointer);
        if extension(&task).is_accounted() {
            return poll_hooked_and_accounted(pointer);
        }
        poll_hooked(pointer)
    }
}

// A function of its own, so that the other path is as short as can be.
#[inline(never)]
unsafe fn poll_hooked_and_accounted(pointer: NonNull<Header>) -> Polled {
    // SAFETY: like in `poll`. `poll_hooked` says whether the caller still runs the task.
    unsafe {
        let task = TaskRef::new(pointer);
        Extension::measure(extension(&task), || poll_hooked(pointer))
    }
}

#[inline(always)]
unsafe fn poll_hooked(pointer: NonNull<Header>) -> Polled {
    // SAFETY: like in `poll`. A task that is pending after the poll is still alive, and the
    // caller's.
    unsafe {
        let task = TaskRef::new(pointer);
        extension(&task).before_poll(task);
        let polled = poll_plainly(pointer, extension(&task).wakers());
        if polled == Polled::Pending {
            extension(&task).after_poll(task);
        }
        polled
    }
}

/// Polls a task whose polls nothing observes but the account: see [`Observation::Accounted`].
///
/// # Safety
///
/// Like the function of the plain table, for an observed task.
pub(crate) unsafe fn poll_accounted(
    pointer: NonNull<Header>,
    wakers: &'static RawWakerVTable,
) -> Polled {
    // SAFETY: like in `poll`.
    unsafe {
        let task = TaskRef::new(pointer);
        Extension::measure(extension(&task), || poll_plainly(pointer, wakers))
    }
}

/// A task is about to be complete: its future is gone, its frame and memory are still there.
///
/// # Safety
///
/// The task is observed, and the caller runs it and has not released the frame.
#[cold]
pub(crate) unsafe fn ended(task: TaskRef) {
    // SAFETY: by the contract.
    unsafe { extension(&task).ended(task) }
}
