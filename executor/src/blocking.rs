//! The pool of threads for calls that block.
//!
//! Owns its queue and decides when a thread starts or ends. A job is a task like any other, with a
//! frame, a join handle and an abort; its one poll calls the closure.

mod host;
mod queue;

use std::cell::Cell;
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::ptr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use framewise_context::{Frame, coop};
use framewise_sync::atomic::{AtomicUsize, Ordering};
use framewise_sync::{Condvar, Mutex, MutexGuard, thread};

pub(crate) use self::host::{CoreWork, Host, start_thread};
use self::queue::CallQueue;
use crate::scheduler::spawner::{PanicHook, Spawner, report_unhandled};
use crate::scheduler::worker::CoreHandoff;
use crate::scheduler::{ending, points};
use crate::task::cell::{self, Schedule};
use crate::task::header::{RunResult, TaskRef};
use crate::task::large::{call_to_heap, is_large};
use crate::task::{JoinError, JoinHandle};

framewise_sync::thread_local! {
    /// The pool that this thread belongs to; compared, never read through.
    static OWN_POOL: Cell<*const ()> = const { Cell::new(ptr::null()) };
}

/// The threads for blocking calls, and the calls that wait for one.
#[derive(Clone)]
pub(crate) struct BlockingPool<H: Host = Arc<Spawner>>(Arc<Pool<H>>);

struct Pool<H: Host> {
    state: Mutex<PoolState<H>>,
    work: Condvar,
    ended: Condvar,
    threads_max: usize,
    keep_alive: Duration,
    thread_name: String,
    stack_size: Option<usize>,
    unhandled_panic: Option<PanicHook>,
    /// How many threads were started so far, for their names.
    started: AtomicUsize,
}

pub(crate) struct PoolState<H: Host> {
    queue: CallQueue,
    /// Cores that wait for a thread. For each a thread was notified, so cores go first.
    waiting_cores: VecDeque<H::Core>,
    threads: usize,
    /// Starts under way: the thread is counted, and may end before its handle is in `handles`.
    starting: usize,
    /// The threads among these that work with a core, or are about to. The limit does not apply to them.
    cores: usize,
    /// Threads that wait and have not been notified.
    idle: usize,
    /// Notifications that no thread has taken yet; guards against spurious wake-ups.
    notified: usize,
    closed: bool,
    /// Threads that were not joined yet. A thread that ends joins the threads that ended before it, and the
    /// end of the pool joins the others, so that their thread-locals are dropped.
    handles: Vec<thread::JoinHandle<()>>,
}

