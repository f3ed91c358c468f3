//! The monitor: while a worker is in a poll that blocks and another is parked, a parked worker
//! wakes up, takes the driver and finds the task in the blocked worker's LIFO slot.
//!
//! The shipped `Monitor`, `Idle`, `Parker` and `IdleState`, on the mock scheduler; the models with
//! three workers have no queues. Timeouts elapse at once. The tasks block until a worker has seen
//! an event that they raise when they begin. A failure is a deadlock.
#![cfg(framewise_loom)]

use std::cell::Cell;
use std::task::Wake;
use std::time::Duration;

use framewise::model::{Idle, IdleState, Monitor, Parker, SchedulerOps, unpark};
use framewise_loom_tests::{Kernel, MockScheduler, TestWaker, model};
use framewise_sync::atomic::{AtomicUsize, Ordering};
use framewise_sync::{Arc, Condvar, Mutex, thread};

/// The task that ends the model: every blocking task waits until it has run.
const SEEN: usize = 0;
/// The task that blocks until then.
const BLOCKS: usize = 1;

/// Starts workers. Their blocking task calls `make_ready`, which makes `SEEN` runnable, and waits
/// until `SEEN` has run.
fn start(
    scheduler: &Arc<MockScheduler>,
    workers: usize,
    make_ready: fn(&MockScheduler, usize),
) -> Vec<thread::JoinHandle<()>> {
    let test_waker = TestWaker::new();
    let run = move |scheduler: &MockScheduler, worker: usize, task: usize| {
        if task == SEEN {
            Wake::wake_by_ref(&test_waker);
            scheduler.close();
        } else {
            make_ready(scheduler, worker);
            test_waker.wait();
        }
    };
    (0..workers)
        .map(|index| {
            let (scheduler, run) = (scheduler.clone(), run.clone());
            thread::spawn(move || scheduler.work(index, &run))
        })
        .collect()
}

/// Raises an event, which the driver owner observes.
fn raise(scheduler: &MockScheduler, _: usize) {
    scheduler.kernel.raise(SEEN);
}

/// Pushes a task to the LIFO slot, which notifies no worker.
fn wake(scheduler: &MockScheduler, worker: usize) {
    scheduler.push_slot(worker, SEEN);
}

fn join(workers: Vec<thread::JoinHandle<()>>) {
    for worker in workers {
        worker.join().expect("no panic");
    }
}

/// Race: a worker leaves the driver and blocks, while the other one is the monitor, stops being the
/// monitor, or is about to park.
#[test]
fn a_worker_that_blocks_is_followed_by_the_other() {
    model("driver left × monitor, two workers", || {
        let scheduler = MockScheduler::new(2);
        let workers = start(&scheduler, 2, raise);
        scheduler.kernel.raise(BLOCKS);
        join(workers);
    });
}

/// Race: like above, but the blocking task is pushed from outside: the push wakes the driver owner,
/// the monitor, or a worker parked without a timeout.
#[test]
fn a_pushed_task_that_blocks_is_followed_by_the_other() {
    model("push × monitor, two workers", || {
        let scheduler = MockScheduler::new(2);
        let workers = start(&scheduler, 2, raise);
        scheduler.push(BLOCKS);
        join(workers);
    });
}

/// Race: like above, but the only task to find is in the LIFO slot of the worker that blocks. The
/// other worker is parked on the driver or on its condition variable, or is about to park.
#[test]
fn what_a_blocking_task_woke_is_found_by_the_other() {
    model("driver left × slot, two workers", || {
        let scheduler = MockScheduler::new(2);
        let workers = start(&scheduler, 2, wake);
        scheduler.kernel.raise(BLOCKS);
        join(workers);
    });
}

/// Race: the same, with a blocking task that was pushed.
#[test]
fn what_a_pushed_blocking_task_woke_is_found_by_the_other() {
    model("push × slot, two workers", || {
        let scheduler = MockScheduler::new(2);
        let workers = start(&scheduler, 2, wake);
        scheduler.push(BLOCKS);
        join(workers);
    });
}

/// The state that three workers share, without queues: the protocol of parked workers alone.
///
/// A model begins while worker 1 is parked as the monitor and worker 0 is parked on the driver
/// without a timeout. Both have parked by the shipped steps, one after the other, so that the way
/// there does not multiply the executions.
struct ThreeWorkers {
    idle: Idle,
    monitor: Monitor,
    parkers: [Parker; 3],
    /// 1 while a worker owns the driver.
    driver: AtomicUsize,
    kernel: Kernel,
    /// Given when worker 0 is parked on the driver.
    driver_is_owned: Signal,
    /// One bit for each worker that has blocked. Relaxed on purpose: it stands for the LIFO slots.
    blocked: AtomicUsize,
    /// 1 once a worker has observed all of `blocked`: the model ends.
    found: AtomicUsize,
    /// If there is one, an interval elapses only after it was given, when all have blocked. (For
    /// loom, two workers that only yield are an endless loop.)
    clock: Option<Signal>,
    omitted: Omitted,
}

