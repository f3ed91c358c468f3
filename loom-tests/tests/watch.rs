//! The watch: a worker that blocks is never the reason that nobody attends the driver while another
//! sleeps without a limit.
//!
//! The shipped `Monitor`, `Idle`, `Parker` and steps to sleep, in the least workplace; the models with
//! three workers have one without queues. Time-outs come always, at once. The tasks block until an event was seen that is raised only when they have
//! begun: how a failure shows is a deadlock.
#![cfg(framewise_loom)]

use std::cell::Cell;
use std::task::Wake;
use std::time::Duration;

use framewise::model::{Idle, IdleState, Monitor, Parker, SchedulerOps, unpark};
use framewise_loom_tests::{Bell, Kernel, Mirror, model};
use framewise_sync::atomic::{AtomicUsize, Ordering};
use framewise_sync::{Arc, Condvar, Mutex, thread};

/// The event that everybody waits for.
const SEEN: usize = 0;
/// What blocks until then.
const BLOCKS: usize = 1;

/// Starts workers whose blocking task does `make_ready`, which leads to `SEEN`, and waits until that
/// was seen.
fn start(
    mirror: &Arc<Mirror>,
    workers: usize,
    make_ready: fn(&Mirror, usize),
) -> Vec<thread::JoinHandle<()>> {
    let bell = Bell::new();
    let run = move |mirror: &Mirror, worker: usize, task: usize| {
        if task == SEEN {
            Wake::wake_by_ref(&bell);
            mirror.close();
        } else {
            make_ready(mirror, worker);
            bell.wait();
        }
    };
    (0..workers)
        .map(|index| {
            let (mirror, run) = (mirror.clone(), run.clone());
            thread::spawn(move || mirror.work(index, &run))
        })
        .collect()
}

/// An event, which whoever attends the driver sees.
fn raise(mirror: &Mirror, _: usize) {
    mirror.kernel.raise(SEEN);
}

/// A task in the last-in slot, of which nobody is told.
fn wake(mirror: &Mirror, worker: usize) {
    mirror.push_slot(worker, SEEN);
}

fn join(workers: Vec<thread::JoinHandle<()>>) {
    for worker in workers {
        worker.join().expect("no panic");
    }
}

/// Race: a worker leaves the driver and blocks, while the other one keeps watch, or gives the watch
/// up, or is about to sleep.
#[test]
fn a_worker_that_blocks_is_followed_by_the_other() {
    model("driver left × watch, two workers", || {
        let mirror = Mirror::new(2);
        let workers = start(&mirror, 2, raise);
        mirror.kernel.raise(BLOCKS);
        join(workers);
    });
}

/// Race: as above where the blocking task is one from outside: it wakes the attendant, or the
/// keeper, or whoever sleeps without a limit.
#[test]
fn a_pushed_task_that_blocks_is_followed_by_the_other() {
    model("push × watch, two workers", || {
        let mirror = Mirror::new(2);
        let workers = start(&mirror, 2, raise);
        mirror.push(BLOCKS);
        join(workers);
    });
}

/// Race: as above where nothing but the slot of the worker that blocks is to be looked at: the
/// other one sleeps in the driver, or on the condition variable, or is about to.
#[test]
fn what_a_blocking_task_woke_is_found_by_the_other() {
    model("driver left × slot, two workers", || {
        let mirror = Mirror::new(2);
        let workers = start(&mirror, 2, wake);
        mirror.kernel.raise(BLOCKS);
        join(workers);
    });
}

/// Race: the same where the blocking task was pushed.
#[test]
fn what_a_pushed_blocking_task_woke_is_found_by_the_other() {
    model("push × slot, two workers", || {
        let mirror = Mirror::new(2);
        let workers = start(&mirror, 2, wake);
        mirror.push(BLOCKS);
        join(workers);
    });
}

/// What three workers share, without queues: the sleepers' protocol alone.
///
/// A model begins in the sleep of worker 1, the keeper, while worker 0 sleeps in the driver without a
/// limit. Both have come there by the shipped steps, one after the other, so that nothing of this
/// multiplies the executions.
struct Sleepers {
    idle: Idle,
    monitor: Monitor,
    parkers: [Parker; 3],
    /// Whether a worker has the driver.
    driver: AtomicUsize,
    kernel: Kernel,
    /// Worker 0 sleeps in the driver.
    attended: Signal,
    /// One bit for each worker that has blocked. Relaxed on purpose: the slots that are looked at.
    blocked: AtomicUsize,
    /// A worker has seen that: the model ends.
    found: AtomicUsize,
    /// When a round has gone by: where there is one, not before all have blocked. (Two workers that
    /// only ever yield are a loop without an end, as far as loom goes.)
    clock: Option<Signal>,
    left_out: LeftOut,
}

