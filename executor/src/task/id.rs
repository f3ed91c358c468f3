//! `Id`: what tells tasks apart.

use std::fmt;
use std::num::NonZeroUsize;
use std::ptr::NonNull;

use super::header::Header;

/// Identifies a task among all that exist at the same time.
///
/// A task exists at least until it has ended and its [`JoinHandle`](crate::JoinHandle) and its
/// [`AbortHandle`](crate::task::AbortHandle)s are dropped. A later task may have the same id. The
/// order of ids is arbitrary and differs from run to run, also in a seeded run
/// (`framewise::test`).
///
/// # Examples
///
/// ```
/// framewise::block_on(async {
///     let one = framewise::spawn(async { 1 });
///     let two = framewise::spawn(async { 2 });
///     assert_ne!(one.id(), two.id());
///     assert_eq!(one.id(), one.abort_handle().id());
/// });
/// ```
// The address of the task's memory, so that neither the header nor a spawn has anything to do for
// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(NonZeroUsize);

impl Id {
    /// Returns the id of the task at this address.
    pub(super) fn of(task: NonNull<Header>) -> Self {
        Self(task.addr())
    }

    /// Returns an id that no task has while `owned` lives.
    pub(super) fn of_no_task<T>(owned: &T) -> Self {
        const { assert!(size_of::<T>() > 0, "its address is its own") };
        Self(NonNull::from(owned).addr())
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
