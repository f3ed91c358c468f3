//! The current frame and the budget of this thread, and the ids of new frames: the only
//! thread-locals that the fast paths touch.
//!
//! The pointer is *borrowed*: whoever sets it holds the frame for as long as it is set, so neither
//! entering nor leaving a frame moves a reference count. Only [`Frame::run`](crate::Frame::run)
//! changes it, through [`enter`], and restores it on every way out.
//!
//! The budget lies beside the pointer, since a task's poll sets both: the thread-local's address is
//! computed once for the two. What its values mean is [`coop`]'s.
//!
//! Neither thread-local has a destructor: both can be used in the destructors of others (C-81).

use std::mem;
use std::ptr;

use framewise_sync::cell::Cell;

use crate::block::Block;
use crate::coop::{self, Budget};
use crate::panic;
use crate::statics::batches::{Batches, ID_BATCH};

struct Current {
    frame: Cell<*const Block>,
    budget: Cell<Budget>,
}

framewise_sync::thread_local! {
    static CURRENT: Current = const {
        Current {
            frame: Cell::new(ptr::null()),
            budget: Cell::new(coop::NO_BUDGET),
        }
    };
    static NEXT_ID: Cell<u64> = const { Cell::new(0) };
}

static BATCHES: Batches = Batches::new();

/// The current frame; null is the root. Alive until the `run` that made it current returns, which
/// is after its caller returns.
#[inline(always)]
pub(crate) fn get() -> *const Block {
    CURRENT.with(|current| current.frame.get())
}

/// The budget that this thread has left.
#[inline(always)]
pub(crate) fn budget() -> Budget {
    CURRENT.with(|current| current.budget.get())
}

/// Sets the budget and returns the one before.
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
    run(CURRENT.with(|current| current.frame.replace(block)), body)
}

/// Like [`enter`], with a full budget. The budget is not restored.
///
/// # Safety
///
/// As for [`enter`].
#[inline(always)]
pub(crate) unsafe fn enter_with_budget<R>(block: *const Block, body: impl FnOnce() -> R) -> R {
    let previous = CURRENT.with(|current| {
        current.budget.set(coop::FULL);
        current.frame.replace(block)
    });
    run(previous, body)
}

/// Runs `body`, and makes `previous` current afterwards.
#[inline(always)]
fn run<R>(previous: *const Block, body: impl FnOnce() -> R) -> R {
    let restore = Restore { previous };
    let result = body();
    CURRENT.with(|current| current.frame.set(restore.previous));
    mem::forget(restore);
    result
}

/// Puts the previous frame back when `enter` unwinds; forgotten when it returns.
struct Restore {
    previous: *const Block,
}

impl Drop for Restore {
    #[cold]
    fn drop(&mut self) {
        // Everything inside has restored already, so the current frame is the one left now.
        panic::leave(get(), self.previous);
        CURRENT.with(|current| current.frame.set(self.previous));
    }
}

/// An id that no other frame of the process has. Never 0, which is the root's.
#[inline]
pub(crate) fn next_id() -> u64 {
    NEXT_ID.with(|next| {
        let id = next.get();
        let id = if id % ID_BATCH == 0 { next_batch() } else { id };
        next.set(id + 1);
        id
    })
}

/// Takes a batch of ids: the multiples of `ID_BATCH` mark its end and are not used themselves.
#[cold]
#[inline(never)]
fn next_batch() -> u64 {
    let ask_again = panic::forget_stale();
    let mark = BATCHES.take();
    mark + if ask_again { ID_BATCH - 1 } else { 1 }
}

/// Sends the next [`next_id`] through [`next_batch`], where a record of a panic that was caught
/// long ago is thrown away. It costs what is left of a batch of ids, and nothing on a fast path.
pub(crate) fn end_batch() {
    NEXT_ID.with(|next| next.set(0));
}
