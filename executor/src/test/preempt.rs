//! Points at which a seeded run may switch to other tasks: `preempt`, `preemptible`.

use std::fmt;
use std::future::{Future, IntoFuture, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::seeded::hooks;

/// Marks a point at which a seeded run may let other tasks go first. Outside of seeded runs it does
/// nothing.
///
/// # Cancel safety
///
/// Cancel safe: there is nothing to lose.
///
/// # Examples
///
/// ```
/// async fn withdraw(balance: &std::sync::Mutex<u64>, amount: u64) -> bool {
///     let has_enough = *balance.lock().expect("no panic") >= amount;
///     // In production another task may run here, on another worker.
///     framewise::test::preempt().await;
///     if has_enough {
///         *balance.lock().expect("no panic") -= amount;
///     }
///     has_enough
/// }
/// # framewise::test::run(0, || async { assert!(withdraw(&5.into(), 3).await) });
/// ```
pub async fn preempt() {
    poll_fn(hooks::poll).await;
}

/// Puts a [point](preempt) before a future: what
/// [`#[preemptible]`](macro@crate::test::preemptible) writes at every `.await`.
///
/// # Examples
///
/// ```
/// use framewise::test::{self, Preemptible};
///
/// let answer = test::run(7, || async { async { 6 * 7 }.preemptible().await });
/// assert_eq!(answer, 42);
/// ```
pub trait Preemptible: IntoFuture + Sized {
    /// Returns the future, which a seeded run may make wait before its first poll.
    fn preemptible(self) -> PreemptibleFuture<Self::IntoFuture> {
        PreemptibleFuture {
            future: self.into_future(),
            has_begun: false,
        }
    }
}

impl<F: IntoFuture> Preemptible for F {}

/// The future of [`Preemptible::preemptible`].
///
/// # Cancel safety
///
/// Like the future.
#[must_use = "a future does nothing unless it is polled"]
pub struct PreemptibleFuture<F> {
    future: F,
    has_begun: bool,
}

impl<F: Future> Future for PreemptibleFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: `future` is pinned as `self` is: it is never moved, there is no Drop, and the
        // type is Unpin only where F is.
        let (future, has_begun) = unsafe {
            let this = self.get_unchecked_mut();
            (Pin::new_unchecked(&mut this.future), &mut this.has_begun)
        };
        if !*has_begun {
            ready!(hooks::poll(cx));
            *has_begun = true;
        }
        future.poll(cx)
    }
}

impl<F> fmt::Debug for PreemptibleFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreemptibleFuture")
            .field("has_begun", &self.has_begun)
            .finish_non_exhaustive()
    }
}
