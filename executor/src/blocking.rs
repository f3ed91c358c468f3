//! The pool of threads for calls that block.
//!
//! Owns its queue and decides when a thread starts or ends. A job is a task like any other, with a
//! frame, a join handle and an abort; its one poll calls the closure.
//!
//! This file has what callers use. `job.rs` has what a thread runs, `pool_state.rs` and `queue.rs`
//! what the lock guards, `thread.rs` the life of a thread, `host.rs` what the pool needs of its
//! runtime, `call.rs` the calls of the runtime's own.

#[cfg(not(any(framewise_loom, framewise_shuttle)))]
pub(crate) mod call;
mod host;
mod job;
mod pool_state;
mod queue;
mod queued;
mod thread;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use framewise_context::Frame;
use framewise_sync::atomic::AtomicUsize;
use framewise_sync::{Condvar, Mutex, MutexGuard};

pub(crate) use self::host::{Host, start_thread};
pub(crate) use self::job::Job;
use self::job::{BlockingCall, BlockingSchedule};
#[cfg(not(any(framewise_loom, framewise_shuttle)))]
use self::pool_state::PoolCounts;
use self::pool_state::PoolState;
use self::queued::{QueuedCall, end_unrun};
use crate::observe::Observer;
use crate::panics::PanicHook;
use crate::runtime::ThreadSettings;
use crate::scheduler::ending;
use crate::scheduler::spawner::Spawner;
use crate::seeded::hooks;
use crate::task::cell;
use crate::task::label::{Internal, Label};
use crate::task::{JoinError, JoinHandle};

/// The threads for blocking calls, and the calls that wait for one.
#[derive(Clone)]
pub(crate) struct BlockingPool<H: Host = Arc<Spawner>>(Arc<Pool<H>>);

struct Pool<H: Host> {
    state: Mutex<PoolState<H>>,
    work: Condvar,
    ended: Condvar,
    threads_max: usize,
    keep_alive: Duration,
    threads: ThreadSettings,
    unhandled_panic: Option<PanicHook>,
    /// What observes the calls. `std`'s, since it is set before there is one.
    observer: std::sync::OnceLock<Arc<Observer>>,
    /// How many threads were started so far, for their names.
    started: AtomicUsize,
}

/// A job that the pool did not take, with the reason; `None` if the pool is closed.
type Unqueued<H> = (Job<H>, Option<io::Error>);

impl<H: Host> BlockingPool<H> {
    pub(crate) fn new(
        threads_max: usize,
        keep_alive: Duration,
        threads: ThreadSettings,
        unhandled_panic: Option<PanicHook>,
    ) -> Self {
        Self(Arc::new(Pool {
            state: Mutex::new(PoolState::new()),
            work: Condvar::new(),
            ended: Condvar::new(),
            threads_max,
            keep_alive,
            threads,
            unhandled_panic,
            observer: std::sync::OnceLock::new(),
            started: AtomicUsize::new(0),
        }))
    }

    /// Makes `observer` observe the calls, before there is one.
    pub(crate) fn observe(&self, observer: &Arc<Observer>) {
        let unset = self.0.observer.set(Arc::clone(observer));
        assert!(unset.is_ok(), "a pool's observer is set once");
    }

    /// Returns the settings of the runtime's threads.
    pub(crate) fn threads(&self) -> &ThreadSettings {
        &self.0.threads
    }

