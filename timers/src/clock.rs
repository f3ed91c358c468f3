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
//! before it fires.

#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::instant::Instant;
use crate::wheel::FAR_TICK;

/// The binary logarithm of the nanoseconds in a tick.
const TICK_SHIFT: u32 = 15;

/// The length of a tick of the wheel.
#[cfg(any(test, framewise_loom, framewise_shuttle))]
pub const TICK: Duration = Duration::from_nanos(1 << TICK_SHIFT);

/// Returns the current time: the system's, or this thread's virtual time.
#[cfg(not(any(framewise_loom, framewise_shuttle)))]
#[inline]
pub(crate) fn now() -> Instant {
    #[cfg(feature = "test-util")]
    if let Some(now) = crate::virtual_time::now() {
        return now;
    }
    Instant::from_std(std::time::Instant::now())
}

/// Returns the model's time, which only the model advances.
#[cfg(any(framewise_loom, framewise_shuttle))]
pub(crate) fn now() -> Instant {
    crate::model_clock::now()
}

/// Counts ticks from zero since it was made. It never goes backwards.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// Makes a clock whose tick 0 is now.
    pub fn start() -> Self {
        Self { start: now() }
    }

    /// Returns the last tick that has begun.
    pub fn now_ticks(&self) -> u64 {
        self.ticks_begun(now())
    }

    /// Returns the last tick that has begun at `instant`, rounding down. An instant before the
    /// start is tick 0.
    pub fn ticks_begun(&self, instant: Instant) -> u64 {
        self.nanos(instant) >> TICK_SHIFT
    }

    /// Returns the first tick that does not begin before `instant`, rounding up, so that no timer
    /// fires early. An instant beyond the wheel's range is [`FAR_TICK`], which never comes.
    pub fn ticks_reached(&self, instant: Instant) -> u64 {
        // At most `FAR_TICK` is added to: no overflow, and the result is at most `FAR_TICK`.
        (self.nanos(instant) + ((1 << TICK_SHIFT) - 1)) >> TICK_SHIFT
    }

    /// Returns the nanoseconds from the start to `instant`, at most those at which [`FAR_TICK`]
    /// begins.
    fn nanos(&self, instant: Instant) -> u64 {
        const FAR_NANOS: u64 = FAR_TICK << TICK_SHIFT;
        const FAR_SECONDS: u64 = FAR_NANOS / 1_000_000_000;
        let since = instant.duration_since(self.start);
        if since.as_secs() >= FAR_SECONDS {
            return FAR_NANOS;
        }
        since.as_secs() * 1_000_000_000 + u64::from(since.subsec_nanos())
    }

    /// Returns the instant at which tick `ticks` begins.
    #[cfg(all(feature = "test-util", not(any(framewise_loom, framewise_shuttle))))]
    pub(crate) fn instant(&self, ticks: u64) -> Instant {
        self.start
            .saturating_add(Duration::from_nanos(ticks.min(FAR_TICK) << TICK_SHIFT))
    }

    /// Returns the time from now until tick `ticks` begins; zero if it has begun.
    pub fn until(&self, ticks: u64) -> Duration {
        // 2⁴⁸ ticks are 2⁶³ nanoseconds: no overflow.
        let begins = Duration::from_nanos(ticks.min(FAR_TICK) << TICK_SHIFT);
        begins.saturating_sub(now().duration_since(self.start))
    }
}

/// Returns the first of `due + period`, `due + 2 * period`, … that is after `now`.
pub(crate) fn multiple_after(due: Instant, period: Duration, now: Instant) -> Instant {
    let missed = now.duration_since(due).as_nanos() / period.as_nanos();
    let nanos = (missed + 1).saturating_mul(period.as_nanos());
    let seconds = u64::try_from(nanos / 1_000_000_000).unwrap_or(u64::MAX);
    due.saturating_add(Duration::new(seconds, (nanos % 1_000_000_000) as u32))
}
