//! Polls of tasks whose frames bind mirrored variables (C-93).
//!
//! Such a task has a vtable of its own, so that other tasks pay nothing. The steps know no type of
//! a future: they call the ordinary function from the [plain](super::header::Vtable::plain) table.
//! What is called for such a variable is in the context crate's `mirror.rs`.

use std::ptr::NonNull;
use std::task::RawWakerVTable;

use framewise_context::{Frame, announce_current, is_current_mirrored};

use super::header::{Header, Polled, RunResult, TaskRef};

/// Polls a task by the plain table. Its frame is announced before. After the poll the thread's own
/// frame is, while this thread still runs the task: another thread could release the task's frame
/// as soon as the poll is [finished](super::state::TaskState::finish_poll). If the task ends, the
/// frame's release does it.
///
/// # Safety
///
/// Like the function of the plain table, for a task whose table names one.
pub(crate) unsafe fn poll(pointer: NonNull<Header>, wakers: &'static RawWakerVTable) -> Polled {
    // SAFETY: by the contract: the caller runs the task, so its frame is held until it is released
    // (T3), which announces the thread's own.
    unsafe {
        let task = TaskRef::new(pointer);
        let plain = task.header().vtable.plain;
        let plain = plain.expect("the table of a mirrored task names the plain one");
        task.frame().announce();
        let polled = (plain.poll)(pointer, wakers);
        announce_current();
        polled
    }
}

impl TaskRef {
    /// Like [`run`](Self::run), on a thread whose current frame may be mirrored: in the midst of
    /// user code. Between the polls of a worker it is the root.
    ///
    /// # Safety
    ///
    /// See [`run`](Self::run).
    pub(crate) unsafe fn run_nested(self) -> RunResult {
        // SAFETY: the caller is the task's holder (T3).
        if !is_current_mirrored() || unsafe { self.frame().is_mirrored() } {
            // SAFETY: by the contract.
            return unsafe { self.run() };
        }
        // SAFETY: the root needs not be held; the rest by the contract.
        unsafe {
            Frame::root().announce();
            let ran = self.run();
            announce_current();
            ran
        }
    }
}