/// Given once, and waited for by any number.
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

/// A step that a control leaves out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LeftOut {
    Nothing,
    KeepersLook,
    AttendantsWatch,
}

impl Sleepers {
    fn new(clock: Option<Signal>, left_out: LeftOut) -> &'static Self {
        // Leaked: loom cannot drop an `Arc` while it unwinds the threads of a deadlock.
        Box::leak(Box::new(Self {
            idle: Idle::new(3),
            monitor: Monitor::new(),
            parkers: std::array::from_fn(|_| Parker::new()),
            driver: AtomicUsize::new(0),
            kernel: Kernel::default(),
            attended: Signal::default(),
            blocked: AtomicUsize::new(0),
            found: AtomicUsize::new(0),
            clock,
            left_out,
        }))
    }

    fn try_driver(&self) -> Option<HasDriver<'_>> {
        let had = self.driver.swap(1, Ordering::Acquire);
        (had == 0).then(|| HasDriver(self))
    }

    /// A round goes by, and the time is out.
    fn round(&self) {
        match &self.clock {
            Some(clock) => clock.wait(),
            None => thread::yield_now(),
        }
    }
}

/// The right to wait in the driver. (Not a `TryLock`'s: a control's deadlock drops it where no step of a
/// model can be taken any more.)
struct HasDriver<'a>(&'a Sleepers);

impl Drop for HasDriver<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // A swap: what loom does not know to be ordered, it takes for unordered.
            self.0.driver.swap(0, Ordering::Release);
        }
    }
}

/// A worker on its thread, which takes the shipped steps.
struct Worker<'a> {
    index: usize,
    sleepers: &'static Sleepers,
    /// Called in its first sleep that has a limit or is in the driver. `true`: that sleep is over.
    when_asleep: Cell<Option<Box<dyn FnOnce() -> bool + 'a>>>,
}

impl<'a> Worker<'a> {
    fn new(index: usize, sleepers: &'static Sleepers) -> Self {
        Self {
            index,
            sleepers,
            when_asleep: Cell::new(None),
        }
    }

    fn when_asleep(self, call: impl FnOnce() -> bool + 'a) -> Self {
        self.when_asleep.set(Some(Box::new(call)));
        self
    }

    fn is_over(&self) -> bool {
        self.when_asleep.take().is_some_and(|call| call())
    }

    /// Sleeps once, and then runs a task that blocks.
    fn sleep_and_block(&self) {
        let mut idle_state = IdleState::new();
        assert!(idle_state.park(self, self.index, &mut ()));
        let is_keeper = self.index == KEEPER;
        if !(is_keeper && self.sleepers.left_out == LeftOut::KeepersLook) {
            idle_state.leave_idle(self, self.index, || false);
        }
        let blocked = &self.sleepers.blocked;
        blocked.fetch_or(1 << self.index, Ordering::Relaxed);
    }

    /// Looks and sleeps until all those have blocked, or another worker has found that they have.
    fn rest(&self, until_blocked: usize) {
        let sleepers = self.sleepers;
        let mut idle_state = IdleState::new();
        while sleepers.blocked.load(Ordering::Relaxed) & until_blocked != until_blocked
            && !self.is_closing()
        {
            idle_state.park(self, self.index, &mut ());
        }
        sleepers.found.store(1, Ordering::Relaxed);
        for other in 0..3 {
            unpark(self, other);
        }
    }
}

