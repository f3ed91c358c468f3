//! What all workers of a runtime see, and how a task comes into a queue.
//!
//! Owns the injector, the faces of the workers' queues, the lists of tasks, and the ways to wake a
//! worker. From `schedule` the task goes on in `worker.rs`.

use std::future::Future;
use std::mem;
use std::ptr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;
use framewise_context::{CaughtPanic, Frame};
use framewise_io::{Batch, IoDriver, IoHandle};
use framewise_sync::atomic::{AtomicBool, Ordering};
use framewise_sync::deque::Injector;
use framewise_sync::{Condvar, Mutex, TryLock, TryLockGuard};
use framewise_timers::Timers;

use super::ending;
use super::idle::Idle;
use super::park::Parker;
use super::points;
use super::queue::{LocalQueue, Pushed, QueueFace};
use super::search;
use super::sleep::{self, Workplace};
use super::watch::Watch;
use super::worker;
use crate::blocking::BlockingPool;
use crate::task::catch::catch_and_discard;
use crate::task::cell::{self, Schedule};
use crate::task::header::TaskRef;
use crate::task::owned::OwnedTasks;
use crate::task::state::Wake;
use crate::task::waker::is_of_ending_task;
use crate::task::{JoinError, JoinHandle};

/// Called with each panic that no joiner takes; by [`report_unhandled`] only.
pub(crate) type PanicHook = Arc<dyn Fn(&JoinError) + Send + Sync>;

/// Calls the hook in the frame in which the panic began, whatever frame is current here. A panic of
/// the hook itself is printed and goes no further.
pub(crate) fn report_unhandled(hook: &PanicHook, error: &JoinError) {
    catch_and_discard(|| match error.frame() {
        Some(frame) => frame.run(|| hook(error)),
        None => Frame::root().run(|| hook(error)),
    });
}

/// Instead of a number of live workers: the tasks are being ended, or have been.
const ENDING: usize = usize::MAX - 1;
const ENDED: usize = usize::MAX;

/// A runtime's common state.
pub(crate) struct Shared {
    pub(crate) injector: Injector<TaskRef>,
    pub(crate) workers: Box<[CachePadded<WorkerFace>]>,
    /// A list for each worker, and one for spawns from outside.
    owned: Box<[CachePadded<OwnedTasks>]>,
    pub(crate) idle: Idle,
    pub(crate) watch: Watch,
    pub(crate) driver: TryLock<IoDriver>,
    pub(crate) io: IoHandle,
    pub(crate) timers: framewise_sync::Arc<Timers>,
    pub(crate) blocking: BlockingPool,
    unhandled_panic: Option<PanicHook>,
    closing: AtomicBool,
    live: Mutex<Live>,
    last_worker_left: Condvar,
    /// The process that it was made in: a forked child has its memory, and none of its threads.
    process: u32,
}

/// What is still at work.
struct Live {
    /// Threads that work, or one of the two below.
    threads: usize,
    /// Cores that threads work with.
    cores: usize,
    /// Threads that gave their core away: they are in `block_in_place`, or about to leave.
    coreless: usize,
    /// The tasks, timers and I/O are ended, or about to be, though threads are still at work.
    is_abandoned: bool,
}

/// What others see of a worker.
pub(crate) struct WorkerFace {
    pub(crate) queue: QueueFace,
    pub(crate) parker: Parker,
}

impl Shared {
    /// The common state of `workers` workers, and their queues.
    pub(crate) fn new(
        workers: usize,
        driver: IoDriver,
        io: IoHandle,
        blocking: BlockingPool,
        unhandled_panic: Option<PanicHook>,
    ) -> (Arc<Self>, Vec<LocalQueue>) {
        let (queues, faces): (Vec<_>, Vec<_>) = (0..workers)
            .map(|_| {
                let (queue, face) = LocalQueue::new();
                (
                    queue,
                    CachePadded::new(WorkerFace {
                        queue: face,
                        parker: Parker::new(),
                    }),
                )
            })
            .unzip();
        let timers = Timers::new(workers + 1, {
            let io = io.clone();
            move || io.unpark()
        });
        timers.on_poll_when_closed(is_of_ending_task);
        let shared = Self {
            injector: Injector::new(),
            workers: faces.into_boxed_slice(),
            owned: (0..=workers)
                .map(|_| CachePadded::new(OwnedTasks::new()))
                .collect(),
            idle: Idle::new(workers),
            watch: Watch::new(),
            driver: TryLock::new(driver),
            io,
            timers,
            blocking,
            unhandled_panic,
            closing: AtomicBool::new(false),
            live: Mutex::new(Live {
                threads: 0,
                cores: 0,
                coreless: 0,
                is_abandoned: false,
            }),
            last_worker_left: Condvar::new(),
            process: std::process::id(),
        };
        (Arc::new(shared), queues)
    }

