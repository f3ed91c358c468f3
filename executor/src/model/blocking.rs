//! The shipped pool for calls that block, on threads of a model.
//!
//! Owns the runtime's double: it starts threads, or fails to if the model says so, and its cores
//! are closures.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use framewise_context::Frame;
use framewise_sync::thread;

use crate::blocking::{BlockingPool, Host};
use crate::runtime::ThreadSettings;
use crate::task::JoinHandle;

/// A pool of a model's threads.
#[derive(Clone)]
pub struct ModelPool {
    pool: BlockingPool<ModelHost>,
    host: ModelHost,
}

#[derive(Clone)]
struct ModelHost {
    /// The bit of each start that fails.
    failing: usize,
    /// Not part of the model (std's): loom orders the starts.
    starts: Arc<AtomicUsize>,
    /// Threads that were started and have not taken their last step, if a model counts them.
    left: Option<framewise_sync::Arc<framewise_sync::atomic::AtomicUsize>>,
}

/// The panic of a core that unwinds its thread, like a worker's whose driver fails.
pub const CORE_PANIC: &str = "the model's core unwinds";

impl Host for ModelHost {
    type Core = Box<dyn FnOnce() + Send>;

    fn start(
        &self,
        name: String,
        _stack_size: Option<usize>,
        body: impl FnOnce() + Send + 'static,
    ) -> io::Result<thread::JoinHandle<()>> {
        let number = self.starts.fetch_add(1, Ordering::Relaxed);
        if self.failing & 1 << number != 0 {
            return Err(io::Error::other("the model has no thread left"));
        }
        let left = self.left.clone();
        if let Some(left) = &left {
            left.fetch_add(1, Ordering::Relaxed);
        }
        thread::Builder::new().name(name).spawn(move || {
            // In a model, unlike in a program, a thread that unwinds takes the others with it.
            if let Err(panic) = catch_unwind(AssertUnwindSafe(body))
                && panic.downcast_ref::<&str>() != Some(&CORE_PANIC)
            {
                resume_unwind(panic);
            }
            // Here the destructor of a thread-local would run: the pool has counted the thread out.
            if let Some(left) = left {
                left.fetch_sub(1, Ordering::Relaxed);
            }
        })
    }

    fn enter(&self) -> impl Sized {}

    fn work(core: Self::Core) {
        core();
    }
}

impl ModelPool {
    /// Creates a pool whose idle threads end when the mock clock advances
    /// ([`advance_clock`](Self::advance_clock)). The start of a thread fails if the bit of its
    /// number is set in `failing`.
    pub fn new(threads_max: usize, failing: usize) -> Self {
        Self {
            pool: BlockingPool::new(threads_max, Duration::ZERO, ThreadSettings::default(), None),
            host: ModelHost {
                failing,
                starts: Arc::default(),
                left: None,
            },
        }
    }

    /// Like [`new`](Self::new); the wait for the end checks that every thread has taken its last
    /// step.
    pub fn with_last_steps(threads_max: usize, failing: usize) -> Self {
        let mut pool = Self::new(threads_max, failing);
        pool.host.left = Some(framewise_sync::Arc::default());
        pool
    }

    /// Like `spawn_blocking`, at the root.
    pub fn spawn<R: Send + 'static>(
        &self,
        f: impl FnOnce() -> R + Send + 'static,
    ) -> JoinHandle<R> {
        self.pool.spawn(f, Frame::root(), (), &self.host)
    }

    /// Like `spawn_blocking`, in the current frame.
    pub fn spawn_in_frame<R: Send + 'static>(
        &self,
        f: impl FnOnce() -> R + Send + 'static,
    ) -> JoinHandle<R> {
        self.pool.spawn(f, Frame::current(), (), &self.host)
    }

    /// Hands a core off like `block_in_place`. Returns `false` if the pool gave it back.
    pub fn hand_off_core(&self, core: impl FnOnce() + Send + 'static) -> bool {
        self.pool.run_core(Box::new(core), &self.host).is_ok()
    }

    /// Returns the number of threads that were started, or failed to start.
    pub fn starts(&self) -> usize {
        self.host.starts.load(Ordering::Relaxed)
    }

    /// Returns the number of threads that were notified for a job and have not taken it yet.
    pub fn notified(&self) -> usize {
        self.pool.notified()
    }

    /// Advances the mock clock past the idle threads' timeout.
    pub fn advance_clock(&self) {
        self.pool.advance_clock();
    }

    /// Closes the pool: it rejects new jobs, and cancels the jobs that wait.
    pub fn close(&self) {
        self.pool.close();
    }

    /// Waits until all threads have ended.
    pub fn wait_for_end(&self) {
        assert!(self.pool.wait_for_end(None), "there is no limit");
        if let Some(left) = &self.host.left {
            // Ordering: Relaxed. Read after each thread was joined.
            let left = left.load(Ordering::Relaxed);
            assert_eq!(left, 0, "the wait is over, and a thread is not");
        }
    }
}
