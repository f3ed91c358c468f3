//! `interval`: ticks at a steady pace.
//!
//! Owns the schedule, and the policy for ticks that were not taken in time. The policies and their
//! names are tokio's (`MissedTickBehavior`).

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;

use crate::clock::multiple_after;
use crate::instant::Instant;
use crate::sleep::{Sleep, sleep_until};

/// The delay up to which [`MissedTickBehavior::Delay`] does not treat a tick as missed; at most
/// half a period.
const LATE_MAX: Duration = Duration::from_millis(5);

/// Makes an interval that ticks immediately, and then every `period`.
///
/// # Panics
/// If `period` is zero. Polling panics like the future of [`sleep`](crate::sleep).
///
/// # Frame
/// A tick changes no frame: the task that awaits it stays in its own.
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
    interval_at(Instant::now(), period)
}

/// Makes an interval that ticks at `start` and then every `period`.
///
/// # Panics
/// See [`interval`].
///
/// # Frame
/// See [`interval`].
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

/// The behavior of an [`Interval`] when a tick is taken so late that later ticks are due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissedTickBehavior {
    /// Ticks without delay until it has caught up: no tick is lost.
    #[default]
    Burst,
    /// Restarts the schedule at the late tick: two ticks are at least a period apart.
    Delay,
    /// Skips the missed ticks and keeps the schedule: multiples of the period.
    Skip,
}

/// The interval made by [`interval`] and [`interval_at`]. Also an endless [`Stream`].
#[derive(Debug)]
pub struct Interval {
    sleep: Sleep,
    period: Duration,
    missed: MissedTickBehavior,
}

impl Interval {
    /// Waits for the next tick; returns the instant at which it was due.
    ///
    /// # Cancel safety
    /// Cancel safe: the tick is taken only when the future is ready.
    ///
    /// # Frame
    /// A future that is dropped leaves neither its waker nor its frame behind.
    pub async fn tick(&mut self) -> Instant {
        Tick(self).await
    }

    /// Like [`tick`](Self::tick), to be called from a future's `poll`.
    ///
    /// The interval cannot notice that this future is dropped. So a waker of another runtime is
    /// kept, together with its frame, until the tick is due or the interval is polled again or
    /// dropped.
    pub fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        ready!(Pin::new(&mut self.sleep).poll(cx));
        let due = self.sleep.deadline();
        let now = self.sleep.now();
        let next = self.next_deadline(due, now);
        self.sleep.restart(next, next > now);
        Poll::Ready(due)
    }

    /// Sets the next tick to one period from now.
    pub fn reset(&mut self) {
        self.reset_after(self.period);
    }

    /// Makes the next tick due now.
    pub fn reset_immediately(&mut self) {
        self.reset_at(self.sleep.now());
    }

    /// Sets the next tick to `after` from now.
    pub fn reset_after(&mut self, after: Duration) {
        self.reset_at(self.sleep.now().saturating_add(after));
    }

    /// Sets the next tick to `deadline`.
    pub fn reset_at(&mut self, deadline: Instant) {
        self.sleep.reset(deadline);
    }

    /// Returns the time between two ticks.
    pub fn period(&self) -> Duration {
        self.period
    }

    /// Returns the behavior for missed ticks.
    pub fn missed_tick_behavior(&self) -> MissedTickBehavior {
        self.missed
    }

    /// Sets the behavior for missed ticks.
    pub fn set_missed_tick_behavior(&mut self, behavior: MissedTickBehavior) {
        self.missed = behavior;
    }

    fn next_deadline(&self, due: Instant, now: Instant) -> Instant {
        let late_max = LATE_MAX.min(self.period / 2);
        match self.missed {
            MissedTickBehavior::Skip => multiple_after(due, self.period, now),
            MissedTickBehavior::Delay if now.duration_since(due) > late_max => {
                now.saturating_add(self.period)
            }
            MissedTickBehavior::Delay | MissedTickBehavior::Burst => {
                due.saturating_add(self.period)
            }
        }
    }
}

/// The wait for one tick. If it is dropped before the tick, it takes its waker out of the wheel
/// (C-48).
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
