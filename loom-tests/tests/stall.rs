//! Stalled workers: an active worker takes the tasks of a sibling in a long poll, and none of one
//! that makes progress.
//!
//! The shipped queues, tick counts and check, on the model deque. Each task is created by the
//! worker that queues it, like in a runtime, so that only the queues order its creation before its
//! run. A failure is a race on the task, a task that is dropped twice or never, or an active worker
//! that checks forever, which loom reports as a model with too many branches.
#![cfg(framewise_loom)]

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc as StdArc;
use std::task::{Context, Poll, Wake};

use framewise::Frame;
use framewise::model::{ModelScheduler, ModelWorker, ModelWorkers, Runnable};
use framewise_loom_tests::{DropObserver, DropTracker, PoisoningAllocator, TestWaker, model};
use framewise_sync::atomic::{AtomicUsize, Ordering};
use framewise_sync::{Arc, thread};

#[global_allocator]
static ALLOCATOR: PoisoningAllocator = PoisoningAllocator;

/// Wakes its waker when it is polled, and is ready.
struct Job {
    test_waker: StdArc<TestWaker>,
    end: DropTracker,
}

impl Future for Job {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
        self.end.touch();
        self.test_waker.wake_by_ref();
        Poll::Ready(())
    }
}

fn job(test_waker: &StdArc<TestWaker>) -> (Runnable, DropObserver) {
    let (end, watch) = DropTracker::new();
    let job = Job {
        test_waker: StdArc::clone(test_waker),
        end,
    };
    let runnable = ModelScheduler::new().spawn_detached(job, Frame::root());
    (runnable, watch)
}

/// Checks until it finds a task, like a worker that never runs out of tasks.
fn scan_until_found(worker: &mut ModelWorker) -> Runnable {
    loop {
        if let Some(runnable) = worker.check() {
            return runnable;
        }
        thread::yield_now();
    }
}

/// Race: a worker queues tasks and then waits for them, while `own` checks: before, in between, and
/// after. It has seen the slot empty or full, and the worker's last tick or the one before.
fn what_a_worker_that_blocks_has_left_is_found(name: &str, own: usize, tasks: usize) {
    model(name, move || {
        let (_, mut workers) = ModelWorkers::new(2);
        let mut thief = workers.remove(own);
        let mut blocking = workers.remove(0);
        let sibling = thread::spawn(move || {
            blocking.tick();
            let test_waker = TestWaker::new();
            let mut ends = Vec::new();
            for _ in 0..tasks {
                let (runnable, end) = job(&test_waker);
                blocking.push(runnable);
                ends.push(end);
            }
            for _ in 0..tasks {
                test_waker.wait();
            }
            assert!(blocking.pop().is_none(), "a task was queued twice");
            ends
        });
        for _ in 0..tasks {
            scan_until_found(&mut thief).run_to_end();
        }
        let ends = sibling.join().expect("no panic");
        assert!(ends.iter().all(DropObserver::is_dropped));
        assert!(thief.check().is_none(), "a task was taken twice");
    });
}

#[test]
fn a_task_in_the_slot_of_a_worker_that_blocks_is_found() {
    what_a_worker_that_blocks_has_left_is_found("stall × check, the slot, from above", 1, 1);
    what_a_worker_that_blocks_has_left_is_found("stall × check, the slot, from below", 0, 1);
}

#[test]
fn all_tasks_of_a_worker_that_blocks_are_found() {
    what_a_worker_that_blocks_has_left_is_found("stall × check, deque and slot", 1, 2);
}

/// Race: two active workers check a third, which does not stall: it ticks and takes its tasks
/// itself. Each task goes to one of the three.
#[test]
fn a_task_goes_to_its_worker_or_to_a_thief() {
    model("check × check × pop, deque and slot", || {
        let (_, mut workers) = ModelWorkers::new(3);
        let thieves = [(2, 1), (1, 2)].map(|(own, checks)| {
            let mut worker = workers.remove(own);
            thread::spawn(move || {
                for _ in 0..checks {
                    if let Some(runnable) = worker.check() {
                        runnable.run_to_end();
                    }
                }
            })
        });
        let mut worker = workers.remove(0);
        let test_waker = TestWaker::new();
        let (first, first_ends) = job(&test_waker);
        worker.push(first);
        let (second, second_ends) = job(&test_waker);
        worker.push(second);
        worker.tick();
        while let Some(runnable) = worker.pop() {
            runnable.run_to_end();
        }
        for thief in thieves {
            thief.join().expect("no panic");
        }
        assert!(first_ends.is_dropped() && second_ends.is_dropped());
        assert!(worker.pop().is_none(), "a task was queued twice");
    });
}

const ROUNDS: usize = 4;

/// No task is stolen from a worker that ticks between two checks. The checking worker and the other
/// take turns. (Without turns, two checks can fall between two ticks, and then the worker checks
/// stalled.)
fn scans_of_a_ticking_worker(name: &str, ticks: bool) {
    model(name, move || {
        let (_, mut workers) = ModelWorkers::new(2);
        let mut checking = workers.remove(1);
        let mut ticking = workers.remove(0);
        // Odd: the turn of the checking worker.
        let turn = Arc::new(AtomicUsize::new(0));
        let take_turns = |turn: &AtomicUsize, first: usize, mut step: Box<dyn FnMut() + '_>| {
            for round in 0..ROUNDS {
                while turn.load(Ordering::Acquire) != 2 * round + first {
                    thread::yield_now();
                }
                step();
                turn.store(2 * round + first + 1, Ordering::Release);
            }
        };
        let thief = thread::spawn({
            let turn = turn.clone();
            move || {
                let check = move || {
                    let taken = checking.check();
                    assert!(taken.is_none(), "taken from a worker that ticks");
                };
                take_turns(&turn, 1, Box::new(check));
            }
        });
        let test_waker = TestWaker::new();
        let ends = [(); 2].map(|()| {
            let (runnable, end) = job(&test_waker);
            ticking.push(runnable);
            end
        });
        let tick = || {
            if ticks {
                ticking.tick();
            }
        };
        take_turns(&turn, 0, Box::new(tick));
        thief.join().expect("no panic");
        while let Some(runnable) = ticking.pop() {
            runnable.run_to_end();
        }
        assert!(ends.iter().all(DropObserver::is_dropped));
    });
}

#[test]
fn a_worker_that_ticks_keeps_its_tasks() {
    scans_of_a_ticking_worker("tick × check, in turns", true);
}

/// Control: a worker that makes progress without ticking checks stalled.
#[test]
#[should_panic(expected = "taken from a worker that ticks")]
fn control_a_worker_that_does_not_tick_is_noticed() {
    scans_of_a_ticking_worker("control: no ticks", false);
}

/// Control: an owner and a thief that load and then store both take one task.
#[test]
#[should_panic(expected = "a task was taken twice")]
fn control_a_slot_that_is_emptied_in_two_steps_is_noticed() {
    model("control: load and store", || {
        let slot = Arc::new(AtomicUsize::new(1));
        let take = |slot: &AtomicUsize| {
            let runnable = slot.load(Ordering::Acquire);
            slot.store(0, Ordering::Relaxed);
            runnable == 1
        };
        let thief = thread::spawn({
            let slot = slot.clone();
            move || take(&slot)
        });
        let by_owner = take(&slot);
        let by_thief = thief.join().expect("no panic");
        assert!(!(by_owner && by_thief), "a task was taken twice");
    });
}
