//! tokio's `JoinSet`, whose tasks inherit the spawner's frame.

use std::future::Future;
use std::ops::{Deref, DerefMut};

use ::tokio::runtime::Handle;
use ::tokio::task::{self, AbortHandle};

use super::inheriting;
use crate::Frame;

/// Like `tokio::task::JoinSet`, to which it dereferences; the tasks that its own methods spawn
/// inherit the frame.
///
/// # Frame
///
/// See [`spawn`](super::spawn). A wait for a task returns to the awaiting task's frame.
///
/// # Examples
///
/// ```
/// use framewise_context::{ContextVar, tokio::JoinSet};
/// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// runtime.block_on(async {
///     let mut tasks = JoinSet::new();
///     for id in 0..3 {
///         REQUEST_ID.run(id, || tasks.spawn(async { REQUEST_ID.get() }));
///     }
///     let mut seen = Vec::new();
///     while let Some(id) = tasks.join_next().await {
///         seen.push(id.unwrap());
///     }
///     seen.sort();
///     assert_eq!(seen, [Some(0), Some(1), Some(2)]);
/// });
/// ```
#[derive(Debug, Default)]
pub struct JoinSet<T>(task::JoinSet<T>);

impl<T> JoinSet<T> {
    /// Creates an empty set.
    pub fn new() -> Self {
        Self(task::JoinSet::new())
    }
}

impl<T: 'static> JoinSet<T> {
    /// Spawns a task onto the runtime that the thread is in; it inherits the frame.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime.
    ///
    /// # Examples
    ///
    /// See [`JoinSet`].
    #[track_caller]
    pub fn spawn<F>(&mut self, future: F) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        self.0.spawn(inheriting(future))
    }

    /// Spawns a task onto another runtime; it inherits the caller's frame.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise_context::{ContextVar, tokio::JoinSet};
    /// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    /// let mut tasks = JoinSet::new();
    /// let read = async { REQUEST_ID.get() };
    /// REQUEST_ID.run(7, || tasks.spawn_on(read, runtime.handle()));
    /// assert_eq!(runtime.block_on(tasks.join_next()).unwrap().unwrap(), Some(7));
    /// ```
    #[track_caller]
    pub fn spawn_on<F>(&mut self, future: F, handle: &Handle) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        self.0.spawn_on(inheriting(future), handle)
    }

    /// Spawns a task onto the thread's `LocalSet`; it inherits the frame.
    ///
    /// # Panics
    ///
    /// Panics outside of a `LocalSet`.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise_context::{ContextVar, tokio::JoinSet};
    /// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    /// let local = tokio::task::LocalSet::new();
    /// let seen = local.run_until(REQUEST_ID.scope(7, async {
    ///     let mut tasks = JoinSet::new();
    ///     tasks.spawn_local(async { REQUEST_ID.get() });
    ///     tasks.join_next().await
    /// }));
    /// assert_eq!(runtime.block_on(seen).unwrap().unwrap(), Some(7));
    /// ```
    #[track_caller]
    pub fn spawn_local<F>(&mut self, future: F) -> AbortHandle
    where
        F: Future<Output = T> + 'static,
    {
        self.0.spawn_local(inheriting(future))
    }

    /// Runs a closure where it may block; it inherits the frame.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise_context::{ContextVar, tokio::JoinSet};
    /// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    /// runtime.block_on(REQUEST_ID.scope(7, async {
    ///     let mut tasks = JoinSet::new();
    ///     tasks.spawn_blocking(|| REQUEST_ID.get());
    ///     assert_eq!(tasks.join_next().await.unwrap().unwrap(), Some(7));
    /// }));
    /// ```
    #[track_caller]
    pub fn spawn_blocking<F>(&mut self, call: F) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        let call = Frame::current().inherited().wrap_once(call);
        self.0.spawn_blocking(call)
    }
}

impl<T> Deref for JoinSet<T> {
    type Target = task::JoinSet<T>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<T> DerefMut for JoinSet<T> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}
