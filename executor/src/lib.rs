//! A multi-threaded, work-stealing async runtime in which context is native.
//!
//! Bind a value once, and everything that follows from it sees it: child tasks, timers, I/O, calls
//! on the blocking pool. Nothing is passed, nothing is wrapped at a spawn.
//!
//! ```
//! use std::time::Duration;
//! use framewise::{ContextVar, time};
//!
//! static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
//!
//! async fn handle() {
//!     // A task inherits the frame: one pointer.
//!     let child = framewise::spawn(async { REQUEST_ID.get() });
//!     // So does a call on the blocking pool,
//!     let row = framewise::spawn_blocking(|| REQUEST_ID.get()).await;
//!     // and a future that waits for a timer is back in its task's frame.
//!     time::sleep(Duration::from_millis(1)).await;
//!
//!     assert_eq!(REQUEST_ID.get(), Some(7));
//!     assert_eq!(row.expect("it does not panic"), Some(7));
//!     assert_eq!(child.await.expect("it neither panics nor is aborted"), Some(7));
//! }
//!
//! framewise::block_on(REQUEST_ID.scope(7, handle()));
//! ```
//!
//! # The guide
//!
//! [Context without surprises](guide): the model, scopes and laziness, pools, leaks, what does not
//! inherit; moving from `task_local!`, from `tracing`'s `instrument` and from `AsyncLocalStorage`.
//!
//! # The parts
//!
//! - [`context`]: variables, frames, scopes. It is the crate `framewise-context`, which works on
//!   any executor.
//! - [`task`]: spawning, joining, aborting, yielding, blocking, tasks that stay on one thread.
//! - [`panics`]: handlers for the panics that no joiner takes, bound in a frame.
//! - [`runtime`]: the runtime, its settings, handles to it.
//! - [`net`]: TCP, UDP, Unix sockets, pipes and name look-up.
//! - [`io`]: readiness of any file descriptor (`AsyncFd`), the standard streams.
//! - [`fs`]: files and directories.
//! - [`time`]: sleeping, limits, ticks, callbacks.
//! - [`deadline`] and [`cancel`]: a request's end, which its operations obey.
//! - `#[framewise::main]` and `#[framewise::test]` (feature `macros`): an async function with a
//!   runtime of its own.
#![cfg_attr(unix, doc = "- [`signal`]: signals of the operating system.")]
#![cfg_attr(unix, doc = "- [`process`]: child processes.")]
#![cfg_attr(feature = "hyper", doc = "- [`hyper`]: hyper's executor and timer.")]
#![cfg_attr(
    not(feature = "hyper"),
    doc = "- `hyper` (a feature): hyper's executor and timer."
)]
#![cfg_attr(
    feature = "http",
    doc = "- [`serve`](mod@serve): an HTTP server; [`hyper::client`]: a pooled HTTP client."
)]
#![cfg_attr(
    not(feature = "http"),
    doc = "- `serve` (feature `http`): an HTTP server; `hyper::client`: a pooled HTTP client."
)]
#![cfg_attr(
    feature = "tower",
    doc = "- [`tower`]: layers that carry a request's frame into the bodies of HTTP and gRPC, and its deadline from and to the wire."
)]
#![cfg_attr(
    not(feature = "tower"),
    doc = "- `tower` (a feature): layers that carry a request's frame into the bodies of HTTP and gRPC, and its deadline from and to the wire."
)]
#![cfg_attr(
    feature = "test-util",
    doc = "- [`test`](mod@test): deterministic tests, under many seeds and with virtual time."
)]
#![cfg_attr(
    not(feature = "test-util"),
    doc = "- `test` (feature `test-util`): deterministic tests, under many seeds and with virtual time."
)]
//!
//! # Features
//!
//! `futures-io` and `tokio` (both default) implement these families' I/O traits for the streams,
//! `hyper` hyper's. The traits come without the runtimes. `http` has an HTTP server and a pooled
//! client, by hyper-util. `http-body` wraps HTTP bodies
//! (`Frame::scope_body`), and `tower` has the layers that do so for whole servers and clients.
//! `bytes` receives into `bytes::BufMut` (`read_buf`, `recv_buf`).
//! `frame-stats` counts the live frames by the place that bound them, as builds with debug
//! assertions do without it: see [`context::frame_stats`]. `test-util` is for dev-dependencies:
//! seeded runs, `framewise::test`, and paused time, `time::pause`.
//!
//! # What a frame costs
//!
//! A task's header has a pointer for it. A poll swaps one thread-local pointer. Spawning under a
//! binding raises one count; at the root it does nothing. Binding is one allocation.

#[cfg(feature = "account")]
pub mod account;
#[cfg(not(feature = "account"))]
#[path = "account/off.rs"]
mod account;
mod blocking;
#[cfg(not(any(framewise_loom, framewise_shuttle)))]
pub mod fs;
#[cfg(any(doc, doctest))]
pub mod guide;
#[cfg(feature = "hyper")]
pub mod hyper;
#[cfg(all(
    any(feature = "futures-io", feature = "tokio"),
    not(any(framewise_loom, framewise_shuttle))
))]
mod io_traits;
#[cfg(any(framewise_loom, framewise_shuttle))]
#[doc(hidden)]
pub mod model;
mod observe;
pub mod panics;
#[cfg(all(unix, not(any(framewise_loom, framewise_shuttle))))]
pub mod process;
pub mod runtime;
mod scheduler;
#[cfg(all(feature = "test-util", not(any(framewise_loom, framewise_shuttle))))]
mod seeded;
#[cfg(not(all(feature = "test-util", not(any(framewise_loom, framewise_shuttle)))))]
mod seeded {
    #[path = "plain_hooks.rs"]
    pub(crate) mod hooks;
}
#[cfg(feature = "http")]
pub mod serve;
#[cfg(unix)]
pub mod signal;
#[cfg(not(any(framewise_loom, framewise_shuttle)))]
mod stdio;
pub mod task;
#[cfg(all(feature = "test-util", not(any(framewise_loom, framewise_shuttle))))]
pub mod test;
#[cfg(feature = "tower")]
pub mod tower;

