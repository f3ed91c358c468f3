//! A poll that does not end keeps nothing that it made ready from the other workers. "Starvation" in
//! the list of other runtimes' bugs (tokio 4941). Nothing is timed: what starves here hangs, and the
//! watch says so.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use framewise::spawn;
use framewise::task::yield_now;
use framewise::time::sleep;
use futures::channel::oneshot;
use support::{HangWatch, pause, runtime};

const TICK: Duration = Duration::from_millis(1);

/// What a poll takes that blocks. The other workers have gone to sleep by its end, where nothing is
/// to be done but what nobody is told of; if not, the test sees less.
const LONG: Duration = Duration::from_millis(30);

/// A flag, and who sets it or waits for it.
#[derive(Clone, Default)]
struct Flag(Arc<AtomicBool>);

impl Flag {
    fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Keeps the worker.
    fn spin(&self) {
        while !self.is_set() {
            thread::yield_now();
        }
    }
}

/// Runs a task on 2 and on 8 workers, some of the times right after the others have gone to sleep.
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

/// "Starvation", tokio 4941: a task blocks until the task that it has just spawned has run, which is
/// in the last-in slot, of which nobody is notified.
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

/// What a blocking task has spawned is run although the other workers never run out of tasks, so
/// that none of them searches, and none sleeps.
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
