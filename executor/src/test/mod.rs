//! Deterministic tests: seeded runs (feature `test-util`).
//!
//! A bug of ordering shows once in a thousand runs, and never under the debugger. A seeded run has
//! one thread and a seed: wherever several things can happen next, the seed decides which of them
//! does. The same seed gives the same run, and other seeds give other orders, most of which a plain
//! run never takes. The code under test stays as it is: tasks, timers, blocking calls and frames
//! are the runtime's own.
//!
//! ```toml
//! [dev-dependencies]
//! framewise = { version = "0.1", features = ["test-util"] }
//! ```
//!
//! Cargo compiles the feature into what needs the dev-dependencies (tests, examples, benchmarks)
//! and not into what `cargo build` makes. If it is compiled in and no run is under way, each
//! reading of the clock, poll of a timer or a join handle, and spawn reads one more thread-local.
//!
//! # A lost update
//!
//! Two tasks count. Each reads, and then writes one more than it read:
//!
//! ```
//! use std::sync::Arc;
//! use std::sync::atomic::{AtomicU64, Ordering};
//! use framewise::test;
//!
//! #[derive(Default)]
//! struct Store(AtomicU64);
//!
//! // In your code: #[cfg_attr(test, framewise::test::preemptible)]
//! #[test::preemptible]
//! impl Store {
//!     async fn get(&self) -> u64 {
//!         self.0.load(Ordering::Relaxed)
//!     }
//!
//!     async fn set(&self, value: u64) {
//!         self.0.store(value, Ordering::Relaxed);
//!     }
//!
//!     async fn count(&self) {
//!         let before = self.get().await;
//!         self.set(before + 1).await;
//!     }
//! }
//!
//! async fn both_count() {
//!     let store = Arc::new(Store::default());
//!     let other = Arc::clone(&store);
//!     let task = framewise::spawn(async move { other.count().await });
//!     store.count().await;
//!     task.await.expect("the task does not panic");
//!     assert_eq!(store.get().await, 2, "an update was lost");
//! }
//!
//! // A plain run passes, and may do so for years:
//! framewise::block_on(both_count());
//!
//! // One of a hundred seeded runs does not.
//! let explored = test::explore(100, both_count);
//! let failure = explored.first_failure().expect("some order loses an update");
//! assert!(failure.message().contains("an update was lost"));
//!
//! // The seed gives the same run again.
//! let again = test::Explorer::new().run(failure.seed(), both_count);
//! assert_eq!(again.digest(), failure.digest());
//! ```
//!
//! In a test, write [`check`]`(both_count)`. It fails with the assertion's message and the last
//! steps, and ends with the command that replays the same run:
//!
//! ```text
//! replay it: FRAMEWISE_SEED=0x9 cargo test both_count_to_two
//! ```
//!
//! | variable | [`check`] runs |
//! | --- | --- |
//! | none | 100 seeds, always the same ones: a test that passes continues to pass until the code changes |
//! | `FRAMEWISE_SEEDS=1000` | 1000 seeds |
//! | `FRAMEWISE_SEED=0x9` | this seed only |
//!
//! # Where tasks are switched
//!
//! The run switches tasks where a task returns `Pending`. Futures that wait do so, and these can do
//! so though they could continue, whenever the seed says so:
//!
//! - the runtime's own: [`JoinHandle`](crate::JoinHandle), sleeps, time limits and intervals, a
//!   [`LocalSet`](crate::task::LocalSet) between its tasks;
//! - [`preempt`], a point that you put where you like;
//! - every `.await` in functions, `impl` blocks and modules that are marked
//!   [`#[preemptible]`](macro@preemptible): the point comes before the future's first poll. (Not
//!   after its last: a caller that is dropped there would lose the future's output, which no real
//!   run does.)
//!
//! Timers that are due at the same time fire one by one, in the order that the seed chooses, with
//! tasks in between. A blocking call is one step. `block_on` is legal where it is so on the
//! ordinary runtime, and other tasks run meanwhile.
//!
//! # Time
//!
//! Time is virtual. It does not advance while anything can run, and advances to the next timer when
//! nothing can: hours pass at once, and a time limit does not depend on the machine. (It also
//! advances after a thousand steps in which tasks did nothing but yield.) Code that measures time
//! should use [`time::Instant`](crate::time::Instant); `std::time::Instant::now` is the real clock.
//!
//! # How a run ends
//!
//! A run ends with its future, like [`block_on`](crate::block_on); the tasks that are left are
//! dropped, each in its own frame. The run fails if
//!
//! - the future panics, or a task without a joiner, or a timer's callback
//!   ([`Explorer::ignore_unhandled_panics`] lets these pass);
//! - nothing can run and no timer is armed: a deadlock, or a notification that was missed. The
//!   failure says which tasks wait, and where they were spawned;
//! - it takes more steps than [`Explorer::step_limit`]: a livelock.
//!
//! # What it does not find
//!
//! - **Parallelism.** One thing runs at a time, so there are no data races, no memory orderings,
//!   and no switch between two statements without an `.await` in between. That is
//!   [loom](https://docs.rs/loom)'s work.
//! - **Other threads.** Wakes from threads that the test starts are seen only by luck, and the
//!   failure says so; if only such threads could continue, the run fails as deadlocked. A blocking
//!   call that waits for another one (with a lock or a channel of `std`) never returns, since it is
//!   a step.
//! - **Other runtimes.** A runtime that is started within a run uses the real clock, and the run's
//!   thread the virtual one: timers of one that the other waits for may be hours late.
//! - **Stacks of their own.** `block_on` is legal in blocking calls and in `block_in_place`, and
//!   other tasks run further up on the same stack meanwhile. So it returns only after every
//!   `block_on` that began within it, and time may advance before. Two blocking calls, one of which
//!   waits in `block_on` for what the other does after its own, fail as deadlocked under some
//!   seeds; the failure says that a `block_on` was ready. Hundreds of them at the same time need a
//!   thread with a larger stack.
//! - **I/O.** Sockets and name look-ups return an error of the kind
//!   [`Unsupported`](std::io::ErrorKind::Unsupported). Give the code a test double of its peer.
//! - **Randomness of its own.** What depends on the real time, on the order of a `HashMap`, or on
//!   `futures::select!` or `tokio::select!` (which poll in random order; `select_biased!` and
//!   `biased;` do not) may go differently under the same seed. [`check`] runs a seed that fails
//!   twice, and reports a difference.
//! - **Thread-locals.** All tasks, and all blocking calls, share the thread's, those of other runs
//!   on it included.
//! - **All orders.** Seeds are samples: there may be bugs that a thousand of them do not find.

