//! Which threads are destroying the tasks of an owner that ends: a runtime, a blocking pool, a local
//! set.
//!
//! Owns one thread-local. The destructors that such a thread runs must not wait for what the thread
//! itself would have to do next: no worker is left to drive the runtime, and the tasks that are still
//! to be destroyed are behind the waiting one. So [`block_on`](crate::runtime::Handle::block_on) panics
//! on a thread that ends a runtime, and a `JoinHandle` that is polled on a thread that ends any owner
//! gives the cancelled error at once where its task was aborted and is not finished.

use std::cell::Cell;

/// What this thread is ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Nothing.
    Nothing,
    /// The tasks of one owner; the runtime around it works on.
    Tasks,
    /// A runtime, which has no worker any more.
    Runtime,
}

framewise_sync::thread_local! {
    static ENDING: Cell<Ending> = const { Cell::new(Ending::Nothing) };
}

/// Runs `f`, which destroys the tasks of an owner.
pub(crate) fn while_ending<R>(what: Ending, f: impl FnOnce() -> R) -> R {
    /// Restores the value on unwind too.
    struct Restore(Ending);
    impl Drop for Restore {
        fn drop(&mut self) {
            ENDING.with(|ending| ending.set(self.0));
        }
    }

    let before = ENDING.with(Cell::get);
    // A set that ends within a runtime that ends does not make that runtime usable again.
    let now = if before == Ending::Runtime {
        before
    } else {
        what
    };
    ENDING.with(|ending| ending.set(now));
    let _restore = Restore(before);
    f()
}

/// Returns `true` on a thread that destroys tasks, whatever owned them.
#[cold]
pub(crate) fn is_ending_tasks() -> bool {
    ENDING.with(Cell::get) != Ending::Nothing
}

/// Returns `true` on a thread that ends a runtime.
pub(crate) fn is_ending_runtime() -> bool {
    ENDING.with(Cell::get) == Ending::Runtime
}
