//! How children get into a scope.

use std::future::Future;

use super::TaskScope;
use crate::runtime::Handle;
use crate::task::AbortHandle;
use crate::task::large::{boxed_call_if_large, boxed_if_large};
use crate::task::local::current::LocalSpawner;

impl<T: 'static> TaskScope<T> {
    /// Spawns a child onto the runtime that this thread is in; see
    /// [`framewise::spawn`](crate::spawn).
    ///
    /// # Panics
    ///
    /// Panics outside of a runtime.
    ///
    /// # Frame
    ///
    /// The child gets the frame that is current here, and with it the scope's cancellation.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise::task;
    ///
    /// framewise::block_on(async {
    ///     let answer = task::scope(async |mut children| {
    ///         let endless = children.spawn(std::future::pending());
    ///         endless.abort();
    ///         children.spawn(async { 6 * 7 });
    ///         children.results().await
    ///     });
    ///     let answer = answer.await;
    ///     assert!(answer[0].as_ref().is_err_and(|error| error.is_cancelled()));
    ///     assert_eq!(answer[1].as_ref().ok(), Some(&42));
    /// });
    /// ```
    #[track_caller]
    pub fn spawn<F>(&mut self, future: F) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        let frame = self.children().frame().inherited();
        // Not in a closure, which would hide the place of the call from the task.
        boxed_if_large!(F, future => {
            let child = Handle::current().spawner.spawn(future, frame, ());
            self.children_mut().add(child)
        })
    }

    /// Spawns a child that stays on this thread; see [`spawn_local`](crate::task::spawn_local),
    /// which says where.
    ///
    /// # Panics
    ///
    /// Panics where `spawn_local` does.
    ///
    /// # Frame
    ///
    /// See [`spawn`](Self::spawn).
    #[track_caller]
    pub fn spawn_local<F>(&mut self, future: F) -> AbortHandle
    where
        F: Future<Output = T> + 'static,
    {
        let (frame, spawner) = (self.children().frame(), LocalSpawner::current());
        boxed_if_large!(F, future => {
            let child = frame.run(|| spawner.spawn(future, ()));
            self.children_mut().add(child)
        })
    }

    /// Runs a call that blocks on the blocking pool, as a child; see
    /// [`spawn_blocking`](crate::spawn_blocking).
    ///
    /// An abort reaches it only while it waits for a thread, so the scope waits for its end.
    ///
    /// # Panics
    ///
    /// Panics outside of a runtime.
    ///
    /// # Frame
    ///
    /// See [`spawn`](Self::spawn).
    #[track_caller]
    pub fn spawn_blocking<F>(&mut self, f: F) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        let frame = self.children().frame();
        boxed_call_if_large!(F, f => {
            let child = frame.run(|| Handle::current().spawn_call(f, ()));
            self.children_mut().add(child)
        })
    }
}
