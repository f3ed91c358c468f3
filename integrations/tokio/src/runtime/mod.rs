//! The runtime: framewise's, with tokio's builder.

mod builder;

use std::fmt;
use std::future::Future;
use std::io;
use std::ops::Deref;
use std::time::Duration;

pub use builder::Builder;
pub use framewise::runtime::{
    EnterGuard, Handle, Id, LocalOptions, RuntimeFlavor, RuntimeMetrics, TaskMeta, TryCurrentError,
    is_rt_shutdown_err, worker_index,
};

/// A runtime of framewise's, made like tokio's.
///
/// It dereferences to framewise's [`Runtime`](framewise::runtime::Runtime), which has the methods
/// that are not listed here, among them `spawn`, `spawn_blocking`, `enter` and `handle`.
///
/// # Examples
///
/// ```
/// use framewise_tokio::runtime::Runtime;
///
/// # fn main() -> std::io::Result<()> {
/// let runtime = Runtime::new()?;
/// let task = runtime.spawn(async { 6 * 7 });
/// assert_eq!(runtime.block_on(task).ok(), Some(42));
/// # Ok(())
/// # }
/// ```
pub struct Runtime(framewise::runtime::Runtime);

impl Runtime {
    /// Starts a runtime with a worker for each processor.
    ///
    /// # Errors
    ///
    /// See [`Builder::build`].
    #[cfg(feature = "rt-multi-thread")]
    pub fn new() -> io::Result<Self> {
        Builder::new_multi_thread().build()
    }

    /// Runs a future on this thread until it completes; see framewise's
    /// [`Handle::block_on`](framewise::runtime::Handle::block_on).
    ///
    /// # Panics
    ///
    /// Panics if it would wait on a thread of a runtime.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.0.block_on(future)
    }

    /// Shuts down and waits for `limit` at most.
    pub fn shutdown_timeout(self, limit: Duration) {
        self.0.shutdown_timeout(limit);
    }

    /// Shuts down without waiting.
    pub fn shutdown_background(self) {
        self.0.shutdown_background();
    }
}

impl Deref for Runtime {
    type Target = framewise::runtime::Runtime;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A runtime of framewise's whose tasks need not be `Send`, made like tokio's.
///
/// It dereferences to framewise's [`LocalRuntime`](framewise::runtime::LocalRuntime).
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
/// use framewise_tokio::runtime::LocalRuntime;
///
/// # fn main() -> std::io::Result<()> {
/// let runtime = LocalRuntime::new()?;
/// let number = Rc::new(42);
/// let task = runtime.spawn_local(async move { *number });
/// assert_eq!(runtime.block_on(task).ok(), Some(42));
/// # Ok(())
/// # }
/// ```
pub struct LocalRuntime(framewise::runtime::LocalRuntime);

impl LocalRuntime {
    /// Starts a local runtime.
    ///
    /// # Errors
    ///
    /// See [`Builder::build_local`].
    pub fn new() -> io::Result<Self> {
        Builder::new_current_thread().build_local(LocalOptions::default())
    }

    /// Shuts down and waits for `limit` at most.
    pub fn shutdown_timeout(self, limit: Duration) {
        self.0.shutdown_timeout(limit);
    }

    /// Shuts down without waiting.
    pub fn shutdown_background(self) {
        self.0.shutdown_background();
    }
}

impl Deref for LocalRuntime {
    type Target = framewise::runtime::LocalRuntime;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl fmt::Debug for LocalRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
