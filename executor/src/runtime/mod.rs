//! The runtime: its settings, its start and end, and handles to it.

// `start.rs` has the start, `shutdown.rs` the last step of the end.

pub(crate) mod block_on;
mod builder;
pub(crate) mod current_thread;
pub(crate) mod enter;
mod flavor;
mod handle;
mod id;
mod local;
#[cfg(not(any(framewise_loom, framewise_shuttle)))]
mod metrics;
mod shutdown;
pub(crate) mod start;
mod threads;
#[cfg(all(feature = "tokio-compat", not(any(framewise_loom, framewise_shuttle))))]
mod tokio_compat;
#[cfg(not(all(feature = "tokio-compat", not(any(framewise_loom, framewise_shuttle)))))]
#[path = "no_tokio.rs"]
mod tokio_compat;

pub use builder::Builder;
pub(crate) use flavor::Flavor;
pub use flavor::RuntimeFlavor;
pub use handle::{EnterGuard, Handle, TryCurrentError};
pub use id::Id;
pub use local::{LocalOptions, LocalRuntime};
#[cfg(not(any(framewise_loom, framewise_shuttle)))]
pub use metrics::RuntimeMetrics;

pub use crate::observe::TaskMeta;

use std::fmt;
use std::future::Future;
use std::io;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use framewise_context::Frame;
use framewise_sync::thread;

use self::current_thread::WorkerSlot;
pub(crate) use self::threads::ThreadSettings;
use self::tokio_compat::TokioCompat;
pub(crate) use self::tokio_compat::{TokioEntered, TokioHandle, block_in_tokio, with_tokio_budget};
use crate::scheduler::worker;
use crate::task::JoinHandle;
use crate::task::large::{BoxOutput, boxed_call_if_large, boxed_if_large, is_large};

/// A running runtime.
///
/// Dropping it shuts it down: no task is polled any more, every task that is left is dropped in its
/// own frame, and the drop waits until that is done and the calls on the blocking pool have
/// returned. A call that a thread of the pool was started or woken for is run; calls that still
/// wait for a thread are [cancelled](crate::task::JoinError::is_cancelled).
/// [`shutdown_timeout`](Self::shutdown_timeout) limits the wait;
/// [`shutdown_background`](Self::shutdown_background) does not wait. A runtime that is dropped by
/// one of its own tasks or blocking calls does not wait either, since it would wait for itself.
///
/// # Current-thread runtimes
///
/// A runtime of [`Builder::new_current_thread`] has no workers. The thread that is in
/// [`block_on`](Self::block_on) **drives** it: it runs the tasks, the timers and the I/O beside its
/// own future, which has its turn after an [event interval](Builder::event_interval) of polls (61)
/// at most. Tasks run in the order in which they become runnable. While no thread is in
/// `block_on`, spawned tasks wait. If several threads are, the first one drives, and the others
/// poll their own futures only; when it leaves, also by a panic, one of them goes on.
/// [`Handle::block_on`] does not drive. The blocking pool is as with any runtime.
///
/// In its tasks, and in the futures of its `block_on`, a nested `block_on`, of whichever runtime,
/// and [`block_in_place`](crate::task::block_in_place) panic, since no other thread can run the
/// tasks meanwhile: use `.await` or [`spawn_blocking`](crate::spawn_blocking). This holds also in
/// the future of a thread that does not drive at the moment.
///
/// The thread that drops the runtime, or shuts it down, drops the tasks that are left before the
/// call returns, whatever its limit is: the limit is for the calls on the blocking pool. Otherwise
/// the sections below hold for it, too.
///
/// # Shutdown and blocking code
///
/// A task that is in [`block_in_place`](crate::task::block_in_place) cannot be cancelled before it
/// returns, and the drop waits for it. What the task may be waiting for there is ended first: the
/// other tasks are dropped, sockets return errors, and waiting for a timer panics, as for
/// everything that outlives its runtime. When it has returned, the task is dropped at its next
/// `.await` that waits.
///
/// The same holds for a poll, or a callback, that blocks its worker and does not return within a
/// few milliseconds, for example in another executor's `block_on`. A sleep that it waits for
/// panics, a socket returns an error, and a join handle a
/// [cancelled](crate::task::JoinError::is_cancelled) error. The same holds in a poll that runs for
/// long without blocking.
///
/// # Shutdown and destructors that wait
///
/// Timers and sockets are closed before the first future is dropped. Code that the shutdown itself
/// runs (destructors of futures, of their frames' values, of callbacks and queued calls; wakers;
/// the hook for unhandled panics) may still write to a socket that is writable, and use the
/// blocking pool. Its waits end:
///
/// - waiting for a timer panics, waiting for a socket returns an error;
/// - joining a task of this runtime returns a [cancelled](crate::task::JoinError::is_cancelled)
///   error at once, though its future may not have been dropped yet;
/// - [`block_on`](Self::block_on) panics if it would wait, as on a worker. Within
///   [`block_in_place`](crate::task::block_in_place) it waits, for example for a blocking call.
///
/// A panic in a destructor goes to the task's joiner or to
/// [the hook](Builder::on_unhandled_panic). Waits for things outside of the runtime do not end: a
/// destructor that blocks on a channel of `std` whose sender is in another task's future keeps the
/// runtime from ending.
///
/// # Fork
///
/// A process that forks must not use its runtimes in the child: their threads do not exist there,
/// and their epoll instance is the parent's, so that closing a socket in the child silences it in
/// the parent. Fork before a runtime is made, or make a new one in the child, which works. In a
/// child, [`block_on`](Self::block_on) panics if it would wait, for the threads do not exist, and a
/// runtime that is dropped, or shut down, leaves everything as it is.
///
/// # Examples
///
/// ```
/// use framewise::runtime::Runtime;
///
/// # fn main() -> std::io::Result<()> {
/// let runtime = Runtime::new()?;
/// let answer = runtime.block_on(async { framewise::spawn(async { 6 * 7 }).await });
/// assert_eq!(answer.ok(), Some(42));
/// # Ok(())
/// # }
/// ```
pub struct Runtime {
    handle: Handle,
    tokio: TokioCompat,
    threads: Vec<thread::JoinHandle<()>>,
    /// The worker of a current-thread runtime, while no thread drives it.
    resting: Option<WorkerSlot>,
    /// Set by a shutdown with a limit: the drop does not wait again.
    is_shut_down: bool,
}

