//! Sleeping, limits and ticks: framewise's.

pub use framewise::time::{
    Instant, Interval, MissedTickBehavior, Sleep, Timeout, interval, interval_at, sleep,
    sleep_until, timeout, timeout_at,
};
#[cfg(feature = "test-util")]
pub use framewise::time::{advance, pause, resume};
pub use std::time::Duration;

/// Errors of timers.
pub mod error {
    pub use framewise::time::Elapsed;
    pub use upstream::time::error::Error;
}