    /// Puts a claimed task where it will be run: into the own queue of the worker that calls, or
    /// into the injector.
    pub(crate) fn schedule(&self, task: TaskRef) {
        match worker::push_local(self, task) {
            Ok(Pushed::Slot) => {}
            Ok(Pushed::Shared) => {
                // No fence: this worker is awake and comes to the task if nobody else does.
                // Unnoticed: always, because notify_one finds out the same, at the price of a fence.
                if self.idle.would_notify() {
                    self.notify_one();
                }
            }
            Err(task) => {
                points::pushed(self);
                self.injector.push(task);
                self.notify_one();
            }
        }
    }

    /// Wakes a worker, unless all are awake or one searches.
    pub(crate) fn notify_one(&self) {
        sleep::notify_one(self);
    }

    /// The list that takes spawns from outside.
    pub(crate) fn outside(&self) -> usize {
        // Unnoticed: returns 0, because the list and the wheel are then those of the first worker.
        self.workers.len()
    }

    /// Asks every worker to leave. Tasks are cancelled by the last one.
    pub(crate) fn close(&self) {
        // Ordering: Relaxed. It publishes nothing but itself. Sleepers see it after the unparks that
        // follow, and threads that leave by themselves are ordered by the lock of `live`: either they
        // leave before `end_if_abandoned` below, which sees that, or they see this.
        self.closing.store(true, Ordering::Relaxed);
        for worker in 0..self.workers.len() {
            sleep::unpark(self, worker);
        }
        // No worker could be started, or a bug of ours ended them all: nobody else will do it.
        self.end_if_abandoned();
    }

    /// A thread begins to work with a core of its own.
    pub(crate) fn worker_enters(&self) {
        let mut live = self.live.lock();
        live.threads += 1;
        live.cores += 1;
    }

    /// A thread begins to work with the core of another, which is in `block_in_place`.
    pub(crate) fn worker_replaces(&self) {
        let mut live = self.live.lock();
        live.threads += 1;
        live.coreless += 1;
    }

    /// A thread stops working, and with it its core unless it gave that away. The last one to leave a
    /// closing runtime ends its tasks.
    pub(crate) fn worker_leaves(&self, with_core: bool) {
        {
            let mut live = self.live.lock();
            let count = if with_core {
                &mut live.cores
            } else {
                &mut live.coreless
            };
            // A thread that a bug of ours unwinds does not know which it is.
            *count = count.saturating_sub(1);
        }
        if self.is_closing() {
            self.abandon_the_blocked();
        }
        self.live.lock().threads -= 1;
        if self.is_closing() {
            self.end_if_abandoned();
        }
    }

    /// If every thread that is left has given its core away, ends all that can end without it, once: the
    /// code that blocks there may be waiting for a timer, a socket or a task of this runtime. Later calls
    /// drop what a thread that leaves has put into the injector, which may be what that code waits for.
    fn abandon_the_blocked(&self) {
        let is_first = {
            let mut live = self.live.lock();
            if !live.is_abandoned && (live.cores > 0 || live.coreless == 0) {
                return;
            }
            !mem::replace(&mut live.is_abandoned, true)
        };
        ending::while_ending(self.address(), || {
            if is_first {
                self.cancel_all();
            } else {
                self.drop_queued();
            }
        });
    }

