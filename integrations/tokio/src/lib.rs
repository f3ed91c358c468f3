//! tokio's API on framewise, for code that was written for tokio.
//!
//! ```toml
//! [dependencies]
//! tokio = { package = "framewise-tokio", version = "0.1", features = ["full"] }
//! ```
//!
//! With this line a crate that names `tokio` runs on framewise: its tasks have frames, which
//! `spawn`, timers, I/O and the blocking pool inherit.
//!
//! ```
//! use framewise::ContextVar;
//! # extern crate framewise_tokio as tokio;
//!
//! static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
//!
//! # #[cfg(all(feature = "rt-multi-thread", feature = "macros"))]
//! #[tokio::main]
//! async fn main() {
//!     let child = REQUEST_ID.scope(7, async { tokio::spawn(async { REQUEST_ID.get() }) });
//!     assert_eq!(child.await.await.ok(), Some(Some(7)));
//! }
//! # #[cfg(not(all(feature = "rt-multi-thread", feature = "macros")))]
//! # fn main() {}
//! ```
//!
//! # What is whose
//!
//! | tokio's own, re-exported | framewise's |
//! | --- | --- |
//! | `sync`, `select!`, `join!`, `try_join!`, `pin!`, `task_local!`, the attributes `main` and `test` | `spawn`, `task`, `runtime` |
//! | `io`: the traits, `AsyncReadExt` and the like, `copy`, `split`, `duplex`, buffers | `io::{stdin, stdout, stderr, Interest, Ready}`, `io::unix::AsyncFd` |
//! | | `fs`, `net`, `time`, `process`, `signal` |
//!
//! The attributes expand to `tokio::runtime::Builder`, which is [`runtime::Builder`] in a crate
//! with the line above.
//!
//! # Features
//!
//! Those of tokio, under its names (`full` among them), and two of its own. `compat` is on by
//! default: every runtime then keeps one of tokio's beside it (framewise's
//! `Builder::tokio_compat`), so that crates that use tokio itself, such as reqwest, sqlx or
//! hyper-util, find it. With `axum`, `axum::serve` takes the listeners of [`net`].
//!
//! The package's README has the differences from tokio, with their reasons, and how many of tokio's
//! own tests pass.

#[cfg(feature = "fs")]
pub mod fs;
pub mod io;
pub mod net;
#[cfg(all(unix, feature = "process"))]
pub mod process;
#[cfg(feature = "rt")]
pub mod runtime;
#[cfg(all(unix, feature = "signal"))]
pub mod signal;
#[cfg(feature = "rt")]
pub mod task;
#[cfg(feature = "time")]
pub mod time;

#[cfg(feature = "rt")]
pub use framewise::spawn;
#[doc(hidden)]
pub use upstream::macros;
pub use upstream::pin;
#[cfg(feature = "sync")]
pub use upstream::sync;
#[cfg(feature = "rt")]
pub use upstream::task_local;
#[cfg(feature = "macros")]
pub use upstream::{join, main, select, test, try_join};

/// The README's examples, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