/// Given once, by one thread, to any number of waiters.
#[derive(Default)]
struct Signal {
    is_given: Mutex<bool>,
    given: Condvar,
}

impl Signal {
    fn wait(&self) {
        let mut is_given = self.is_given.lock();
        while !*is_given {
            is_given = self.given.wait(is_given);
        }
    }

    fn give(&self) {
        *self.is_given.lock() = true;
        self.given.notify_all();
    }
}

/// The step that a control omits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Omitted {
    None,
    MonitorCheck,
    DriverOwnerTimeout,
}

impl ThreeWorkers {
    fn new(clock: Option<Signal>, omitted: Omitted) -> &'static Self {
        // Leaked: loom cannot drop an `Arc` while it unwinds the threads of a deadlock.
        Box::leak(Box::new(Self {
            idle: Idle::new(3),
            monitor: Monitor::new(),
            parkers: std::array::from_fn(|_| Parker::new()),
            driver: AtomicUsize::new(0),
            kernel: Kernel::default(),
            driver_is_owned: Signal::default(),
            blocked: AtomicUsize::new(0),
            found: AtomicUsize::new(0),
            clock,
            omitted,
        }))
    }

    fn try_driver(&self) -> Option<DriverOwnership<'_>> {
        let had = self.driver.swap(1, Ordering::Acquire);
        (had == 0).then(|| DriverOwnership(self))
    }

    /// Waits until the monitor's interval has elapsed.
    fn wait_for_interval(&self) {
        match &self.clock {
            Some(clock) => clock.wait(),
            None => thread::yield_now(),
        }
    }
}

/// Owns the driver. (Not the guard of a `TryLock`: the deadlock of a control drops it at a point
/// where a model can take no more steps.)
struct DriverOwnership<'a>(&'a ThreeWorkers);

impl Drop for DriverOwnership<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // A swap, because loom's modification order does not order a plain store after the swap
            // above.
            self.0.driver.swap(0, Ordering::Release);
        }
    }
}

/// A worker that takes the shipped steps on its thread.
struct Worker<'a> {
    index: usize,
    shared: &'static ThreeWorkers,
    /// Called once, when the worker is parked with a timeout or on the driver. Returns `true` to
    /// end that park.
    when_parked: Cell<Option<Box<dyn FnOnce() -> bool + 'a>>>,
}

impl<'a> Worker<'a> {
    fn new(index: usize, shared: &'static ThreeWorkers) -> Self {
        Self {
            index,
            shared,
            when_parked: Cell::new(None),
        }
    }

    fn when_parked(self, call: impl FnOnce() -> bool + 'a) -> Self {
        self.when_parked.set(Some(Box::new(call)));
        self
    }

    fn ends_park(&self) -> bool {
        self.when_parked.take().is_some_and(|call| call())
    }

    /// Parks once, and then runs a task that blocks.
    fn park_and_block(&self) {
        let mut idle_state = IdleState::new();
        assert!(idle_state.park(self, self.index, &mut ()));
        let is_monitor = self.index == MONITOR;
        if !(is_monitor && self.shared.omitted == Omitted::MonitorCheck) {
            idle_state.leave_idle(self, self.index, || false);
        }
        let blocked = &self.shared.blocked;
        blocked.fetch_or(1 << self.index, Ordering::Relaxed);
    }

    /// Scans and parks until all workers of `until_blocked` have blocked, or another worker has
    /// observed that they have.
    fn park_until(&self, until_blocked: usize) {
        let shared = self.shared;
        let mut idle_state = IdleState::new();
        while shared.blocked.load(Ordering::Relaxed) & until_blocked != until_blocked
            && !self.is_closing()
        {
            idle_state.park(self, self.index, &mut ());
        }
        shared.found.store(1, Ordering::Relaxed);
        for other in 0..3 {
            unpark(self, other);
        }
    }
}

