//! The run that a thread is in, and whether it may block there.
//!
//! Owns the thread-locals by which the ordinary code finds the run (`hooks.rs`).

use std::cell::{Cell, RefCell};
use std::mem::ManuallyDrop;
use std::rc::Rc;

use super::Run;

framewise_sync::thread_local! {
    /// The run that this thread is in. Has no destructor, so that a test may run in the destructor
    /// of another thread-local; `InRun` empties it.
    static RUN: ManuallyDrop<RefCell<Option<Rc<Run>>>> =
        const { ManuallyDrop::new(RefCell::new(None)) };
    /// `true` if there is one, and it has not ended yet.
    static IS_LIVE: Cell<bool> = const { Cell::new(false) };
}

/// Calls `f` with the run that this thread is in.
pub(crate) fn with_run<R>(f: impl FnOnce(&Run) -> R) -> Option<R> {
    // In the destructor of another thread-local, this one may be gone.
    let run = RUN.try_with(|run| run.borrow().clone()).ok().flatten();
    run.map(|run| f(&run))
}

/// Like [`with_run`], while the run lasts.
#[inline]
pub(crate) fn with_live<R>(f: impl FnOnce(&Run) -> R) -> Option<R> {
    if IS_LIVE.with(Cell::get) {
        with_run(f)
    } else {
        None
    }
}

/// Calls `f`; if this thread is in a run, blocking is legal in it.
pub(crate) fn blocking<R>(f: impl FnOnce() -> R) -> R {
    let _restored = with_live(|run| MayBlock::set(run, true));
    f()
}

/// Keeps the thread in a run.
pub(crate) struct InRun(());

impl InRun {
    /// Returns `true` if the thread is in a run.
    pub(crate) fn is_set() -> bool {
        RUN.with(|run| run.borrow().is_some())
    }

    pub(crate) fn enter(run: &Rc<Run>) -> Self {
        let previous = RUN.with(|current| current.replace(Some(Rc::clone(run))));
        debug_assert!(previous.is_none(), "runs do not nest");
        IS_LIVE.with(|live| live.set(true));
        Self(())
    }

    /// Ends the choices: the ordinary order applies from now on.
    pub(crate) fn end(&self) {
        IS_LIVE.with(|live| live.set(false));
    }
}

impl Drop for InRun {
    fn drop(&mut self) {
        self.end();
        let run = RUN.with(|run| run.take());
        drop(run);
    }
}

/// Sets whether blocking is legal, until it is dropped.
pub(super) struct MayBlock {
    flag: Rc<Cell<bool>>,
    previous: bool,
}

impl MayBlock {
    pub(super) fn set(run: &Run, may_block: bool) -> Self {
        Self {
            flag: Rc::clone(&run.may_block),
            previous: run.may_block.replace(may_block),
        }
    }
}

impl Drop for MayBlock {
    fn drop(&mut self) {
        self.flag.set(self.previous);
    }
}
