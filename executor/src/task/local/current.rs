//! The set that is being polled on a thread, and spawning onto it.

use std::cell::Cell;
use std::future::Future;
use std::ptr;

use framewise_sync::Arc;

use super::shared::{LocalShared, spawn_on};
use crate::task::JoinHandle;
use crate::task::large::boxed_if_large;

framewise_sync::thread_local! {
    /// The set that is being polled on this thread.
    static CURRENT: Cell<*const LocalShared> = const { Cell::new(ptr::null()) };
}

/// Returns the set that is being polled on this thread, or null.
pub(crate) fn current_set() -> *const LocalShared {
    CURRENT.with(Cell::get)
}

/// Makes the set current again that was so before, also on unwind.
pub(crate) struct MadeCurrent(*const LocalShared);

impl MadeCurrent {
    /// Makes `set` current on this thread, or none if it is null.
    pub(crate) fn new(set: *const LocalShared) -> Self {
        Self(CURRENT.with(|current| current.replace(set)))
    }
}

impl Drop for MadeCurrent {
    fn drop(&mut self) {
        CURRENT.with(|current| current.set(self.0));
    }
}

/// Spawns a task onto the [`LocalSet`](super::LocalSet) that is running on this thread.
///
/// # Panics
///
/// Panics outside of a running set.
///
/// # Frame
///
/// See [`framewise::spawn`](crate::spawn).
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
/// use framewise::task::{LocalSet, spawn_local};
///
/// let set = LocalSet::new();
/// framewise::block_on(set.run_until(async {
///     let shared = Rc::new(41); // not Send
///     let task = spawn_local(async move { *shared + 1 });
///     assert_eq!(task.await.ok(), Some(42));
/// }));
/// ```
#[track_caller]
pub fn spawn_local<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let shared = running_set();
    boxed_if_large!(F, future => spawn_on(&shared, future, ()))
}

/// Returns the set that is being polled on this thread.
///
/// # Panics
///
/// Panics if there is none.
#[track_caller]
pub(in crate::task) fn running_set() -> Arc<LocalShared> {
    let shared = current_set();
    assert!(
        !shared.is_null(),
        "spawn_local was called outside of a running LocalSet: use LocalSet::run_until, or \
         framewise::spawn for a future that is Send"
    );
    // SAFETY: the set is being polled further up on this thread's stack, so it is alive; the count
    // is raised for the Arc that is made here.
    unsafe {
        Arc::increment_strong_count(shared);
        Arc::from_raw(shared)
    }
}