impl SchedulerOps for Worker<'_> {
    type Driver<'a>
        = DriverOwnership<'a>
    where
        Self: 'a;
    type Batch = ();

    fn idle(&self) -> &Idle {
        &self.shared.idle
    }

    fn monitor(&self) -> &Monitor {
        &self.shared.monitor
    }

    fn parker(&self, worker: usize) -> &Parker {
        &self.shared.parkers[worker]
    }

    fn is_closing(&self) -> bool {
        self.shared.found.load(Ordering::Relaxed) != 0
    }

    fn has_stealable(&self, _thief: usize) -> bool {
        false
    }

    fn try_driver(&self) -> Option<DriverOwnership<'_>> {
        self.shared.try_driver()
    }

    fn wait_on_driver(&self, _: &mut DriverOwnership<'_>, limit: Option<Duration>, _: &mut ()) {
        if self.ends_park() {
            return;
        }
        if limit.is_some() && self.shared.omitted != Omitted::DriverOwnerTimeout {
            self.shared.wait_for_interval();
        } else {
            self.shared.kernel.wait();
        }
    }

    fn wake_driver(&self) {
        self.shared.kernel.wake();
    }

    /// The timeout elapses at once.
    fn wake_driver_after(&self, _limit: Duration) {
        self.wake_driver();
    }

    fn park_for_interval(&self, _worker: usize) {
        if !self.ends_park() {
            self.shared.wait_for_interval();
        }
    }
}

const DRIVER_OWNER: usize = 0;
const MONITOR: usize = 1;
const THIRD: usize = 2;

/// Runs the monitor on this thread. When it is parked, starts `driver_owner`, and when that worker
/// is parked too, `third`. Then the monitor returns from park and blocks.
fn run_three(
    shared: &'static ThreeWorkers,
    driver_owner: impl FnOnce() + 'static,
    third: impl FnOnce() + 'static,
) {
    // Taken, so that the monitor does not own the driver.
    let driver = shared.try_driver();
    let threads = Cell::new(None);
    let monitor = Worker::new(MONITOR, shared).when_parked(|| {
        drop(driver);
        let driver_owner = thread::spawn(driver_owner);
        shared.driver_is_owned.wait();
        threads.set(Some([driver_owner, thread::spawn(third)]));
        true
    });
    monitor.park_and_block();
    if let Some(clock) = &shared.clock {
        clock.give();
    }
    for thread in threads.take().into_iter().flatten() {
        thread.join().expect("no panic");
    }
}

/// Race: the driver owner leaves the driver and blocks, the monitor is notified and blocks too, and
/// a third worker parks meanwhile, without a timeout if it sees another monitor. It must observe in
/// the end that both have blocked; in a failure it is parked forever.
fn two_block_and_the_third(name: &str, omitted: Omitted) {
    model(name, move || {
        let shared = ThreeWorkers::new(None, omitted);
        let run_owner = move || {
            let driver_owner = Worker::new(DRIVER_OWNER, shared).when_parked(|| {
                shared.driver_is_owned.give();
                true
            });
            driver_owner.park_and_block();
        };
        run_three(shared, run_owner, move || {
            Worker::new(THIRD, shared).park_until(1 << DRIVER_OWNER | 1 << MONITOR);
        });
    });
}

/// Race: the monitor is notified and blocks, while the driver owner is parked without a timeout and
/// a third worker parks, without a timeout too if it sees the monitor. One of them must observe
/// that the monitor has blocked.
fn monitor_blocks(name: &str, omitted: Omitted) {
    model(name, move || {
        let shared = ThreeWorkers::new(Some(Signal::default()), omitted);
        let run_owner = move || {
            let driver_owner = Worker::new(DRIVER_OWNER, shared).when_parked(|| {
                shared.driver_is_owned.give();
                false
            });
            driver_owner.park_until(1 << MONITOR);
        };
        run_three(shared, run_owner, move || {
            Worker::new(THIRD, shared).park_until(1 << MONITOR);
        });
    });
}

#[test]
fn a_monitor_that_blocks_is_followed_by_another() {
    monitor_blocks("monitor left × driver × third parks", Omitted::None);
}

#[test]
fn two_workers_that_block_are_followed_by_the_third() {
    two_block_and_the_third("driver left × monitor left × third parks", Omitted::None);
}

/// Control: a monitor that runs its task without a check for another monitor.
#[test]
#[should_panic(expected = "deadlock")]
fn control_a_monitor_that_does_not_scan_is_noticed() {
    two_block_and_the_third("control: the monitor does not check", Omitted::MonitorCheck);
}

/// Control: a driver owner that waits without a timeout even if it is the monitor. It observes
/// nothing but the driver's events.
#[test]
#[should_panic(expected = "deadlock")]
fn control_a_driver_owner_without_a_timeout_is_noticed() {
    two_block_and_the_third(
        "control: the driver owner waits without a timeout",
        Omitted::DriverOwnerTimeout,
    );
}
