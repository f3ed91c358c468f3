//! The clock: the only place in this crate that reads the time.
//!
//! Owns the start time of one runtime and the conversion between [`Instant`]s and the wheel's
//! ticks. It must not know wheels or timers.
//!
//! # The tick
//! A tick is 2¹⁵ ns, that is 32.768 µs. It is a power of two, so that the conversion is a shift.
//! Rounding up delays a timer by half a tick on average, which is less than the cost of waking a
//! thread. With a quarter of the tick the wheel's eight levels would end after 73 years instead of
//! 292; with a tick 64 times as fine, every timer that is not canceled would be moved once more. A
//! timer below 2.1 ms goes to the lowest level at once; one below 134 ms is moved at most once
//! before it fires. A clock that a test can stop counts nanoseconds (`test_clock.rs`).

#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::instant::Instant;
#[cfg(all(feature = "test-util", not(any(framewise_loom, framewise_shuttle))))]
use crate::test_clock::TestClock;
use crate::wheel::FAR_TICK;

/// The binary logarithm of the nanoseconds in a tick, except on a clock that can be stopped.
const TICK_SHIFT: u32 = 15;

/// The length of a tick of the wheel.
#[cfg(any(test, framewise_loom, framewise_shuttle))]
pub const TICK: Duration = Duration::from_nanos(1 << TICK_SHIFT);

/// The nanoseconds from a clock's start to [`FAR_TICK`], which never comes: 292 years.
const FAR_NANOS: u64 = (1 << 63) - (1 << TICK_SHIFT);

/// Returns the current time: that of this thread's runtime, else the system's.
#[inline]
pub(crate) fn now() -> Instant {
    #[cfg(all(feature = "test-util", not(any(framewise_loom, framewise_shuttle))))]
    if let Some(now) = crate::test_clock::now() {
        return now;
    }
    system_now()
}

#[cfg(not(any(framewise_loom, framewise_shuttle)))]
#[inline]
fn system_now() -> Instant {
    Instant::from_std(std::time::Instant::now())
}

/// Returns the model's time, which only the model advances.
#[cfg(any(framewise_loom, framewise_shuttle))]
fn system_now() -> Instant {
    crate::model_clock::now()
}

/// Counts ticks from zero since it was made. It never goes backwards.
pub struct Clock {
    start: Instant,
    #[cfg(all(feature = "test-util", not(any(framewise_loom, framewise_shuttle))))]
    test: Option<TestClock>,
}

impl Clock {
    /// Makes a clock whose tick 0 is now.
    pub fn start() -> Self {
        Self {
            start: system_now(),
            #[cfg(all(feature = "test-util", not(any(framewise_loom, framewise_shuttle))))]
            test: None,
        }
    }

    /// Makes a clock that can be stopped. Its ticks are nanoseconds.
    #[cfg(all(feature = "test-util", not(any(framewise_loom, framewise_shuttle))))]
    pub(crate) fn start_stoppable() -> Self {
        Self {
            test: Some(TestClock::new()),
            ..Self::start()
        }
    }

    /// Returns the clock's state, if it can be stopped.
    #[cfg(all(feature = "test-util", not(any(framewise_loom, framewise_shuttle))))]
    pub(crate) fn test_clock(&self) -> Option<&TestClock> {
        self.test.as_ref()
    }

    /// Returns this clock's time, on any thread.
    #[inline]
    pub fn now(&self) -> Instant {
        #[cfg(all(feature = "test-util", not(any(framewise_loom, framewise_shuttle))))]
        if let Some(now) = self.test.as_ref().and_then(TestClock::now) {
            return now;
        }
        system_now()
    }

    /// Returns the last tick that has begun.
    pub fn now_ticks(&self) -> u64 {
        self.ticks_begun(self.now())
    }

    /// Returns the last tick that has begun at `instant`, rounding down. An instant before the
    /// start is tick 0.
    pub fn ticks_begun(&self, instant: Instant) -> u64 {
        self.ticks(self.nanos(instant))
    }

    /// Returns the first tick that does not begin before `instant`, rounding up, so that no timer
    /// fires early. An instant beyond the wheel's range is [`FAR_TICK`], which never comes.
    pub fn ticks_reached(&self, instant: Instant) -> u64 {
        // At most `FAR_NANOS` is added to: no overflow, and the result is at most `FAR_TICK`.
        self.ticks(self.nanos(instant) + ((1 << self.shift()) - 1))
    }

    /// Returns the instant at which tick `ticks` begins.
    #[cfg(all(feature = "test-util", not(any(framewise_loom, framewise_shuttle))))]
    pub(crate) fn instant(&self, ticks: u64) -> Instant {
        self.start.saturating_add(self.since_start(ticks))
    }

    /// Returns the time from now until tick `ticks` begins; zero if it has begun.
    pub fn until(&self, ticks: u64) -> Duration {
        let passed = self.now().duration_since(self.start);
        self.since_start(ticks).saturating_sub(passed)
    }

    /// Returns the time from the start until tick `ticks` begins.
    fn since_start(&self, ticks: u64) -> Duration {
        Duration::from_nanos(ticks.min(FAR_NANOS >> self.shift()) << self.shift())
    }

    /// Returns the nanoseconds from the start to `instant`, at most [`FAR_NANOS`].
    fn nanos(&self, instant: Instant) -> u64 {
        const FAR_SECONDS: u64 = FAR_NANOS / 1_000_000_000;
        let since = instant.duration_since(self.start);
        if since.as_secs() >= FAR_SECONDS {
            return FAR_NANOS;
        }
        since.as_secs() * 1_000_000_000 + u64::from(since.subsec_nanos())
    }

    /// Returns the tick that begins at or before `nanos`.
    fn ticks(&self, nanos: u64) -> u64 {
        // Where the wheel has more levels than these ticks take, this is how they end.
        if cfg!(feature = "test-util") && nanos >= FAR_NANOS {
            return FAR_TICK;
        }
        nanos >> self.shift()
    }

    /// Returns the binary logarithm of the nanoseconds in a tick.
    fn shift(&self) -> u32 {
        #[cfg(all(feature = "test-util", not(any(framewise_loom, framewise_shuttle))))]
        if self.test.is_some() {
            return 0;
        }
        TICK_SHIFT
    }
}

/// Returns the first of `due + period`, `due + 2 * period`, … that is after `now`.
pub(crate) fn multiple_after(due: Instant, period: Duration, now: Instant) -> Instant {
    let missed = now.duration_since(due).as_nanos() / period.as_nanos();
    let nanos = (missed + 1).saturating_mul(period.as_nanos());
    let seconds = u64::try_from(nanos / 1_000_000_000).unwrap_or(u64::MAX);
    due.saturating_add(Duration::new(seconds, (nanos % 1_000_000_000) as u32))
}
