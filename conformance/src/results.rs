//! The results of the suite on five executors.
//!
//! Each executor runs as its users would use it: framewise on two workers, with nothing wrapped;
//! smol (async-executor on two threads, async-io, blocking), tokio's multi-threaded runtime with
//! two workers, futures' `LocalPool` and `ThreadPool` with what is spawned wrapped, tasks by
//! `Frame::current().inherited().scope(future)` and blocking calls by
//! `Frame::current().wrap_once(call)`; and the same four *bare*, with nothing wrapped. The test
//! `tests/table.rs` compares the table with what it finds; "–" means that the executor lacks the
//! ability that an item is about. Each check ran in three start frames: at the root, under a
//! binding, and in a captured frame.
//!
//! # How to read it
//!
//! **Wrapping at spawn carries frames on every executor.** It cannot affect what an executor does
//! besides polling and dropping the future:
//!
//! - C-39: the executor drops the output of a detached task outside of the wrapper. The output's
//!   destructor sees no frame, or the frame of the thread that drives.
//! - C-50: timers and sockets call an external waker (a waker that is not a task's) in the frame of
//!   their driver. A task is not affected: its wrapper enters its frame again.
//! - C-83: the executor makes a join error outside of the wrapper, so the error does not have the
//!   frame in which the panic began.
//!
//! **Bare, no frame is carried**, so nearly every item in which a task reads its frame fails. This
//! includes C-1 to C-24 and C-66 to C-82, which hold on the thread that binds, but are checked in
//! tasks here. The remaining items do not need a frame to be carried: a task at the root sees no
//! binding, no value is retained, the threads are at the root. `LocalPool` polls within the
//! caller's `block_on`, so its tasks see the caller's frame: a check that expects a binding of
//! `block_on`'s caller holds by accident, and a check of a task at the root fails.
//!
#![doc = include_str!("../TABLE.md")]
