//! Idle and search: a pushed task runs if any worker is parked.
//!
//! The shipped `Idle`, `Parker`, `Monitor` and `IdleState`, on the mock scheduler. Tasks block
//! until others have run, so an active worker cannot help. A failure is a deadlock.
#![cfg(framewise_loom)]

use framewise::model::{Idle, Parker};
use framewise_loom_tests::{MockScheduler, TaskSet, TestWaker, model};
use framewise_sync::atomic::{AtomicUsize, Ordering};
use framewise_sync::{Arc, thread};

const NO_WORKER: usize = usize::MAX;

/// The tasks of the models below. The mock scheduler takes the lowest first: the one that blocks.
const WAITS: usize = 0;
const WAKES: usize = 1;

/// Starts workers on their threads.
fn start(
    scheduler: &Arc<MockScheduler>,
    workers: usize,
    run: impl Fn(&MockScheduler, usize, usize) + Clone + Send + 'static,
) -> Vec<thread::JoinHandle<()>> {
    (0..workers)
        .map(|index| {
            let (scheduler, run) = (scheduler.clone(), run.clone());
            thread::spawn(move || scheduler.work(index, &run))
        })
        .collect()
}

/// Race: a push against a worker that is about to park, first on the driver. The worker sees the
/// push, or is woken.
#[test]
fn a_push_meets_a_park_in_the_driver() {
    model("push × park, one worker, driver", || {
        let scheduler = MockScheduler::new(1);
        let workers = start(&scheduler, 1, |scheduler, _, _| scheduler.close());
        scheduler.push(WAKES);
        for worker in workers {
            worker.join().expect("no panic");
        }
    });
}

/// Race: a push against the bare end of a search, of a worker that found a task that blocks. There
/// is no monitor that would find the push later: the pusher wakes the parked worker, or the
/// searching worker sees the push.
#[test]
fn a_push_meets_the_end_of_a_search() {
    model("push × stop_searching, no monitor", || {
        let shared = Arc::new((Idle::new(2), TaskSet::default()));
        let (idle, queue) = &*shared;
        idle.register_parked(1, false);
        assert!(idle.start_searching(), "no other worker searches");
        let pusher = thread::spawn({
            let shared = shared.clone();
            move || {
                let (idle, queue) = &*shared;
                queue.push(WAKES);
                idle.notify_one(NO_WORKER).is_some()
            }
        });
        let searcher_wakes =
            idle.stop_searching() && !queue.is_empty() && idle.notify_one(NO_WORKER).is_some();
        let pusher_wakes = pusher.join().expect("no panic");
        assert!(pusher_wakes || searcher_wakes, "the push was lost");
    });
}

/// Race: two pushes against the bare protocol of `Idle` (register, scan, park), without a driver.
#[test]
fn two_pushes_meet_a_park() {
    model("push × push × park, one worker, no driver", || {
        let shared = Arc::new((Idle::new(1), Parker::new(), TaskSet::default()));
        let pushers = [0, 1].map(|task| {
            let shared = shared.clone();
            thread::spawn(move || {
                let (idle, parker, queue) = &*shared;
                queue.push(task);
                if let Some(worker) = idle.notify_one(NO_WORKER) {
                    assert_eq!(worker, 0);
                    parker.unpark(|| unreachable!("it is not in the driver"));
                }
            })
        });
        let (idle, parker, queue) = &*shared;
        let (mut ran, mut searching) = (0, false);
        while ran < 2 {
            if queue.take().is_some() {
                ran += 1;
                if std::mem::take(&mut searching) {
                    // No other worker could be notified of more.
                    let _last = idle.stop_searching();
                }
                continue;
            }
            idle.register_parked(0, std::mem::take(&mut searching));
            let found = !queue.is_empty();
            if !found {
                parker.park(None);
            }
            searching = idle.deregister_parked(0, found);
        }
        for pusher in pushers {
            pusher.join().expect("no panic");
        }
    });
}

/// Race: a searching worker finds another task, which blocks, while a push relies on its search:
/// `WAITS` is in a sibling's queue, `WAKES` is pushed, and the worker that took `WAITS` cannot run
/// it.
#[test]
fn a_searcher_that_found_something_else_passes_the_search_on() {
    model("push × search × park, two workers", || {
        let scheduler = MockScheduler::new(2);
        scheduler.siblings.push(WAITS);
        let test_waker = TestWaker::new();
        let workers = start(&scheduler, 2, move |scheduler, _, task| {
            if task == WAKES {
                std::task::Wake::wake_by_ref(&test_waker);
            } else {
                test_waker.wait();
                scheduler.close();
            }
        });
        scheduler.push(WAKES);
        for worker in workers {
            worker.join().expect("no panic");
        }
    });
}

