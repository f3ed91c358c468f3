//! A worker's loop around the shipped `Idle`, `Parker` and `Watch`.
//!
//! The shipped loop (`executor/src/scheduler/worker.rs`) sits on crossbeam's deque and on mio, which
//! loom does not reach. [`Mirror`] does the same steps in the same order with the least queue and
//! the least driver: **a change of the order there is to be repeated here.** The names are the same.

use framewise::model::{Idle, Missing, Parker, Watch};
use framewise_sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use framewise_sync::{Arc, Condvar, Mutex, thread};

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
    pub fn wait_for_a_round(&self) -> Vec<usize> {
        // Nothing else may be able to go on without us, so others have their turn.
        thread::yield_now();
        self.state.lock().take()
    }
}

/// The lock around the driver, which is only ever tried. Not `Mutex`: where a thread is about to
/// try a lock of loom's that another one just takes, loom blocks it until the lock is given back,
/// as if it did not only try; and a sleeper in the driver keeps the lock.
#[derive(Default)]
struct DriverLock(AtomicBool);

struct DriverGuard<'a>(&'a DriverLock);

impl DriverLock {
    fn try_lock(&self) -> Option<DriverGuard<'_>> {
        let locked = self.0.swap(true, Ordering::Acquire);
        (!locked).then_some(DriverGuard(self))
    }
}

impl Drop for DriverGuard<'_> {
    fn drop(&mut self) {
        // A swap: what loom does not know to be ordered, it takes for unordered.
        self.0.0.swap(false, Ordering::Release);
    }
}

/// What the workers of a model see.
pub struct Mirror {
    /// What siblings could steal from a worker that is not there to run it.
    pub siblings: TaskSet,
    /// Tasks from outside.
    pub injector: TaskSet,
    /// The shipped counters.
    pub idle: Idle,
    watch: Watch,
    workers: Vec<Place>,
    driver: DriverLock,
    /// The system under the driver.
    pub kernel: Kernel,
    closing: AtomicBool,
}

#[derive(Default)]
struct Place {
    /// The last-in slot: what is put here is announced to nobody.
    slot: TaskSet,
    parker: Parker,
}

/// What a worker keeps to itself.
#[derive(Default)]
struct Core {
    searching: bool,
    awoke: bool,
    awakenings: usize,
}

impl Mirror {
    /// All workers are awake and there is nothing to do.
    pub fn new(workers: usize) -> Arc<Self> {
        Arc::new(Self {
            siblings: TaskSet::default(),
            injector: TaskSet::default(),
            idle: Idle::new(workers),
            watch: Watch::new(),
            workers: (0..workers).map(|_| Place::default()).collect(),
            driver: DriverLock::default(),
            kernel: Kernel::default(),
            closing: AtomicBool::new(false),
        })
    }

    /// A push from outside.
    pub fn push(&self, task: usize) {
        self.injector.push(task);
        self.notify_one();
    }

    /// A push by a task that `worker` runs, to the last-in slot.
    pub fn push_slot(&self, worker: usize, task: usize) {
        self.workers[worker].slot.push(task);
    }

    /// Ends every worker's loop.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Release);
        for worker in 0..self.workers.len() {
            self.unpark(worker);
        }
    }

    fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    fn notify_one(&self) {
        let last_choice = self.watch.attendant().unwrap_or(usize::MAX);
        if let Some(worker) = self.idle.notify_one(last_choice) {
            self.unpark(worker);
        }
    }

    fn unpark(&self, worker: usize) {
        self.workers[worker].parker.unpark(|| self.kernel.wake());
    }

    fn has_stealable(&self) -> bool {
        !self.injector.is_empty() || !self.siblings.is_empty()
    }

    /// A thread that works, until the closing. `run` gets the worker's number, and the
    /// task's.
    pub fn work(&self, index: usize, run: &dyn Fn(&Self, usize, usize)) {
        let mut core = Core::default();
        while !self.is_closing() {
            match self.next_task(index, &mut core) {
                Some(task) => {
                    self.before_user_code(index, &mut core);
                    run(self, index, task);
                }
                None => self.park(index, &mut core, run),
            }
        }
    }

    fn next_task(&self, index: usize, core: &mut Core) -> Option<usize> {
        let own = self.workers[index].slot.take();
        if let Some(task) = own.or_else(|| self.injector.take()) {
            return Some(task);
        }
        if !core.searching {
            if !self.idle.start_searching() {
                return None;
            }
            core.searching = true;
        }
        let shared = self.siblings.take().or_else(|| self.injector.take());
        shared.or_else(|| {
            (0..self.workers.len())
                .filter(|&victim| victim != index)
                .find_map(|victim| self.workers[victim].slot.take())
        })
    }

    fn before_user_code(&self, index: usize, core: &mut Core) {
        if std::mem::take(&mut core.awoke) {
            self.see_to_watch(index);
        }
        if std::mem::take(&mut core.searching) && self.idle.stop_searching() && self.has_stealable()
        {
            self.notify_one();
        }
    }

    fn see_to_watch(&self, index: usize) {
        match self.watch.missing() {
            Missing::Nothing => {}
            // The time is always out.
            Missing::Limit => self.kernel.wake(),
            Missing::Watcher => {
                if let Some(sleeper) = self.idle.any_sleeper(index) {
                    self.unpark(sleeper);
                }
            }
        }
    }

    fn park(&self, index: usize, core: &mut Core, run: &dyn Fn(&Self, usize, usize)) {
        let awakenings = self.watch.awakenings();
        let was_quiet = std::mem::replace(&mut core.awakenings, awakenings) == awakenings;
        self.idle.park(index, std::mem::take(&mut core.searching));
        let mut batch = Vec::new();
        let found = self.has_stealable();
        if !found && !self.is_closing() {
            match self.driver.try_lock() {
                Some(_driver) => batch = self.sleep_in_driver(index),
                None => self.sleep(index, was_quiet),
            }
        } else {
            // A loop that somebody else must end, as far as loom is concerned.
            thread::yield_now();
        }
        core.searching = self.idle.unpark(index, found);
        core.awoke = true;
        if !batch.is_empty() {
            self.before_user_code(index, core);
            for task in batch {
                run(self, index, task);
            }
        }
    }

    fn sleep_in_driver(&self, index: usize) -> Vec<usize> {
        let keeps_watch = !self.idle.are_all_parked() && !self.watch.is_kept();
        let mut batch = Vec::new();
        self.watch.attend(index, keeps_watch);
        if self.workers[index].parker.enter_driver() {
            batch = if keeps_watch {
                self.kernel.wait_for_a_round()
            } else {
                self.kernel.wait()
            };
            self.workers[index].parker.leave_driver();
        }
        self.watch.leave();
        batch
    }

    fn sleep(&self, index: usize, was_quiet: bool) {
        if (was_quiet && self.idle.are_all_parked()) || !self.watch.start() {
            self.workers[index].parker.park(None);
        } else {
            self.park_for_a_round(index);
            self.watch.stop();
        }
    }

    /// A sleep with a time limit, in which the time is always out. loom knows no time, so the clock
    /// is an unpark of our own. (The parker's own way out of a timed wait is modelled in
    /// `park_timeouts.rs`.)
    fn park_for_a_round(&self, index: usize) {
        let parker = &self.workers[index].parker;
        // Nothing else may be able to go on without us, so others have their turn.
        thread::yield_now();
        parker.unpark(|| unreachable!("it is awake"));
        parker.park(None);
    }
}
