//! Readiness, registrations and TCP over [mio], for the framewise runtime.
//!
//! An application uses this crate through `framewise`, whose `net` module is [`net`] and which
//! owns the driver. Under another executor it can be used alone: some thread has to turn the
//! [`IoDriver`], and those that use sockets [enter](IoHandle::enter) its handle.
//!
//! From the bottom up:
//!
//! - [`Ready`] and [`Interest`]: what a source is ready for, and what one waits for.
//! - `readiness`: the word that holds it, which knows no operating system; `waiters` and `wait`:
//!   who waits.
//! - `slab`, `state`, `handle`: how the driver finds a source, and what threads share.
//! - `system`: the door to the operating system's queue of events.
//! - `driver`, with `timerfd` and `unpark`: waiting for events and telling of them.
//! - `registration`, `source`: a socket's place with the driver, and operations that wait.
//! - [`net`]: the sockets. `traits`: the I/O traits of other crates, for them.
//!
//! It must not know tasks, timers or the executor: they install its handle in their threads.

#![warn(unreachable_pub)]

mod driver;
mod handle;
pub mod net;
mod registration;
mod source;
mod system;
#[cfg(target_os = "linux")]
mod timerfd;

// For the models, which drive the protocols without an operating system.
#[doc(hidden)]
pub mod callback;
#[cfg(any(framewise_loom, framewise_shuttle))]
#[doc(hidden)]
pub mod model;
#[doc(hidden)]
pub mod readiness;
mod ready;
#[doc(hidden)]
pub mod slab;
#[doc(hidden)]
pub mod state;
#[cfg(any(feature = "futures-io", feature = "tokio", feature = "hyper"))]
mod traits;
#[doc(hidden)]
pub mod unpark;
#[doc(hidden)]
pub mod wait;
#[doc(hidden)]
pub mod waiters;

pub use callback::ReadyCallback;
pub use driver::{Batch, EndedWaits, IoDriver, TurnReport};
pub use handle::{BlockingSpawner, EnterGuard, IoHandle};
#[doc(hidden)]
pub use ready::Direction;
pub use ready::{Interest, Ready};
