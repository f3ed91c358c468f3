//! The cooperative budget: a task whose operations are always ready still yields.
//!
//! An `.await` of an operation that is ready does not return to the executor. A task that receives
//! from a full channel, or reads from a socket whose peer sends faster than the task reads, would
//! run as long as there is work. Meanwhile its worker could not run other tasks, timers or I/O. A
//! time limit around such a loop would never fire, because it is not polled.
//! So each poll of a task begins with a **budget** of 128 units. An operation that is ready takes
//! one unit. If no unit is left, the operation is **denied**: it wakes its task and returns
//! `Pending` although it is ready. The task returns to the executor, which runs it again after the
//! other tasks, with a new budget. The idea, the number and most of the names are tokio's
//! (`tokio::task::coop`).
//!
//! # What takes part
//!
//! Everything in `framewise` that can be awaited and can be ready immediately: timers and
//! intervals, all socket operations, name look-ups, `JoinHandle`s, an awaited `LocalSet`. Futures
//! of other crates do not use the budget. Channels of tokio's `sync`, `async-channel` or `futures`
//! are the common case; [`coop`] makes a future or a stream take part, and [`consume_budget`] does
//! so in a loop.
//!
//! ```
//! # async fn work(message: u32) {}
//! # async fn example(mut messages: futures::channel::mpsc::UnboundedReceiver<u32>) {
//! use framewise_context::coop::coop;
//! use futures::StreamExt;
//!
//! // Yields after 128 messages, even if the channel has more.
//! while let Some(message) = coop(messages.next()).await {
//!     work(message).await;
//! }
//! # }
//! ```
//!
//! Channels of tokio's `sync` count in a budget of tokio's, where there is one. With the feature
//! `tokio` the functions here move both: [`unconstrained`] exempts from both, [`coop`],
//! [`poll_proceed`] and [`consume_budget`] take a unit of each, and [`has_budget_remaining`] asks
//! both.
//!
//! [`unconstrained`] exempts a future. Blocking closures, timer and readiness callbacks, and the
//! executor's own code are unconstrained, too.
//!
//! # The rules
//!
//! - The budget belongs to one poll of one task. Futures that are polled inside it, for example by
//!   `join!` or `FuturesUnordered`, share it. A future of `block_on` and each task of a `LocalSet`
//!   count as tasks; the budget of the enclosing task is restored afterwards.
//! - An operation that is not ready takes no unit. It registers its waker and waits, even if no
//!   unit is left.
//! - An operation that fails at once because the work of its frame has [ended](crate::cancel) takes
//!   a unit, too. So a loop that goes on after errors yields.
//! - A time limit may fire in a poll in which the future that it limits has exhausted the budget.
//! - A denied operation has done nothing and has lost nothing: polled again it is ready. Code that
//!   polls a future only once (`now_or_never`, `select!` with a default branch) can therefore miss
//!   that it is ready. Wrap such a future in [`unconstrained`].
//! - An executor that is nested in a task, such as `futures::executor::block_on`, polls a denied
//!   operation repeatedly within the same poll of the task. After 32 consecutive denials the budget
//!   is full again, so such an executor makes progress.
//! - On a thread on which no executor has set a budget, operations are unconstrained. Sockets are
//!   the exception: on such a thread, too, one operation in 128 has to wait once. The peer decides
//!   how long a socket is ready, and must not decide whether another task runs. Another executor
//!   takes part by polling its tasks inside [`with_budget`].

mod run;
mod tokio_budget;
mod wrappers;

pub use run::{with_budget, with_unconstrained};
pub use wrappers::{Coop, Unconstrained, coop, unconstrained};

use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use crate::current;

/// The remaining budget of a thread. It has four ranges:
///
/// | value | meaning |
/// | --- | --- |
/// | 1 to [`FULL`] | a task's units |
/// | 0 down to 1 - [`DENIALS_MAX`] | a task without units; the number of denials so far, negated |
/// | above [`NO_BUDGET_LEAST`], up to [`NO_BUDGET`] | no budget was set; sockets count down |
/// | [`UNCONSTRAINED`] | nothing is counted |
pub(crate) type Budget = i32;

/// The units of a task's poll. The number is tokio's: small compared to the delay expected of
/// timers, large compared to the cost of one yield.
pub(crate) const FULL: Budget = 128;

/// The number of denials in one poll after which the budget is full again.
const DENIALS_MAX: Budget = 32;

/// The value at which the next socket operation of a thread without a budget has to wait.
const NO_BUDGET_LEAST: Budget = 1 << 30;

/// The state of a new thread.
pub(crate) const NO_BUDGET: Budget = NO_BUDGET_LEAST + FULL;

const UNCONSTRAINED: Budget = Budget::MAX;

/// Returns `true` if `left` has units of a task.
#[inline(always)]
const fn has_units(left: Budget) -> bool {
    // A single comparison: values below 1 wrap to the top.
    (left.wrapping_sub(1) as u32) < FULL as u32
}

