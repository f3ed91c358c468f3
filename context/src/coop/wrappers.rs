//! Futures and streams that take part in the budget, or are exempt from it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use super::tokio_budget::poll_unconstrained;
use super::{poll_proceed, with_unconstrained};

/// Makes a future or a stream take part in the budget: each time it is ready it takes a unit, and
/// it is not polled if no unit is left.
///
/// Use it for futures of other crates that can be ready repeatedly: receiving from a channel,
/// acquiring a free lock, waiting for a flag that is set.
///
/// # Cancel safety
///
/// Like the future. A denied poll does not reach it.
///
/// # Frame
///
/// The future is polled and dropped in the caller's frame.
///
/// # Examples
///
/// A future:
///
/// ```
/// # futures::executor::block_on(async {
/// use framewise_context::coop::coop;
/// use futures::{SinkExt, StreamExt};
///
/// let (mut sender, mut receiver) = futures::channel::mpsc::channel(8);
/// coop(sender.send(1)).await.expect("the receiver is there");
/// assert_eq!(coop(receiver.next()).await, Some(1));
/// # });
/// ```
///
/// A stream, every item of it:
///
/// ```
/// # futures::executor::block_on(async {
/// use framewise_context::coop::coop;
/// use futures::{StreamExt, stream};
///
/// let numbers = coop(stream::iter(0..1000));
/// assert_eq!(numbers.count().await, 1000);
/// # });
/// ```
pub fn coop<F>(inner: F) -> Coop<F> {
    Coop { inner }
}

/// The future or stream of [`coop`].
#[derive(Clone, Debug)]
#[must_use = "futures and streams do nothing unless polled"]
pub struct Coop<F> {
    inner: F,
}

impl<F> Coop<F> {
    /// Returns a reference to the future or stream.
    pub fn get_ref(&self) -> &F {
        &self.inner
    }

    /// Returns a mutable reference to the future or stream.
    pub fn get_mut(&mut self) -> &mut F {
        &mut self.inner
    }

    /// Returns the future or stream, which then no longer takes part.
    pub fn into_inner(self) -> F {
        self.inner
    }

    fn project(self: Pin<&mut Self>) -> Pin<&mut F> {
        // SAFETY: `inner` is pinned with `self`: it is moved only through `&mut self` or by value,
        // there is no `Drop`, and the type is `Unpin` only if `F` is.
        unsafe { self.map_unchecked_mut(|this| &mut this.inner) }
    }
}

impl<F: Future> Future for Coop<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let unit = ready!(poll_proceed(cx));
        let output = ready!(self.project().poll(cx));
        unit.made_progress();
        Poll::Ready(output)
    }
}

impl<S: Stream> Stream for Coop<S> {
    type Item = S::Item;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let unit = ready!(poll_proceed(cx));
        let item = ready!(self.project().poll_next(cx));
        unit.made_progress();
        Poll::Ready(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.inner.size_hint()
    }
}

/// Exempts a future or a stream from the budget of its task: no operation in it takes a unit or is
/// denied.
///
/// The task does not yield while the operations in it are ready. Other tasks, timers and I/O of the
/// worker wait until it is pending.
///
/// # Cancel safety
///
/// Like the future.
///
/// # Frame
///
/// The future is polled and dropped in the caller's frame.
///
/// # Examples
///
/// ```
/// use framewise_context::coop::{consume_budget, unconstrained, with_budget};
/// use futures::FutureExt;
///
/// let thousand = async {
///     for _ in 0..1000 {
///         consume_budget().await;
///     }
/// };
/// // One poll suffices.
/// assert!(with_budget(|| unconstrained(thousand).now_or_never()).is_some());
/// ```
pub fn unconstrained<F>(inner: F) -> Unconstrained<F> {
    Unconstrained { inner }
}

/// The future or stream of [`unconstrained`].
#[derive(Clone, Debug)]
#[must_use = "futures and streams do nothing unless polled"]
pub struct Unconstrained<F> {
    inner: F,
}

impl<F> Unconstrained<F> {
    fn project(self: Pin<&mut Self>) -> Pin<&mut F> {
        // SAFETY: `inner` is pinned with `self`: it is never moved, there is no `Drop`, and the
        // type is `Unpin` only if `F` is.
        unsafe { self.map_unchecked_mut(|this| &mut this.inner) }
    }
}

impl<F: Future> Future for Unconstrained<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut inner = self.project();
        with_unconstrained(|| poll_unconstrained(cx, |cx| inner.as_mut().poll(cx)))
    }
}

impl<S: Stream> Stream for Unconstrained<S> {
    type Item = S::Item;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let mut inner = self.project();
        with_unconstrained(|| poll_unconstrained(cx, |cx| inner.as_mut().poll_next(cx)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.inner.size_hint()
    }
}
