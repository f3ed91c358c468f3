//! Tasks: spawning, joining, aborting, yielding, blocking, and tasks that stay on one thread.
//!
//! A task is one allocation: a header of 64 bytes, with its frame, and the future. It runs on
//! whichever worker gets it; a [`LocalSet`]'s tasks stay on their thread.

// Reading order: `spawn` (the ways in), `header` (what every task looks like, and the safety
// argument), `state` (the protocol), `cell` (what the protocol's actions do to future, output and
// frame), `waker`, `join`, `owned`. Nothing here knows a worker: a scheduler is anything that
// implements `cell::Schedule`.

pub(crate) mod cell;
mod error;
pub(crate) mod header;
mod join;
pub(crate) mod local;
pub(crate) mod owned;
mod spawn;
pub(crate) mod state;
pub(crate) mod swallow;
pub(crate) mod waker;
mod yield_now;

pub use error::JoinError;
pub use join::{AbortHandle, JoinHandle};
pub use local::{LocalSet, spawn_local};
pub use spawn::{block_in_place, block_on, spawn, spawn_blocking, spawn_root};
pub use yield_now::yield_now;