/// Race: two pushes to two workers, of tasks that wait for each other.
#[test]
fn two_pushes_wake_two_workers() {
    model("push × push × park × park, two workers", || {
        let scheduler = MockScheduler::new(2);
        let test_waker = TestWaker::new();
        let workers = start(&scheduler, 2, move |scheduler, _, task| {
            if task == WAKES {
                std::task::Wake::wake_by_ref(&test_waker);
            } else {
                test_waker.wait();
                scheduler.close();
            }
        });
        scheduler.push(WAITS);
        scheduler.push(WAKES);
        for worker in workers {
            worker.join().expect("no panic");
        }
    });
}

/// Race: a notification against a worker that returns from park by a timeout. Afterwards the
/// counters are right: no worker is parked, and a worker searches only if it was notified.
#[test]
fn a_notification_meets_a_time_out() {
    model("notify_one × notify_one × unpark", || {
        let idle = Arc::new(Idle::new(2));
        idle.register_parked(0, false);
        idle.register_parked(1, false);
        let notified = Arc::new(AtomicUsize::new(0));
        let notifiers = [(); 2].map(|()| {
            let (idle, notified) = (idle.clone(), notified.clone());
            thread::spawn(move || {
                if let Some(worker) = idle.notify_one(1) {
                    let before = notified.fetch_or(1 << worker, Ordering::Relaxed);
                    assert_eq!(before & 1 << worker, 0, "one worker was chosen twice");
                }
            })
        });
        let zero_searches = idle.deregister_parked(0, false);
        for notifier in notifiers {
            notifier.join().expect("no panic");
        }
        let notified = notified.load(Ordering::Relaxed);
        assert_eq!(
            zero_searches,
            notified & 1 != 0,
            "it searches if it was notified"
        );
        // The other worker, which may still be parked.
        let one_searches = notified & 2 != 0;
        assert_eq!(idle.any_parked(0), (!one_searches).then_some(1));
        assert_eq!(
            idle.would_notify(),
            !zero_searches && !one_searches,
            "a parked worker, and none that searches"
        );
        assert_eq!(idle.deregister_parked(1, false), one_searches);
        // Every searching worker stops; the last one learns that it is the last.
        let searchers = usize::from(zero_searches) + usize::from(one_searches);
        for searcher in 0..searchers {
            assert_eq!(idle.stop_searching(), searcher + 1 == searchers);
        }
        assert!(idle.start_searching(), "no worker searches");
        assert!(idle.stop_searching(), "it was the only one");
        assert_eq!(idle.any_parked(NO_WORKER), None);
        assert!(!idle.would_notify());
    });
}

/// Race: like above, against a worker that parks while it searches.
#[test]
fn a_notification_meets_a_searcher_that_parks() {
    model(
        "notify_one × park out of a search × start_searching",
        || {
            let idle = Arc::new(Idle::new(2));
            assert!(idle.start_searching());
            let parking = thread::spawn({
                let idle = idle.clone();
                move || {
                    idle.register_parked(0, true);
                    idle.deregister_parked(0, false)
                }
            });
            let notified = idle.notify_one(NO_WORKER);
            let searches = parking.join().expect("no panic");
            assert_eq!(searches, notified.is_some());
            if searches {
                assert!(idle.stop_searching(), "it was the only one");
            }
            assert!(idle.start_searching() && idle.stop_searching());
            assert!(!idle.would_notify());
        },
    );
}

/// Control: the store-load race without its fences.
#[test]
#[should_panic(expected = "deadlock")]
fn control_a_push_without_a_fence_is_noticed() {
    model("control: the pusher reads a count without a fence", || {
        let shared = Arc::new((AtomicUsize::new(0), Parker::new(), TaskSet::default()));
        let pusher = thread::spawn({
            let shared = shared.clone();
            move || {
                let (parked, parker, queue) = &*shared;
                queue.push(0);
                if parked.load(Ordering::SeqCst) == 1 {
                    parker.unpark(|| {});
                }
            }
        });
        let (parked, parker, queue) = &*shared;
        parked.store(1, Ordering::SeqCst);
        if queue.is_empty() {
            parker.park(None);
        }
        pusher.join().expect("no panic");
    });
}
