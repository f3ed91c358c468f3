//! `advance` in a runtime.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use framewise::task::{LocalSet, spawn_local, yield_now};
use framewise::time::{Instant, advance, interval, set_timeout, sleep};
use framewise_test_support::HangWatch;
use futures::FutureExt;

use crate::{HOUR, MS, paused};

#[test]
fn the_tasks_that_it_wakes_have_run_when_it_returns() {
    paused().block_on(async {
        let start = Instant::now();
        let order = Arc::new(Mutex::new(Vec::new()));
        for after in [3, 1, 2, 9] {
            let order = Arc::clone(&order);
            drop(framewise::spawn(async move {
                sleep(after * MS).await;
                order.lock().unwrap().push(after);
            }));
        }
        yield_now().await;
        advance(5 * MS).await;
        assert_eq!(*order.lock().unwrap(), [1, 2, 3]);
        assert_eq!(start.elapsed(), 5 * MS);
        advance(4 * MS).await;
        assert_eq!(order.lock().unwrap().len(), 4);
        assert_eq!(start.elapsed(), 9 * MS);
    });
}

/// The same from a task, and from a local one.
#[test]
fn a_task_advances_the_time_for_all() {
    let runtime = paused();
    let advances = || async {
        let start = Instant::now();
        let sleeping = framewise::spawn(sleep(HOUR));
        yield_now().await;
        advance(HOUR - MS).await;
        assert!(!sleeping.is_finished());
        advance(MS).await;
        assert!(sleeping.is_finished());
        assert_eq!(start.elapsed(), HOUR);
    };
    let task = runtime.spawn(advances());
    runtime.block_on(task).unwrap();
    let set = LocalSet::new();
    set.block_on(&runtime, async {
        let local = spawn_local(async {
            let sleeping = spawn_local(sleep(HOUR));
            yield_now().await;
            advance(HOUR).await;
            assert!(sleeping.is_finished());
        });
        local.await.unwrap();
    });
}

/// It moves the time by exactly its duration, whatever is armed.
#[test]
fn it_does_not_let_the_time_jump_further() {
    let _watch = HangWatch::new("advance beside a timer");
    paused().block_on(async {
        let start = Instant::now();
        drop(framewise::spawn(sleep(MS * 10)));
        for step in 1..=100 {
            advance(MS / 10).await;
            assert_eq!(start.elapsed(), step * MS / 10);
        }
        advance(Duration::ZERO).await;
        assert_eq!(start.elapsed(), 10 * MS);
    });
}

#[test]
fn callbacks_run_and_a_periodic_wait_sees_the_new_time() {
    paused().block_on(async {
        let start = Instant::now();
        let seen = Arc::new(Mutex::new(Vec::new()));
        for after in [2, 1] {
            let seen = Arc::clone(&seen);
            set_timeout(after * MS, move || {
                seen.lock().unwrap().push((after, start.elapsed()));
            });
        }
        let mut ticks = interval(MS);
        ticks.tick().await;
        advance(3 * MS).await;
        assert_eq!(*seen.lock().unwrap(), [(1, 3 * MS), (2, 3 * MS)]);
        for tick in 1..=3 {
            let due = ticks.tick().now_or_never();
            assert_eq!(due, Some(start + tick * MS), "ticks that were missed");
        }
        assert_eq!(ticks.tick().now_or_never(), None);
    });
}