mod environment;
mod explorer;
mod failure;
mod preempt;

pub use explorer::{Explored, Explorer, Run};
pub use failure::Failure;
pub use framewise_macros::preemptible;
pub use preempt::{Preemptible, PreemptibleFuture, preempt};

use std::future::Future;

/// Runs a test under many seeds: the future that `make` returns, once for each.
///
/// `FRAMEWISE_SEEDS` is the number of seeds (by default 100); `FRAMEWISE_SEED` names a single one.
/// A seed that fails is run once more, to see whether it does the same. [`Explorer`] has settings.
///
/// # Panics
///
/// Panics at the first run that fails, with its failure and how to replay it; within another seeded
/// run; on a worker of a runtime; and if a variable is no number, or asks for no seed at all.
///
/// # Frame
///
/// See [`run`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use framewise::{test, time};
///
/// // #[test]
/// fn the_quicker_one_wins() {
///     test::check(|| async {
///         let slow = framewise::spawn(time::sleep(Duration::from_secs(3600)));
///         let limited = time::timeout(Duration::from_secs(1), slow).await;
///         assert!(limited.is_err());
///     });
/// }
/// # the_quicker_one_wins();
/// ```
#[track_caller]
pub fn check<F: Future>(make: impl Fn() -> F) {
    Explorer::new().check(make);
}

/// Runs the future that `make` returns under one seed, and returns its output.
///
/// # Panics
///
/// Panics with the failure if the run fails; within another seeded run; on a worker of a runtime.
///
/// # Frame
///
/// The future sees the frame that is current here, as with [`block_on`](crate::block_on); it is
/// current again afterwards.
///
/// # Examples
///
/// ```
/// let answer = framewise::test::run(7, || async { framewise::spawn(async { 42 }).await });
/// assert_eq!(answer.expect("it does not panic"), 42);
/// ```
#[track_caller]
pub fn run<F: Future>(seed: u64, make: impl FnOnce() -> F) -> F::Output {
    Explorer::new().run(seed, make).unwrap()
}

/// Runs a test under the seeds below `runs`, and returns a summary: for tests that should fail
/// under some seeds, and to see how often. The environment's variables are ignored.
///
/// # Panics
///
/// Panics if `runs` is zero; otherwise like [`run`], but not if a run fails.
///
/// # Frame
///
/// See [`run`].
///
/// # Examples
///
/// ```
/// let explored = framewise::test::explore(10, std::future::pending::<()>);
/// assert_eq!(explored.failures(), 10);
/// assert!(explored.first_failure().is_some_and(|failure| failure.is_deadlock()));
/// ```
#[track_caller]
pub fn explore<F: Future>(runs: u64, make: impl Fn() -> F) -> Explored {
    Explorer::new().runs(runs).explore(make)
}
