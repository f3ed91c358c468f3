//! Tasks: framewise's, which inherit the frame of what spawns them.

#[doc(hidden)]
pub use framewise::task::coop::{Unconstrained, consume_budget, unconstrained};
pub use framewise::task::{
    AbortHandle, Builder, Id, JoinError, JoinHandle, JoinSet, LocalSet, block_in_place, coop, id,
    join_set, spawn, spawn_blocking, spawn_local, try_id, yield_now,
};
pub use upstream::task::LocalKey;

/// The future of a scope of `task_local!`.
pub mod futures {
    pub use upstream::task::futures::TaskLocalFuture;
}
