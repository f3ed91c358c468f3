//! A mock scheduler for the shipped idle protocol: one word for each queue, and a flag for the
//! kernel.
//!
//! How a worker parks, returns from park and searches is the shipped code
//! (`executor/src/scheduler/idle/state.rs`), run on a [`MockScheduler`] instead of the scheduler's
//! shared state. The models of a whole runtime are in `tests/runtime.rs`, those of the queues in
//! `tests/deque/`; here the queues and the kernel are so small that loom exhausts two workers.

use std::time::Duration;

use framewise::model::{Idle, IdleState, Monitor, Parker, SchedulerOps, notify_one, unpark};
use framewise_sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use framewise_sync::{Arc, Condvar, Mutex, TryLock, TryLockGuard, thread};

/// How long the monitor parks. (shuttle has no time: a timed wait may end at any step.)
#[cfg(framewise_shuttle)]
const MONITOR_INTERVAL: std::time::Duration = std::time::Duration::from_millis(5);

/// A queue of tasks, one bit each. It guarantees what a queue must and no more: a task that is
/// taken was pushed, and its push happens before. (A lock would order so much that a missing fence
/// in the protocol would go unnoticed.)
#[derive(Default)]
pub struct TaskSet(AtomicUsize);

impl TaskSet {
    /// Pushes a task.
    pub fn push(&self, task: usize) {
        let before = self.0.fetch_or(1 << task, Ordering::Release);
        assert_eq!(before & 1 << task, 0, "a task is queued once");
    }

    /// Takes the lowest task.
    pub fn take(&self) -> Option<usize> {
        let mut now = self.0.load(Ordering::Relaxed);
        while now != 0 {
            let taken = now & (now - 1);
            match self
                .0
                .compare_exchange(now, taken, Ordering::Acquire, Ordering::Relaxed)
            {
                Ok(_) => return Some(now.trailing_zeros() as usize),
                Err(seen) => now = seen,
            }
        }
        None
    }

    /// Returns `true` if a thief finds no task.
    pub fn is_empty(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

/// The kernel below the driver: a saturating wake flag, like an eventfd, and events, each reported
/// once.
#[derive(Default)]
pub struct Kernel {
    state: Mutex<KernelState>,
    changed: Condvar,
}

#[derive(Default)]
struct KernelState {
    wake: bool,
    events: TaskSet,
}

impl KernelState {
    fn take(&mut self) -> Vec<usize> {
        self.wake = false;
        std::iter::from_fn(|| self.events.take()).collect()
    }
}

impl Kernel {
    /// Ends the driver's wait, or its next one.
    pub fn wake(&self) {
        self.state.lock().wake = true;
        self.changed.notify_one();
    }

    /// Raises an event that makes the task runnable.
    pub fn raise(&self, task: usize) {
        self.state.lock().events.push(task);
        self.changed.notify_one();
    }

    /// Waits until there is an event or a wake; nothing else ends the wait.
    pub fn wait(&self) -> Vec<usize> {
        let mut state = self.state.lock();
        while !state.wake && state.events.is_empty() {
            state = self.changed.wait(state);
        }
        state.take()
    }

    /// Waits with a timeout that always elapses at once.
    #[cfg(framewise_loom)]
    pub fn wait_for_interval(&self) -> Vec<usize> {
        // The others may be unable to continue without this worker, so yield before returning.
        thread::yield_now();
        self.state.lock().take()
    }

    /// Waits with a timeout.
    #[cfg(framewise_shuttle)]
    pub fn wait_for_interval(&self) -> Vec<usize> {
        let mut state = self.state.lock();
        let mut timed_out = false;
        while !state.wake && state.events.is_empty() && !timed_out {
            (state, timed_out) = self.changed.wait_timeout(state, MONITOR_INTERVAL);
        }
        state.take()
    }
}

/// The step that a control omits.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum OmittedStep {
    /// All steps are as shipped.
    #[default]
    None,
    /// A worker that was parked or searching runs its task without [`IdleState::leave_idle`].
    LeaveIdle,
    /// The driver owner waits without a timeout even if it is the monitor.
    DriverOwnerTimeout,
    /// A worker that registers as parked, or stops searching, does not scan once more.
    LastScan,
}

/// The state that the workers of a model share.
pub struct MockScheduler {
    /// Tasks to steal, of a sibling that does not run them itself.
    pub siblings: TaskSet,
    /// Tasks that were pushed from outside.
    pub injector: TaskSet,
    /// The shipped counters.
    pub idle: Idle,
    monitor: Monitor,
    workers: Vec<MockWorker>,
    driver: TryLock<()>,
    /// The kernel below the driver.
    pub kernel: Kernel,
    closing: AtomicBool,
    omitted_step: OmittedStep,
}

#[derive(Default)]
struct MockWorker {
    /// The LIFO slot: a push to it notifies no worker.
    slot: TaskSet,
    parker: Parker,
}

impl MockScheduler {
    /// A scheduler whose workers are active and whose queues are empty.
    pub fn new(workers: usize) -> Arc<Self> {
        Self::omitting(OmittedStep::default(), workers)
    }

