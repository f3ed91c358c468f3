//! Readiness, registrations and sockets over [mio], for the framewise runtime.
//!
//! Applications use this crate through `framewise`, whose `net` module is [`net`] and which owns
//! the driver. Another executor can use it alone: one of its threads turns the [`IoDriver`], and
//! every thread that uses sockets [enters](IoHandle::enter) the driver's handle.
//!
//! From the bottom up:
//!
//! - [`Ready`] and [`Interest`]: what a source is ready for, and what a waiter waits for.
//! - `scheduled_io`: the readiness, waiters and callbacks of one source, without an operating
//!   system.
//! - `slab`, `handle`: how the driver finds a source, and what threads share.
//! - `system`: the facade of the operating system's event queue.
//! - `driver`, with `timerfd` and `unpark`: waits for events and sets the readiness of their
//!   sources.
//! - `registration`, `source`: a socket's registration with the driver, and operations that wait.
//! - `async_fd`: any other descriptor, public as `unix::AsyncFd`.
//! - [`net`]: the sockets. `process`: the pipes of child processes. `traits`: the I/O traits of
//!   other crates, for both.
//!
//! The crate knows no tasks, timers or executor. An executor installs the handle in its threads.

#![cfg_attr(
    not(any(framewise_loom, framewise_shuttle)),
    expect(unreachable_pub, reason = "public in a model's build")
)]

#[cfg(unix)]
mod async_fd;
mod callback;
mod driver;
mod handle;
#[cfg(any(framewise_loom, framewise_shuttle))]
#[doc(hidden)]
pub mod model;
pub mod net;
mod ready;
mod registration;
mod scheduled_io;
mod slab;
mod source;
mod system;
#[cfg(target_os = "linux")]
mod timerfd;
#[cfg(any(feature = "futures-io", feature = "tokio", feature = "hyper"))]
mod traits;
mod unpark;

/// Asynchronous I/O on any file descriptor.
#[cfg(unix)]
pub mod unix {
    pub use crate::async_fd::{
        AsyncFd, AsyncFdReadyGuard, AsyncFdReadyMutGuard, AsyncFdRegisterError, TryIoError,
    };
}

/// The pipes of child processes.
#[cfg(unix)]
pub mod process {
    pub use crate::net::unix::child::{ChildStderr, ChildStdin, ChildStdout};
}

pub use callback::ReadyCallback;
pub use driver::{Batch, EndedWaits, IoDriver, TurnReport};
pub use handle::{BlockingSpawner, EnterIo, IoHandle};
#[doc(hidden)]
pub use handle::{is_shutdown_error, shutdown_error};
pub use net::connect::{Delay, DelayFunction};
#[doc(hidden)]
pub use ready::Direction;
pub use ready::{Interest, Ready};
