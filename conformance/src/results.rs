//! What the suite finds on five executors.
//!
//! Each runs as its users would use it: framewise on two workers, with nothing wrapped; smol
//! (async-executor on two threads, async-io, blocking), tokio's multi-threaded runtime with two
//! workers, futures' `LocalPool` and `ThreadPool` with what is spawned wrapped, tasks by
//! `Frame::current().inherited().scope(future)` and blocking calls by
//! `Frame::current().wrap_once(call)`; and the same four *bare*, with nothing wrapped. The table is
//! written and compared by a test, `tests/table.rs`; "–" says that an item is about something that
//! the executor has not. Each check ran in three start frames: at the root, under a binding, and in
//! a captured frame.
//!
//! # How to read it
//!
//! **Wrapping at spawn carries frames on every executor.** What it cannot reach is what an executor
//! does beside polling and dropping the future:
//!
//! - C-39: the output of a task that nobody joins is dropped by the executor, when it has left the
//!   wrapper. It sees no frame, or the one of the thread that drives.
//! - C-50: timers and sockets call a foreign waker, one that is not a task's own, in the frame of
//!   their driver, whichever that is. A task is not affected: its wrapper enters its frame again.
//! - C-83: a join error is made outside of the wrapper too, so that it cannot tell in which frame the
//!   panic began.
//!
//! **Bare, no frame is carried**, so nearly every item fails that has a task look at one: C-1 to C-24
//! and C-66 to C-82 as well, which hold on the thread that binds, and are checked in tasks here. What
//! holds still asks for nothing to be carried: that a task at the root sees nothing, that nothing is
//! retained, that the threads are at the root. `LocalPool` polls within the caller's `block_on`, so
//! that its tasks see that frame instead of none: a check that has its task see what `block_on`'s
//! caller has bound holds by luck, and one that puts a task at the root fails.
//!
#![doc = include_str!("../TABLE.md")]
