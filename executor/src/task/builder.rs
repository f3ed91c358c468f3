//! `task::Builder`: spawning with a name, or in a frame of the caller's choice.

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;

use framewise_context::Frame;

use super::large::{boxed_call_if_large, boxed_if_large};
use super::local::current::LocalSpawner;
use super::local::shared;
use super::{JoinHandle, LocalSet};
use crate::runtime::Handle;

/// Spawns tasks that have a name, or a frame other than the current one.
///
/// The name is seen in [`task::name`](super::name), by a task's handles, and in its
/// [`JoinError`](super::JoinError). Names need not be unique. A task without one is no larger for
/// the fact that others have one.
///
/// # Frame
///
/// Like the function that spawns without a name: the task gets the frame that is current at the
/// call, unless [`frame`](Self::frame) gives another.
///
/// # Errors
///
/// The functions return a `Result` as tokio's do, for causes that may come. Today they return no
/// error; a blocking call for which no thread can be started is
/// [rejected](super::JoinError::is_rejected) where it is joined.
///
/// # Panics
///
/// [`spawn`](Self::spawn) and [`spawn_blocking`](Self::spawn_blocking) panic outside of a runtime,
/// [`spawn_local`](Self::spawn_local) where [the function](super::spawn_local) does.
///
/// # Examples
///
/// ```
/// use framewise::{ContextVar, task};
///
/// static SHARD: ContextVar<u64> = ContextVar::new("shard");
///
/// # fn main() -> std::io::Result<()> {
/// framewise::block_on(async {
///     let task = SHARD.run(3, || {
///         task::Builder::new().name("compactor").spawn(async {
///             assert_eq!(SHARD.get(), Some(3));
///             panic!("no space");
///         })
///     })?;
///     assert_eq!(task.name(), Some("compactor"));
///     let error = task.await.expect_err("it panicked");
///     assert_eq!(error.to_string(), "the task `compactor` panicked: no space");
///     Ok(())
/// })
/// # }
/// ```
#[derive(Clone, Copy, Default)]
#[must_use = "a builder does nothing until it spawns"]
pub struct Builder<'a> {
    name: Option<&'a str>,
    frame: Option<&'a Frame>,
}

impl<'a> Builder<'a> {
    /// Creates a builder of tasks without a name.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives the task a name.
    pub fn name(&self, name: &'a str) -> Self {
        Self {
            name: Some(name),
            ..*self
        }
    }

    /// Spawns into `frame` instead of the current frame.
    ///
    /// The task gets it as it is: variables that are not inherited are not taken out. The task
    /// holds the frame until it ends.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise::{ContextVar, Frame, task};
    ///
    /// static REQUEST: ContextVar<u64> = ContextVar::new("request");
    ///
    /// # fn main() -> std::io::Result<()> {
    /// framewise::block_on(async {
    ///     let of_request = REQUEST.run(7, Frame::current);
    ///     // Later, in code of another request, for the first one:
    ///     let audit = REQUEST.run(8, || {
    ///         let builder = task::Builder::new().name("audit").frame(&of_request);
    ///         builder.spawn(async { REQUEST.get() })
    ///     })?;
    ///     assert_eq!(audit.await?, Some(7));
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn frame(&self, frame: &'a Frame) -> Self {
        Self {
            frame: Some(frame),
            ..*self
        }
    }

    /// Returns the frame of the task that is spawned now.
    fn frame_of_task(self) -> Frame {
        match self.frame {
            Some(frame) => frame.clone(),
            None => Frame::current().inherited(),
        }
    }

    fn label(self) -> Option<Arc<str>> {
        self.name.map(Arc::from)
    }

    /// Spawns onto the runtime that this thread is in; see [`framewise::spawn`](crate::spawn).
    ///
    /// # Errors
    ///
    /// See [`Builder`].
    #[track_caller]
    pub fn spawn<F>(self, future: F) -> io::Result<JoinHandle<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        boxed_if_large!(F, future => {
            let spawner = Handle::current().spawner;
            Ok(spawner.spawn(future, self.frame_of_task(), self.label()))
        })
    }

    /// Spawns onto the runtime of `handle`; see [`Handle::spawn`].
    ///
    /// # Errors
    ///
    /// See [`Builder`].
    #[track_caller]
    pub fn spawn_on<F>(self, future: F, handle: &Handle) -> io::Result<JoinHandle<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        boxed_if_large!(F, future => {
            let spawner = Arc::clone(&handle.spawner);
            Ok(spawner.spawn(future, self.frame_of_task(), self.label()))
        })
    }

    /// Spawns a task that stays on this thread; see [`spawn_local`](super::spawn_local), which says
    /// where.
    ///
    /// # Errors
    ///
    /// See [`Builder`].
    #[track_caller]
    pub fn spawn_local<F>(self, future: F) -> io::Result<JoinHandle<F::Output>>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let spawner = LocalSpawner::current();
        boxed_if_large!(F, future => {
            Ok(spawner.spawn_in(future, self.frame_of_task(), self.label()))
        })
    }

    /// Spawns onto `set`; see [`LocalSet::spawn_local`].
    ///
    /// # Errors
    ///
    /// See [`Builder`].
    #[track_caller]
    pub fn spawn_local_on<F>(self, future: F, set: &LocalSet) -> io::Result<JoinHandle<F::Output>>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        boxed_if_large!(F, future => {
            Ok(shared::spawn_in(&set.shared, future, self.frame_of_task(), self.label()))
        })
    }

    /// Runs a call that blocks on the blocking pool; see
    /// [`framewise::spawn_blocking`](crate::spawn_blocking).
    ///
    /// # Errors
    ///
    /// See [`Builder`].
    #[track_caller]
    pub fn spawn_blocking<F, R>(self, f: F) -> io::Result<JoinHandle<R>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        boxed_call_if_large!(F, f => {
            Ok(Handle::current().spawn_call_in(f, self.frame_of_task(), self.label()))
        })
    }

    /// Runs a call that blocks on the blocking pool of `handle`'s runtime; see
    /// [`Handle::spawn_blocking`].
    ///
    /// # Errors
    ///
    /// See [`Builder`].
    #[track_caller]
    pub fn spawn_blocking_on<F, R>(self, f: F, handle: &Handle) -> io::Result<JoinHandle<R>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        boxed_call_if_large!(F, f => {
            Ok(handle.spawn_call_in(f, self.frame_of_task(), self.label()))
        })
    }
}

impl fmt::Debug for Builder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("name", &self.name)
            .field("frame", &self.frame)
            .finish()
    }
}
