//! `LocalRuntime`: a current-thread runtime that stays on its thread, for tasks that are not
//! `Send`.
//!
//! Owns that promise: neither the runtime nor a reference to it leaves the thread, so this thread
//! alone drives the runtime and ends it (rule T6 in `task/header.rs`). All else is `Runtime`'s.

use std::fmt;
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use framewise_context::Frame;

use super::{Builder, EnterGuard, Flavor, Handle, Runtime};
use crate::task::JoinHandle;
use crate::task::large::boxed_if_large;

/// The settings of a [`LocalRuntime`] that no other runtime has. There are none yet.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct LocalOptions {
    /// Settings to come need not be `Send`.
    not_send: PhantomData<Rc<()>>,
}

/// A [current-thread runtime](Runtime#current-thread-runtimes) whose tasks need not be `Send`.
///
/// It stays on the thread that made it. There [`spawn_local`](crate::task::spawn_local) spawns onto
/// it, without a [`LocalSet`](crate::task::LocalSet): in its `block_on`, in its tasks and while the
/// thread has [entered](Self::enter) it. [`framewise::spawn`](crate::spawn) and the
/// [`Handle`], which may go to other threads, spawn what is `Send`, onto the same thread.
///
/// Everything else is as with a [`Runtime`]: the frames, the timers and sockets, the blocking pool
/// and the shutdown.
///
/// # Examples
///
/// ```
/// use std::cell::Cell;
/// use std::rc::Rc;
/// use framewise::runtime::LocalRuntime;
/// use framewise::task::spawn_local;
///
/// # fn main() -> std::io::Result<()> {
/// let runtime = LocalRuntime::new()?;
/// let count = Rc::new(Cell::new(0));
/// runtime.block_on(async {
///     for _ in 0..10 {
///         let count = Rc::clone(&count);
///         let task = spawn_local(async move { count.set(count.get() + 1) });
///         task.await.expect("it neither panics nor is aborted");
///     }
/// });
/// assert_eq!(count.get(), 10);
/// # Ok(())
/// # }
/// ```
///
/// It does not leave its thread:
///
/// ```compile_fail,E0277
/// use framewise::runtime::LocalRuntime;
///
/// let runtime = LocalRuntime::new().expect("the system has an event queue");
/// std::thread::spawn(move || drop(runtime));
/// ```
///
/// ```compile_fail,E0277
/// use framewise::runtime::LocalRuntime;
///
/// let runtime = LocalRuntime::new().expect("the system has an event queue");
/// std::thread::scope(|scope| {
///     scope.spawn(|| runtime.block_on(async {}));
/// });
/// ```
pub struct LocalRuntime {
    runtime: Runtime,
    /// Neither `Send` nor `Sync`: see the head of this file.
    stays_here: PhantomData<Rc<()>>,
}

impl LocalRuntime {
    /// Starts a local runtime on this thread; see [`Builder::build_local`] for settings.
    ///
    /// # Errors
    ///
    /// See [`Builder::build`].
    pub fn new() -> io::Result<Self> {
        Builder::new_current_thread().build_local(LocalOptions::default())
    }

    pub(super) fn start(settings: Builder, _options: LocalOptions) -> io::Result<Self> {
        Ok(Self {
            runtime: Runtime::start(settings, Flavor::local())?,
            stays_here: PhantomData,
        })
    }

    /// Returns a handle for other threads.
    ///
    /// It spawns what is `Send`, also there. Its [`block_on`](Handle::block_on) does not drive this
    /// runtime.
    pub fn handle(&self) -> &Handle {
        self.runtime.handle()
    }

    /// Runs `future` on this thread until it is ready, and the runtime's tasks, timers and I/O
    /// meanwhile; see [`Runtime::block_on`].
    ///
    /// # Panics
    ///
    /// See [`Handle::block_on`].
    ///
    /// # Frame
    ///
    /// See [`Handle::block_on`].
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// Spawns a task that need not be `Send`. It runs while this thread is in
    /// [`block_on`](Self::block_on).
    ///
    /// # Frame
    ///
    /// The task gets the frame that is current here, as with [`framewise::spawn`](crate::spawn).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::rc::Rc;
    /// use framewise::runtime::LocalRuntime;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let runtime = LocalRuntime::new()?;
    /// let shared = Rc::new(41); // not Send
    /// let task = runtime.spawn_local(async move { *shared + 1 });
    /// assert_eq!(runtime.block_on(task).ok(), Some(42));
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn spawn_local<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        boxed_if_large!(F, future => {
            let spawner = Arc::clone(&self.handle().spawner);
            // SAFETY: nothing is borrowed, and a local runtime, which does not leave this thread,
            // is driven and ended by it only (T6).
            unsafe { spawner.spawn_borrowing(future, Frame::current().inherited(), ()) }
        })
    }

    /// See [`Handle::spawn_blocking`].
    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, f: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        self.runtime.spawn_blocking(f)
    }

    /// See [`Handle::enter`]. [`spawn_local`](crate::task::spawn_local) works, too.
    #[must_use = "the thread is in the runtime only while the guard lives"]
    pub fn enter(&self) -> EnterGuard<'_> {
        self.runtime.enter()
    }

    /// See [`Runtime::shutdown_timeout`].
    pub fn shutdown_timeout(self, limit: Duration) -> bool {
        self.runtime.shutdown_timeout(limit)
    }

    /// See [`Runtime::shutdown_background`].
    pub fn shutdown_background(self) {
        self.runtime.shutdown_background();
    }
}

// See `Runtime`.
impl UnwindSafe for LocalRuntime {}
impl RefUnwindSafe for LocalRuntime {}

impl fmt::Debug for LocalRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalRuntime")
            .field("handle", self.handle())
            .finish_non_exhaustive()
    }
}
