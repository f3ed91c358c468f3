//! `Builder`: a runtime's settings.

use std::env;
use std::fmt;
use std::io;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::observe::Hooks;
use crate::runtime::{Flavor, LocalOptions, LocalRuntime, Runtime, ThreadSettings};
use crate::scheduler::ticks::Intervals;
use crate::task::JoinError;

#[cfg(feature = "account")]
mod account;
mod hooks;
mod threads;

/// Creates a [`Runtime`] with other settings than [`Runtime::new`].
///
/// # Examples
///
/// ```
/// use framewise::runtime::Builder;
///
/// # fn main() -> std::io::Result<()> {
/// let runtime = Builder::new().worker_threads(2).thread_name("orders").build()?;
/// runtime.block_on(async { assert_eq!(framewise::spawn(async { 1 }).await.ok(), Some(1)) });
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "a builder does nothing until `build`"]
pub struct Builder {
    pub(crate) name: Option<Box<str>>,
    pub(crate) is_current_thread: bool,
    pub(crate) workers: Option<usize>,
    pub(crate) threads: ThreadSettings,
    pub(crate) intervals: Intervals,
    pub(crate) blocking_threads_max: usize,
    pub(crate) keep_alive: Duration,
    hooks: Hooks,
    tracks_wakes: bool,
    #[cfg(all(feature = "test-util", not(any(framewise_loom, framewise_shuttle))))]
    pub(crate) start_paused: bool,
    #[cfg(feature = "tokio-compat")]
    pub(crate) tokio_compat: bool,
    #[cfg(feature = "account")]
    pub(crate) account: Option<Arc<dyn crate::account::KeySource>>,
}

impl Builder {
    /// Creates a builder with the settings of [`Runtime::new`]: of a multi-thread runtime.
    pub fn new() -> Self {
        Self {
            name: None,
            is_current_thread: false,
            workers: None,
            threads: ThreadSettings {
                name: "framewise".to_owned(),
                ..ThreadSettings::default()
            },
            intervals: Intervals::default(),
            blocking_threads_max: 512,
            keep_alive: Duration::from_secs(10),
            hooks: Hooks::default(),
            tracks_wakes: false,
            #[cfg(all(feature = "test-util", not(any(framewise_loom, framewise_shuttle))))]
            start_paused: false,
            #[cfg(feature = "tokio-compat")]
            tokio_compat: false,
            #[cfg(feature = "account")]
            account: None,
        }
    }

    /// Creates a builder of a multi-thread runtime, like [`new`](Self::new).
    pub fn new_multi_thread() -> Self {
        Self::new()
    }

