//! The watch: a worker that blocks is never the reason that nobody attends the driver while another
//! sleeps without a limit.
//!
//! The shipped `Watch`, `Idle`, `Parker` and steps to sleep, in the least workplace; those with three
//! workers repeat the steps' order by hand. Time-outs come
//! always, at once. The tasks block until an event was seen that is raised only when they have
//! begun: how a failure shows is a deadlock.
#![cfg(framewise_loom)]

use std::task::Wake;

use framewise::model::{Idle, Missing, Parker, Watch};
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
struct Sleepers {
    idle: Idle,
    watch: Watch,
    parkers: [Parker; 3],
    /// Held by whoever attends; only ever tried. (loom's `Mutex` blocks those who try.)
    driver: AtomicUsize,
    kernel: Kernel,
    /// One bit for each worker that has blocked. Relaxed on purpose: the slots that are looked at.
    blocked: AtomicUsize,
    found: AtomicUsize,
    /// When a round has gone by: where there is one, not before all have blocked. (Two workers that
    /// only ever yield are a loop without an end, as far as loom goes.)
    clock: Option<Clock>,
}

#[derive(Default)]
struct Clock {
    is_late: Mutex<bool>,
    ticked: Condvar,
}

impl Clock {
    fn wait(&self) {
        let mut is_late = self.is_late.lock();
        while !*is_late {
            is_late = self.ticked.wait(is_late);
        }
    }

    fn tick(&self) {
        *self.is_late.lock() = true;
        self.ticked.notify_all();
    }
}

const FREE: usize = 0;
const TAKEN: usize = 1;

/// A step that a control leaves out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LeftOut {
    Nothing,
    KeepersLook,
    AttendantsWatch,
}

impl Sleepers {
    /// Worker 0 attends, without a limit, since worker 1 keeps watch.
    fn new(clock: Option<Clock>) -> &'static Self {
        // Leaked: loom cannot drop an `Arc` while it unwinds the threads of a deadlock.
        let shared: &'static Self = Box::leak(Box::new(Self {
            idle: Idle::new(3),
            watch: Watch::new(),
            parkers: std::array::from_fn(|_| Parker::new()),
            driver: AtomicUsize::new(TAKEN),
            kernel: Kernel::default(),
            blocked: AtomicUsize::new(0),
            found: AtomicUsize::new(0),
            clock,
        }));
        shared.idle.park(1, false);
        assert!(shared.watch.start());
        shared.idle.park(0, false);
        shared.watch.attend(0, false);
        shared
    }

    fn unpark(&self, worker: usize) {
        self.parkers[worker].unpark(|| self.kernel.wake());
    }

    /// What a worker does that was asleep, and then blocks.
    fn block(&self, worker: usize, looks: bool) {
        let _notified = self.idle.unpark(worker, false);
        if looks {
            match self.watch.missing() {
                Missing::Nothing => {}
                // The time is always out.
                Missing::Limit => self.kernel.wake(),
                Missing::Watcher => {
                    if let Some(sleeper) = self.idle.any_sleeper(worker) {
                        self.unpark(sleeper);
                    }
                }
            }
        }
        self.blocked.fetch_or(1 << worker, Ordering::Relaxed);
    }

    /// A round goes by, and the time is out.
    fn round(&self) {
        match &self.clock {
            Some(clock) => clock.wait(),
            None => thread::yield_now(),
        }
    }

    /// The attendant's sleep ends.
    fn leave_driver(&self) {
        self.watch.leave();
        // A swap: what loom does not know to be ordered, it takes for unordered.
        self.driver.swap(FREE, Ordering::Release);
    }

    /// Looks and sleeps, in the worker's way, until all those have blocked, or somebody else has
    /// found that they have.
    fn rest(&self, worker: usize, until_blocked: usize, left_out: LeftOut) {
        while self.blocked.load(Ordering::Relaxed) & until_blocked != until_blocked
            && self.found.load(Ordering::Relaxed) == 0
        {
            self.idle.park(worker, false);
            if self.driver.swap(TAKEN, Ordering::Acquire) == FREE {
                let keeps_watch = !self.idle.are_all_parked() && !self.watch.is_kept();
                self.sleep_in_driver(worker, keeps_watch && left_out != LeftOut::AttendantsWatch);
            } else if self.idle.are_all_parked() || !self.watch.start() {
                self.parkers[worker].park(None);
            } else {
                self.round();
                self.watch.stop();
            }
            let _notified = self.idle.unpark(worker, false);
        }
        self.found.store(1, Ordering::Relaxed);
        for other in 0..3 {
            self.unpark(other);
        }
    }

    fn sleep_in_driver(&self, worker: usize, keeps_watch: bool) {
        self.watch.attend(worker, keeps_watch);
        if self.parkers[worker].enter_driver() {
            if keeps_watch {
                self.round();
            } else {
                self.kernel.wait();
            }
            self.parkers[worker].leave_driver();
        }
        self.leave_driver();
    }
}

/// Race: the attendant leaves and blocks, the keeper is notified and blocks too, and a third worker
/// goes to sleep meanwhile: without a limit if somebody keeps watch. It finds in the end what the
/// two have left behind, or it sleeps for ever.
fn two_block_and_the_third(name: &str, left_out: LeftOut) {
    model(name, move || {
        let shared = Sleepers::new(None);
        let attendant = thread::spawn(|| {
            shared.leave_driver();
            shared.block(0, true);
        });
        let third = thread::spawn(move || shared.rest(2, 0b011, left_out));
        shared.watch.stop();
        shared.block(1, left_out != LeftOut::KeepersLook);
        third.join().expect("no panic");
        attendant.join().expect("no panic");
    });
}

/// Race: the keeper is notified and blocks, while the attendant sleeps without a limit and a third
/// worker goes to sleep: without a limit, too, if it sees the keeper. One of them finds what is
/// left behind.
fn the_keeper_blocks(name: &str, left_out: LeftOut) {
    model(name, move || {
        let shared = Sleepers::new(Some(Clock::default()));
        let attendant = thread::spawn(move || {
            shared.sleep_in_driver(0, false);
            let _notified = shared.idle.unpark(0, false);
            shared.rest(0, 0b010, left_out);
        });
        let third = thread::spawn(move || shared.rest(2, 0b010, left_out));
        shared.watch.stop();
        shared.block(1, left_out != LeftOut::KeepersLook);
        if let Some(clock) = &shared.clock {
            clock.tick();
        }
        third.join().expect("no panic");
        attendant.join().expect("no panic");
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
        "control: the attendant does not keep watch",
        LeftOut::AttendantsWatch,
    );
}
