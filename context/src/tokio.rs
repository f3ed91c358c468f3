//! Tasks and blocking calls of plain tokio that inherit the spawner's frame (feature `tokio`).
//!
//! For a program that cannot change its runtime. tokio knows no frame, so the task of
//! `tokio::spawn` starts at the root. The functions here have tokio's names, arguments and results,
//! and differ in the frame alone: a program uses them by its imports.
//!
//! ```
//! use framewise_context::{ContextVar, tokio as context};
//! static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
//! runtime.block_on(REQUEST_ID.scope(7, async {
//!     let lost = tokio::spawn(async { REQUEST_ID.get() });
//!     let kept = context::spawn(async { REQUEST_ID.get() });
//!     assert_eq!((lost.await.unwrap(), kept.await.unwrap()), (None, Some(7)));
//! }));
//! ```
//!
//! What a library spawns by itself is out of their reach, as it is for any wrapper. Where tokio is
//! built with `--cfg tokio_unstable`, `install` gives every task of a runtime its spawner's frame
//! by tokio's hooks, and nothing is written at the spawns. It was made for tokio 1.54; the hooks
//! may change in any later version.
//!
//! Beside the frame of the polls, tokio differs from the `framewise` runtime in what it drops: the
//! output of a task that is not joined is dropped in the frame of the code that lets it go (C-39),
//! and a waker that a task registered runs in the frame of its caller (C-50).

#[cfg(tokio_unstable)]
mod hooks;
mod join_set;

use std::future::Future;

use ::tokio::runtime::Handle;
use ::tokio::task::{self, JoinHandle};

use crate::Frame;
use crate::scope::FrameScope;

#[cfg(tokio_unstable)]
pub use hooks::install;
pub use join_set::JoinSet;

/// Returns `future` in the frame that a task spawned here gets.
fn inheriting<F: Future>(future: F) -> FrameScope<F> {
    Frame::current().inherited().scope(future)
}

/// Like `tokio::spawn`; the task inherits the frame.
///
/// # Panics
///
/// Panics outside of a tokio runtime.
///
/// # Frame
///
/// The task is polled and dropped in the frame that is current at this call, without the variables
/// that are declared [not inherited](crate::ContextVar::not_inherited).
///
/// # Examples
///
/// See the [module](self).
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    task::spawn(inheriting(future))
}

/// Like `tokio::runtime::Handle::spawn`; the task inherits the caller's frame.
///
/// # Frame
///
/// See [`spawn`].
///
/// # Examples
///
/// ```
/// use framewise_context::{ContextVar, tokio as context};
/// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// let read = async { REQUEST_ID.get() };
/// let task = REQUEST_ID.run(7, || context::spawn_on(read, runtime.handle()));
/// assert_eq!(runtime.block_on(task).unwrap(), Some(7));
/// ```
#[track_caller]
pub fn spawn_on<F>(future: F, handle: &Handle) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    handle.spawn(inheriting(future))
}

/// Like `tokio::task::spawn_local`; the task inherits the frame.
///
/// # Panics
///
/// Panics outside of a `LocalSet`.
///
/// # Frame
///
/// See [`spawn`].
///
/// # Examples
///
/// ```
/// use framewise_context::{ContextVar, tokio as context};
/// use std::rc::Rc;
/// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// let local = tokio::task::LocalSet::new();
/// let task = local.run_until(REQUEST_ID.scope(7, async {
///     let shared = Rc::new(1);
///     context::spawn_local(async move { (*shared, REQUEST_ID.get()) }).await
/// }));
/// assert_eq!(runtime.block_on(task).unwrap(), (1, Some(7)));
/// ```
#[track_caller]
pub fn spawn_local<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    task::spawn_local(inheriting(future))
}

/// Like `tokio::task::spawn_blocking`; the call inherits the frame.
///
/// # Panics
///
/// Panics outside of a tokio runtime.
///
/// # Frame
///
/// `call` runs in the frame that is current at this call, without the variables that are declared
/// [not inherited](crate::ContextVar::not_inherited).
///
/// # Examples
///
/// ```
/// use framewise_context::{ContextVar, tokio as context};
/// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// runtime.block_on(REQUEST_ID.scope(7, async {
///     let row = context::spawn_blocking(|| REQUEST_ID.get()).await;
///     assert_eq!(row.unwrap(), Some(7));
/// }));
/// ```
#[track_caller]
pub fn spawn_blocking<F, R>(call: F) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    task::spawn_blocking(Frame::current().inherited().wrap_once(call))
}
