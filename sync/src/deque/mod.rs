//! The facade for the deque and the injector, and the contract that the scheduler relies on.
//!
//! An ordinary build re-exports crossbeam-deque (Chase and Lev's deque, and a linked list of blocks
//! for the injector) and trusts it. loom and shuttle cannot see into crossbeam, so a model uses the
//! simple queues of `model_queues.rs`, which keep the contract below and promise no more.
//! `tests/deque/` checks both implementations against it.
//!
//! # The contract
//!
//! - **D1, once.** Each pushed item is taken exactly once: by its owner's `pop`, by a steal, or as
//!   part of a batch, which moves it to another deque. No other item is ever taken. *Used by:* S1
//!   and S3 of the task's state (one queue entry, one notification).
//! - **D2, publication.** Everything that a thread did before its push happens before everything
//!   that the taker does after the take, even if the item moved through other deques in between.
//!   *Used by:* a worker that runs a task which another thread woke.
//! - **D3, order.** A deque made by `new_fifo` yields its items in push order, to the owner and to
//!   thieves alike. An injector does so for each pusher. A batch is a run of items from the front
//!   and keeps their order. *Used by:* fairness: a task does not run before the tasks ahead of it
//!   in the queue.
//! - **D4, empty means empty.** `pop` and steals report an empty queue, and `is_empty` returns
//!   `true`, only if every item whose push happens before the call was taken. An item whose push is
//!   not ordered before the call may be missed. *Used by:* a shutdown, which drops the queued
//!   tasks; a worker that checks its own deque.
//! - **D5, the fence.** One thread pushes, fences (`SeqCst`) and reads a flag; another thread sets
//!   the flag, fences and calls `is_empty`. At least one of the two sees what the other did. *Used
//!   by:* `scheduler/idle/mod.rs`, for a push that races with a parking worker.
//! - **D6, batches.** A successful batch steal takes at least one item and at most `limit` (32 if
//!   no limit is given). It returns the first item and has pushed the others to the caller's own
//!   deque when it returns. *Used by:* `pop_injector` and `steal_from`, and the wake-up for the
//!   remaining items.
//! - **D7, retry.** `Retry` takes nothing and implies nothing about the queue. Any steal may return
//!   it, but not forever. *Used by:* every loop around a steal; none may treat it as `Empty`.
//! - **D8, the owner's count.** For its owner, `len` is at least the number of items in the deque.
//!   For other threads it is a hint, and so is an injector's. *Used by:* the limit on a worker's
//!   deque.
//!
//! Not promised: an exact length, the size of a batch within its limits, that a steal orders
//! anything for the victim, or that `is_empty` orders anything at all.

#[cfg(not(any(framewise_loom, framewise_shuttle)))]
pub use crossbeam_deque::{Injector, Steal, Stealer, Worker};

#[cfg(any(framewise_loom, framewise_shuttle))]
mod model_queues;

#[cfg(any(framewise_loom, framewise_shuttle))]
pub use model_queues::{Injector, Steal, Stealer, Worker, retry_next};