impl Runtime {
    /// Starts a runtime with a worker for each processor; see [`Builder`] for other settings.
    ///
    /// # Errors
    ///
    /// See [`Builder::build`].
    pub fn new() -> io::Result<Self> {
        Builder::new().build()
    }

    /// Returns a handle for other threads.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Runs `future` on this thread until it is ready, inside of the runtime; drives a
    /// [current-thread runtime](Self#current-thread-runtimes). Otherwise see [`Handle::block_on`].
    ///
    /// # Panics
    ///
    /// See [`Handle::block_on`].
    ///
    /// # Frame
    ///
    /// See [`Handle::block_on`]. Tasks that this thread runs have their own frames.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise::runtime::Builder;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let runtime = Builder::new_current_thread().build()?;
    /// let answer = runtime.block_on(async { framewise::spawn(async { 6 * 7 }).await });
    /// assert_eq!(answer.ok(), Some(42));
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        boxed_if_large!(F, future => self.enter_and_block_on(future))
    }

    /// Like [`block_on`](Self::block_on), of a future that may be passed by value.
    #[track_caller]
    pub(crate) fn enter_and_block_on<F: Future>(&self, future: F) -> F::Output {
        let Some(slot) = &self.resting else {
            return self.handle.enter_and_block_on(future);
        };
        let _entered = self.enter();
        let shared = &self.handle.spawner.shared;
        if const { is_large::<F::Output>() } {
            current_thread::block_on(BoxOutput(future), slot, shared).into_output()
        } else {
            current_thread::block_on(future, slot, shared)
        }
    }

    /// See [`Handle::spawn`].
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        boxed_if_large!(F, future => {
            let spawner = Arc::clone(&self.handle.spawner);
            spawner.spawn(future, Frame::current().inherited(), ())
        })
    }

    /// See [`Handle::spawn_root`].
    #[track_caller]
    pub fn spawn_root<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        boxed_if_large!(F, future => {
            Arc::clone(&self.handle.spawner).spawn(future, Frame::root(), ())
        })
    }

    /// See [`Handle::spawn_blocking`].
    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, f: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        boxed_call_if_large!(F, f => self.handle.spawn_call(f, ()))
    }

    /// See [`Handle::enter`].
    #[must_use = "the thread is in the runtime only while the guard lives"]
    pub fn enter(&self) -> EnterGuard<'_> {
        self.handle.enter()
    }
}

/// Returns the number of the worker that this thread is, from 0; `None` on every other thread, also
/// in a blocking call and within [`block_in_place`](crate::task::block_in_place). The thread that
/// drives a current-thread runtime is worker 0, in the future of its `block_on`, too.
///
/// A task may be on another worker after each `.await`.
///
/// # Examples
///
/// ```
/// use framewise::runtime::{self, Builder};
///
/// # fn main() -> std::io::Result<()> {
/// let runtime = Builder::new().worker_threads(1).build()?;
/// let on_worker = runtime.spawn(async { runtime::worker_index() });
/// assert_eq!(runtime.block_on(on_worker)?, Some(0));
/// assert_eq!(runtime.block_on(async { runtime::worker_index() }), None);
/// # Ok(())
/// # }
/// ```
pub fn worker_index() -> Option<usize> {
    worker::index()
}

/// Returns `true` if `error` says that the runtime has shut down: that of a socket or a descriptor,
/// or the one that should have run the call of a name look-up, a file or a standard stream.
///
/// # Examples
///
/// ```
/// use framewise::net::UdpSocket;
/// use framewise::runtime::{Runtime, is_rt_shutdown_err};
///
/// # fn main() -> std::io::Result<()> {
/// let runtime = Runtime::new()?;
/// let socket = runtime.block_on(UdpSocket::bind("127.0.0.1:0"))?;
/// drop(runtime);
/// let received = framewise::block_on(socket.recv(&mut [0; 8]));
/// assert!(is_rt_shutdown_err(&received.expect_err("no driver is left")));
/// # Ok(())
/// # }
/// ```
pub fn is_rt_shutdown_err(error: &io::Error) -> bool {
    framewise_io::is_shutdown_error(error)
}

// A panic in user code leaves a runtime as it was: its state changes between calls of such code.
impl UnwindSafe for Runtime {}
impl RefUnwindSafe for Runtime {}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime")
            .field("handle", &self.handle)
            .finish_non_exhaustive()
    }
}
