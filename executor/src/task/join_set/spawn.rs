//! How tasks get into a set.

use std::future::Future;
use std::sync::Arc;

use framewise_context::Frame;

use super::JoinSet;
use crate::runtime::Handle;
use crate::task::large::{boxed_call_if_large, boxed_if_large};
use crate::task::local::current::LocalSpawner;
use crate::task::local::shared;
use crate::task::{AbortHandle, LocalSet};

impl<T: 'static> JoinSet<T> {
    /// Spawns a task onto the runtime that this thread is in, and adds it to the set; see
    /// [`framewise::spawn`](crate::spawn).
    ///
    /// The task runs at once, whether or not the set is polled.
    ///
    /// # Panics
    ///
    /// Panics outside of a runtime.
    ///
    /// # Frame
    ///
    /// The task gets the frame that is current here.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise::task::JoinSet;
    ///
    /// framewise::block_on(async {
    ///     let mut set = JoinSet::new();
    ///     let abort = set.spawn(std::future::pending::<()>());
    ///     abort.abort();
    ///     let joined = set.join_next().await.expect("there is a task");
    ///     assert!(joined.expect_err("it was aborted").is_cancelled());
    /// });
    /// ```
    #[track_caller]
    pub fn spawn<F>(&mut self, future: F) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        boxed_if_large!(F, future => {
            let spawner = Handle::current().spawner;
            self.insert(spawner.spawn(future, Frame::current().inherited(), ()))
        })
    }

    /// Like [`spawn`](Self::spawn), onto the runtime of `handle`.
    ///
    /// # Frame
    ///
    /// The task gets the frame that is current here, at the call.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise::{runtime::Runtime, task::JoinSet};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let runtime = Runtime::new()?;
    /// let mut set = JoinSet::new();
    /// set.spawn_on(async { 6 * 7 }, runtime.handle());
    /// assert_eq!(runtime.block_on(set.join_all()), [42]);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn spawn_on<F>(&mut self, future: F, handle: &Handle) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        boxed_if_large!(F, future => {
            let spawner = Arc::clone(&handle.spawner);
            self.insert(spawner.spawn(future, Frame::current().inherited(), ()))
        })
    }

    /// Spawns a task that stays on this thread, and adds it to the set; see
    /// [`spawn_local`](crate::task::spawn_local), which says where.
    ///
    /// # Panics
    ///
    /// Panics where `spawn_local` does.
    ///
    /// # Frame
    ///
    /// The task gets the frame that is current here.
    #[track_caller]
    pub fn spawn_local<F>(&mut self, future: F) -> AbortHandle
    where
        F: Future<Output = T> + 'static,
    {
        let spawner = LocalSpawner::current();
        boxed_if_large!(F, future => self.insert(spawner.spawn(future, ())))
    }

    /// Like [`spawn_local`](Self::spawn_local), onto `local_set`, which need not be running.
    ///
    /// # Frame
    ///
    /// The task gets the frame that is current here, at the call.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::rc::Rc;
    /// use framewise::task::{JoinSet, LocalSet};
    ///
    /// let local_set = LocalSet::new();
    /// let mut set = JoinSet::new();
    /// let shared = Rc::new(41); // not Send
    /// set.spawn_local_on(async move { *shared + 1 }, &local_set);
    /// assert_eq!(framewise::block_on(local_set.run_until(set.join_all())), [42]);
    /// ```
    #[track_caller]
    pub fn spawn_local_on<F>(&mut self, future: F, local_set: &LocalSet) -> AbortHandle
    where
        F: Future<Output = T> + 'static,
    {
        boxed_if_large!(F, future => self.insert(shared::spawn_on(&local_set.shared, future, ())))
    }

    /// Runs a call that blocks on the blocking pool, and adds it to the set; see
    /// [`spawn_blocking`](crate::spawn_blocking).
    ///
    /// An abort, also that of a dropped set, reaches a call only while it waits for a thread.
    ///
    /// # Panics
    ///
    /// Panics outside of a runtime.
    ///
    /// # Frame
    ///
    /// The call runs in the frame that is current here.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise::task::JoinSet;
    ///
    /// framewise::block_on(async {
    ///     let mut set = JoinSet::new();
    ///     for path in [".", ".."] {
    ///         set.spawn_blocking(move || std::fs::metadata(path).is_ok());
    ///     }
    ///     assert_eq!(set.join_all().await.len(), 2);
    /// });
    /// ```
    #[track_caller]
    pub fn spawn_blocking<F>(&mut self, f: F) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        boxed_call_if_large!(F, f => self.insert(Handle::current().spawn_call(f, ())))
    }

    /// Like [`spawn_blocking`](Self::spawn_blocking), on the blocking pool of `handle`'s runtime.
    ///
    /// # Frame
    ///
    /// The call runs in the frame that is current here.
    #[track_caller]
    pub fn spawn_blocking_on<F>(&mut self, f: F, handle: &Handle) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        boxed_call_if_large!(F, f => self.insert(handle.spawn_call(f, ())))
    }
}

/// Spawns each future; see [`JoinSet::spawn`].
impl<T, F> FromIterator<F> for JoinSet<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    fn from_iter<I: IntoIterator<Item = F>>(futures: I) -> Self {
        let mut set = Self::new();
        set.extend(futures);
        set
    }
}

/// Spawns each future; see [`JoinSet::spawn`].
impl<T, F> Extend<F> for JoinSet<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    fn extend<I: IntoIterator<Item = F>>(&mut self, futures: I) {
        for future in futures {
            self.spawn(future);
        }
    }
}