impl<H: Host> PoolState<H> {
    fn push(&mut self, job: Job<H::Core>) {
        match job {
            Job::Task(call) => self.queue.push_back(call),
            // Unnoticed: `push_back` is `push_front`, because each core that waits has a thread that
            // was notified.
            Job::Core(core) => self.waiting_cores.push_back(core),
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Job<H::Core>> {
        // Unnoticed: `pop_front` is `pop_back`, because each core that waits has a thread that was
        // notified.
        match self.waiting_cores.pop_front() {
            Some(core) => Some(Job::Core(core)),
            None => self.queue.pop_front().map(Job::Task),
        }
    }

    /// Counts a thread that is about to be started.
    fn count_start(&mut self) {
        self.threads += 1;
        self.starting += 1;
    }
}

/// A job that the pool did not take, with the reason; `None` if the pool is closed.
type Unqueued<H> = (Job<<H as Host>::Core>, Option<io::Error>);

/// What the pool is asked to do.
pub(crate) enum Job<C = CoreHandoff> {
    Task(TaskRef),
    /// A worker's core that is handed off to another thread.
    Core(C),
}

impl<H: Host> BlockingPool<H> {
    pub(crate) fn new(
        threads_max: usize,
        keep_alive: Duration,
        thread_name: String,
        stack_size: Option<usize>,
        unhandled_panic: Option<PanicHook>,
    ) -> Self {
        Self(Arc::new(Pool {
            state: Mutex::new(PoolState {
                queue: CallQueue::default(),
                waiting_cores: VecDeque::new(),
                threads: 0,
                starting: 0,
                cores: 0,
                idle: 0,
                notified: 0,
                closed: false,
                handles: Vec::new(),
            }),
            work: Condvar::new(),
            ended: Condvar::new(),
            threads_max,
            keep_alive,
            thread_name,
            stack_size,
            unhandled_panic,
            started: AtomicUsize::new(0),
        }))
    }

    /// Runs `f` on a thread of the pool, in `frame`.
    #[track_caller]
    pub(crate) fn spawn<F, R>(&self, f: F, frame: Frame, host: &H) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let schedule = BlockingSchedule(self.clone());
        let task = if const { is_large::<R>() } {
            let f = move || call_to_heap(f);
            cell::allocate(BlockingCall(Some(f)), frame, schedule, true)
        } else {
            cell::allocate(BlockingCall(Some(f)), frame, schedule, true)
        };
        points::spawned(task);
        // SAFETY: the handle's reference is ours to pass on; a large result is in a box (T1).
        let handle = unsafe { JoinHandle::new(task) };
        if let Err((Job::Task(task), reason)) = self.push(Job::Task(task), host) {
            let error = reason.map_or_else(JoinError::cancelled, JoinError::rejected);
            // SAFETY: the pool gave the runnable task back, so the caller is its holder.
            unsafe { task.complete_with_error(error) }
        }
        handle
    }

    /// Runs a closure of the runtime's own, a name look-up, at the root. If it is not run, its
    /// destructor notifies the task that waits for it.
    pub(crate) fn run_internal(&self, job: Box<dyn FnOnce() + Send>, host: &H) -> io::Result<()> {
        let schedule = BlockingSchedule(self.clone());
        let call = cell::allocate(BlockingCall(Some(job)), Frame::root(), schedule, false);
        let Err((job, reason)) = self.push(Job::Task(call), host) else {
            return Ok(());
        };
        job.fail(None);
        Err(reason.unwrap_or_else(|| io::Error::other("the runtime is shutting down")))
    }

    /// Hands a worker's core off to a thread, at once: the pool's limit does not apply.
    pub(crate) fn run_core(&self, job: H::Core, host: &H) -> Result<(), H::Core> {
        let mut state = self.lock();
        if state.closed {
            return Err(job);
        }
        state.cores += 1;
        if state.idle > 0 {
            state.push(Job::Core(job));
            self.notify(state);
            return Ok(());
        }
        state.count_start();
        drop(state);
        match self.start_thread(host, Job::Core(job)) {
            Err((Job::Core(job), _)) => {
                // No job relied on this thread: it was counted with a core from the start.
                self.count_out_unstarted().cores -= 1;
                Err(job)
            }
            _ => Ok(()),
        }
    }

    /// Takes a thread that could not be started out of the count. A caller that waits for the end of all
    /// threads may have waited for this one.
    fn count_out_unstarted(&self) -> MutexGuard<'_, PoolState<H>> {
        let mut state = self.lock();
        state.threads -= 1;
        state.starting -= 1;
        self.0.ended.notify_all();
        state
    }

    /// Completes the queued calls with `error`, since a thread could not be started and there is no other.
    /// (A core in the queue has a thread that was notified for it.)
    fn fail_queued_jobs(&self, mut state: MutexGuard<'_, PoolState<H>>, error: &io::Error) {
        let stranded = state.queue.split_off(0);
        drop(state);
        for call in stranded {
            Job::<H::Core>::Task(call).fail(Some(error));
        }
    }

    /// Queues a job and makes sure that a thread will take it. Returns it if the pool is closed (without
    /// an error), or has no thread and can start none (with the reason).
    fn push(&self, job: Job<H::Core>, host: &H) -> Result<(), Unqueued<H>> {
        let mut state = self.lock();
        if state.closed {
            return Err((job, None));
        }
        if state.idle > 0 || state.threads - state.cores >= self.0.threads_max {
            // If no thread is idle, a thread that ends its job takes the next. The jobs of a pool without
            // threads are taken out by its creator.
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
            // The thread is not idle from now on, whatever else happens: the next job does not rely on
            // it.
            state.idle -= 1;
            state.notified += 1;
            // Unnoticed: skipped, because the thread that was notified then waits for the lock.
            drop(state);
            self.0.work.notify_one();
        }
    }

