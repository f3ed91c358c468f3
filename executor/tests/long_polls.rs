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
