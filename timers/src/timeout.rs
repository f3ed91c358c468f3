//! `timeout`: a future with a time limit.
//!
//! Owns only the order of polling: the future first, so that a future that is ready in time is
//! never lost to its limit.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use std::{error, fmt, io};

use framewise_context::control::{ControlWait, Ended};
use framewise_context::coop;
use pin_project_lite::pin_project;

use crate::instant::Instant;
use crate::sleep::{Sleep, sleep, sleep_until};

/// Limits `future` to `duration`, counted from this call.
///
/// The future is polled first: if it is ready, so is the timeout, however late. A limit of zero
/// lets it be polled once. A future that exhausts the [budget](framewise_context::coop) of its task
/// cannot prevent the limit from ending it.
///
/// The limit drops the future where it waits, and what it has spawned runs on. The alternative that
/// does neither is [`deadline::within`](crate::deadline::within()).
///
/// # Errors
/// Returns [`Elapsed`] if the time ran out, or the work of the current frame
/// [ended](crate::deadline) while the future was pending. The future is dropped with the `Timeout`.
///
/// # Panics
/// Like [`sleep`], if the future is not ready at its first poll.
///
/// # Cancel safety
/// Like `future` itself: dropping the `Timeout` drops the future.
///
/// # Frame
/// The future is polled and dropped in the frame of the code that polls or drops the `Timeout`.
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
        wait: ControlWait::new(),
    }
}

/// Limits `future` to `deadline`.
///
/// # Errors
/// See [`timeout`].
///
/// # Panics
/// See [`timeout`].
///
/// # Cancel safety
/// See [`timeout`].
///
/// # Frame
/// See [`timeout`].
pub fn timeout_at<F: IntoFuture>(deadline: Instant, future: F) -> Timeout<F::IntoFuture> {
    Timeout {
        future: future.into_future(),
        sleep: sleep_until(deadline),
        wait: ControlWait::new(),
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
        wait: ControlWait,
    }
}

impl<F> Timeout<F> {
    /// Returns a reference to the future.
    pub fn get_ref(&self) -> &F {
        &self.future
    }

    /// Returns a mutable reference to the future.
    pub fn get_mut(&mut self) -> &mut F {
        &mut self.future
    }

    /// Returns the future, without its limit.
    pub fn into_inner(self) -> F {
        self.future
    }

    /// Returns the instant at which the time runs out.
    pub fn deadline(&self) -> Instant {
        self.sleep.deadline()
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    // A panic is reported at the `.await`.
    #[track_caller]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let had_budget = coop::has_budget_remaining();
        if let Poll::Ready(output) = this.future.poll(cx) {
            this.wait.clear();
            return Poll::Ready(Ok(output));
        }
        // If the future itself exhausted the budget, it would do so in each poll, and the limit
        // would never get a unit.
        let is_exhausted = had_budget && !coop::has_budget_remaining();
        if let Err(ended) = this.wait.register(cx.waker()) {
            if !is_exhausted {
                // A loop that goes on after errors yields.
                ready!(coop::poll_spend(cx));
            }
            this.sleep.disarm();
            return Poll::Ready(Err(Elapsed(Some(ended))));
        }
        let sleep = Pin::new(this.sleep);
        ready!(if is_exhausted {
            coop::with_unconstrained(|| sleep.poll(cx))
        } else {
            sleep.poll(cx)
        });
        this.wait.clear();
        Poll::Ready(Err(Elapsed(None)))
    }
}

/// The error of a time limit that ran out, or that the end of its frame's work came before.
///
/// It converts into an [`io::Error`] of the kind [`TimedOut`](io::ErrorKind::TimedOut), for `?`; or
/// of the kind [`Other`](io::ErrorKind::Other), if the work was cancelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elapsed(Option<Ended>);

impl Elapsed {
    /// Returns the end of the frame's work, if that came before the limit.
    ///
    /// # Examples
    /// ```
    /// # async fn example() {
    /// use std::time::Duration;
    /// use framewise_timers::{deadline, timeout};
    ///
    /// let second = Duration::from_secs(1);
    /// let work = timeout(60 * second, std::future::pending::<()>());
    /// let elapsed = deadline::within(second, work).await.unwrap_err();
    /// assert!(elapsed.ended().is_some_and(|ended| ended.is_deadline()));
    /// # }
    /// ```
    pub fn ended(&self) -> Option<&Ended> {
        self.0.as_ref()
    }
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.write_str("the time limit ran out"),
            Some(ended) => ended.fmt(f),
        }
    }
}

impl error::Error for Elapsed {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.0.as_ref().map(|ended| ended as _)
    }
}

impl From<Elapsed> for io::Error {
    fn from(elapsed: Elapsed) -> Self {
        let kind = match &elapsed.0 {
            Some(ended) if !ended.is_deadline() => io::ErrorKind::Other,
            _ => io::ErrorKind::TimedOut,
        };
        io::Error::new(kind, elapsed)
    }
}
