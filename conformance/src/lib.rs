//! Tests with which the author of an executor, a pool, a combinator or a stream shows that context
//! survives their code.
//!
//! Users of [`framewise_context`] bind a request id, a tenant, a deadline, and expect to see it in
//! whatever follows: in the tasks that they spawn, after each await, in destructors, on whatever
//! thread. Whether they do is up to whoever runs that code. What they may rely on is written down
//! case by case, C-1 to C-83, in [`context::contract`]; this crate tries it.
//!
//! Implement [`Executor`], which has two functions, and run the [`Suite`]. Each check runs in three
//! start frames (at the root, under a binding, in a captured frame), on a fresh executor and a
//! thread of its own. The [`Report`] says for each item of the contract whether it held; where it failed,
//! what was expected, what was seen, and what that is a sign of; where it does not apply, why.
//!
//! # A report in ten lines
//!
//! ```
//! use framewise_conformance::context::Frame;
//! use framewise_conformance::{BoxFuture, Executor, LocalBoxFuture, Suite};
//! use futures::executor::{ThreadPool, block_on};
//!
//! struct MyPool(ThreadPool);
//!
//! impl Executor for MyPool {
//!     fn spawn(&self, task: BoxFuture<'static, ()>) {
//!         self.0.spawn_ok(Frame::current().inherited().scope(task));
//!     }
//!     fn block_on(&self, future: LocalBoxFuture<'_, ()>) {
//!         block_on(future);
//!     }
//! }
//!
//! let my_pool = || MyPool(ThreadPool::new().unwrap());
//! # let some = Suite::executor("my pool", my_pool).only(&[25, 26, 28, 44]).run();
//! # some.assert_conformant();
//! # if false {
//! println!("{}", Suite::executor("my pool", my_pool).run());
//! # }
//! ```
//!
//! As ordinary `#[test]`s, one a check, in a file below `tests/`. The argument makes the executor:
//!
//! ```
//! # use framewise_conformance::{BoxFuture, Executor, LocalBoxFuture};
//! # struct MyPool(futures::executor::ThreadPool);
//! # impl Executor for MyPool {
//! #     fn spawn(&self, task: BoxFuture<'static, ()>) { self.0.spawn_ok(task); }
//! #     fn block_on(&self, future: LocalBoxFuture<'_, ()>) { futures::executor::block_on(future); }
//! # }
//! # use futures::executor::ThreadPool;
//! framewise_conformance::executor_tests!(MyPool(ThreadPool::new().unwrap()));
//! # fn main() {}
//! ```
//!
//! Their names begin with the item, so `cargo test c43_` runs what is about panics. A check that
//! does not apply passes, and prints why. [`Suite::only`] and [`Suite::only_check`] choose among
//! them, [`Suite::limit`] says how long one may take until it counts as hung.
//!
//! The example `toy` of this crate is an executor of fifty lines with its report before and after
//! the mend. There are suites for a [pool](Pool) ([`Suite::pool`]), a [combinator](Combinator)
//! ([`Suite::combinator`]) and a stream adapter ([`Suite::stream`]), too.
//!
//! # Abilities
//!
//! What an executor has beyond spawning and blocking is an ability: a function of [`Executor`] that
//! it overrides. Checks that need one that is missing are reported as not applicable.
//!
//! | ability | what it adds |
//! | --- | --- |
//! | [`workers`](Executor::workers) of 2 and more | a task that is forced to move keeps its frame (C-29); tasks on all threads at once (C-30) |
//! | [`joining`](Executor::joining) | waiting for a task (C-26, C-38), who drops its output (C-39, C-40), aborting (C-41, C-42), the end of its future (C-44, C-46), what its handle and its wakers keep (C-47, C-48), what the error of a panic says (C-83) |
//! | [`local`](Executor::local) | the same rules for tasks that are not `Send` (C-34) |
//! | [`timers`](Executor::timers) | sleeping, timeouts, ticks, callbacks, and whose frame wakes (C-50 to C-53), what a wait that is over keeps (C-48) |
//! | [`blocking`](Executor::blocking) | `block_in_place` (C-29, C-33), calls on other threads, their cancellation and helpers that start threads (C-61 to C-63), `block_on` within them (C-64) |
//! | [`net`](Executor::net) | sockets, callbacks, accept loops, pooled connections (C-50, C-56, C-59) |
//! | [`panic_hook`](Executor::panic_hook) | which frame it is given, and in which it runs (C-83) |
//! | [`shutdown`](Executor::shutdown) | the end of tasks that are left (C-45), and of threads (C-81) |
//!
//! Three more answers are about limits:
//! [`spawns_from_any_thread`](Executor::spawns_from_any_thread) (C-35),
//! [`survives_panicking_destructors`](Executor::survives_panicking_destructors) (C-46, C-77), and
//! [`spawn_root`](Executor::spawn_root), where the executor has its own way to spawn a task that
//! sees nothing (C-36).
//!
//! Spawn in the adapter as you tell your users to: if they have to wrap their futures, wrap them
//! there, and the report says what that gives them.
//!
//! # Reading a report
//!
//! The same pool without the wrapping, and one check:
//!
//! ```
//! # use framewise_conformance::{BoxFuture, Executor, LocalBoxFuture, Suite};
//! # use futures::executor::{ThreadPool, block_on};
//! struct Bare(ThreadPool);
//!
//! impl Executor for Bare {
//!     fn spawn(&self, task: BoxFuture<'static, ()>) {
//!         self.0.spawn_ok(task);
//!     }
//! #   fn block_on(&self, future: LocalBoxFuture<'_, ()>) {
//! #       block_on(future);
//! #   }
//!     // ...
//! }
//!
//! let report = Suite::executor("bare pool", || Bare(ThreadPool::new().unwrap()))
//!     .only_check("c25_captured_at_spawn")
//!     .run();
//!
//! let expected = "\
//! bare pool: 0 of 1 items held (of the 83 in the contract), 1 failed, 0 not applicable
//!   C-25 FAILED  Captured when `spawn` is called, not at the first poll.
//!     c25_captured_at_spawn (initial, bound, captured)
//!       expected: ID in a child, made under 10, spawned under 11 and awaited under 12: Some(11)
//!       seen:     None
//!       likely:   no frame is carried, or it is captured at the first poll, on a thread that has none: capture it in spawn, and make each poll in it
//! ";
//! assert_eq!(report.to_string(), expected);
//! ```
//!
//! The head counts items, not checks: an item holds if each of its checks does, in all three start
//! frames. Below it, for each item that failed: what the contract says, the check that noticed, and
//! in brackets the start frames in which it did. `ID` is the variable that the suite binds. Each
//! frame that a check could see by mistake has a number of its own, so that what was *seen* tells
//! whose frame that was; `likely` is the conclusion. One cause breaks many items. Where there are
//! several, the report lists them before the items, and [`Report::causes`] gives them: first the one
//! that explains the most items, and that no check speaks against. Fix that one first, and run again.
//!
//! # Usual causes and their mends
//!
//! | what the report says | the mend |
//! | --- | --- |
//! | no frame is carried | spawn `Frame::current().inherited().scope(future)`, or keep the frame in the task and poll within [`frame.run`](context::Frame::run) |
//! | captured at the first poll | call [`Frame::current`](context::Frame::current) in `spawn` itself, not in an `async` block around the task |
//! | entered for the first poll only; inside `wake`; not for local tasks | all polls go through one function that enters the frame, the root as well |
//! | `current()` instead of `inherited()` | [`Frame::inherited`](context::Frame::inherited) leaves out what is not to be inherited |
//! | a future is dropped outside of its frame | `frame.run(\|\| drop(future))` on each way out: ready, panicked, aborted, shut down; [`Frame::scope`](context::Frame::scope) does it |
//! | a detached output is dropped outside | drop it within `frame.run`, too, before the frame is let go; a wrapped future cannot do that for you |
//! | a handle or a waker keeps the frame | take future and frame out of the task when it ends, rather than drop them with its memory |
//! | a thread is left in a frame | enter with [`Frame::run`](context::Frame::run), which restores on unwinding; never run a worker's loop inside of it |
//! | a blocking call sees nothing | [`frame.wrap_once`](context::Frame::wrap_once) where the call is made |
//! | a timer's callback sees nothing | [`frame.wrap_once`](context::Frame::wrap_once) or [`frame.wrap`](context::Frame::wrap) where it is registered |
//! | a foreign waker is called outside | keep a [`FramedWaker`](context::FramedWaker) instead of a `Waker` |
//! | a panic is told with the task's frame | [`context::catch_unwind`] says in which frame it began |
//! | a task at the root sees something | [`Frame::root`](context::Frame::root)`().scope(future)`: the root has to be entered, too |
//!
//! A task that does all this itself, without a wrapper:
//!
//! ```
//! use std::pin::Pin;
//! use std::task::{Context, Poll};
//! use framewise_conformance::context::{CaughtPanic, Frame, catch_unwind};
//!
//! struct Task {
//!     frame: Frame,
//!     future: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
//! }
//!
//! impl Task {
//!     /// Called by `spawn`, on the spawner's thread.
//!     fn new(future: impl Future<Output = ()> + Send + 'static) -> Self {
//!         Task { frame: Frame::current().inherited(), future: Some(Box::pin(future)) }
//!     }
//!
//!     /// The only place that polls.
//!     fn poll(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>, CaughtPanic> {
//!         let Some(future) = &mut self.future else { return Ok(Poll::Ready(())) };
//!         let polled = self.frame.run(|| catch_unwind(|| future.as_mut().poll(cx)));
//!         if !matches!(polled, Ok(Poll::Pending)) {
//!             self.end();
//!         }
//!         polled
//!     }
//!
//!     /// Called when it is ready, has panicked, is aborted, or is left at shutdown.
//!     fn end(&mut self) {
//!         let future = self.future.take();
//!         self.frame.run(|| drop(future));
//!         self.frame = Frame::root();
//!     }
//! }
//! #
//! # static ID: framewise_conformance::context::ContextVar<u64> =
//! #     framewise_conformance::context::ContextVar::new("id");
//! # let mut task = ID.run(7, || Task::new(async { assert_eq!(ID.get(), Some(7)) }));
//! # let mut cx = Context::from_waker(std::task::Waker::noop());
//! # assert!(task.poll(&mut cx).unwrap().is_ready());
//! # assert!(task.frame.is_root());
//! # let mut panics = ID.run(8, || Task::new(async { panic!("on purpose") }));
//! # let caught = panics.poll(&mut cx).unwrap_err();
//! # assert_eq!(caught.frame().run(|| ID.get()), Some(8));
//! ```
//!
//! # Limits
//!
//! - *Not applicable* is no proof of anything: neither that the item would hold, nor that it would
//!   not.
//! - The suite sees what a user could see. In which frame a thread is between polls, it sees through
//!   the values of frames, which are dropped by whoever polled last; what an executor keeps
//!   elsewhere, it does not see.
//! - It tries interleavings, and does not enumerate them. What it forces (a task that moves, an abort
//!   before the first poll) it forces by occupying threads; where that did not come about, the check
//!   is not applicable. Whether the executor's own protocols are right is not its subject.
//! - What an executor does with a panic of a task is its own affair: it may catch it, let it out of
//!   `block_on`, or lose a thread. What can be seen no longer after that is not applicable.
//! - A check that hangs is reported as such after [`Suite::limit`], and its thread is left behind.
//!   An executor that aborts the process ends the suite.
//! - Deadlines and cancellation as a part of a frame, C-84 to C-88, are not checked.

mod cause;
mod check_context;
mod check_result;
mod checks;
mod combinator;
mod executor;
mod item;
mod owner;
mod pool;
mod probe;
mod report;
pub mod results;
mod runner;
mod start_frame;
mod stream;
mod table;
mod wait;

pub use cause::Cause;
pub use check_result::Failure;
pub use combinator::{Child, Combinator};
pub use executor::{
    Blocking, BoxFuture, BoxStream, CallbackHandle, Duplex, Ended, Executor, JoinHandle, Joining,
    Listener, Local, LocalBoxFuture, Net, Output, PanicHook, Shutdown, Timers, UnhandledPanics,
};
pub use framewise_context as context;
pub use item::{Item, LAST_ITEM};
pub use pool::{Connection, Connector, Pool, Work};
pub use report::{Finding, ItemState, Outcome, Report};
pub use runner::Suite;
pub use start_frame::StartFrame;
pub use table::Table;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