/// Takes a unit for an operation that is ready. Returns `Pending` if the operation is denied; its
/// task was then woken.
///
/// It is for the `poll` of a future that knows that it is ready before it changes anything. Other
/// futures use [`poll_proceed`].
///
/// # Examples
///
/// ```
/// use std::task::{Context, Poll, ready};
/// use framewise_context::coop::poll_spend;
///
/// struct Ticket { is_called: bool }
///
/// impl Ticket {
///     fn poll_called(&self, cx: &mut Context<'_>) -> Poll<()> {
///         if !self.is_called {
///             // ... registers cx.waker() ...
///             return Poll::Pending;
///         }
///         ready!(poll_spend(cx));
///         Poll::Ready(())
///     }
/// }
/// ```
#[inline]
pub fn poll_spend(cx: &mut Context<'_>) -> Poll<()> {
    let left = current::budget();
    if has_units(left) {
        current::set_budget(left - 1);
        return Poll::Ready(());
    }
    if left > 0 {
        // Unconstrained, or no budget was set.
        return Poll::Ready(());
    }
    deny(cx, left)
}

/// Like [`poll_spend`], for an operation that a peer can keep ready: if no budget was set, one
/// operation in 129 is denied.
#[doc(hidden)]
#[inline]
pub fn poll_spend_remote(cx: &mut Context<'_>) -> Poll<()> {
    let left = current::budget();
    if has_units(left) {
        current::set_budget(left - 1);
        return Poll::Ready(());
    }
    spend_remote_slow(cx, left)
}

#[cold]
fn spend_remote_slow(cx: &mut Context<'_>, left: Budget) -> Poll<()> {
    if left == UNCONSTRAINED {
        return Poll::Ready(());
    }
    if left <= 0 {
        return deny(cx, left);
    }
    if left > NO_BUDGET_LEAST {
        current::set_budget(left - 1);
        return Poll::Ready(());
    }
    current::set_budget(NO_BUDGET);
    cx.waker().wake_by_ref();
    Poll::Pending
}

/// Returns the unit of an operation that turned out not to be ready.
#[doc(hidden)]
#[inline]
pub fn give_back() {
    let left = current::budget();
    // Below 0 something was denied since, and the count of denials must not be reset.
    if (0..FULL).contains(&left) {
        current::set_budget(left + 1);
    }
}

#[cold]
#[inline(never)]
fn deny(cx: &mut Context<'_>, left: Budget) -> Poll<()> {
    current::set_budget(if left == 1 - DENIALS_MAX {
        FULL
    } else {
        left - 1
    });
    cx.waker().wake_by_ref();
    Poll::Pending
}

/// Takes a unit before an operation that may turn out not to be ready. Returns `Pending` if the
/// operation is denied; its task was then woken.
///
/// Dropping the result returns the unit, unless [`made_progress`](RestoreOnPending::made_progress)
/// was called.
///
/// # Examples
///
/// ```
/// use std::pin::Pin;
/// use std::task::{Context, Poll, ready};
/// use framewise_context::coop::poll_proceed;
///
/// fn poll_cooperatively<F: Future>(future: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<F::Output> {
///     let unit = ready!(poll_proceed(cx));
///     let output = ready!(future.poll(cx));
///     unit.made_progress();
///     Poll::Ready(output)
/// }
/// ```
#[inline]
pub fn poll_proceed(cx: &mut Context<'_>) -> Poll<RestoreOnPending> {
    ready!(poll_spend(cx));
    Poll::Ready(RestoreOnPending { gives_back: true })
}

/// A unit that an operation took in [`poll_proceed`].
#[derive(Debug)]
#[must_use = "the unit is returned when this is dropped"]
pub struct RestoreOnPending {
    gives_back: bool,
}

impl RestoreOnPending {
    /// Marks the operation as ready: its unit is spent.
    #[inline]
    pub fn made_progress(mut self) {
        self.gives_back = false;
        tokio_budget::spend();
    }
}

impl Drop for RestoreOnPending {
    #[inline]
    fn drop(&mut self) {
        if self.gives_back {
            give_back();
        }
    }
}

/// Returns `true` if an operation that is ready would not be denied now.
///
/// # Examples
///
/// ```
/// use framewise_context::coop::{consume_budget, has_budget_remaining, with_budget};
///
/// assert!(has_budget_remaining(), "no budget is set here");
/// with_budget(|| {
///     use futures::FutureExt;
///     while consume_budget().now_or_never().is_some() {}
///     assert!(!has_budget_remaining());
/// });
/// ```
#[inline]
pub fn has_budget_remaining() -> bool {
    current::budget() > 0 && tokio_budget::has_remaining()
}

/// Takes a unit of the task's budget, and yields if there is none.
///
/// Use it in a loop that computes for a long time, or that awaits futures of other crates which are
/// always ready.
///
/// # Cancel safety
///
/// Cancel safe: no state is lost.
///
/// # Examples
///
/// ```
/// use framewise_context::coop::consume_budget;
///
/// async fn sum(numbers: impl Iterator<Item = u64>) -> u64 {
///     let mut sum = 0;
///     for number in numbers {
///         sum += number;
///         consume_budget().await;
///     }
///     sum
/// }
/// # assert_eq!(futures::executor::block_on(sum(0..1000)), 499_500);
/// ```
pub async fn consume_budget() {
    poll_fn(poll_spend).await;
    tokio_budget::spend();
}

#[cfg(all(test, not(any(framewise_loom, framewise_shuttle))))]
mod tests;