    /// Runs `f` on a thread of the pool, in `frame`.
    #[track_caller]
    pub(crate) fn spawn<F, R>(
        &self,
        f: F,
        frame: Frame,
        label: impl Label,
        host: &H,
    ) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let schedule = BlockingSchedule(self.clone());
        let watched = if frame.is_root() {
            Ok(None)
        } else {
            frame.run(|| QueuedCall::watch(self))
        };
        let (watched, ended) = match watched {
            Ok(watched) => (watched, None),
            Err(ended) => (None, Some(ended)),
        };
        let (guard, queued) = watched.unzip();
        let call = BlockingCall { f: Some(f), guard };
        let task = cell::allocate(call, frame, schedule, label, true);
        hooks::spawned(task);
        // SAFETY: the handle's reference is ours to pass on; a large result is in a box (T1).
        let handle = unsafe { JoinHandle::new(task) };
        if let Some(ended) = ended {
            // SAFETY: the task was not queued, so the caller is its holder.
            unsafe { end_unrun(task, ended) }
            return handle;
        }
        if let Some(queued) = &queued {
            queued.allocated(task);
        }
        if let Err((Job::Task(task), reason)) = self.push(Job::Task(task), host) {
            let error = match reason {
                Some(error) => JoinError::rejected(task.id(), error),
                None => JoinError::cancelled(task.id()),
            };
            // SAFETY: the pool gave the runnable task back, so the caller is its holder.
            unsafe { task.complete_with_error(error) }
        } else if let Some(queued) = queued {
            queued.pushed(task);
        }
        handle
    }

    /// Runs a closure of the runtime's own, a name look-up, at the root. If it is not run, its
    /// destructor notifies the task that waits for it.
    pub(crate) fn run_internal(&self, job: Box<dyn FnOnce() + Send>, host: &H) -> io::Result<()> {
        let schedule = BlockingSchedule(self.clone());
        let call = BlockingCall {
            f: Some(job),
            guard: None,
        };
        let call = cell::allocate(call, Frame::root(), schedule, Internal, false);
        let Err((job, reason)) = self.push(Job::Task(call), host) else {
            return Ok(());
        };
        job.fail(None);
        Err(reason.unwrap_or_else(framewise_io::shutdown_error))
    }

    /// Works with a core on another thread ([`Host::work`]), at once: the pool's limit does not
    /// apply. Returns the core if the pool is closed, or can start no thread.
    pub(crate) fn run_core(&self, core: H::Core, host: &H) -> Result<(), H::Core> {
        let mut state = self.lock();
        if state.closed {
            return Err(core);
        }
        state.cores += 1;
        if state.idle > 0 {
            state.push(Job::Core(core));
            self.notify(state);
            return Ok(());
        }
        state.count_start();
        drop(state);
        match self.start_thread(host, Job::Core(core)) {
            Err((Job::Core(core), _)) => {
                // No job relied on this thread: it was counted with a core from the start.
                self.count_out_unstarted().cores -= 1;
                Err(core)
            }
            _ => Ok(()),
        }
    }

    /// Takes a thread that could not be started out of the count. A caller that waits for the end
    /// of all threads may have waited for this one.
    fn count_out_unstarted(&self) -> MutexGuard<'_, PoolState<H>> {
        let mut state = self.lock();
        state.threads -= 1;
        state.starting -= 1;
        self.0.ended.notify_all();
        state
    }

    /// Completes the queued calls with `error`, since a thread could not be started and there is no
    /// other. (A core in the queue has a thread that was notified for it.)
    fn fail_queued_jobs(&self, mut state: MutexGuard<'_, PoolState<H>>, error: &io::Error) {
        let stranded = state.queue.split_off(0);
        drop(state);
        for call in stranded {
            Job::<H>::Task(call).fail(Some(error));
        }
    }

    /// Queues a job and makes sure that a thread will take it. Returns it if the pool is closed
    /// (without an error), or has no thread and can start none (with the reason).
    fn push(&self, job: Job<H>, host: &H) -> Result<(), Unqueued<H>> {
        let mut state = self.lock();
        if state.closed {
            return Err((job, None));
        }
        if state.idle > 0 || state.threads - state.cores >= self.0.threads_max {
            // If no thread is idle, a thread that ends its job takes the next. The jobs of a pool
            // without threads are taken out by its creator.
            state.push(job);
            self.notify(state);
            return Ok(());
        }
        state.count_start();
        drop(state);
        let Err((job, error)) = self.start_thread(host, job) else {
            return Ok(());
        };
        let mut state = self.count_out_unstarted();
        host.after_calls();
        if state.closed {
            return Err((job, None));
        }
        if state.threads > state.cores {
            // One of these threads takes it when it has ended its current job.
            state.push(job);
            self.notify(state);
            return Ok(());
        }
        self.fail_queued_jobs(state, &error);
        Err((job, Some(error)))
    }

    /// Wakes an idle thread, if there is one, for the job that was just queued.
    fn notify(&self, mut state: MutexGuard<'_, PoolState<H>>) {
        if state.idle > 0 {
            // The thread is not idle from now on, whatever else happens: the next job does not rely
            // on it.
            state.idle -= 1;
            state.notified += 1;
            // Unnoticed: skipped, because the thread that was notified then waits for the lock.
            drop(state);
            self.0.work.notify_one();
        }
    }

    /// Closes the pool: new jobs are rejected, the calls that no thread is about to take are
    /// cancelled, and the threads end.
    ///
    /// A job whose thread was started or notified for it is run. Each notification that no thread
    /// has taken yet stands for one thread that takes the first job there is. So as many jobs are
    /// left in the queue: every core, since cores go first, and then calls.
    pub(crate) fn close(&self) {
        let cancelled = {
            let mut state = self.lock();
            state.closed = true;
            debug_assert!(
                state.waiting_cores.len() <= state.notified,
                "a core that waits has a thread that was notified"
            );
            let taken = state.notified.saturating_sub(state.waiting_cores.len());
            state.queue.split_off(taken)
        };
        // Unnoticed: moved behind the next, because no cancelled call needs the end of an idle
        // thread.
        self.0.work.notify_all();
        ending::while_ending(self.address(), || {
            // Abort all of them before the first destructor runs, which may join another.
            for call in &cancelled {
                let _ = call.header().state.abort();
            }
            for call in cancelled {
                Job::<H>::Task(call).fail(None);
            }
        });
    }

    /// Advances the mock clock, and wakes the idle threads, whose `keep_alive` is zero in a model.
    /// (A timed wait in a model does not end by itself.)
    #[cfg(any(framewise_loom, framewise_shuttle))]
    pub(crate) fn advance_clock(&self) {
        self.0.work.notify_all();
    }

    /// Returns the number of threads that were notified and have not taken a job yet.
    #[cfg(any(framewise_loom, framewise_shuttle))]
    pub(crate) fn notified(&self) -> usize {
        self.lock().notified
    }

    /// Returns the address that identifies this pool in [`ending`].
    fn address(&self) -> *const () {
        Arc::as_ptr(&self.0).cast()
    }

    /// Waits until every thread has ended. Returns `false` if the deadline was first.
    pub(crate) fn wait_for_end(&self, deadline: Option<Instant>) -> bool {
        let mut state = self.lock();
        while state.threads > 0 || state.starting > 0 {
            state = match deadline {
                None => self.0.ended.wait(state),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return false;
                    }
                    self.0.ended.wait_timeout(state, left).0
                }
            };
        }
        let handles = std::mem::take(&mut state.handles);
        drop(state);
        for handle in handles {
            // The panic hook has printed a panic that unwound a thread, and there is no joiner for
            // it.
            let _ = handle.join();
        }
        true
    }

    /// Counts threads and calls.
    #[cfg(not(any(framewise_loom, framewise_shuttle)))]
    pub(crate) fn counts(&self) -> PoolCounts {
        self.lock().counts()
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, PoolState<H>> {
        self.0.state.lock()
    }
}

#[cfg(all(test, not(any(framewise_loom, framewise_shuttle))))]
mod tests;
