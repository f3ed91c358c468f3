//! The shipped queues of two workers: pops, steals, overflow, the search and the park.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use framewise::Frame;
use framewise::model::{Idle, ModelScheduler, ModelWorker, ModelWorkers, Runnable};
use framewise_loom_tests::{DropObserver, DropTracker, model};
use framewise_sync::atomic::{AtomicBool, Ordering};
use framewise_sync::deque::{Steal, retry_next};
use framewise_sync::{Arc, thread};

use crate::ModelQueues;
use crate::queues::{Item, Queues, Stolen};

/// Ready when it is polled.
struct Task(DropTracker);

impl Future for Task {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
        self.0.touch();
        Poll::Ready(())
    }
}

/// Creates a runnable task. The thread that queues it creates it, so that only the queues order its
/// creation before its run.
fn task() -> (Runnable, DropObserver) {
    let (end, watch) = DropTracker::new();
    let runnable = ModelScheduler::new().spawn_detached(Task(end), Frame::root());
    (runnable, watch)
}

/// Pushes that many tasks to a worker.
fn pushed(owner: &ModelWorker, count: usize) -> Vec<DropObserver> {
    let ends = (0..count).map(|_| {
        let (runnable, end) = task();
        owner.push(runnable);
        end
    });
    ends.collect()
}

/// Runs all of the worker's own tasks.
fn run_own(worker: &mut ModelWorker) {
    while let Some(runnable) = worker.pop() {
        runnable.run_to_end();
    }
}

/// Runs the tasks that are left when all threads have finished: the workers' and the injector's.
fn run_left(common: &ModelWorkers, workers: impl IntoIterator<Item = ModelWorker>) {
    for mut worker in workers {
        run_own(&mut worker);
    }
    loop {
        match common.steal_injected() {
            Steal::Success(runnable) => runnable.run_to_end(),
            Steal::Retry => {}
            Steal::Empty => break,
        }
    }
}

fn all_ended<'a>(ends: impl IntoIterator<Item = &'a DropObserver>) {
    assert!(
        ends.into_iter().all(DropObserver::is_dropped),
        "a task was left behind"
    );
}

fn pair() -> (ModelWorkers, ModelWorker, ModelWorker) {
    let (common, mut workers) = ModelWorkers::new(2);
    let second = workers.remove(1);
    (common, workers.remove(0), second)
}

/// One steal, and the run of the stolen task.
fn steal_and_run(thief: &mut ModelWorker, victim: usize) {
    if let Steal::Success(runnable) = thief.steal_from(victim) {
        runnable.run_to_end();
    }
    run_own(thief);
}

/// Race: the owner pushes three tasks, two of which are displaced from the slot into the deque, and
/// pops; a thief steals half; another thread pushes to the injector.
#[test]
fn a_pop_meets_a_batch_steal_and_the_injector() {
    model("push and pop × batch steal × injector", || {
        let (common, mut owner, mut thief) = pair();
        let thief = thread::spawn(move || {
            steal_and_run(&mut thief, 0);
            if let Some(runnable) = thief.pop_injector() {
                runnable.run_to_end();
            }
            thief
        });
        let pusher = thread::spawn({
            let common = common.clone();
            move || {
                let (runnable, end) = task();
                common.inject(runnable);
                end
            }
        });
        let ends = pushed(&owner, 3);
        run_own(&mut owner);
        let thief = thief.join().expect("no panic");
        let injected = pusher.join().expect("no panic");
        run_left(&common, [owner, thief]);
        all_ended(ends.iter().chain([&injected]));
    });
}

/// Race: more tasks than the slot and the deque hold (three, in a model), while a thief steals and
/// takes from the injector, to which the rest goes.
#[test]
fn an_overflow_to_the_injector_loses_none() {
    model("overflow × batch steal × pop_injector", || {
        let (common, mut owner, mut thief) = pair();
        let thief = thread::spawn(move || {
            steal_and_run(&mut thief, 0);
            if let Some(runnable) = thief.pop_injector() {
                runnable.run_to_end();
            }
            thief
        });
        let ends = pushed(&owner, 5);
        run_own(&mut owner);
        let thief = thief.join().expect("no panic");
        run_left(&common, [owner, thief]);
        all_ended(&ends);
    });
}

