//! The task whose code runs on this thread: `id`, `try_id`, `name`.
//!
//! A task's poll names the task to `framewise_context::catch_unwind_of`, with the word that it
//! stores there anyway. Outside of a poll, destructors of futures and outputs do the same.

use std::ptr::NonNull;
use std::sync::Arc;

use super::Id;
use super::header::{Header, TaskRef};

/// Calls `f` with the task whose code runs here, if there is one.
pub(crate) fn with<R>(f: impl FnOnce(TaskRef) -> R) -> Option<R> {
    let owner = framewise_context::current_owner();
    let header = NonNull::new(owner.cast_mut().cast::<Header>())?;
    // SAFETY: owners are tasks, which are alive while their code runs, and so while `f` does.
    Some(f(unsafe { TaskRef::new(header) }))
}

/// Returns the id of the task whose code runs here.
///
/// A call on the blocking pool is a task, too. In the destructor of a future, or of an output that
/// is dropped unread, it is the id of their task. The future of a `block_on` is no task, nor are
/// callbacks of timers and sockets. To know the id costs a poll nothing.
///
/// # Panics
///
/// Panics outside of a task; see [`try_id`].
///
/// # Frame
///
/// Frames play no part: code in another frame, or in a scope, is still its task's.
///
/// # Examples
///
/// ```
/// use framewise::task;
///
/// framewise::block_on(async {
///     let task = framewise::spawn(async { task::id() });
///     let id = task.id();
///     assert_eq!(task.await.ok(), Some(id));
/// });
/// ```
#[track_caller]
pub fn id() -> Id {
    try_id().expect("there is no task here: task::id was called outside of one")
}

/// Returns the id of the task whose code runs here, or `None` outside of a task; see [`id`].
///
/// # Examples
///
/// ```
/// use framewise::task;
///
/// assert_eq!(task::try_id(), None);
/// framewise::block_on(async {
///     assert_eq!(task::try_id(), None);
///     assert!(framewise::spawn_blocking(|| task::try_id().is_some()).await.is_ok_and(|is| is));
/// });
/// ```
pub fn try_id() -> Option<Id> {
    with(TaskRef::id)
}

/// Returns the name of the task whose code runs here, if [`task::Builder`](super::Builder) gave it
/// one.
///
/// For logs, and for the process's panic hook, which runs in the task that panics.
///
/// # Examples
///
/// ```
/// use framewise::task;
///
/// # fn main() -> std::io::Result<()> {
/// framewise::block_on(async {
///     let named = task::Builder::new().name("refresher").spawn(async { task::name() })?;
///     assert_eq!(named.await?.as_deref(), Some("refresher"));
///     assert_eq!(framewise::spawn(async { task::name() }).await?, None);
///     Ok(())
/// })
/// # }
/// ```
pub fn name() -> Option<Arc<str>> {
    with(|task| task.name().cloned()).flatten()
}
