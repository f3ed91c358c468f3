//! A poll that does not end does not keep tasks that it made ready from other workers. "Starvation"
//! in the list of other runtimes' bugs (tokio 4941). The tests measure no time: starvation would be
//! a hang, which the watchdog reports.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use framewise::spawn;
use framewise::task::yield_now;
use framewise::time::sleep;
use framewise_test_support::{HangWatch, pause, runtime};
use futures::channel::oneshot;

const TICK: Duration = Duration::from_millis(1);

/// The duration of a blocking poll. By its end, the other workers have parked, unless they were
/// notified of work. If they have not parked, the test only covers less.
const LONG: Duration = Duration::from_millis(30);

/// A flag that one thread sets and another waits for.
#[derive(Clone, Default)]
struct Flag(Arc<AtomicBool>);

impl Flag {
    fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Spins until the flag is set, which blocks the worker.
    fn spin(&self) {
        while !self.is_set() {
            thread::yield_now();
        }
    }
}

/// Runs a task on 2 and on 8 workers, sometimes right after the other workers have parked.
fn in_long_polls<F>(task: impl Fn() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    for workers in [2, 8] {
        for round in 0..12 {
            let _watch = HangWatch::new(format!("{workers} workers, round {round}"));
            let runtime = runtime(workers);
            let task = task();
            let task = runtime.spawn(async move {
                if round % 2 == 0 {
                    sleep(TICK).await;
                }
                if round % 4 < 2 {
                    thread::sleep(LONG);
                }
                task.await;
            });
            runtime.block_on(task).unwrap();
        }
    }
}

/// "Starvation", tokio 4941: a task blocks until the task that it has just spawned has run. That
/// task is in the LIFO slot, for which no worker is notified.
#[test]
fn what_a_blocking_task_spawned_last_is_run_by_another_worker() {
    in_long_polls(|| async {
        let done = Flag::default();
        let child = {
            let done = done.clone();
            spawn(async move { done.set() })
        };
        done.spin();
        child.await.unwrap();
    });
}

/// The same for a task that it has woken.
#[test]
fn what_a_blocking_task_woke_last_is_run_by_another_worker() {
    in_long_polls(|| async {
        let (done, (parked, is_parked)) = (Flag::default(), oneshot::channel());
        let sleeper = {
            let done = done.clone();
            spawn(async move {
                pause(|waker| parked.send(waker.clone()).unwrap()).await;
                done.set();
            })
        };
        let waker = is_parked.await.unwrap();
        thread::sleep(LONG);
        waker.wake();
        done.spin();
        sleeper.await.unwrap();
    });
}

/// Tasks that a blocking task has spawned run although the other workers always have tasks, so that
/// no worker searches or parks.
#[test]
fn what_a_blocking_task_spawned_is_run_by_workers_that_are_never_idle() {
    for workers in [2, 8] {
        for round in 0..4 {
            let _watch = HangWatch::new(format!("{workers} workers, round {round}"));
            let runtime = runtime(workers);
            let stop = Flag::default();
            let busy: Vec<_> = (0..8 * workers)
                .map(|_| {
                    let stop = stop.clone();
                    runtime.spawn(async move {
                        while !stop.is_set() {
                            yield_now().await;
                        }
                    })
                })
                .collect();
            let blocking = runtime.spawn(async {
                let done: Vec<_> = (0..5).map(|_| Flag::default()).collect();
                for done in done.clone() {
                    drop(spawn(async move { done.set() }));
                }
                done.iter().for_each(Flag::spin);
            });
            runtime.block_on(blocking).unwrap();
            stop.set();
            for task in busy {
                runtime.block_on(task).unwrap();
            }
        }
    }
}