pub use framewise_context::cancel;
pub use framewise_context::{ContextVar, DefaultVar, Frame, bind};
#[cfg(feature = "macros")]
pub use framewise_macros::{main, test};
pub use framewise_timers::deadline;
#[cfg(feature = "http")]
pub use serve::serve;
pub use task::{JoinError, JoinHandle, block_on, spawn, spawn_blocking, spawn_root};

/// Frames and variables: what "the current request" consists of.
pub mod context {
    pub use framewise_context::{
        BindingList, Bindings, Bound, CaughtPanic, ContextVar, DefaultVar, Frame, FrameId,
        FrameScope, FrameStats, LocationStats, Scope, Unbound, WithFrame, bind, catch_unwind,
        contract, coop, frame_stats, without,
    };
}

/// Readiness of any file descriptor, and the standard streams.
///
/// # Examples
///
/// A socket of `std`, which a task awaits in its own frame:
///
/// ```
/// # #[cfg(unix)] fn main() -> std::io::Result<()> {
/// use std::io::{Read, Write};
/// use std::os::unix::net::UnixStream;
/// use framewise::ContextVar;
/// use framewise::io::Interest;
/// use framewise::io::unix::AsyncFd;
///
/// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
///
/// framewise::block_on(async {
///     let (end, mut peer) = UnixStream::pair()?;
///     end.set_nonblocking(true)?;
///     let end = AsyncFd::new(end)?;
///     let read = REQUEST_ID.scope(7, async move {
///         let mut buffer = [0; 16];
///         end.async_io(Interest::READABLE, |mut end| {
///             assert_eq!(REQUEST_ID.get(), Some(7));
///             end.read(&mut buffer)
///         })
///         .await
///     });
///     let reading = framewise::spawn(read);
///     peer.write_all(b"hello")?;
///     assert_eq!(reading.await.expect("it neither panics nor is aborted")?, 5);
///     Ok(())
/// })
/// # }
/// # #[cfg(not(unix))] fn main() {}
/// ```
pub mod io {
    #[cfg(not(any(framewise_loom, framewise_shuttle)))]
    pub use crate::stdio::{Stderr, Stdin, Stdout, stderr, stdin, stdout};
    pub use framewise_io::{Interest, Ready};

    /// File descriptors of other libraries.
    #[cfg(unix)]
    pub mod unix {
        pub use framewise_io::unix::{
            AsyncFd, AsyncFdReadyGuard, AsyncFdReadyMutGuard, AsyncFdRegisterError, TryIoError,
        };
    }
}

/// Sockets, and looking names up.
pub mod net {
    pub use framewise_io::net::{
        DatagramBuffer, OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, SplitStream,
        TcpListener, TcpSocket, TcpStream, ToSocketAddrs, UdpSocket, WriteHalf, lookup_host,
    };
    #[cfg(unix)]
    pub use framewise_io::net::{UnixDatagram, UnixListener, UnixSocket, UnixStream, unix};
    pub use framewise_io::{Interest, Ready, ReadyCallback};
}

/// Sleeping, limits, ticks and timer callbacks.
#[cfg_attr(
    feature = "test-util",
    doc = r#"
# Paused time

A test of code that waits need not wait (feature `test-util`). In a current-thread runtime the time can
be paused ([`pause`](time::pause()), [`Builder::start_paused`](crate::runtime::Builder::start_paused)). It then
stands still while anything can run, and jumps to the next timer when nothing can:

```
use framewise::time::{self, Duration, Instant};

# #[cfg(feature = "macros")]
#[framewise::main(start_paused = true)] // or #[framewise::test(start_paused = true)]
async fn main() {
    let start = Instant::now();
    let task = framewise::spawn(time::sleep(Duration::from_secs(3600)));
    task.await.expect("it neither panics nor is aborted"); // returns at once
    assert_eq!(start.elapsed(), Duration::from_secs(3600));

    time::advance(Duration::from_millis(5)).await;
    assert_eq!(start.elapsed(), Duration::from_millis(3_600_005));

    time::resume();
    time::sleep(Duration::from_millis(1)).await; // takes a millisecond
    time::pause();
}
# #[cfg(not(feature = "macros"))] fn main() {}
```

[`framewise::test`](mod@crate::test) has virtual time, too, and runs a test in many orders."#
)]
pub mod time {
    #[doc(no_inline)]
    pub use std::time::Duration;

    pub use framewise_timers::{
        Elapsed, Instant, Interval, MissedTickBehavior, PanicPolicy, Sleep, Timeout, TimerCallback,
        interval, interval_at, set_interval, set_interval_with, set_timeout, sleep, sleep_until,
        timeout, timeout_at,
    };
    #[cfg(all(feature = "test-util", not(any(framewise_loom, framewise_shuttle))))]
    pub use framewise_timers::{advance, pause, resume};
}

/// The README's examples, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
