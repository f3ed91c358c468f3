//! Running user code whose panic nobody hears of.

use std::mem;
use std::panic::{self, AssertUnwindSafe};

use framewise_context::catch_unwind;

/// Calls `f` and goes on whatever it does: the process's panic hook has printed a panic by then.
///
/// A panic's payload is user code, too, when it is dropped. What that throws in turn is leaked, as
/// dropping it could go on for ever.
pub(crate) fn catch_and_discard(f: impl FnOnce()) {
    if let Err(caught) = catch_unwind(f)
        && let Err(again) = panic::catch_unwind(AssertUnwindSafe(|| drop(caught)))
    {
        mem::forget(again);
    }
}