impl SchedulerOps for Worker<'_> {
    type Driver<'a>
        = HasDriver<'a>
    where
        Self: 'a;
    type Batch = ();

    fn idle(&self) -> &Idle {
        &self.sleepers.idle
    }

    fn monitor(&self) -> &Monitor {
        &self.sleepers.monitor
    }

    fn parker(&self, worker: usize) -> &Parker {
        &self.sleepers.parkers[worker]
    }

    fn is_closing(&self) -> bool {
        self.sleepers.found.load(Ordering::Relaxed) != 0
    }

    fn has_stealable(&self, _thief: usize) -> bool {
        false
    }

    fn try_driver(&self) -> Option<HasDriver<'_>> {
        self.sleepers.try_driver()
    }

    fn wait_on_driver(&self, _: &mut HasDriver<'_>, limit: Option<Duration>, _: &mut ()) {
        if self.is_over() {
            return;
        }
        if limit.is_some() && self.sleepers.left_out != LeftOut::AttendantsWatch {
            self.sleepers.round();
        } else {
            self.sleepers.kernel.wait();
        }
    }

    fn wake_driver(&self) {
        self.sleepers.kernel.wake();
    }

    /// The time is always out.
    fn wake_driver_after(&self, _limit: Duration) {
        self.wake_driver();
    }

    fn park_for_interval(&self, _worker: usize) {
        if !self.is_over() {
            self.sleepers.round();
        }
    }
}

const ATTENDANT: usize = 0;
const KEEPER: usize = 1;
const THIRD: usize = 2;

/// Runs the keeper on this thread, and the two others from when it sleeps: first `set_driver_owner`, and when
/// that worker sleeps, `rest`. Then the keeper's sleep ends, and it blocks.
fn run_three(
    sleepers: &'static Sleepers,
    set_driver_owner: impl FnOnce() + 'static,
    rest: impl FnOnce() + 'static,
) {
    // Otherwise the keeper would attend.
    let driver = sleepers.try_driver();
    let threads = Cell::new(None);
    let keeper = Worker::new(KEEPER, sleepers).when_asleep(|| {
        drop(driver);
        let driver_owner = thread::spawn(set_driver_owner);
        sleepers.attended.wait();
        threads.set(Some([driver_owner, thread::spawn(rest)]));
        true
    });
    keeper.sleep_and_block();
    if let Some(clock) = &sleepers.clock {
        clock.give();
    }
    for thread in threads.take().into_iter().flatten() {
        thread.join().expect("no panic");
    }
}

/// Race: the attendant leaves and blocks, the keeper is notified and blocks too, and a third worker
/// goes to sleep meanwhile: without a limit if another keeps watch. It finds in the end what the
/// two have left behind, or it sleeps for ever.
fn two_block_and_the_third(name: &str, left_out: LeftOut) {
    model(name, move || {
        let sleepers = Sleepers::new(None, left_out);
        let set_driver_owner = move || {
            let driver_owner = Worker::new(ATTENDANT, sleepers).when_asleep(|| {
                sleepers.attended.give();
                true
            });
            driver_owner.sleep_and_block();
        };
        run_three(sleepers, set_driver_owner, move || {
            Worker::new(THIRD, sleepers).rest(1 << ATTENDANT | 1 << KEEPER);
        });
    });
}

/// Race: the keeper is notified and blocks, while the attendant sleeps without a limit and a third
/// worker goes to sleep: without a limit, too, if it sees the keeper. One of them finds what is
/// left behind.
fn the_keeper_blocks(name: &str, left_out: LeftOut) {
    model(name, move || {
        let sleepers = Sleepers::new(Some(Signal::default()), left_out);
        let set_driver_owner = move || {
            let driver_owner = Worker::new(ATTENDANT, sleepers).when_asleep(|| {
                sleepers.attended.give();
                false
            });
            driver_owner.rest(1 << KEEPER);
        };
        run_three(sleepers, set_driver_owner, move || {
            Worker::new(THIRD, sleepers).rest(1 << KEEPER);
        });
    });
}

#[test]
fn a_keeper_that_blocks_is_followed_by_another() {
    the_keeper_blocks("watch stopped × driver × third sleeps", LeftOut::Nothing);
}

#[test]
fn two_workers_that_block_are_followed_by_the_third() {
    two_block_and_the_third(
        "driver left × watch stopped × third sleeps",
        LeftOut::Nothing,
    );
}

/// A keeper that goes to its task without a look.
#[test]
#[should_panic(expected = "deadlock")]
fn control_a_keeper_that_does_not_look_is_noticed() {
    two_block_and_the_third(
        "control: the keeper goes without a look",
        LeftOut::KeepersLook,
    );
}

/// An attendant that sleeps without a limit, whoever is awake: what the driver does not tell it, it
/// does not see.
#[test]
#[should_panic(expected = "deadlock")]
fn control_an_attendant_that_never_keeps_watch_is_noticed() {
    two_block_and_the_third(
        "control: the driver_owner does not keep watch",
        LeftOut::AttendantsWatch,
    );
}
