//! A conformance test suite: does the context of [`framewise_context`] survive your executor, pool,
//! combinator or stream adapter?
//!
//! Users of [`framewise_context`] bind a request id, a tenant or a deadline, and expect to read it
//! in the tasks that they spawn, after each await, in destructors and on every thread. This depends
//! on the executor and the libraries that run their code. The [contract](context::contract) lists
//! case by case what users may rely on; this crate checks the items of [`Item::all`].
//!
//! Implement [`Executor`], which has two required functions, and run the [`Suite`]. Each check runs
//! in three start frames (at the root, under a binding, in a captured frame), with a new executor
//! and on its own thread. The [`Report`] says for each item of the contract whether it held. If it
//! failed, the report has what was expected, what was seen, and the likely cause; if it does not
//! apply, the reason.
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
//! As ordinary `#[test]`s, one per check, in a file in `tests/`. The argument makes the executor:
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
//! The name of a check begins with its item: `cargo test c43_` runs the checks of C-43. A check
//! that does not apply passes, and prints the reason. [`Suite::only`] and [`Suite::only_check`]
//! select checks, and [`Suite::limit`] sets the time after which a check counts as hung.
//!
//! The example `toy` of this crate is an executor of fifty lines, with its report before and after
//! the fix. There are suites for a [pool](Pool) ([`Suite::pool`]), a [combinator](Combinator)
//! ([`Suite::combinator`]) and a stream adapter ([`Suite::stream`]), too.
//!
//! # Abilities
//!
//! An **ability** is what an executor has beyond spawning and blocking. Its adapter overrides a
//! function of [`Executor`] for each. Checks that need a missing ability are reported as not
//! applicable.
//!
//! | ability | what it adds |
//! | --- | --- |
//! | [`workers`](Executor::workers) of 2 and more | a task that is forced to move keeps its frame (C-29); tasks on all threads at once (C-30) |
//! | [`joining`](Executor::joining) | waiting for a task (C-26, C-38), where its output is dropped (C-39, C-40), aborting (C-41, C-42), where its future is dropped (C-44, C-46), what its handle and its wakers keep alive (C-47, C-48), the error of a panic (C-83) |
//! | [`local`](Executor::local) | the same rules for tasks that are not `Send` (C-34) |
//! | [`timers`](Executor::timers) | sleeping, timeouts, intervals, callbacks, and the frame in which they wake (C-50 to C-53), what a finished wait keeps alive (C-48) |
//! | [`blocking`](Executor::blocking) | `block_in_place` (C-29, C-33), calls on other threads, their cancellation and helpers that start threads (C-61 to C-63), `block_on` within them (C-64) |
//! | [`net`](Executor::net) | sockets, callbacks, accept loops, pooled connections (C-50, C-56, C-59) |
//! | [`panic_hook`](Executor::panic_hook) | its argument, and the frame in which it runs (C-83) |
//! | [`shutdown`](Executor::shutdown) | where the remaining tasks are dropped (C-45), and the end of threads (C-81) |
//!
//! Three more functions describe limits:
//! [`spawns_from_any_thread`](Executor::spawns_from_any_thread) (C-35),
//! [`survives_panicking_destructors`](Executor::survives_panicking_destructors) (C-32, C-46, C-47,
//! C-77), and [`spawn_root`](Executor::spawn_root), to be overridden if the executor has its own
//! function that spawns a task at the root (C-36).
//!
//! Spawn in the adapter as your documentation says: if users must wrap their futures, wrap them in
//! the adapter, too, and the report is about the wrapped futures.
//!
//! # Reading a report
//!
//! The same pool without the wrapping, with one check:
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
//! bare pool: 0 of 1 items held (of the 91 that the suite knows), 1 failed, 0 not applicable
//!   C-25 FAILED  Captured when `spawn` is called, not at the first poll.
//!     c25_captured_at_spawn (initial, bound, captured)
//!       expected: ID in a child, made under 10, spawned under 11 and awaited under 12: Some(11)
//!       seen:     None
//!       likely:   no frame is carried, or it is captured at the first poll, on a thread that has none: capture it in spawn, and enter it for each poll
//! ";
//! assert_eq!(report.to_string(), expected);
//! ```
//!
//! The first line counts items, not checks: an item holds if all of its checks hold in all three
//! start frames. Below it, each failed item has the text of the contract, the check that failed,
//! and in parentheses the start frames in which it failed. `ID` is the variable that the suite
//! binds. Each frame that a check could see by mistake has its own number, so the value after
//! `seen` shows which frame was current; `likely` is the conclusion. One cause can break many
//! items. If there are several causes, the report lists them before the items, and
//! [`Report::causes`] returns them. The first one explains the most items, and no check contradicts
//! it. Fix it first, and run again.
//!
//! # Common causes and fixes
//!
//! | the report says | the fix |
//! | --- | --- |
//! | no frame is carried | spawn `Frame::current().inherited().scope(future)`, or store the frame in the task and poll within [`frame.run`](context::Frame::run) |
//! | captured at the first poll | call [`Frame::current`](context::Frame::current) in `spawn` itself, not in an `async` block around the task |
//! | entered for the first poll only; inside `wake`; not for local tasks | poll in one function only, which enters the frame, the root frame as well |
//! | `current()` instead of `inherited()` | [`Frame::inherited`](context::Frame::inherited) leaves out the variables that are not inherited |
//! | a future is dropped outside of its frame | `frame.run(\|\| drop(future))` however the task ends: ready, panicked, aborted, shut down; [`Frame::scope`](context::Frame::scope) does this |
//! | a detached output is dropped outside | drop it within `frame.run`, too, before the frame is released; a wrapped future cannot do this |
//! | a handle or a waker keeps the frame | take the future and the frame out of the task when it ends, instead of dropping them with its memory |
//! | a thread is left in a frame | enter with [`Frame::run`](context::Frame::run), which restores on unwinding; do not run a worker's loop inside of it |
//! | a blocking call sees nothing | [`frame.wrap_once`](context::Frame::wrap_once) where the call is made |
//! | a timer's callback sees nothing | [`frame.wrap_once`](context::Frame::wrap_once) or [`frame.wrap`](context::Frame::wrap) where it is registered |
//! | an external waker is called outside | store a [`FramedWaker`](context::FramedWaker) instead of a `Waker` |
//! | a panic is reported with the task's frame | [`context::catch_unwind`] returns the frame in which it began |
//! | a task at the root sees a binding | [`Frame::root`](context::Frame::root)`().scope(future)`: the root has to be entered, too |
//!
//! A task that does all of this itself, without a wrapper:
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
//!     /// Called when the task is ready, panicked, aborted or shut down.
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
//! - *Not applicable* proves nothing: the item might hold or not.
//! - The suite sees only what a user could see. It learns the frame of a thread between polls from
//!   the destructors of a frame's values, which run on the thread that polled last. It does not see
//!   frames that an executor stores elsewhere.
//! - It tries interleavings, but does not enumerate them. To force one (a task that moves, an abort
//!   before the first poll) it occupies threads; if the interleaving does not happen, the check is
//!   not applicable. The suite does not verify the executor's own protocols.
//! - An executor may catch a panic of a task, let it unwind out of `block_on`, or lose a thread.
//!   Checks that cannot observe anything after that are not applicable.
//! - A check that hangs is reported after [`Suite::limit`], and its thread is leaked. An executor
//!   that aborts the process ends the suite.
//! - The items that [`Item::all`] leaves out are not checked: they are about features of the
//!   `framewise` runtime, or about features to come.

mod cause;
mod check_context;
mod check_result;
mod checks;
mod combinator;
mod executor;
mod item;
mod owner;
mod pool;
mod report;
pub mod results;
mod runner;
mod start_frame;
mod stream;
mod support;
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
pub use item::Item;
pub use pool::{Connection, Connector, Pool, Work};
pub use report::{Finding, ItemState, Outcome, Report};
pub use runner::Suite;
pub use start_frame::StartFrame;
pub use table::Table;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