    /// Ends all that can end without the workers that have not left a closing runtime: each is in a poll,
    /// or a callback, that blocks and may be waiting for a timer, a socket or a task of this runtime. Later
    /// calls drop the tasks that have come into a queue since.
    pub(super) fn abandon_blocked_polls(&self) {
        /// Counts the thread out even where a bug of ours unwinds.
        struct Leave<'a>(&'a Shared);
        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                self.0.live.lock().threads -= 1;
                self.0.end_if_abandoned();
            }
        }

        let is_first = {
            let mut live = self.live.lock();
            // Without a thread that works, the last one to leave is ending everything, or has.
            if matches!(live.threads, 0 | ENDING | ENDED) {
                return;
            }
            // The end waits for this thread, too.
            live.threads += 1;
            !mem::replace(&mut live.is_abandoned, true)
        };
        let _leave = Leave(self);
        ending::while_ending(self.address(), || {
            if is_first {
                self.cancel_all();
            }
            // A worker that leaves meanwhile drains its own queue, and then sees `is_abandoned`.
            for worker in &self.workers {
                worker.queue.drain_remotely(&self.injector);
            }
            self.drop_queued();
        });
    }

    /// Ends the tasks of a closing runtime that has no worker left, once.
    fn end_if_abandoned(&self) {
        {
            let mut live = self.live.lock();
            if live.threads != 0 {
                return;
            }
            live.threads = ENDING;
        }
        self.end();
        // Only now is the runtime over for those who wait.
        self.live.lock().threads = ENDED;
        self.last_worker_left.notify_all();
    }

    /// Whether this is a forked child of the process that made the runtime. (A system call.)
    pub(crate) fn is_in_forked_child(&self) -> bool {
        std::process::id() != self.process
    }

    /// Waits until the last worker has left and ended the tasks. False: the time ran out.
    pub(crate) fn wait_for_end(&self, deadline: Option<Instant>) -> bool {
        let mut live = self.live.lock();
        while live.threads != ENDED {
            live = match deadline {
                None => self.last_worker_left.wait(live),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return false;
                    }
                    self.last_worker_left.wait_timeout(live, left).0
                }
            };
        }
        true
    }

    /// Ends what is left.
    fn end(&self) {
        ending::while_ending(self.address(), || {
            self.cancel_all();
            // A waker on another thread may have a claim in hand that it has not pushed yet; it is
            // about to, so the lists become empty.
            while !(self.owned.iter().all(|owned| owned.is_empty()) && self.injector.is_empty()) {
                framewise_sync::thread::yield_now();
                self.drop_queued();
            }
        });
    }

    /// Aborts every task, closes timers and I/O, and drops the tasks that no thread is running.
    ///
    /// In this order. Only a task that is aborted may find its timers closed and stay pending; and user
    /// code that waits for a timer or a socket, as the destructors of the dropped futures may, gets an
    /// error or a panic at once, since no driver would ever wake it.
    fn cancel_all(&self) {
        for owned in &self.owned {
            owned.close_and_abort_all();
        }
        self.end_time_and_io();
        self.drop_queued();
    }

    /// Drops the tasks that are in the injector.
    fn drop_queued(&self) {
        while let Some(task) = self.injector.steal().success() {
            // The thread that aborts all tasks may not have come to this one yet.
            let wake = task.header().state.abort();
            debug_assert_eq!(wake, Wake::Nothing, "the claim is the caller's");
            // SAFETY: what comes out of a queue is a claim, and the tasks of this scheduler may run
            // on any thread. The task is aborted, so this drops the future.
            let ran = unsafe { task.run() };
            debug_assert!(matches!(ran, crate::task::header::Ran::Done));
        }
    }

    /// Closes timers and I/O: every wait for either ends.
    fn end_time_and_io(&self) {
        // Both are closed before user code runs, which may wait for either, and that runs with no lock held.
        let timers = self.timers.begin_close();
        let waits = self.driver.lock().begin_shutdown();
        timers.finish();
        self.unhandled_panics(waits.finish().panics);
    }

    /// What this runtime is known by in [`ending`].
    pub(crate) fn address(&self) -> *const () {
        ptr::from_ref(self).cast()
    }
}

impl Workplace for Shared {
    type Driver<'a> = TryLockGuard<'a, IoDriver>;
    type Batch = Batch;

    fn idle(&self) -> &Idle {
        &self.idle
    }

    fn watch(&self) -> &Watch {
        &self.watch
    }

    fn parker(&self, worker: usize) -> &Parker {
        &self.workers[worker].parker
    }

    fn is_closing(&self) -> bool {
        // Ordering: Relaxed, as in close.
        self.closing.load(Ordering::Relaxed)
    }

    fn has_stealable(&self, thief: usize) -> bool {
        search::has_stealable(thief, &self.workers, &self.injector)
    }

