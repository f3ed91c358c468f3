//! Which runtimes or pools this thread is ending.
//!
//! While a runtime ends, its last thread runs user code: the destructors of the remaining futures,
//! callbacks and closures, wakers, and the unhandled-panic hook. No worker runs beside it, so that
//! thread must not wait for what only a worker, or the thread itself, could do. `block_on` and
//! `JoinHandle` check here.

use std::cell::Cell;
use std::ptr;

framewise_sync::thread_local! {
    /// The innermost end that this thread is running, on the stack of `while_ending`.
    static INNERMOST: Cell<*const Ending> = const { Cell::new(ptr::null()) };
    /// Set within `block_in_place`.
    static MAY_BLOCK: Cell<bool> = const { Cell::new(false) };
}

struct Ending {
    /// The address of what ends; compared, never read through.
    owner: *const (),
    outer: *const Ending,
    could_block: bool,
}

impl Drop for Ending {
    fn drop(&mut self) {
        INNERMOST.with(|innermost| innermost.set(self.outer));
        MAY_BLOCK.with(|may_block| may_block.set(self.could_block));
    }
}

/// Calls `f`, which ends tasks of `owner`.
pub(crate) fn while_ending<R>(owner: *const (), f: impl FnOnce() -> R) -> R {
    let ending = Ending {
        owner,
        outer: INNERMOST.with(Cell::get),
        could_block: MAY_BLOCK.with(|may_block| may_block.replace(false)),
    };
    INNERMOST.with(|innermost| innermost.set(&raw const ending));
    f()
}

/// Returns `true` on a thread that is ending something.
#[inline]
pub(crate) fn is_ending_any() -> bool {
    !INNERMOST.with(Cell::get).is_null()
}

/// Returns `true` on a thread that is ending `owner`.
#[cold]
pub(crate) fn is_ending(owner: *const ()) -> bool {
    let mut next = INNERMOST.with(Cell::get);
    // SAFETY: each is on this thread's stack, in a `while_ending` that has not returned: its
    // destructor sets the pointer back.
    while let Some(ending) = unsafe { next.as_ref() } {
        if ptr::eq(ending.owner, owner) {
            return true;
        }
        next = ending.outer;
    }
    false
}

/// Returns `true` on a thread that is ending `owner` and is not in `block_in_place`.
pub(crate) fn must_not_block(owner: *const ()) -> bool {
    is_ending_any() && !MAY_BLOCK.with(Cell::get) && is_ending(owner)
}

/// Calls `f`, which may block.
pub(crate) fn while_blocking<R>(f: impl FnOnce() -> R) -> R {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            MAY_BLOCK.with(|may_block| may_block.set(self.0));
        }
    }
    let _restore = Restore(MAY_BLOCK.with(|may_block| may_block.replace(true)));
    f()
}
