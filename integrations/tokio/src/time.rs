//! Sleeping, limits and ticks: framewise's.

pub use framewise::time::{
    Instant, Interval, MissedTickBehavior, Sleep, Timeout, interval, interval_at, sleep,
    sleep_until, timeout, timeout_at,
};
pub use std::time::Duration;

/// Errors of timers.
pub mod error {
    pub use framewise::time::Elapsed;
}
