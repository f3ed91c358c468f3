//! `spawn` and the functions like it: how code gets into the runtime that this thread is in
//! (`runtime/enter.rs`). The future goes on in `scheduler/spawner.rs`, which makes the task.

use std::future::Future;

use framewise_context::{Frame, coop};

use super::JoinHandle;
use super::large::{boxed_call_if_large, boxed_if_large};
use crate::runtime::{Handle, Runtime, block_in_tokio};
use crate::scheduler::{ending, worker};
use crate::seeded::hooks;

/// Spawns a task onto the runtime that this thread is in.
///
/// # Panics
///
/// Panics outside of a runtime.
///
/// # Frame
///
/// The task gets the frame that is current at this call (not at its first poll), without the
/// variables that are declared [not inherited](framewise_context::ContextVar::not_inherited). It
/// costs one pointer. A rebinding in the task is invisible to its spawner and siblings.
///
/// # Large futures and outputs
///
/// The future is moved once, to the heap, so that one of several hundred KiB does not overflow the
/// stack in a debug build either. A task is one allocation; in a debug build, and for a future
/// above 16 KiB, it is two. An output above 16 KiB takes one more: it is moved to the heap when the
/// future's poll returns it, and stays there until it is joined. The poll and the join return it by
/// value. So a debug build has one copy of it on the worker's stack beside those of the future's
/// own code, and one or more on the joiner's stack (`.await` makes several). If that overflows a
/// stack, box the output, or set a larger
/// [`thread_stack_size`](crate::runtime::Builder::thread_stack_size).
///
/// # Examples
///
/// ```
/// use framewise::ContextVar;
///
/// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
///
/// framewise::block_on(async {
///     let child = REQUEST_ID.run(7, || framewise::spawn(async { REQUEST_ID.get() }));
///     assert_eq!(child.await.expect("the child neither panics nor is aborted"), Some(7));
/// });
/// ```
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    boxed_if_large!(F, future => {
        let spawner = Handle::current().spawner;
        spawner.spawn(future, Frame::current().inherited(), ())
    })
}

/// Spawns a task at the root: it sees none of the spawner's bindings, and keeps none alive.
///
/// For work that does not belong to the request that happens to start it: the driver of a pooled
/// connection, a cache's refresher.
///
/// # Panics
///
/// Panics outside of a runtime.
///
/// # Frame
///
/// The root.
///
/// # Examples
///
/// ```
/// use framewise::{ContextVar, spawn_root};
///
/// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
///
/// framewise::block_on(REQUEST_ID.scope(7, async {
///     let refresher = spawn_root(async { REQUEST_ID.get() });
///     assert_eq!(refresher.await.expect("it does not panic"), None);
/// }));
/// ```
#[track_caller]
pub fn spawn_root<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    boxed_if_large!(F, future => Handle::current().spawner.spawn(future, Frame::root(), ()))
}

/// Runs a call that blocks (a file, a database, a long computation) on a thread of the blocking
/// pool.
///
/// The pool starts threads as needed, up to
/// [`max_blocking_threads`](crate::runtime::Builder::max_blocking_threads); more calls wait. If no
/// thread can be started at all, joining returns a [rejected](crate::task::JoinError::is_rejected)
/// error. An abort reaches a call only while it waits in the queue.
///
/// # Panics
///
/// Panics outside of a runtime.
///
/// # Frame
///
/// The call runs in the frame that is current here. A call that is cancelled in the queue is
/// dropped in it.
///
/// # Examples
///
/// ```
/// use framewise::{ContextVar, spawn_blocking};
///
/// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
///
/// framewise::block_on(REQUEST_ID.scope(7, async {
///     let call = spawn_blocking(|| (std::fs::read_dir("/").is_ok(), REQUEST_ID.get()));
///     assert_eq!(call.await.expect("it does not panic"), (true, Some(7)));
/// }));
/// ```
#[track_caller]
pub fn spawn_blocking<F, R>(f: F) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    boxed_call_if_large!(F, f => Handle::current().spawn_call(f, ()))
}

/// Runs a call that blocks on this thread; the worker's core is handed off to another thread.
///
/// The calling task is not moved, so `f` may borrow from it. Its thread is without a core from then
/// on, and ends after the task's poll. Off a worker, and if no other thread can be started, this
/// just calls `f`. The [budget](framewise_context::coop) of the task does not constrain `f`.
///
/// # Panics
///
/// Panics within a [current-thread runtime](crate::runtime::Runtime#current-thread-runtimes), where
/// no other thread could take over. Passes a panic of `f` on.
///
/// # Frame
///
/// The caller's frame stays. The worker that takes over starts at the root.
///
/// # Examples
///
/// ```
/// use framewise::task::block_in_place;
///
/// framewise::block_on(async {
///     let task = framewise::spawn(async {
///         let mut total = 0;
///         block_in_place(|| total += (1..=10).sum::<u32>()); // borrows from the task
///         total
///     });
///     assert_eq!(task.await.ok(), Some(55));
/// });
/// ```
#[track_caller]
pub fn block_in_place<F, R>(f: F) -> R
where
    F: FnOnce() -> R,
{
    worker::hand_off_core();
    coop::with_unconstrained(|| ending::while_blocking(|| hooks::blocking(|| block_in_tokio(f))))
}

/// Runs `future` on this thread until it is ready: in the runtime that the thread is in, or else in
/// a new one, which is shut down afterwards. Like [`Handle::block_on`], it drives no current-thread
/// runtime that the thread has only entered.
///
/// # Panics
///
/// Panics on a worker and within a current-thread runtime, and if no runtime can be started; passes
/// a panic of the future on.
///
/// # Frame
///
/// See [`Handle::block_on`].
///
/// # Examples
///
/// ```
/// assert_eq!(framewise::block_on(async { 6 * 7 }), 42);
/// ```
#[track_caller]
pub fn block_on<F: Future>(future: F) -> F::Output {
    boxed_if_large!(F, future => match Handle::try_current() {
        Ok(handle) => handle.enter_and_block_on(future),
        Err(_) => match Runtime::new() {
            Ok(runtime) => runtime.handle().enter_and_block_on(future),
            Err(error) => panic!("no runtime could be started: {error}"),
        },
    })
}
