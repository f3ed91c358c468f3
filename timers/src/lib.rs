//! Timers: a hierarchical timer wheel with sub-millisecond resolution, and futures and callbacks on
//! it.
//!
//! The wheel is Varghese and Lauck's hierarchical timing wheel (SOSP 1987). The public functions
//! and most of their names are tokio's (`tokio::time`); `set_timeout` and `set_interval` are
//! JavaScript's.
//!
//! Users need [`sleep`], [`timeout`], [`interval`], [`set_timeout`] and [`set_interval`], which the
//! runtime re-exports. Authors of executors need [`Timers`] and [`enter`].
//!
//! # The path of a timer
//! [`sleep`] reads the clock and makes a future. Its first poll inserts an entry into a wheel,
//! behind the lock of the queue that this thread has [entered](enter). It publishes the wheel's
//! next deadline, and asks the driver's park state whether a parked driver must be
//! woken. [`Timers::fire`], on the first thread that calls it, takes the entry out and wakes the
//! task, in the frame in which the task polled. Dropping the future takes the entry out instead.
//!
//! The crate knows no executor, no driver and no system call. It must never run a waker, a
//! destructor or a callback while it holds a lock.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test fails by panicking"))]
#![cfg_attr(
    not(any(framewise_loom, framewise_shuttle)),
    expect(unreachable_pub, reason = "public in a model's build")
)]

mod callback;
mod clock;
mod current;
pub mod deadline;
mod instant;
mod interval;
mod park_state;
mod queue;
mod slab;
mod sleep;
mod timeout;
mod timers;
mod wheel;

#[cfg(all(feature = "test-util", not(any(framewise_loom, framewise_shuttle))))]
mod test_clock;

#[cfg(any(framewise_loom, framewise_shuttle))]
#[doc(hidden)]
pub mod model_clock;

/// Access for the models in `loom-tests`, which drive the parts one by one.
#[cfg(any(framewise_loom, framewise_shuttle))]
#[doc(hidden)]
pub mod model {
    pub use crate::clock::{Clock, TICK};
    pub use crate::park_state::{DriverParkState, NEVER, Published};
    pub use crate::queue::{ArmError, DueBatch, Found, Rearmed, TimerQueue};
    pub use crate::wheel::{Key, Wheel};
}

pub use callback::{PanicPolicy, TimerCallback, set_interval, set_interval_with, set_timeout};
pub use current::{EnterTimers, enter};
pub use instant::Instant;
pub use interval::{Interval, MissedTickBehavior, interval, interval_at};
pub use sleep::{Sleep, sleep, sleep_until};
#[cfg(all(feature = "test-util", not(any(framewise_loom, framewise_shuttle))))]
pub use test_clock::{advance, pause, resume};
pub use timeout::{Elapsed, Timeout, timeout, timeout_at};
#[cfg(all(feature = "test-util", not(any(framewise_loom, framewise_shuttle))))]
#[doc(hidden)]
pub use timers::DueTimer;
pub use timers::{ClosedTimers, TimerHandle, Timers};
