//! The current frame and the budget of this thread, and the ids of new frames: the only
//! thread-locals that fast paths touch.
//!
//! The pointer is *borrowed*: the caller of [`enter`] holds the frame while it is current, so
//! entering and leaving a frame changes no reference count. Only [`Frame::run`](crate::Frame::run)
//! changes the pointer, through [`enter`], and restores it also when it unwinds; and the hooks that
//! tokio calls around a poll (`tokio/hooks.rs`), through [`replace`].
//!
//! The budget lies beside the pointer, because a task's poll sets both: the thread-local's address
//! is computed once for the two. [`coop`] defines the budget's values.
//!
//! Neither thread-local has a destructor, so both work in the destructors of other thread-locals
//! (C-81).

use std::mem;
use std::ptr;

use framewise_sync::cell::Cell;

use crate::block::Block;
use crate::coop::{self, Budget};
use crate::mirror;
use crate::panic;
use crate::statics::batches::{Batches, ID_BATCH};

struct Current {
    frame: Cell<*const Block>,
    budget: Cell<Budget>,
    /// The frame whose mirrored values the callbacks got last, or null; see
    /// [`mirror`](crate::mirror).
    announced: Cell<*const Block>,
    /// `true` while the callbacks of mirrored variables run.
    announces: Cell<bool>,
}

framewise_sync::thread_local! {
    static CURRENT: Current = const {
        Current {
            frame: Cell::new(ptr::null()),
            budget: Cell::new(coop::NO_BUDGET),
            announced: Cell::new(ptr::null()),
            announces: Cell::new(false),
        }
    };
    static NEXT_ID: Cell<u64> = const { Cell::new(0) };
}

static BATCHES: Batches = Batches::new();

/// Returns the current frame; null is the root. It is alive until the `run` that made it current
/// returns, which is after the caller of this function has returned.
#[inline(always)]
pub(crate) fn get() -> *const Block {
    CURRENT.with(|current| current.frame.get())
}

/// Returns this thread's remaining budget.
#[inline(always)]
pub(crate) fn budget() -> Budget {
    CURRENT.with(|current| current.budget.get())
}

/// Sets the budget; returns the previous one.
#[inline(always)]
pub(crate) fn set_budget(budget: Budget) -> Budget {
    CURRENT.with(|current| current.budget.replace(budget))
}

/// Makes `block` current while `body` runs.
///
/// # Safety
///
/// `block` is null or alive until this returns or unwinds.
#[inline(always)]
pub(crate) unsafe fn enter<R>(block: *const Block, body: impl FnOnce() -> R) -> R {
    if mirror::is_used() {
        // SAFETY: the caller's promise: `block` is alive until `run` has announced the previous
        // frame, which is alive as long as its own call of this function runs (rule 4).
        unsafe { mirror::switch(block) }
    }
    let previous = CURRENT.with(|current| current.frame.replace(block));
    run::<true, R>(previous, body)
}

/// Like [`enter`], with a full budget. The budget is not restored, and no mirrored variable is
/// announced.
///
/// # Safety
///
/// See [`enter`].
#[inline(always)]
pub(crate) unsafe fn enter_with_budget<R>(block: *const Block, body: impl FnOnce() -> R) -> R {
    let previous = CURRENT.with(|current| {
        current.budget.set(coop::FULL);
        current.frame.replace(block)
    });
    run::<false, R>(previous, body)
}

/// Makes `block` current; returns the previous frame, which the caller makes current again.
///
/// # Safety
///
/// `block` is null or alive until then. In between, the thread leaves no frame that it was in
/// before this call.
#[cfg(all(feature = "tokio", tokio_unstable))]
pub(crate) unsafe fn replace(block: *const Block) -> *const Block {
    if mirror::is_used() {
        // SAFETY: the caller's promise.
        unsafe { mirror::switch(block) }
    }
    CURRENT.with(|current| current.frame.replace(block))
}

/// Runs `body`, and makes `previous` current afterwards; announces it, too, where `ANNOUNCES`.
#[inline(always)]
fn run<const ANNOUNCES: bool, R>(previous: *const Block, body: impl FnOnce() -> R) -> R {
    let restore = Restore::<ANNOUNCES> { previous };
    let result = body();
    if ANNOUNCES && mirror::is_used() {
        // SAFETY: (rule 4) the previous frame is alive, and left after this.
        unsafe { mirror::switch(restore.previous) }
    }
    CURRENT.with(|current| current.frame.set(restore.previous));
    mem::forget(restore);
    result
}

/// Restores the previous frame when `enter` unwinds; forgotten when it returns.
struct Restore<const ANNOUNCES: bool> {
    previous: *const Block,
}

impl<const ANNOUNCES: bool> Drop for Restore<ANNOUNCES> {
    #[cold]
    fn drop(&mut self) {
        // The guards inside have run already, so the current frame is the one that is left now.
        panic::leave(get(), self.previous);
        if ANNOUNCES && mirror::is_used() {
            // SAFETY: like in `run`.
            unsafe { mirror::switch(self.previous) }
        }
        CURRENT.with(|current| current.frame.set(self.previous));
    }
}

/// Begins to announce `next`, which is null or has mirrored values; returns the frame that was
/// announced before. `None` if that is the same one, or if this thread is in a callback of a
/// mirrored variable: nothing is to be called.
pub(crate) fn announce(next: *const Block) -> Option<*const Block> {
    CURRENT.with(|current| {
        let announced = current.announced.get();
        if ptr::eq(announced, next) || current.announces.replace(true) {
            return None;
        }
        current.announced.set(next);
        Some(announced)
    })
}

/// Ends what [`announce`] began.
pub(crate) fn end_announcement() {
    CURRENT.with(|current| current.announces.set(false));
}

/// Makes `block` current while `body` runs, which does not unwind. It is not announced.
///
/// # Safety
///
/// See [`enter`].
pub(crate) unsafe fn with_unannounced(block: *const Block, body: impl FnOnce()) {
    let previous = CURRENT.with(|current| current.frame.replace(block));
    run::<false, ()>(previous, body);
}

/// Returns an id that no other frame of the process has. Never 0, which is the root's.
#[inline]
pub(crate) fn next_id() -> u64 {
    NEXT_ID.with(|next| {
        let id = next.get();
        let id = if id % ID_BATCH == 0 { next_batch() } else { id };
        next.set(id + 1);
        id
    })
}

/// Takes a batch of ids. The multiples of `ID_BATCH` mark its end and are not used themselves.
#[cold]
#[inline(never)]
fn next_batch() -> u64 {
    let ask_again = panic::forget_stale();
    let mark = BATCHES.take();
    mark + if ask_again { ID_BATCH - 1 } else { 1 }
}

/// Makes the next [`next_id`] call [`next_batch`], which discards the record of a panic that was
/// caught long ago. The cost is the rest of a batch of ids; no fast path pays for it.
pub(crate) fn end_batch() {
    NEXT_ID.with(|next| next.set(0));
}
