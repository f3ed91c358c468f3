//! `Instant`: a point of the time that timers use.
//!
//! Owns the type and its arithmetic, whose names are tokio's and `std`'s. What the time is belongs
//! to the [clock](crate::clock).

use std::fmt;
use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::time::{Duration, Instant as SystemInstant};

use crate::clock;

/// A point in time, as the timers of this thread's runtime see it.
///
/// It is [`std::time::Instant`], from which it differs in [`now`](Self::now) alone: in a test whose
/// time does not follow the system's, `now` reads the test's time. The two convert into each other
/// without loss. Code that measures durations or computes deadlines should use this type, so that
/// it can be tested there.
///
/// Differences never panic: if the earlier instant is the later one, they are zero.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use framewise_timers::Instant;
///
/// let start = Instant::now();
/// let deadline = start + Duration::from_secs(5);
/// assert_eq!(deadline - start, Duration::from_secs(5));
/// assert_eq!(start - deadline, Duration::ZERO);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(SystemInstant);

impl Instant {
    /// Returns the current time of the runtime that this thread has entered; outside of a runtime
    /// the system's.
    ///
    /// # Examples
    /// ```
    /// use framewise_timers::Instant;
    ///
    /// let before = Instant::now();
    /// assert!(Instant::now() >= before);
    /// ```
    #[inline]
    pub fn now() -> Self {
        clock::now()
    }

    /// Converts an instant of `std`.
    ///
    /// # Examples
    /// ```
    /// use framewise_timers::Instant;
    ///
    /// let std = std::time::Instant::now();
    /// assert_eq!(Instant::from_std(std).into_std(), std);
    /// ```
    pub fn from_std(std: SystemInstant) -> Self {
        Self(std)
    }

    /// Converts into an instant of `std`.
    ///
    /// # Examples
    /// See [`from_std`](Self::from_std).
    pub fn into_std(self) -> SystemInstant {
        self.0
    }

    /// Returns the time from `earlier` to this instant; zero if `earlier` is later.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use framewise_timers::Instant;
    ///
    /// let start = Instant::now();
    /// let later = start + Duration::from_millis(5);
    /// assert_eq!(later.duration_since(start), Duration::from_millis(5));
    /// assert_eq!(start.duration_since(later), Duration::ZERO);
    /// ```
    pub fn duration_since(&self, earlier: Self) -> Duration {
        self.0.saturating_duration_since(earlier.0)
    }

    /// Returns the time from `earlier` to this instant; `None` if `earlier` is later.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use framewise_timers::Instant;
    ///
    /// let start = Instant::now();
    /// let later = start + Duration::from_millis(5);
    /// assert_eq!(later.checked_duration_since(start), Some(Duration::from_millis(5)));
    /// assert_eq!(start.checked_duration_since(later), None);
    /// ```
    pub fn checked_duration_since(&self, earlier: Self) -> Option<Duration> {
        self.0.checked_duration_since(earlier.0)
    }

    /// Like [`duration_since`](Self::duration_since), under `std`'s name for it.
    ///
    /// # Examples
    /// See [`duration_since`](Self::duration_since).
    pub fn saturating_duration_since(&self, earlier: Self) -> Duration {
        self.duration_since(earlier)
    }

    /// Returns the time from this instant to [`now`](Self::now); zero if it is in the future.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use framewise_timers::{Instant, sleep};
    ///
    /// # async fn example() {
    /// let start = Instant::now();
    /// sleep(Duration::from_millis(5)).await;
    /// assert!(start.elapsed() >= Duration::from_millis(5));
    /// # }
    /// ```
    pub fn elapsed(&self) -> Duration {
        Self::now().duration_since(*self)
    }

    /// Returns the instant `duration` later; `None` if the platform cannot represent it.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use framewise_timers::Instant;
    ///
    /// let start = Instant::now();
    /// let second = Duration::from_secs(1);
    /// assert_eq!(start.checked_add(second), Some(start + second));
    /// assert_eq!(start.checked_add(Duration::MAX), None);
    /// ```
    pub fn checked_add(&self, duration: Duration) -> Option<Self> {
        self.0.checked_add(duration).map(Self)
    }

    /// Returns the instant `duration` earlier; `None` if the platform cannot represent it.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use framewise_timers::Instant;
    ///
    /// let later = Instant::now() + Duration::from_secs(1);
    /// assert!(later.checked_sub(Duration::from_secs(1)).is_some());
    /// assert_eq!(later.checked_sub(Duration::MAX), None);
    /// ```
    pub fn checked_sub(&self, duration: Duration) -> Option<Self> {
        self.0.checked_sub(duration).map(Self)
    }

    /// Returns the instant `duration` later, or the furthest one that the platform can represent.
    pub(crate) fn saturating_add(&self, duration: Duration) -> Self {
        self.checked_add(duration)
            .unwrap_or_else(|| furthest(*self))
    }
}

/// Finds the furthest instant by adding steps of whole seconds, each half of the previous one.
#[cold]
fn furthest(from: Instant) -> Instant {
    #[cfg(all(feature = "test-util", not(any(framewise_loom, framewise_shuttle))))]
    if let Some(end) = crate::test_clock::endless(from) {
        return end;
    }
    let steps = (0..u64::BITS)
        .rev()
        .map(|bit| Duration::from_secs(1 << bit));
    steps.fold(from, |instant, step| {
        instant.checked_add(step).unwrap_or(instant)
    })
}

impl From<SystemInstant> for Instant {
    fn from(std: SystemInstant) -> Self {
        Self(std)
    }
}

impl From<Instant> for SystemInstant {
    fn from(instant: Instant) -> Self {
        instant.0
    }
}

/// # Panics
/// If the platform cannot represent the sum: see [`checked_add`](Instant::checked_add).
impl Add<Duration> for Instant {
    type Output = Self;

    #[track_caller]
    fn add(self, duration: Duration) -> Self {
        Self(self.0 + duration)
    }
}

/// # Panics
/// Like the addition.
impl AddAssign<Duration> for Instant {
    #[track_caller]
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

/// # Panics
/// If the platform cannot represent the result: see [`checked_sub`](Instant::checked_sub).
impl Sub<Duration> for Instant {
    type Output = Self;

    #[track_caller]
    fn sub(self, duration: Duration) -> Self {
        Self(self.0 - duration)
    }
}

/// # Panics
/// Like the subtraction.
impl SubAssign<Duration> for Instant {
    #[track_caller]
    fn sub_assign(&mut self, duration: Duration) {
        *self = *self - duration;
    }
}

/// Like [`duration_since`](Instant::duration_since).
impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.duration_since(earlier)
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