    /// Creates a builder of a [current-thread runtime](Runtime#current-thread-runtimes), which runs
    /// its tasks on the thread that is in [`Runtime::block_on`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::thread;
    /// use framewise::runtime::Builder;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let runtime = Builder::new_current_thread().build()?;
    /// let task = runtime.spawn(async { thread::current().id() });
    /// assert!(!task.is_finished()); // no thread runs it yet
    /// assert_eq!(runtime.block_on(task).ok(), Some(thread::current().id()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn new_current_thread() -> Self {
        Self {
            is_current_thread: true,
            ..Self::new()
        }
    }

    /// Sets the number of workers: threads that run tasks. By default what the environment variable
    /// `FRAMEWISE_WORKER_THREADS` says, or else one for each processor that the process may use. A
    /// current-thread runtime has none, whatever this says.
    ///
    /// # Panics
    ///
    /// Panics if `workers` is zero.
    #[track_caller]
    pub fn worker_threads(mut self, workers: usize) -> Self {
        assert!(workers > 0, "a runtime needs at least one worker");
        self.workers = Some(workers);
        self
    }

    /// Sets what the names of the runtime's threads begin with. By default `framewise`. A name with
    /// a zero byte makes [`build`](Self::build) fail.
    pub fn thread_name(mut self, name: impl Into<String>) -> Self {
        self.threads.name = name.into();
        self
    }

    /// Sets the largest number of threads in the blocking pool. By default 512. More jobs wait in
    /// its queue.
    ///
    /// # Panics
    ///
    /// Panics if `threads` is zero.
    #[track_caller]
    pub fn max_blocking_threads(mut self, threads: usize) -> Self {
        assert!(threads > 0, "the blocking pool needs at least one thread");
        self.blocking_threads_max = threads;
        self
    }

    /// Sets how long a thread of the blocking pool waits for another job before it ends. By default
    /// ten seconds.
    pub fn thread_keep_alive(mut self, keep_alive: Duration) -> Self {
        self.keep_alive = keep_alive;
        self
    }

    /// Sets the size of the stack of each worker and each thread of the blocking pool, in bytes. By
    /// default that of the standard library: 2 MiB, or what `RUST_MIN_STACK` says.
    ///
    /// Code that recurses deeply, and large values on the stack (also [outputs of
    /// tasks](crate::spawn#large-futures-and-outputs), which are returned by value), may need more.
    /// A size below 64 KiB, or one that no address space has room for, makes [`build`](Self::build)
    /// fail. A seeded run has no threads and so no use for this.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise::runtime::Builder;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let runtime = Builder::new().thread_stack_size(8 * 1024 * 1024).build()?;
    /// let task = runtime.spawn(async {
    ///     [1_u8; 3 * 1024 * 1024].iter().map(|&one| u32::from(one)).sum()
    /// });
    /// assert_eq!(runtime.block_on(task).ok(), Some(3_u32 * 1024 * 1024));
    ///
    /// let built = Builder::new().thread_stack_size(0).build();
    /// let error = built.expect_err("no thread runs on that");
    /// assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    /// # Ok(())
    /// # }
    /// ```
    pub fn thread_stack_size(mut self, bytes: usize) -> Self {
        self.threads.stack_size = Some(bytes);
        self
    }

    /// Calls `hook` with each panic that no joiner takes and no [panic handler](crate::panics) of
    /// its frame handles. By default nothing is called beyond the process's panic hook, which
    /// prints.
    ///
    /// These are the panics of a task, a blocking call or a local task whose [`JoinHandle`] is
    /// dropped, before its end or after; of callbacks of timers and sockets; and of user-supplied
    /// wakers that timers and sockets call. A local task reports to the runtime that last ran its
    /// [`LocalSet`](crate::task::LocalSet) or, if that is gone or there was none, to the runtime
    /// that the thread is in; outside of every runtime no hook gets its panic.
    ///
    /// No hook and no handler gets panics in the destructors of an output that is dropped unread
    /// and of a frame's values at a task's end, of the wakers of joiners, and of the hook itself.
    ///
    /// The hook is called on the thread that ends the task, drops the handle or calls the callback.
    /// It must not block.
    ///
    /// [`JoinHandle`]: crate::task::JoinHandle
    ///
    /// # Frame
    ///
    /// The hook runs in the frame of the failure, the innermost one that was current when the panic
    /// began ([`JoinError::frame`]), whatever frame the handle is dropped in.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use framewise::{ContextVar, runtime::Builder};
    ///
    /// static REQUEST: ContextVar<u64> = ContextVar::new("request");
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let (sender, reports) = mpsc::channel();
    /// let runtime = Builder::new()
    ///     .on_unhandled_panic(move |error| {
    ///         let _ = sender.send(format!("request {:?}: {error}", REQUEST.get()));
    ///     })
    ///     .build()?;
    /// drop(runtime.spawn(REQUEST.scope(7, async { panic!("no such order") })));
    /// assert_eq!(
    ///     reports.recv().as_deref(),
    ///     Ok("request Some(7): the task panicked: no such order")
    /// );
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_unhandled_panic(mut self, hook: impl Fn(&JoinError) + Send + Sync + 'static) -> Self {
        self.threads.unhandled_panic = Some(Arc::new(hook));
        self
    }

    /// Makes a current-thread runtime start with its time [paused](crate::time::pause()), if
    /// `start_paused` is `true`. By default it is `false`.
    ///
    /// With it a multi-thread runtime cannot be built.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise::runtime::Builder;
    /// use framewise::time::{Duration, Instant, sleep};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let runtime = Builder::new_current_thread().start_paused(true).build()?;
    /// runtime.block_on(async {
    ///     let start = Instant::now();
    ///     sleep(Duration::from_secs(3600)).await; // returns at once
    ///     assert_eq!(start.elapsed(), Duration::from_secs(3600));
    /// });
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(all(feature = "test-util", not(any(framewise_loom, framewise_shuttle))))]
    pub fn start_paused(mut self, start_paused: bool) -> Self {
        self.start_paused = start_paused;
        self
    }

    /// Keeps a tokio runtime beside this one, for crates that insist on tokio's, such as reqwest,
    /// sqlx with its `runtime-tokio`, redis or tonic's transport.
    ///
    /// Every thread of this runtime, and every thread that [enters](crate::runtime::Handle::enter)
    /// it, is then in that tokio runtime, too. So a future of such a crate can be awaited in a task
    /// of ours: it finds tokio's sockets and timers, and it is polled by our worker in the task's
    /// frame. Nothing has to be wrapped at the call, nor at a spawn. The tokio runtime has one
    /// worker, which turns tokio's drivers and runs what those crates `tokio::spawn`. Its threads
    /// are in this runtime in turn, so that what is spawned there can use it.
    ///
    /// Without this option such a future panics with tokio's message, "there is no reactor
    /// running". Prefer a crate's own choice of a runtime where it has one: each wait on a socket
    /// of tokio costs a switch of threads.
    ///
    /// What is polled here is to tokio as what it polls itself. Its channels, sockets and timers
    /// count a budget for each poll, so that a task that always finds them ready does not starve
    /// the others; its blocking calls (`blocking_recv`, `block_on`) panic in a poll, and work in
    /// [`block_in_place`](crate::task::block_in_place) and
    /// [`spawn_blocking`](crate::spawn_blocking).
    ///
    /// The tokio runtime ends last, when this one is dropped: within the limit of a
    /// [shutdown](crate::runtime::Runtime::shutdown_timeout), whose result does not tell of it.
    ///
    /// # Frame
    ///
    /// What is spawned on tokio runs at the root: its work is a connection's, or a pool's, more
    /// often than a request's. Wrap it in [`Frame::scope`](crate::Frame::scope) where it belongs to
    /// a request. `spawn` of this crate inherits, as everywhere. Where tokio is built with
    /// `--cfg tokio_unstable`, its tasks inherit too, by tokio's hooks: then a driver that a crate
    /// spawns for a pooled connection keeps the frame of the request that opened it.
    ///
    /// # Panics
    ///
    /// With this option, guards of [`enter`](crate::runtime::Handle::enter) that are dropped in
    /// another order than the reverse of their making panic, as tokio's do; and so does a
    /// [`block_on`](crate::runtime::Runtime::block_on) on a thread that another, current-thread
    /// runtime of tokio's is polling on.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise::{ContextVar, runtime::Builder};
    ///
    /// static REQUEST: ContextVar<u64> = ContextVar::new("request");
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let runtime = Builder::new().tokio_compat().build()?;
    /// runtime.block_on(REQUEST.scope(7, async {
    ///     tokio::time::sleep(std::time::Duration::from_millis(1)).await; // tokio's timer
    ///     assert_eq!(REQUEST.get(), Some(7));
    ///     let elsewhere = tokio::spawn(async { REQUEST.get() });
    ///     assert_eq!(elsewhere.await.ok(), Some(None)); // spawned on tokio: the root
    /// }));
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "tokio-compat")]
    pub fn tokio_compat(mut self) -> Self {
        self.tokio_compat = true;
        self
    }

    /// Starts the runtime.
    ///
    /// # Errors
    ///
    /// Fails if the system gives no event queue or no thread. Threads that were started by then are
    /// stopped again. Fails with [`InvalidInput`](io::ErrorKind::InvalidInput) if the threads' name
    /// has a zero byte, the size of their stacks is out of range, or `FRAMEWISE_WORKER_THREADS` is
    /// needed and no number above zero. Fails likewise if a multi-thread runtime was to start with
    /// its time paused (feature `test-util`).
    pub fn build(self) -> io::Result<Runtime> {
        #[cfg(all(feature = "test-util", not(any(framewise_loom, framewise_shuttle))))]
        if self.start_paused && !self.is_current_thread {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the time can be paused in a current-thread runtime only: use \
                 Builder::new_current_thread with start_paused",
            ));
        }
        let flavor = if self.is_current_thread {
            Flavor::CurrentThread
        } else {
            Flavor::MultiThread
        };
        Runtime::start(self, flavor)
    }

    /// Starts a [`LocalRuntime`], which stays on this thread.
    ///
    /// # Errors
    ///
    /// See [`build`](Self::build).
    ///
    /// # Panics
    ///
    /// Panics unless the builder was made by [`new_current_thread`](Self::new_current_thread).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::rc::Rc;
    /// use framewise::runtime::{Builder, LocalOptions};
    /// use framewise::task::spawn_local;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let runtime = Builder::new_current_thread().build_local(LocalOptions::default())?;
    /// let answer = runtime.block_on(async {
    ///     let shared = Rc::new(41); // not Send
    ///     spawn_local(async move { *shared + 1 }).await
    /// });
    /// assert_eq!(answer.ok(), Some(42));
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn build_local(self, options: LocalOptions) -> io::Result<LocalRuntime> {
        assert!(
            self.is_current_thread,
            "a local runtime has no workers: use Builder::new_current_thread"
        );
        LocalRuntime::start(self, options)
    }

    /// Returns the number of workers.
    pub(crate) fn workers(&self) -> io::Result<usize> {
        if let Some(workers) = self.workers {
            return Ok(workers);
        }
        let Some(value) = env::var_os(WORKER_THREADS) else {
            return Ok(thread::available_parallelism().map_or(1, NonZero::get));
        };
        let workers = value.to_str().and_then(|value| value.parse().ok());
        workers.map(NonZero::get).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{WORKER_THREADS} must be a number of threads above zero, not {value:?}"),
            )
        })
    }
}

/// The environment variable with the number of workers.
const WORKER_THREADS: &str = "FRAMEWISE_WORKER_THREADS";

/// The smallest stack on which the runtime's own code runs, debug builds included.
const STACK_SIZE_MIN: usize = 64 * 1024;

/// The largest stack: half of what can be addressed. `std` panics at sizes that overflow when
/// rounded up to a page.
const STACK_SIZE_MAX: usize = isize::MAX as usize;

pub(crate) fn check_stack_size(bytes: usize) -> io::Result<()> {
    if (STACK_SIZE_MIN..=STACK_SIZE_MAX).contains(&bytes) {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        format!(
            "a thread's stack must have {STACK_SIZE_MIN} to {STACK_SIZE_MAX} bytes, not {bytes}"
        ),
    ))
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("is_current_thread", &self.is_current_thread)
            .field("worker_threads", &self.workers)
            .field("thread_name", &self.threads.name)
            .field("max_blocking_threads", &self.blocking_threads_max)
            .field("thread_keep_alive", &self.keep_alive)
            .field("thread_stack_size", &self.threads.stack_size)
            .finish_non_exhaustive()
    }
}
