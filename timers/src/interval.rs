//! `interval`: ticks at a steady pace.
//!
//! Owns the pace, and what becomes of ticks that nobody came for in time.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures_core::Stream;

use crate::clock::{Clock, add_saturating, multiple_after};
use crate::sleep::{Sleep, sleep_until};

/// How late a tick may be taken, at most, before [`MissedTickBehavior::Delay`] calls it missed;
/// half a period, if that is less.
const LATE_MAX: Duration = Duration::from_millis(5);

/// Ticks at once, and then every `period`.
///
/// # Panics
/// If `period` is zero. Polling panics as [`sleep`](crate::sleep)'s future does.
///
/// # Frame
/// A tick changes no frame: the task that awaits is in its own.
///
/// # Examples
/// ```
/// # async fn example() {
/// use std::time::Duration;
///
/// let mut interval = framewise_timers::interval(Duration::from_secs(1));
/// for _ in 0..3 {
///     interval.tick().await;
/// }
/// // Two seconds have passed.
/// # }
/// ```
#[track_caller]
pub fn interval(period: Duration) -> Interval {
    interval_at(Clock::now(), period)
}

/// Ticks at `start`, and then every `period`.
///
/// # Panics
/// As [`interval`].
///
/// # Frame
/// As [`interval`].
#[track_caller]
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    assert!(
        !period.is_zero(),
        "the period of an interval must be longer than zero"
    );
    Interval {
        sleep: sleep_until(start),
        period,
        missed: MissedTickBehavior::default(),
    }
}

/// What an [`Interval`] does when a tick is taken so late that others have become due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissedTickBehavior {
    /// Ticks at once until it has caught up: as many ticks as there should have been.
    #[default]
    Burst,
    /// Counts anew from the late tick: there is a period between any two ticks.
    Delay,
    /// Leaves out the missed ticks and goes on at the old pace: multiples of the period.
    Skip,
}

/// What [`interval`] and [`interval_at`] give. Also a [`Stream`] that does not end.
#[derive(Debug)]
pub struct Interval {
    sleep: Sleep,
    period: Duration,
    missed: MissedTickBehavior,
}

impl Interval {
    /// Waits for the next tick and says when it was due.
    ///
    /// # Cancel safety
    /// A tick is taken only when this is ready: dropping the future loses none.
    ///
    /// # Frame
    /// The future that was dropped leaves neither its waker nor its frame behind.
    pub async fn tick(&mut self) -> Instant {
        Tick(self).await
    }

    /// Like [`tick`](Self::tick), to be called from a future's `poll`.
    ///
    /// Nothing tells the interval when that future is dropped. So a waker that is not of this runtime
    /// is kept, together with its frame, until the tick is due, the interval is polled again or
    /// dropped.
    pub fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        ready!(Pin::new(&mut self.sleep).poll(cx));
        let due = self.sleep.deadline();
        let now = Clock::now();
        let next = self.next_deadline(due, now);
        self.sleep.restart(next, next > now);
        Poll::Ready(due)
    }

    /// Lets the next tick come one period from now.
    pub fn reset(&mut self) {
        self.reset_after(self.period);
    }

    /// Lets the next tick come at once.
    pub fn reset_immediately(&mut self) {
        self.reset_at(Clock::now());
    }

    /// Lets the next tick come `after` from now.
    pub fn reset_after(&mut self, after: Duration) {
        self.reset_at(add_saturating(Clock::now(), after));
    }

    /// Lets the next tick come at `deadline`.
    pub fn reset_at(&mut self, deadline: Instant) {
        self.sleep.reset(deadline);
    }

    /// The time between two ticks.
    pub fn period(&self) -> Duration {
        self.period
    }

    /// What happens when ticks are missed.
    pub fn missed_tick_behavior(&self) -> MissedTickBehavior {
        self.missed
    }

    /// Sets what happens when ticks are missed.
    pub fn set_missed_tick_behavior(&mut self, behavior: MissedTickBehavior) {
        self.missed = behavior;
    }

    fn next_deadline(&self, due: Instant, now: Instant) -> Instant {
        let late_max = LATE_MAX.min(self.period / 2);
        match self.missed {
            MissedTickBehavior::Skip => multiple_after(due, self.period, now),
            MissedTickBehavior::Delay if now.saturating_duration_since(due) > late_max => {
                add_saturating(now, self.period)
            }
            MissedTickBehavior::Delay | MissedTickBehavior::Burst => {
                add_saturating(due, self.period)
            }
        }
    }
}

/// The wait for one tick. Dropped before the tick, it takes its waker out of the wheel (C-48).
struct Tick<'a>(&'a mut Interval);

impl Future for Tick<'_> {
    type Output = Instant;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Instant> {
        self.0.poll_tick(cx)
    }
}

impl Drop for Tick<'_> {
    fn drop(&mut self) {
        self.0.sleep.disarm();
    }
}

impl Stream for Interval {
    type Item = Instant;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Instant>> {
        self.get_mut().poll_tick(cx).map(Some)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::MAX, None)
    }
}
