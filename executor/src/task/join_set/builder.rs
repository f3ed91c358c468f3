//! Spawning into a set with a name: `JoinSet::build_task`.

use std::fmt;
use std::future::Future;
use std::io;

use framewise_context::Frame;

use super::JoinSet;
use crate::runtime::Handle;
use crate::task::{self, AbortHandle, LocalSet};

/// Spawns a task that has a name into a [`JoinSet`]; see [`JoinSet::build_task`].
///
/// Each function is that of [`task::Builder`](crate::task::Builder) of the same name, frames and
/// errors included.
#[must_use = "a builder does nothing until it spawns"]
pub struct Builder<'a, T> {
    set: &'a mut JoinSet<T>,
    builder: task::Builder<'a>,
}

impl<T: 'static> JoinSet<T> {
    /// Returns a builder by which a task of the set gets a name.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise::task::{self, JoinSet};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// framewise::block_on(async {
    ///     let mut set = JoinSet::new();
    ///     set.build_task().name("first").spawn(async { task::name() })?;
    ///     let joined = set.join_next().await.expect("there is a task");
    ///     assert_eq!(joined?.as_deref(), Some("first"));
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn build_task(&mut self) -> Builder<'_, T> {
        Builder {
            set: self,
            builder: task::Builder::new(),
        }
    }
}

impl<'a, T: 'static> Builder<'a, T> {
    /// Gives the task a name.
    pub fn name(mut self, name: &'a str) -> Self {
        self.builder = self.builder.name(name);
        self
    }

    /// Spawns into `frame` instead of the current frame; see [`task::Builder::frame`].
    pub fn frame(mut self, frame: &'a Frame) -> Self {
        self.builder = self.builder.frame(frame);
        self
    }

    /// See [`task::Builder::spawn`].
    ///
    /// # Errors
    ///
    /// See [`task::Builder`].
    #[track_caller]
    pub fn spawn<F>(self, future: F) -> io::Result<AbortHandle>
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        Ok(self.set.insert(self.builder.spawn(future)?))
    }

    /// See [`task::Builder::spawn_on`].
    ///
    /// # Errors
    ///
    /// See [`task::Builder`].
    #[track_caller]
    pub fn spawn_on<F>(self, future: F, handle: &Handle) -> io::Result<AbortHandle>
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        Ok(self.set.insert(self.builder.spawn_on(future, handle)?))
    }

    /// See [`task::Builder::spawn_local`].
    ///
    /// # Errors
    ///
    /// See [`task::Builder`].
    #[track_caller]
    pub fn spawn_local<F>(self, future: F) -> io::Result<AbortHandle>
    where
        F: Future<Output = T> + 'static,
    {
        Ok(self.set.insert(self.builder.spawn_local(future)?))
    }

    /// See [`task::Builder::spawn_local_on`].
    ///
    /// # Errors
    ///
    /// See [`task::Builder`].
    #[track_caller]
    pub fn spawn_local_on<F>(self, future: F, local_set: &LocalSet) -> io::Result<AbortHandle>
    where
        F: Future<Output = T> + 'static,
    {
        let task = self.builder.spawn_local_on(future, local_set)?;
        Ok(self.set.insert(task))
    }

    /// See [`task::Builder::spawn_blocking`].
    ///
    /// # Errors
    ///
    /// See [`task::Builder`].
    #[track_caller]
    pub fn spawn_blocking<F>(self, f: F) -> io::Result<AbortHandle>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        Ok(self.set.insert(self.builder.spawn_blocking(f)?))
    }

    /// See [`task::Builder::spawn_blocking_on`].
    ///
    /// # Errors
    ///
    /// See [`task::Builder`].
    #[track_caller]
    pub fn spawn_blocking_on<F>(self, f: F, handle: &Handle) -> io::Result<AbortHandle>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        let task = self.builder.spawn_blocking_on(f, handle)?;
        Ok(self.set.insert(task))
    }
}

impl<T> fmt::Debug for Builder<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("set", &self.set)
            .field("builder", &self.builder)
            .finish()
    }
}
