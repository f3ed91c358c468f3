//! The task: from `spawn` to the output, whatever queue it passes through.
//!
//! Reading order: [`header`] (what every task looks like), [`state`] (the protocol), [`cell`] (what
//! the protocol's actions do to future, output and frame), [`waker`], [`join`], [`owned`].
//! Nothing here knows a worker; a scheduler is anything that implements `cell::Schedule`.
//!
//! # The safety argument
//!
//! - **T1. Shape.** A task is one allocation of `cell::Core<F, S>`, a `repr(C)` struct that begins
//!   with `Header`. The header's table was made for that very `F` and `S`, so the functions in it
//!   may cast the pointer back.
//! - **T2. Liveness and the stage.** A task is freed by whoever drops its last reference. It keeps
//!   one of its own until it is finished, so whoever holds the claim needs none (S3). The stage
//!   (future or output) is the runner's from `start` until `complete`, and from then on the join
//!   handle's, or the runner's where nobody joins.
//! - **T3. The frame.** Written at birth; taken out by the runner after the future is gone. Only
//!   the runner borrows it in between.
//! - **T4. The join waker.** Its slot is the join handle's while `JOIN_WAKER` is off, and read-only
//!   for both sides while it is on (S5). A handle that goes takes the waker out, unless the
//!   completing thread is just waking it: then that one does.
//! - **T5. The links.** Touched only under the lock of the owner's list, in which a task is from
//!   `insert` until just before it completes.
//! - **T6. The right thread.** The future is polled and dropped only by `run`, which is called by
//!   the scheduler that owns the task. A scheduler whose tasks are not `Send` calls it on its own
//!   thread only. The output is `Send` where the handle that carries it away is.

pub(crate) mod cell;
mod error;
pub(crate) mod header;
mod join;
mod local;
pub(crate) mod owned;
mod spawn;
pub(crate) mod state;
pub(crate) mod waker;
mod yield_now;

pub use error::JoinError;
pub use join::{AbortHandle, JoinHandle};
pub use local::{LocalSet, spawn_local};
pub use spawn::{block_in_place, block_on, spawn, spawn_blocking, spawn_root};
pub use yield_now::yield_now;