/// Race: the slot's streak ends, so its task goes into the deque, where a thief may steal it.
#[test]
fn a_streak_of_the_slot_meets_a_steal() {
    model("slot streak × batch steal", || {
        let (common, mut owner, mut thief) = pair();
        let thief = thread::spawn(move || {
            steal_and_run(&mut thief, 0);
            thief
        });
        let ends = [(); 4].map(|()| {
            let (runnable, end) = task();
            owner.push(runnable);
            if let Some(runnable) = owner.pop() {
                runnable.run_to_end();
            }
            end
        });
        let thief = thief.join().expect("no panic");
        run_left(&common, [owner, thief]);
        all_ended(&ends);
    });
}

/// Race: the yield queue is moved into the deque and the injector, while a thief steals.
#[test]
fn admitting_the_yielded_meets_a_steal() {
    model("drain_yield_queue × batch steal", || {
        let (common, mut owner, mut thief) = pair();
        let thief = thread::spawn(move || {
            steal_and_run(&mut thief, 0);
            thief
        });
        let ends = [(); 4].map(|()| {
            let (runnable, end) = task();
            owner.push_yielded(runnable);
            end
        });
        assert!(owner.drain_yield_queue(), "siblings may steal some");
        run_own(&mut owner);
        let thief = thief.join().expect("no panic");
        run_left(&common, [owner, thief]);
        all_ended(&ends);
    });
}

/// Race: a worker leaves and moves its tasks into the injector, while a thief steals and takes from
/// the injector.
#[test]
fn draining_meets_a_steal() {
    model("drain × batch steal × pop_injector", || {
        let (common, mut owner, mut thief) = pair();
        let thief = thread::spawn(move || {
            steal_and_run(&mut thief, 0);
            if let Some(runnable) = thief.pop_injector() {
                runnable.run_to_end();
            }
            thief
        });
        let ends = [false, false, true].map(|yields| {
            let (runnable, end) = task();
            if yields {
                owner.push_yielded(runnable);
            } else {
                owner.push(runnable);
            }
            end
        });
        owner.drain();
        assert!(
            owner.pop().is_none() && !owner.has_backlog(),
            "it is drained"
        );
        let thief = thief.join().expect("no panic");
        run_left(&common, [owner, thief]);
        all_ended(&ends);
    });
}

/// Race: two workers take their shares of the injector, while another thread pushes to it.
#[test]
fn two_workers_share_the_injector() {
    model("pop_injector × pop_injector × push", || {
        let (common, first, second) = pair();
        let inject = |count: usize| {
            let common = common.clone();
            move || {
                let ends = (0..count).map(|_| {
                    let (runnable, end) = task();
                    common.inject(runnable);
                    end
                });
                ends.collect::<Vec<_>>()
            }
        };
        let mut ends = inject(3)();
        let pusher = thread::spawn(inject(1));
        let share = |mut worker: ModelWorker| {
            move || {
                if let Some(runnable) = worker.pop_injector() {
                    runnable.run_to_end();
                }
                run_own(&mut worker);
                worker
            }
        };
        let second = thread::spawn(share(second));
        let first = share(first)();
        let second = second.join().expect("no panic");
        ends.extend(pusher.join().expect("no panic"));
        run_left(&common, [first, second]);
        all_ended(&ends);
    });
}

/// Race: the rest of a batch is in the first thief's deque, from which a second thief steals. The
/// task reaches it through two queues, and so does what its creator did (D2).
#[test]
fn the_rest_of_a_batch_is_stolen_on() {
    model("batch steal × batch steal of the rest", || {
        let (common, mut workers) = ModelWorkers::new(3);
        let mut second = workers.remove(2);
        let first = workers.remove(1);
        let owner = workers.remove(0);
        let first = thread::spawn(move || {
            if let Steal::Success(runnable) = first.steal_from(0) {
                runnable.run_to_end();
            }
            // The rest, if there is one, is in its deque.
            first
        });
        let second = thread::spawn(move || {
            steal_and_run(&mut second, 1);
            second
        });
        let ends = pushed(&owner, 4);
        let first = first.join().expect("no panic");
        let second = second.join().expect("no panic");
        run_left(&common, [owner, first, second]);
        all_ended(&ends);
    });
}

