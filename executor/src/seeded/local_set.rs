//! The current local set, in the nested loops of a seeded run.
//!
//! A loop that runs further up on the stack of a set's poll runs tasks that are not in the set. The
//! future of its `block_on` is: it may spawn onto the set.

use std::future::Future;
use std::ptr;

use crate::task::local::current::{MadeCurrent, current_set};

/// Makes no set current on this thread, until the guard is dropped.
pub(super) fn leave_current_set() -> MadeCurrent {
    MadeCurrent::new(ptr::null())
}

/// Wraps `future` so that the set that is current here is current in its polls.
///
/// # Safety
///
/// The future ends before the caller returns: until then the set is being polled, further down on
/// the stack. A task that the future spawns onto the set finds it by a pointer.
pub(super) unsafe fn in_current_set<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let set = current_set();
    async move {
        let mut future = std::pin::pin!(future);
        std::future::poll_fn(|cx| {
            let _current = MadeCurrent::new(set);
            future.as_mut().poll(cx)
        })
        .await
    }
}