    /// Starts a thread, which the caller has counted, for a first job. Returns the job if it cannot.
    fn start_thread(&self, host: &H, job: Job<H::Core>) -> Result<(), (Job<H::Core>, io::Error)> {
        // Ordering: Relaxed. The number only has to be unique.
        // Survives: skipped, because it is part of a thread's name and nothing else.
        let number = self.0.started.fetch_add(1, Ordering::Relaxed);
        // A thread that is not started drops its closure, so the job is kept outside of it.
        let hands = Arc::new(Mutex::new(Some(job)));
        let name = format!("{}-blocking-{number}", self.0.thread_name);
        let started = host.start(name, self.0.stack_size, {
            let (pool, host, hands) = (self.clone(), host.clone(), Arc::clone(&hands));
            move || {
                let job = hands.lock().take();
                pool.work(&host, job);
            }
        });
        match started {
            Ok(thread) => {
                let mut state = self.lock();
                state.handles.push(thread);
                state.starting -= 1;
                // Unnoticed: always, because a wait for the end looks again, and goes on.
                if state.threads == 0 {
                    // It has ended already, and the caller that waits for the end waits for its handle.
                    self.0.ended.notify_all();
                }
                Ok(())
            }
            Err(error) => {
                let job = hands.lock().take();
                Err((job.expect("no thread took it"), error))
            }
        }
    }

    fn work(&self, host: &H, first: Option<Job<H::Core>>) {
        /// Counts the thread out, also if a bug of the runtime unwinds.
        struct Ended<H: Host> {
            pool: BlockingPool<H>,
            counted_out: bool,
            /// Threads that ended before this one. Their thread-locals may not be dropped yet.
            ended_before: Vec<thread::JoinHandle<()>>,
        }
        impl<H: Host> Ended<H> {
            /// Counts the thread out, under the lock under which that was decided: no push relies on the
            /// thread from now on.
            fn count_out(&mut self, mut state: MutexGuard<'_, PoolState<H>>) {
                state.threads -= 1;
                self.counted_out = true;
                let is_finished = |handle: &mut thread::JoinHandle<()>| handle.is_finished();
                // Unnoticed: skipped, because the end of the pool then joins them.
                self.ended_before = state.handles.extract_if(.., is_finished).collect();
            }
        }
        impl<H: Host> Drop for Ended<H> {
            fn drop(&mut self) {
                if !self.counted_out {
                    self.pool.lock().threads -= 1;
                }
                // Unnoticed: moved behind the next, because the wait for the end waits for those, too.
                self.pool.0.ended.notify_all();
                // No lock is held: the destructors of their thread-locals are user code.
                for thread in self.ended_before.drain(..) {
                    let _ = thread.join();
                }
            }
        }

        let mut ended = Ended {
            pool: self.clone(),
            counted_out: false,
            ended_before: Vec::new(),
        };
        let _entered = host.enter();
        OWN_POOL.with(|pool| pool.set(Arc::as_ptr(&self.0).cast()));
        let mut next = first;
        let mut state = self.lock();
        loop {
            if let Some(job) = next.take().or_else(|| state.pop()) {
                // Run even if the pool is closed by now: `close` left only jobs for threads that were
                // started or notified before.
                let is_core = matches!(job, Job::Core(_));
                drop(state);
                job.run();
                state = self.lock();
                state.cores -= usize::from(is_core);
                if state.threads - state.cores > self.0.threads_max {
                    // Started while another thread worked with a core. The threads within the limit
                    // take the queued jobs.
                    return ended.count_out(state);
                }
                continue;
            }
            if state.closed {
                return ended.count_out(state);
            }
            state.idle += 1;
            let until = Instant::now().checked_add(self.0.keep_alive);
            loop {
                let left = until.map(|until| until.saturating_duration_since(Instant::now()));
                state = match left {
                    None => self.0.work.wait(state),
                    Some(left) => self.0.work.wait_timeout(state, left).0,
                };
                if state.notified > 0 {
                    // The notifying thread has counted this one out of the idle threads.
                    state.notified -= 1;
                    break;
                }
                if state.closed {
                    state.idle -= 1;
                    break;
                }
                if until.is_some_and(|until| Instant::now() >= until) {
                    // A later push does not count this thread any more, and starts one of its own.
                    state.idle -= 1;
                    return ended.count_out(state);
                }
            }
        }
    }