    /// Like [`new`](Self::new), for workers that omit a step.
    pub fn omitting(omitted_step: OmittedStep, workers: usize) -> Arc<Self> {
        Arc::new(Self {
            siblings: TaskSet::default(),
            injector: TaskSet::default(),
            idle: Idle::new(workers),
            monitor: Monitor::new(),
            workers: (0..workers).map(|_| MockWorker::default()).collect(),
            driver: TryLock::new(()),
            kernel: Kernel::default(),
            closing: AtomicBool::new(false),
            omitted_step,
        })
    }

    /// Pushes a task from outside.
    pub fn push(&self, task: usize) {
        self.injector.push(task);
        notify_one(self);
    }

    /// Pushes a task to the LIFO slot, from a task that `worker` runs.
    pub fn push_slot(&self, worker: usize, task: usize) {
        self.workers[worker].slot.push(task);
    }

    /// Makes every worker's loop end.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Release);
        for worker in 0..self.workers.len() {
            unpark(self, worker);
        }
    }

    /// Runs a worker's loop until [`close`](Self::close). `run` gets the worker's number and the
    /// task's.
    pub fn work(&self, index: usize, run: &dyn Fn(&Self, usize, usize)) {
        let mut idle_state = IdleState::new();
        let mut batch = Vec::new();
        while !self.is_closing() {
            if let Some(task) = self.next_task(index, &mut idle_state) {
                self.before_user_code(index, &mut idle_state);
                run(self, index, task);
                continue;
            }
            if !idle_state.park(self, index, &mut batch) {
                // For loom this is a spin loop, which another thread must end.
                thread::yield_now();
            }
            if !batch.is_empty() {
                self.before_user_code(index, &mut idle_state);
                for task in batch.drain(..) {
                    run(self, index, task);
                }
            }
        }
    }

    fn next_task(&self, index: usize, idle_state: &mut IdleState) -> Option<usize> {
        let own = self.workers[index].slot.take();
        if let Some(task) = own.or_else(|| self.injector.take()) {
            return Some(task);
        }
        if !idle_state.start_searching(self) {
            return None;
        }
        let shared = self.siblings.take().or_else(|| self.injector.take());
        shared.or_else(|| {
            (0..self.workers.len())
                .filter(|&victim| victim != index)
                .find_map(|victim| self.workers[victim].slot.take())
        })
    }

    fn before_user_code(&self, index: usize, idle_state: &mut IdleState) {
        if !idle_state.is_active() && self.omitted_step != OmittedStep::LeaveIdle {
            idle_state.leave_idle(self, index, || false);
        }
    }
}

impl SchedulerOps for MockScheduler {
    type Driver<'a> = TryLockGuard<'a, ()>;
    type Batch = Vec<usize>;

    fn idle(&self) -> &Idle {
        &self.idle
    }

    fn monitor(&self) -> &Monitor {
        &self.monitor
    }

    fn parker(&self, worker: usize) -> &Parker {
        &self.workers[worker].parker
    }

    fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    fn has_stealable(&self, _thief: usize) -> bool {
        let is_found = !self.injector.is_empty() || !self.siblings.is_empty();
        is_found && self.omitted_step != OmittedStep::LastScan
    }

    fn try_driver(&self) -> Option<TryLockGuard<'_, ()>> {
        self.driver.try_lock()
    }

    fn wait_on_driver(
        &self,
        _: &mut TryLockGuard<'_, ()>,
        limit: Option<Duration>,
        batch: &mut Vec<usize>,
    ) {
        *batch = if limit.is_some() && self.omitted_step != OmittedStep::DriverOwnerTimeout {
            self.kernel.wait_for_interval()
        } else {
            self.kernel.wait()
        };
    }

    fn wake_driver(&self) {
        self.kernel.wake();
    }

    /// The timeout elapses at once.
    fn wake_driver_after(&self, _limit: Duration) {
        self.kernel.wake();
    }

    /// Parks with a timeout that always elapses at once. loom has no time, so the worker unparks
    /// itself instead. (`tests/park_timeouts.rs` models the parker's own timed wait.)
    #[cfg(framewise_loom)]
    fn park_for_interval(&self, worker: usize) {
        let parker = self.parker(worker);
        // The others may be unable to continue without this worker, so yield before returning.
        thread::yield_now();
        parker.unpark(|| unreachable!("it is not in the driver"));
        parker.park(None);
    }
}