/// Race: a searching worker against the owner's pops. A `Retry`, of a lost race or one that another
/// thread's flag enables, is not taken for "empty": the search finds one of the tasks that the
/// owner left.
fn a_search_meets_retries(name: &str, adversary: usize) {
    model(name, move || {
        let (common, mut owner, searcher) = pair();
        let ends = pushed(&owner, 3);
        // The slot's task and the first of the deque are the owner's; one more is left to steal.
        let choice = Arc::new(AtomicBool::new(false));
        let searcher = thread::spawn({
            let choice = choice.clone();
            move || {
                // Ordering: Relaxed. A choice, which publishes nothing.
                if choice.load(Ordering::Relaxed) {
                    retry_next(adversary);
                }
                let found = searcher.search();
                retry_next(0);
                found
                    .expect("there is one left for the searcher")
                    .run_to_end();
                searcher
            }
        });
        choice.store(true, Ordering::Relaxed);
        for _ in 0..2 {
            owner.pop().expect("two at least").run_to_end();
        }
        let searcher = searcher.join().expect("no panic");
        run_left(&common, [owner, searcher]);
        all_ended(&ends);
    });
}

#[test]
fn a_search_takes_no_retry_for_empty() {
    a_search_meets_retries("search × pop, a retry", 1);
    a_search_meets_retries("search × pop, retries", 5);
}

/// Race: shares of the injector are taken under retries. With two tasks and two workers, each gets
/// one.
#[test]
fn a_share_takes_no_retry_for_empty() {
    model("pop_injector × pop_injector, retries", || {
        let (common, first, second) = pair();
        let ends = [(); 2].map(|()| {
            let (runnable, end) = task();
            common.inject(runnable);
            end
        });
        let share = |worker: ModelWorker, retries| {
            move || {
                retry_next(retries);
                let runnable = worker.pop_injector();
                runnable.expect("there is one for each").run_to_end();
                assert!(!worker.has_backlog(), "half of two is one");
            }
        };
        let second = thread::spawn(share(second, 2));
        share(first, 1)();
        second.join().expect("no panic");
        all_ended(&ends);
    });
}

/// Race: a push from outside against a worker that is about to park (D5). The worker's second scan
/// sees the task, or the pusher sees the worker as parked. The same for a push to a sibling's
/// deque.
fn a_push_meets_a_park(name: &str, outside: bool) {
    model(name, move || {
        let (common, parked, sibling) = pair();
        let idle = Arc::new(Idle::new(2));
        let parked = thread::spawn({
            let (common, idle) = (common.clone(), idle.clone());
            move || {
                idle.register_parked(0, false);
                let found = common.has_stealable(0);
                (found, parked)
            }
        });
        let mut ends = Vec::new();
        // The first goes to the slot, which notifies no worker.
        for _ in 0..if outside { 1 } else { 2 } {
            let (runnable, end) = task();
            if outside {
                common.inject(runnable);
            } else {
                sibling.push(runnable);
            }
            ends.push(end);
        }
        let woken = idle.notify_one(usize::MAX);
        let (found, parked) = parked.join().expect("no panic");
        assert!(found || woken == Some(0), "both sides missed the other");
        run_left(&common, [parked, sibling]);
        all_ended(&ends);
    });
}

#[test]
fn a_push_and_a_scan_before_the_park_do_not_miss_each_other() {
    a_push_meets_a_park("push to the injector × park", true);
    a_push_meets_a_park("push to a deque × park", false);
}

/// Control: a steal that takes `Retry` for an empty queue.
#[test]
#[should_panic(expected = "there is one for the thief")]
fn control_a_retry_that_is_taken_for_empty_is_noticed() {
    model("control: retry is empty", || {
        let (common, mut owner, thief) = pair();
        let ends = pushed(&owner, 3);
        let thief = thread::spawn(move || {
            let found = thief.steal_from(0).success().map(Runnable::run_to_end);
            (found.is_some(), thief)
        });
        for _ in 0..2 {
            owner.pop().expect("two at least").run_to_end();
        }
        let (found, thief) = thief.join().expect("no panic");
        run_left(&common, [owner, thief]);
        all_ended(&ends);
        assert!(found, "there is one for the thief");
    });
}

/// The retries that a test asks for belong to one thread, and take nothing.
#[test]
fn an_adversary_takes_nothing() {
    model("contract: retries of one thread", || {
        let (victim, own) = (ModelQueues::worker(), ModelQueues::worker());
        ModelQueues::push(&victim, Item::new(1));
        let stealer = ModelQueues::stealer(&victim);
        let other = thread::spawn({
            let stealer = ModelQueues::stealer(&victim);
            move || {
                retry_next(1);
                let own = ModelQueues::worker();
                assert!(matches!(ModelQueues::steal(&stealer, &own), Stolen::Retry));
            }
        });
        // The other thread's retries are not this thread's.
        let Stolen::Item(item) = ModelQueues::steal(&stealer, &own) else {
            panic!("it is there, and no other thread takes it");
        };
        assert_eq!(item.open(), 1);
        other.join().expect("no panic");
    });
}
