//! `AbortOnDropHandle`: a join handle whose drop aborts the task.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::{AbortHandle, Id, JoinError, JoinHandle};

impl<T> JoinHandle<T> {
    /// Makes a handle whose drop [aborts](Self::abort) the task.
    ///
    /// # Examples
    ///
    /// Two tasks of which none is left, whichever way this function is left:
    ///
    /// ```
    /// use framewise::{JoinError, spawn};
    ///
    /// async fn both() -> Result<(u64, String), JoinError> {
    ///     let number = spawn(async { 42 }).abort_on_drop();
    ///     let text = spawn(async { "answer".to_owned() }).abort_on_drop();
    ///     Ok((number.await?, text.await?))
    /// }
    /// assert_eq!(framewise::block_on(both()).unwrap(), (42, "answer".to_owned()));
    /// ```
    pub fn abort_on_drop(self) -> AbortOnDropHandle<T> {
        AbortOnDropHandle(Some(self))
    }
}

/// A [`JoinHandle`] whose drop aborts the task. Made by [`JoinHandle::abort_on_drop`]. (The name is
/// tokio-util's.)
///
/// The drop does not wait: the task's future may be dropped afterwards, on a worker, and a blocking
/// call that runs goes on. [`task::scope`](fn@super::scope) waits.
///
/// # Cancel safety
///
/// Awaiting `&mut` is cancel safe: nothing is lost when the wait is dropped.
///
/// # Frame
///
/// The future is dropped in the task's own frame, not in that of the code that drops the handle.
#[must_use = "dropping the handle aborts the task"]
pub struct AbortOnDropHandle<T>(
    /// `None` after `detach`.
    Option<JoinHandle<T>>,
);

impl<T> AbortOnDropHandle<T> {
    /// See [`JoinHandle::abort_on_drop`].
    pub fn new(handle: JoinHandle<T>) -> Self {
        handle.abort_on_drop()
    }

    fn handle(&self) -> &JoinHandle<T> {
        self.0.as_ref().expect("only `detach` takes the handle")
    }

    /// See [`JoinHandle::abort`].
    pub fn abort(&self) {
        self.handle().abort();
    }

    /// See [`JoinHandle::abort_handle`].
    pub fn abort_handle(&self) -> AbortHandle {
        self.handle().abort_handle()
    }

    /// Returns the task's id.
    pub fn id(&self) -> Id {
        self.handle().id()
    }

    /// See [`JoinHandle::is_finished`].
    pub fn is_finished(&self) -> bool {
        self.handle().is_finished()
    }

    /// Returns the handle that was wrapped, whose drop aborts nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// framewise::block_on(async {
    ///     let (done, is_done) = futures::channel::oneshot::channel();
    ///     let task = framewise::spawn(async { done.send(7) }).abort_on_drop();
    ///     drop(task.detach());
    ///     assert_eq!(is_done.await, Ok(7));
    /// });
    /// ```
    pub fn detach(mut self) -> JoinHandle<T> {
        self.0.take().expect("`detach` is called once")
    }
}

impl<T> AsRef<JoinHandle<T>> for AbortOnDropHandle<T> {
    fn as_ref(&self) -> &JoinHandle<T> {
        self.handle()
    }
}

impl<T> Future for AbortOnDropHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let handle = self.0.as_mut().expect("only `detach` takes the handle");
        Pin::new(handle).poll(cx)
    }
}

impl<T> Drop for AbortOnDropHandle<T> {
    fn drop(&mut self) {
        if let Some(handle) = &self.0 {
            handle.abort();
        }
    }
}

impl<T> fmt::Debug for AbortOnDropHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AbortOnDropHandle")
            .field(self.handle())
            .finish()
    }
}
