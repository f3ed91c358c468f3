//! Running user code whose panic no caller can be given.

use std::mem;
use std::panic::{self, AssertUnwindSafe};

use framewise_context::catch_unwind;

/// Calls `f` and discards its panic, which the process's panic hook has printed by then.
///
/// Dropping a panic's payload runs user code, too. If that panics, its own payload is leaked, since
/// dropping payloads could go on forever.
pub(crate) fn catch_and_discard(f: impl FnOnce()) {
    if let Err(caught) = catch_unwind(f)
        && let Err(again) = panic::catch_unwind(AssertUnwindSafe(|| drop(caught)))
    {
        mem::forget(again);
    }
}