    /// Closes the pool: new jobs are rejected, the calls that no thread is about to take are cancelled, and
    /// the threads end.
    ///
    /// A job whose thread was started or notified for it is run. Each notification that no thread has
    /// taken yet stands for one thread that takes the first job there is. So as many jobs are left in the
    /// queue: every core, since cores go first, and then calls.
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
        // Unnoticed: moved behind the next, because no cancelled call needs the end of an idle thread.
        self.0.work.notify_all();
        ending::while_ending(self.address(), || {
            // Abort all of them before the first destructor runs, which may join another.
            for call in &cancelled {
                let _ = call.header().state.abort();
            }
            for call in cancelled {
                Job::<H::Core>::Task(call).fail(None);
            }
        });
    }

    /// Advances the mock clock, and wakes the idle threads, whose `keep_alive` is zero in a model. (A timed
    /// wait in a model does not end by itself.)
    #[cfg(any(framewise_loom, framewise_shuttle))]
    pub(crate) fn advance_clock(&self) {
        self.0.work.notify_all();
    }

    /// Returns the number of threads that were notified and have not taken a job yet.
    #[cfg(any(framewise_loom, framewise_shuttle))]
    pub(crate) fn notified(&self) -> usize {
        self.lock().notified
    }

    /// Returns `true` if this thread is one of the pool's.
    pub(crate) fn is_own_thread(&self) -> bool {
        OWN_POOL.with(|pool| ptr::eq(pool.get(), self.address()))
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
            // The panic hook has printed a panic that unwound a thread, and there is no joiner for it.
            let _ = handle.join();
        }
        true
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, PoolState<H>> {
        self.0.state.lock()
    }
}

impl<C: CoreWork> Job<C> {
    /// Runs the job.
    pub(crate) fn run(self) {
        match self {
            Self::Task(task) => {
                // SAFETY: the queue held the runnable task, so the thread that took it out is its holder;
                // and the closure is Send.
                let ran = unsafe { task.run() };
                debug_assert!(
                    matches!(ran, RunResult::Done),
                    "a blocking call is polled once"
                );
            }
            Self::Core(job) => job.work(),
        }
    }

    /// Ends the job without running it: with `error`, or cancelled if the pool is closed.
    pub(crate) fn fail(self, error: Option<&io::Error>) {
        match self {
            Self::Task(task) => {
                let error = match error {
                    None => JoinError::cancelled(),
                    Some(error) => {
                        JoinError::rejected(io::Error::new(error.kind(), error.to_string()))
                    }
                };
                // SAFETY: the queue held the runnable task, so the caller, which took it out, is its
                // holder.
                unsafe { task.complete_with_error(error) }
            }
            // Its destructor lets the worker leave.
            // Unnoticed: skipped, because the job is dropped at the end of the arm, too.
            Self::Core(job) => drop(job),
        }
    }
}

/// The future of a blocking job: ready at its first poll.
struct BlockingCall<F>(Option<F>);

impl<F> Unpin for BlockingCall<F> {}

impl<F: FnOnce() -> R, R> Future for BlockingCall<F> {
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<R> {
        let f = self.0.take().expect("a blocking call is polled once");
        // It may block without limit: there is no task that could yield.
        Poll::Ready(coop::with_unconstrained(f))
    }
}

/// The scheduler of blocking jobs. Each is runnable, and held by the pool, from its start to its end, so
/// there is nothing to wake.
struct BlockingSchedule<H: Host>(BlockingPool<H>);

impl<H: Host> Schedule for BlockingSchedule<H> {
    fn schedule(&self, _task: TaskRef) {
        unreachable!("a blocking job is runnable from its start until its end");
    }

    fn remove_queued(&self, task: TaskRef) -> bool {
        self.0.lock().queue.remove(task)
    }

    fn owner(&self) -> *const () {
        self.0.address()
    }

    fn release(&self, task: TaskRef) {
        points::ended(task);
    }

    fn unhandled_panic(&self, error: &JoinError) {
        if let Some(hook) = &self.0.0.unhandled_panic {
            report_unhandled(hook, error);
        }
    }
}

#[cfg(all(test, not(any(framewise_loom, framewise_shuttle))))]
mod tests;
