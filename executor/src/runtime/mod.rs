//! The runtime: its settings, its start and end, and handles to it.

// Owns the start, and the last step of the end: when the workers have left
// (`scheduler/shutdown.rs`), the threads are joined and the blocking pool is closed.

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
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use framewise_context::Frame;
use framewise_io::{BlockingSpawner, IoDriver};
use framewise_sync::thread;

use self::current_thread::WorkerSlot;
pub(crate) use self::threads::ThreadSettings;
use self::tokio_compat::TokioCompat;
pub(crate) use self::tokio_compat::{TokioEntered, TokioHandle, block_in_tokio, with_tokio_budget};
use crate::blocking::BlockingPool;
use crate::panics::report_callback_panics;
use crate::scheduler::blocked_polls::end_without_blocked_polls;
use crate::scheduler::shared::Shared;
use crate::scheduler::spawner::Spawner;
use crate::scheduler::worker::driving::RestingWorker;
use crate::scheduler::worker::{self, Core};
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

    pub(crate) fn start(settings: Builder, flavor: Flavor) -> io::Result<Self> {
        if settings.threads.name.contains('\0') {
            // std would panic at the start of each thread.
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a thread's name must not contain a zero byte",
            ));
        }
        if let Some(stack_size) = settings.threads.stack_size {
            builder::check_stack_size(stack_size)?;
        }
        register_wakers();
        let workers = if flavor.is_current_thread() {
            1
        } else {
            settings.workers()?
        };
        let hook = settings.threads.unhandled_panic.clone();
        let blocking = BlockingPool::new(
            settings.blocking_threads_max,
            settings.keep_alive,
            settings.threads.clone(),
            hook.clone(),
        );
        // The driver is made before the runtime that its name look-ups use.
        let looked_up: Arc<OnceLock<Weak<Spawner>>> = Arc::default();
        let (driver, io) = IoDriver::new(spawn_look_ups_on(&looked_up))?;
        io.set_delay(|time| Box::pin(framewise_timers::sleep(time)));
        let (shared, queues) = Shared::new(workers, driver, io, blocking, hook.clone(), flavor);
        if let Some(name) = &settings.name {
            shared.name.set(name.clone()).expect("it is set here only");
        }
        if let Some(observer) = settings.observer(workers)? {
            shared.observe(&Arc::new(observer));
        }
        #[cfg(all(feature = "test-util", not(any(framewise_loom, framewise_shuttle))))]
        if settings.start_paused {
            shared.timers.stop_clock();
        }
        report_callback_panics(&shared.timers, hook);
        let spawner = Spawner::new(Arc::clone(&shared), shared.outside());
        looked_up
            .set(Arc::downgrade(&spawner))
            .expect("it is set here only");
        let tokio = TokioCompat::start(&settings, &spawner)?;
        let mut runtime = Self {
            handle: Handle { spawner },
            tokio,
            threads: Vec::new(),
            resting: None,
            is_shut_down: false,
        };
        for (index, queue) in queues.into_iter().enumerate() {
            if flavor.is_current_thread() {
                let worker = RestingWorker::new(&shared, queue, settings.intervals);
                runtime.resting = Some(WorkerSlot::new(worker));
                break;
            }
            shared.register_worker();
            let core = Core::new(queue, settings.intervals);
            let started = settings.threads.start(format_args!("worker-{index}"), {
                let shared = Arc::clone(&shared);
                move || worker::run_thread(shared, core)
            });
            match started {
                Ok(thread) => runtime.threads.push(thread),
                Err(error) => {
                    shared.deregister_worker(true);
                    shared.close();
                    // Dropping the runtime waits for the workers that did start.
                    return Err(io::Error::new(
                        error.kind(),
                        format!("worker {index} of {workers} could not be started: {error}"),
                    ));
                }
            }
        }
        Ok(runtime)
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

    /// Shuts down and waits for `limit` at most. Returns `true` if everything has ended.
    ///
    /// A poll or a blocking call that has not returned by then continues; a task is dropped when
    /// its poll returns.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use framewise::runtime::Runtime;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let runtime = Runtime::new()?;
    /// let endless = runtime.spawn(std::future::pending::<()>());
    /// assert!(runtime.shutdown_timeout(Duration::from_secs(60)));
    /// assert!(endless.is_finished());
    /// # Ok(())
    /// # }
    /// ```
    pub fn shutdown_timeout(mut self, limit: Duration) -> bool {
        self.shut_down(Some(limit))
    }

    /// Shuts down without waiting.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise::runtime::Runtime;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let runtime = Runtime::new()?;
    /// let endless = runtime.spawn(std::future::pending::<()>());
    /// runtime.shutdown_background();
    /// let error = futures::executor::block_on(endless).expect_err("it does not end by itself");
    /// assert!(error.is_cancelled());
    /// # Ok(())
    /// # }
    /// ```
    pub fn shutdown_background(mut self) {
        self.shut_down(Some(Duration::ZERO));
    }

    fn shut_down(&mut self, limit: Option<Duration>) -> bool {
        self.is_shut_down = true;
        let shared = &self.handle.spawner.shared;
        if shared.is_in_forked_child() {
            // The threads are the parent's, as are the events that the driver would take out of
            // epoll.
            return self.leave_as_it_is();
        }
        let resting = self.resting.as_ref().map(WorkerSlot::take);
        if let Some(None) = resting {
            // A thread that drives borrows the runtime. So its code has called `process::exit`,
            // which runs the destructors of thread-locals.
            return self.leave_as_it_is();
        }
        shared.close();
        if let Some(worker) = resting.flatten() {
            worker.end();
        }
        let waits_for_itself = worker::is_worker_of(shared) || shared.blocking.is_own_thread();
        let limit = if waits_for_itself {
            Some(Duration::ZERO)
        } else {
            limit
        };
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        let ender = end_without_blocked_polls(&self.handle.spawner, deadline, |end| {
            shared.blocking.threads().start("shutdown", end)
        });
        let ended = shared.wait_for_end(deadline);
        if ended {
            for thread in self.threads.drain(..).chain(ender) {
                // If a worker unwound, the panic hook has printed its panic.
                let _ = thread.join();
            }
        }
        shared.blocking.close();
        let ended = shared.blocking.wait_for_end(deadline) && ended;
        // Last, since what ends above may use it.
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        self.tokio.shut_down(left);
        ended
    }

    /// Ends nothing.
    fn leave_as_it_is(&mut self) -> bool {
        self.threads.drain(..).for_each(std::mem::forget);
        std::mem::forget(self.resting.take());
        self.tokio.forget();
        false
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

/// Declares that the runtime's wakers run no user code, so that timers and I/O keep no frame for
/// them. The task's vtable is first, since it is looked up most often.
pub(crate) fn register_wakers() {
    framewise_context::add_context_free_vtable(&crate::task::waker::WAKER_VTABLE);
    framewise_context::add_context_free_vtable(&block_on::WAKER_VTABLE);
    framewise_context::add_context_free_vtable(&crate::task::waker::TRACKED_WAKER_VTABLE);
}

// A panic in user code leaves a runtime as it was: its state changes between calls of such code.
impl UnwindSafe for Runtime {}
impl RefUnwindSafe for Runtime {}

impl Drop for Runtime {
    fn drop(&mut self) {
        if !self.is_shut_down {
            self.shut_down(None);
        }
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime")
            .field("handle", &self.handle)
            .finish_non_exhaustive()
    }
}

/// Returns the function by which name look-ups reach the blocking pool.
fn spawn_look_ups_on(spawner: &Arc<OnceLock<Weak<Spawner>>>) -> BlockingSpawner {
    let spawner = Arc::clone(spawner);
    Arc::new(move |job| match spawner.get().and_then(Weak::upgrade) {
        Some(spawner) => spawner.shared.blocking.run_internal(job, &spawner),
        None => Err(framewise_io::shutdown_error()),
    })
}
