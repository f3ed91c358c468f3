//! The clock of accounting: the processor's time stamp counter where it is invariant, otherwise the
//! system's monotonic clock.
//!
//! Owns the crate that reads it, `quanta`, which finds out what the processor has and how fast its
//! counter counts. Counts are kept in ticks of this clock; only a reader converts them. It is not
//! the clock of the runtime's timers, so a test that pauses the time still measures the real one.

use std::time::Duration;

/// Units of the clock.
pub(crate) type AccountTicks = u64;

/// The clock, calibrated once in a process.
#[derive(Clone, Debug)]
pub(crate) struct AccountClock(quanta::Clock);

impl AccountClock {
    /// Returns the clock. The first call in a process calibrates it, which takes milliseconds.
    pub(crate) fn new() -> Self {
        Self(quanta::Clock::new())
    }

    /// Reads the clock: one instruction where the counter is invariant.
    #[inline(always)]
    pub(crate) fn now(&self) -> AccountTicks {
        self.0.raw()
    }

    /// Converts a length of time.
    pub(crate) fn duration(&self, ticks: AccountTicks) -> Duration {
        Duration::from_nanos(self.0.delta_as_nanos(0, ticks))
    }
}