    fn try_driver(&self) -> Option<TryLockGuard<'_, IoDriver>> {
        self.driver.try_lock()
    }

    fn wait_in(
        &self,
        driver: &mut TryLockGuard<'_, IoDriver>,
        limit: Option<Duration>,
        batch: &mut Batch,
    ) {
        let until_due = self.timers.before_park();
        let timeout = match (limit, until_due) {
            (Some(limit), Some(until_due)) => Some(limit.min(until_due)),
            (limit, until_due) => limit.or(until_due),
        };
        wait(driver, timeout, batch);
        self.timers.after_park();
    }

    fn wake_driver(&self) {
        self.io.unpark();
    }

    fn wake_driver_within(&self, limit: Duration) {
        self.io.unpark_within(limit);
    }
}

impl Shared {
    /// What the driver has by now, if nobody else has the driver.
    pub(crate) fn look_into_driver(&self, batch: &mut Batch) {
        if let Some(mut driver) = self.driver.try_lock() {
            wait(&mut driver, Some(Duration::ZERO), batch);
        }
    }
}

fn wait(driver: &mut IoDriver, timeout: Option<Duration>, batch: &mut Batch) {
    if let Err(error) = driver.wait(timeout, batch) {
        // Nothing of ours makes epoll fail; without it no I/O would ever be seen.
        panic!("the I/O driver failed: {error}");
    }
}

/// A counted way to a runtime, one for each worker and each handle that was made outside.
///
/// Tasks hold it instead of the runtime itself, so that the count of one worker's tasks is that
/// worker's cache line, not everybody's.
pub(crate) struct Spawner {
    pub(crate) shared: Arc<Shared>,
    /// Which list the tasks belong to.
    index: usize,
}

impl Spawner {
    pub(crate) fn new(shared: Arc<Shared>, index: usize) -> Arc<Self> {
        Arc::new(Self { shared, index })
    }

    /// Makes a task that carries `frame`, and schedules it.
    #[track_caller]
    pub(crate) fn spawn<F>(self: Arc<Self>, future: F, frame: Frame) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        // SAFETY: nothing is borrowed, and any thread may run the future.
        unsafe { self.spawn_borrowing(future, frame) }
    }

    /// As [`spawn`](Self::spawn), of a future that may borrow and need not be `Send`.
    ///
    /// # Safety
    ///
    /// The task is complete, and its output taken or dropped, before what they borrow ends. If they
    /// are not `Send`, only this thread runs the tasks of this runtime (rule T6 in
    /// `task/header.rs`).
    #[inline]
    #[track_caller]
    pub(crate) unsafe fn spawn_borrowing<F: Future>(
        self: Arc<Self>,
        future: F,
        frame: Frame,
    ) -> JoinHandle<F::Output> {
        let spawner = Arc::as_ptr(&self);
        let task = cell::allocate(future, frame, self, true);
        points::spawned(task);
        // SAFETY: the handle's reference is ours to pass on.
        let handle = unsafe { JoinHandle::new(task) };
        // SAFETY: the task holds the spawner, and the handle the task.
        let spawner = unsafe { &*spawner };
        if spawner.shared.owned[spawner.index].insert(task) {
            spawner.shared.schedule(task);
        } else {
            // SAFETY: the claim of a fresh task is its spawner's.
            unsafe { task.refuse(JoinError::cancelled()) }
        }
        handle
    }
}

impl Schedule for Arc<Spawner> {
    fn schedule(&self, task: TaskRef) {
        self.shared.schedule(task);
    }

    fn owner(&self) -> *const () {
        self.shared.address()
    }

    fn release(&self, task: TaskRef) {
        points::ended(task);
        self.shared.owned[self.index].remove(task);
    }

    fn unhandled_panic(&self, error: &JoinError) {
        self.shared.unhandled_panic(error);
    }
}

impl Shared {
    /// Shows panics of wakers and callbacks to the user's hook.
    pub(crate) fn unhandled_panics(&self, panics: Vec<CaughtPanic>) {
        for panic in panics {
            catch_and_discard(|| self.unhandled_panic(&JoinError::caught(panic)));
        }
    }

    /// Reports a panic that no joiner takes to the user's hook.
    pub(crate) fn unhandled_panic(&self, error: &JoinError) {
        if let Some(hook) = &self.unhandled_panic {
            report_unhandled(hook, error);
        }
    }
}

#[cfg(all(test, not(any(framewise_loom, framewise_shuttle))))]
mod tests;
