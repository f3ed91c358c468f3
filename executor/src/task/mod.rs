//! Tasks: spawning, joining, aborting, yielding, blocking, and tasks that stay on one thread.
//!
//! A task is one allocation: a header of 64 bytes, with its frame, and the future. It runs on
//! any worker that takes it; a [`LocalSet`]'s tasks stay on their thread.
//!
//! # The cooperative budget
//!
//! A poll of a task has a budget of 128 operations that are ready; after that, an operation of the
//! runtime returns `Pending` once, so that other tasks, timers and I/O have their turn.
//! [`context::coop`](crate::context::coop) has the rules. Channels and locks come from crates that
//! do not know of it: [`coop()`] makes their futures and streams take part, [`consume_budget`] does
//! so for a loop, and [`unconstrained`] exempts a future.
//!
//! ```
//! # framewise::block_on(async {
//! use framewise::task::coop;
//!
//! let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
//! for message in 0..1000 {
//!     sender.send(message).expect("the receiver is there");
//! }
//! drop(sender);
//! let receive = framewise::spawn(async move {
//!     let mut count = 0;
//!     // Without `coop` this task would not yield until the channel is empty.
//!     while coop(receiver.recv()).await.is_some() {
//!         count += 1;
//!     }
//!     count
//! });
//! assert_eq!(receive.await.expect("it neither panics nor is aborted"), 1000);
//! # });
//! ```

/// The cooperative budget, under tokio's names; [`context::coop`](crate::context::coop) has the
/// rules.
///
/// # Examples
///
/// ```
/// use framewise::task::coop::{cooperative, has_budget_remaining, unconstrained};
///
/// framewise::block_on(async {
///     let task = framewise::spawn(async {
///         // Operations of other crates take no unit, unless they are wrapped.
///         while has_budget_remaining() {
///             cooperative(std::future::ready(())).await;
///         }
///         unconstrained(async { has_budget_remaining() }).await
///     });
///     assert_eq!(task.await.ok(), Some(true));
/// });
/// ```
pub mod coop {
    pub use framewise_context::coop::{
        Coop, RestoreOnPending, Unconstrained, consume_budget, coop as cooperative,
        has_budget_remaining, poll_proceed, unconstrained,
    };
}

// Reading order: `spawn` (how code gets in), `header` (what every task looks like, and the safety
// argument), `state` (the protocol), `cell` (what the protocol's actions do to future, output and
// frame), `waker`, `join`, `owned`. Nothing here knows a worker: a scheduler is anything that
// implements `cell::Schedule`.

mod abort_on_drop;
mod builder;
pub(crate) mod catch;
pub(crate) mod cell;
pub(crate) mod current;
mod error;
pub(crate) mod header;
mod id;
mod join;
pub mod join_set;
pub(crate) mod label;
pub(crate) mod large;
pub(crate) mod local;
pub(crate) mod mirrored;
pub(crate) mod owned;
mod schedule;
mod scope;
mod spawn;
pub(crate) mod state;
pub(crate) mod waker;
mod yield_now;

pub use crate::observe::{Ancestor, Wake, WakeSource, last_wake, lineage};
pub use abort_on_drop::AbortOnDropHandle;
pub use builder::Builder;
pub use current::{id, name, try_id};
pub use error::JoinError;
pub use framewise_context::coop::{
    Coop, Unconstrained, consume_budget, coop, has_budget_remaining, unconstrained,
};
pub use id::Id;
pub use join::{AbortHandle, JoinHandle};
pub use join_set::JoinSet;
pub use local::{LocalEnterGuard, LocalSet, spawn_local};
pub use scope::{ChildError, TaskScope, scope};
pub use spawn::{block_in_place, block_on, spawn, spawn_blocking, spawn_root};
pub use yield_now::yield_now;
