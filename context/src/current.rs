//! The current frame of this thread, and the ids of new frames: the only thread-locals that the
//! fast paths touch.
//!
//! The pointer is *borrowed*: whoever sets it holds the frame for as long as it is set, so neither
//! entering nor leaving a frame moves a reference count. Only [`Frame::run`](crate::Frame::run)
//! changes it, through [`enter`], and restores it on every way out.
//!
//! Neither thread-local has a destructor: both can be used in the destructors of others (C-81).

use std::mem;
use std::ptr;

use framewise_sync::cell::Cell;

use crate::block::Block;
use crate::panic;
use crate::statics::batches::{Batches, ID_BATCH};

framewise_sync::thread_local! {
    static CURRENT: Cell<*const Block> = const { Cell::new(ptr::null()) };
    static NEXT_ID: Cell<u64> = const { Cell::new(0) };
}

static BATCHES: Batches = Batches::new();

/// The current frame; null is the root. Alive until the `run` that made it current returns, which
/// is after its caller returns.
#[inline(always)]
pub(crate) fn get() -> *const Block {
    CURRENT.with(Cell::get)
}

/// Makes `block` current while `body` runs.
///
/// # Safety
///
/// `block` is null or alive until this returns or unwinds.
#[inline(always)]
pub(crate) unsafe fn enter<R>(block: *const Block, body: impl FnOnce() -> R) -> R {
    let restore = Restore {
        previous: CURRENT.with(|current| current.replace(block)),
    };
    let result = body();
    CURRENT.with(|current| current.set(restore.previous));
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
        CURRENT.with(|current| current.set(self.previous));
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
