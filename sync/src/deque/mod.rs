//! The one door to the deque and the injector, and what the scheduler takes for granted of them.
//!
//! In an ordinary build these are crossbeam-deque's, re-exported, and trusted. In a model they are a
//! stand-in (`model_queues.rs`) that promises what follows and no more, since no model reaches into
//! crossbeam's. Both are held to it by the same checks, in `tests/deque/`.
//!
//! # The contract
//!
//! - **D1, once.** What was pushed is taken once: by its owner's `pop`, by a steal, or with the
//!   batch of one, which moves it to another deque. Nothing else is ever taken. *Used by:* S1 and S3
//!   of the task's state (one queue entry, one claim).
//! - **D2, publication.** What a thread did before its push happens before what the taker does
//!   after it took, also where the item went through other deques on its way. *Used by:* whoever
//!   runs a task that another thread woke.
//! - **D3, order.** A deque (of `new_fifo`) gives its items out in the order of their pushes, to
//!   its owner and to thieves alike; an injector so for each of its pushers. A batch is a run of
//!   items from the front, and stays in order. *Used by:* fairness: what is behind a task in a queue
//!   does not run before it.
//! - **D4, empty means empty.** `pop` and steals answer that there is nothing, and `is_empty` that
//!   it is so, only where each push that happens before the call has had its item taken. Items
//!   whose push is not ordered before the call may be missed. *Used by:* a shutdown, which drops
//!   what is queued; a worker that looks at its own deque.
//! - **D5, the fence.** Of two threads, one pushes, fences (`SeqCst`) and reads a flag, the other
//!   sets the flag, fences and asks `is_empty`: one of both sees what the other did. *Used by:*
//!   `scheduler/idle.rs`, for a push and a worker that goes to sleep.
//! - **D6, batches.** A batch steal that succeeds takes one item at least and `limit` at most (32
//!   where none is said), returns the first, and has pushed the others to the caller's own deque
//!   when it returns. *Used by:* `pop_injector` and `steal_from`, and who is woken for the rest.
//! - **D7, retry.** `Retry` takes nothing and says nothing; it may come from any steal, and not
//!   for ever. *Used by:* every loop around a steal, none of which may take it for `Empty`.
//! - **D8, the owner's count.** To its owner, `len` is never less than what is in the deque. (To
//!   others it is a hint, as an injector's is.) *Used by:* the limit on a worker's deque.
//!
//! Not promised: that a length is exact, how large a batch is within its limits, that a steal
//! orders anything for the thread it takes from, or that `is_empty` orders anything at all.

#[cfg(not(any(framewise_loom, framewise_shuttle)))]
pub use crossbeam_deque::{Injector, Steal, Stealer, Worker};

#[cfg(any(framewise_loom, framewise_shuttle))]
mod model_queues;

#[cfg(any(framewise_loom, framewise_shuttle))]
pub use model_queues::{Injector, Steal, Stealer, Worker, retry_next};
