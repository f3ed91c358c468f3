//! framewise: an async runtime in which context is native.
//!
//! (To be written.)

mod blocking;
#[cfg(feature = "hyper")]
pub mod hyper;
#[doc(hidden)]
pub mod model;
pub mod runtime;
mod scheduler;
pub mod task;

pub use framewise_context::{ContextVar, Frame, bind};
pub use task::{JoinError, JoinHandle, block_on, spawn, spawn_blocking, spawn_root};

/// Frames and variables: what "the current request" is made of.
pub mod context {
    pub use framewise_context::*;
}

/// TCP, and looking names up.
pub mod net {
    pub use framewise_io::net::*;
}

/// Sleeping, deadlines, ticks and timer callbacks.
pub mod time {
    pub use framewise_timers::{
        Elapsed, Interval, MissedTickBehavior, Sleep, Timeout, TimerCallback, interval,
        interval_at, set_interval, set_timeout, sleep, sleep_until, timeout, timeout_at,
    };
}
