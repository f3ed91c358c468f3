//! The watch: a worker that blocks is never the reason that nobody attends the driver while another
//! sleeps without a limit.
//!
//! The shipped `Watch`, `Idle` and `Parker` in a mirror of the worker's loop. Time-outs come
//! always, at once. The tasks block until an event was seen that is raised only when they have
//! begun: how a failure shows is a deadlock.
#![cfg(framewise_loom)]

use std::task::Wake;

use framewise::model::Watch;
use framewise_loom_tests::{Bell, Mirror, model};
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

/// Who leaves the driver and blocks without a look, while the other one sleeps without a limit.
#[test]
#[should_panic(expected = "the driver is left alone")]
fn control_a_worker_that_does_not_look_is_noticed() {
    model("control: driver left without a look", || {
        let watch = Arc::new(Watch::new());
        watch.attend(0);
        let keeper = thread::spawn({
            let watch = watch.clone();
            move || {
                assert!(watch.start());
                let departures = watch.departures();
                watch.stop();
                watch.may_end(departures)
            }
        });
        watch.leave();
        // Here `is_needed` is to be asked.
        let sleeps_without_a_limit = keeper.join().expect("no panic");
        assert!(!sleeps_without_a_limit, "the driver is left alone");
    });
}
