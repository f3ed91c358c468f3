//! The watch: a worker that blocks is never the reason that nobody attends the driver while another
//! sleeps without a limit.
//!
//! The shipped `Watch`, `Idle` and `Parker` in a mirror of the worker's loop. Time-outs come
//! always, at once. The tasks block until an event was seen that is raised only when they have
//! begun: how a failure shows is a deadlock.
#![cfg(framewise_loom)]

use std::task::Wake;

use framewise::model::{Idle, Parker, Watch};
use framewise_loom_tests::{Bell, Mirror, model};
use framewise_sync::atomic::{AtomicUsize, Ordering};
use framewise_sync::{Arc, thread};

/// The event that everybody waits for.
const SEEN: usize = 0;
/// What blocks until then.
const BLOCKS: usize = 1;

/// Starts workers whose blocking task raises `SEEN` and waits until it was.
fn start(mirror: &Arc<Mirror>, workers: usize) -> Vec<thread::JoinHandle<()>> {
    let bell = Bell::new();
    let run = move |mirror: &Mirror, task: usize| {
        if task == SEEN {
            Wake::wake_by_ref(&bell);
            mirror.close();
        } else {
            mirror.kernel.raise(SEEN);
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
        let workers = start(&mirror, 2);
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
        let workers = start(&mirror, 2);
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
}

const FREE: usize = 0;
const TAKEN: usize = 1;

impl Sleepers {
    /// As `Mirror`'s: what a worker does that was asleep, before it blocks.
    fn see_to_driver(&self, worker: usize) {
        if self.watch.is_needed()
            && let Some(sleeper) = self.idle.any_sleeper(worker)
        {
            self.parkers[sleeper].unpark(|| unreachable!("nobody waits in the driver"));
        }
    }

    /// Sleeps until the driver is free, in the worker's way, and takes it.
    fn sleep_until_attending(&self, worker: usize) {
        loop {
            self.idle.park(worker, false);
            if self.driver.swap(TAKEN, Ordering::Acquire) == FREE {
                return;
            }
            self.sleep(worker);
            let _notified = self.idle.unpark(worker, false);
            // The driver may be looked at, which somebody else must end, as far as loom goes.
            thread::yield_now();
        }
    }

    fn sleep(&self, worker: usize) {
        while self.watch.start() {
            let departures = self.watch.departures();
            // A round goes by, and the time is out.
            thread::yield_now();
            self.watch.stop();
            if self.watch.attendant().is_none() {
                return;
            }
            if self.watch.may_end(departures) {
                break;
            }
        }
        self.parkers[worker].park(None);
    }
}

/// Race: the attendant leaves and blocks, the keeper is notified and blocks too, and a third worker
/// goes to sleep meanwhile: without a limit if there is a keeper, or an attendant. It attends in
/// the end, or it sleeps for ever, and the others are blocked for ever.
fn two_block_and_the_third(name: &str, keeper_sees_to_driver: bool) {
    model(name, move || {
        // Leaked: loom cannot drop an `Arc` while it unwinds the threads of a deadlock.
        let shared: &'static Sleepers = Box::leak(Box::new(Sleepers {
            idle: Idle::new(3),
            watch: Watch::new(),
            parkers: std::array::from_fn(|_| Parker::new()),
            driver: AtomicUsize::new(TAKEN),
        }));
        shared.idle.park(0, false);
        shared.watch.attend(0);
        shared.idle.park(1, false);
        assert!(shared.watch.start());
        let attendant = thread::spawn(|| {
            shared.watch.leave();
            // A swap: what loom does not know to be ordered, it takes for unordered.
            shared.driver.swap(FREE, Ordering::Release);
            let _notified = shared.idle.unpark(0, false);
            shared.see_to_driver(0);
        });
        let third = thread::spawn(|| shared.sleep_until_attending(2));
        shared.watch.stop();
        let _notified = shared.idle.unpark(1, false);
        if keeper_sees_to_driver {
            shared.see_to_driver(1);
        }
        // Both are blocked now, until somebody attends.
        third.join().expect("no panic");
        attendant.join().expect("no panic");
    });
}

#[test]
fn two_workers_that_block_are_followed_by_the_third() {
    two_block_and_the_third("driver left × watch stopped × third sleeps", true);
}

/// A keeper that goes to its task without a look.
#[test]
#[should_panic(expected = "deadlock")]
fn control_a_keeper_that_does_not_look_is_noticed() {
    two_block_and_the_third("control: the keeper goes without a look", false);
}
