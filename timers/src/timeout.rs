//! `timeout`: a future with a time limit.
//!
//! Owns nothing but the order of polling: the future first, so that one that is ready in time is
//! never lost to its limit.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use std::{error, fmt, io};

use framewise_context::coop;
use pin_project_lite::pin_project;

use crate::sleep::{Sleep, sleep, sleep_until};

/// Gives `future` at most `duration`, counted from this call.
///
/// The future is polled first: if it is ready, so is the timeout, however late. A limit of zero
/// lets it be polled once. A future that uses the [budget](framewise_context::coop) of its task up
/// does not keep the limit from ending it.
///
/// # Errors
/// [`Elapsed`] if the time ran out. The future is dropped with the `Timeout`.
///
/// # Panics
/// As [`sleep`], when the future was not ready at its first poll.
///
/// # Cancel safety
/// As the future's own: dropping the `Timeout` drops the future.
///
/// # Frame
/// The future is polled, and dropped, in the frame of whoever polls, or drops, the `Timeout`.
///
/// # Examples
/// ```
/// # async fn example() {
/// use std::time::Duration;
/// use framewise_timers::timeout;
///
/// let answer = timeout(Duration::from_secs(1), async { 42 }).await;
/// assert_eq!(answer, Ok(42));
/// # }
/// ```
pub fn timeout<F: IntoFuture>(duration: Duration, future: F) -> Timeout<F::IntoFuture> {
    Timeout {
        future: future.into_future(),
        sleep: sleep(duration),
    }
}

/// Gives `future` until `deadline`.
///
/// # Errors
/// As [`timeout`].
///
/// # Panics
/// As [`timeout`].
///
/// # Cancel safety
/// As [`timeout`].
///
/// # Frame
/// As [`timeout`].
pub fn timeout_at<F: IntoFuture>(deadline: Instant, future: F) -> Timeout<F::IntoFuture> {
    Timeout {
        future: future.into_future(),
        sleep: sleep_until(deadline),
    }
}

pin_project! {
    /// The future of [`timeout`] and [`timeout_at`].
    #[must_use = "a timeout does nothing unless it is polled"]
    #[derive(Debug)]
    pub struct Timeout<F> {
        #[pin]
        future: F,
        sleep: Sleep,
    }
}

impl<F> Timeout<F> {
    /// The future, to look at.
    pub fn get_ref(&self) -> &F {
        &self.future
    }

    /// The future, to be changed.
    pub fn get_mut(&mut self) -> &mut F {
        &mut self.future
    }

    /// The future, without its limit.
    pub fn into_inner(self) -> F {
        self.future
    }

    /// When the time runs out.
    pub fn deadline(&self) -> Instant {
        self.sleep.deadline()
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let had_budget = coop::has_budget_remaining();
        if let Poll::Ready(output) = this.future.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        let sleep = Pin::new(this.sleep);
        ready!(if had_budget && !coop::has_budget_remaining() {
            // The future itself used the budget up. It would do so in each poll, and the limit would
            // never have a unit.
            coop::with_unconstrained(|| sleep.poll(cx))
        } else {
            sleep.poll(cx)
        });
        Poll::Ready(Err(Elapsed(())))
    }
}

/// A time limit ran out.
///
/// It converts into an [`io::Error`] of the kind [`TimedOut`](io::ErrorKind::TimedOut), for `?`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed(());

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time limit ran out")
    }
}

impl error::Error for Elapsed {}

impl From<Elapsed> for io::Error {
    fn from(elapsed: Elapsed) -> Self {
        io::Error::new(io::ErrorKind::TimedOut, elapsed)
    }
}
