//! The least scheduler for a worker: one word for each queue, and a flag for the system.
//!
//! How a worker falls asleep, wakes, searches and settles is the shipped code
//! (`executor/src/scheduler/idle/state.rs`), run on [`Mirror`] instead of a runtime's common state. What a
//! whole runtime does is in `tests/runtime.rs`, and its queues are in `tests/deque.rs`; here the queues
//! and the system are so small that two workers can be exhausted.

use std::time::Duration;

use framewise::model::{Idle, IdleState, Monitor, Parker, SchedulerOps, notify_one, unpark};
use framewise_sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use framewise_sync::{Arc, Condvar, Mutex, TryLock, TryLockGuard, thread};

/// How long a keeper sleeps. (shuttle knows no time: its length is nothing but a name.)
#[cfg(framewise_shuttle)]
const MONITOR_INTERVAL: std::time::Duration = std::time::Duration::from_millis(5);

/// Tasks, one a bit. Promises what a queue does and no more: what is taken was put in, and its
/// taker sees what the putter did. (A lock would order so much that no fence would be missed.)
#[derive(Default)]
pub struct TaskSet(AtomicUsize);

impl TaskSet {
    /// Puts a task in.
    pub fn push(&self, task: usize) {
        let before = self.0.fetch_or(1 << task, Ordering::Release);
        assert_eq!(before & 1 << task, 0, "a task is queued once");
    }

    /// Takes the lowest task out.
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

    /// A look, as thieves do it.
    pub fn is_empty(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

/// The driver's system: a saturating wake flag, as an eventfd is, and events, each told once.
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
    /// Ends the driver's sleep, or its next one.
    pub fn wake(&self) {
        self.state.lock().wake = true;
        self.changed.notify_one();
    }

    /// An event for that task.
    pub fn raise(&self, task: usize) {
        self.state.lock().events.push(task);
        self.changed.notify_one();
    }

    /// Sleeps until there is an event or a wake; nothing else ends it.
    pub fn wait(&self) -> Vec<usize> {
        let mut state = self.state.lock();
        while !state.wake && state.events.is_empty() {
            state = self.changed.wait(state);
        }
        state.take()
    }

    /// Sleeps with a time limit, in which the time is always out.
    #[cfg(framewise_loom)]
    pub fn wait_for_a_round(&self) -> Vec<usize> {
        // Nothing else may be able to go on without us, so others have their turn.
        thread::yield_now();
        self.state.lock().take()
    }

    /// Sleeps with a time limit.
    #[cfg(framewise_shuttle)]
    pub fn wait_for_a_round(&self) -> Vec<usize> {
        let mut state = self.state.lock();
        let mut is_late = false;
        while !state.wake && state.events.is_empty() && !is_late {
            (state, is_late) = self.changed.wait_timeout(state, MONITOR_INTERVAL);
        }
        state.take()
    }
}

/// A step that a control leaves out.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum LeftOut {
    /// All is as shipped.
    #[default]
    Nothing,
    /// Who was asleep or searched goes to its task as if that were nothing.
    LeaveIdle,
    /// The attendant sleeps without a limit, whoever is awake.
    DriverOwnerTimeout,
    /// Who parks, or ends a search, does not look once more after it was counted.
    LastLook,
}

/// What the workers of a model see.
pub struct Mirror {
    /// What siblings could steal from a worker that is not there to run it.
    pub siblings: TaskSet,
    /// Tasks from outside.
    pub injector: TaskSet,
    /// The shipped counters.
    pub idle: Idle,
    monitor: Monitor,
    workers: Vec<Place>,
    driver: TryLock<()>,
    /// The system under the driver.
    pub kernel: Kernel,
    closing: AtomicBool,
    left_out: LeftOut,
}

#[derive(Default)]
struct Place {
    /// The last-in slot: what is put here is announced to nobody.
    slot: TaskSet,
    parker: Parker,
}

impl Mirror {
    /// All workers are awake and there is nothing to do.
    pub fn new(workers: usize) -> Arc<Self> {
        Self::without(LeftOut::default(), workers)
    }

    /// As [`new`](Self::new), for workers that leave a step out.
    pub fn without(left_out: LeftOut, workers: usize) -> Arc<Self> {
        Arc::new(Self {
            siblings: TaskSet::default(),
            injector: TaskSet::default(),
            idle: Idle::new(workers),
            monitor: Monitor::new(),
            workers: (0..workers).map(|_| Place::default()).collect(),
            driver: TryLock::new(()),
            kernel: Kernel::default(),
            closing: AtomicBool::new(false),
            left_out,
        })
    }

    /// A push from outside.
    pub fn push(&self, task: usize) {
        self.injector.push(task);
        notify_one(self);
    }

    /// A push by a task that `worker` runs, to the last-in slot.
    pub fn push_slot(&self, worker: usize, task: usize) {
        self.workers[worker].slot.push(task);
    }

    /// Ends every worker's loop.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Release);
        for worker in 0..self.workers.len() {
            unpark(self, worker);
        }
    }

    /// A thread that works, until the closing. `run` gets the worker's number, and the
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
                // A loop that somebody else must end, as far as loom is concerned.
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
        if !idle_state.is_active() && self.left_out != LeftOut::LeaveIdle {
            idle_state.leave_idle(self, index, || false);
        }
    }
}

impl SchedulerOps for Mirror {
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
        is_found && self.left_out != LeftOut::LastLook
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
        *batch = if limit.is_some() && self.left_out != LeftOut::DriverOwnerTimeout {
            self.kernel.wait_for_a_round()
        } else {
            self.kernel.wait()
        };
    }

    fn wake_driver(&self) {
        self.kernel.wake();
    }

    /// The time is always out.
    fn wake_driver_after(&self, _limit: Duration) {
        self.kernel.wake();
    }

    /// A sleep with a time limit, in which the time is always out. loom knows no time, so the clock
    /// is an unpark of our own. (The parker's own way out of a timed wait is modelled in
    /// `park_timeouts.rs`.)
    #[cfg(framewise_loom)]
    fn park_for_interval(&self, worker: usize) {
        let parker = self.parker(worker);
        // Nothing else may be able to go on without us, so others have their turn.
        thread::yield_now();
        parker.unpark(|| unreachable!("it is awake"));
        parker.park(None);
    }
}
