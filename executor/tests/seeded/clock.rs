//! Virtual time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use framewise::task::yield_now;
use framewise::test::{Explorer, preempt};
use framewise::time::Instant;
use framewise::{spawn, test, time};

use crate::MS;

#[test]
fn virtual_hours_pass_at_once() {
    let day = Duration::from_secs(24 * 60 * 60);
    let real = Instant::now();
    let run = Explorer::new().run(0, || async {
        let start = Instant::now();
        let mut interval = time::interval(day / 24);
        for _ in 0..24 {
            interval.tick().await;
        }
        time::sleep(day).await;
        assert_eq!(start.elapsed(), day + 23 * (day / 24), "exactly");
        assert!(real.elapsed() > day, "the clock has gone on");
    });
    assert!(run.elapsed() > day);
    assert!(run.steps() < 200, "time costs no steps");
    run.unwrap();
    assert!(
        real.elapsed() < day,
        "the thread's clock is the system's again"
    );
}

#[test]
fn time_stands_still_while_anything_can_run() {
    test::check(|| async {
        let start = Instant::now();
        for _ in 0..100 {
            yield_now().await;
            let spawned = spawn(async {});
            spawned.await.unwrap();
        }
        assert_eq!(Instant::now(), start);
        let quick = time::timeout(MS, async {
            for _ in 0..100 {
                preempt().await;
            }
        });
        assert!(quick.await.is_ok(), "nothing waited");
        let slow = time::timeout(MS, time::sleep(2 * MS));
        assert!(slow.await.is_err());
    });
}

#[test]
fn a_task_may_spin_until_a_timer_has_fired() {
    test::check(|| async {
        let done = Arc::new(AtomicBool::new(false));
        let sets = Arc::clone(&done);
        time::set_timeout(MS, move || sets.store(true, Ordering::Relaxed));
        while !done.load(Ordering::Relaxed) {
            yield_now().await;
        }
    });
}

/// It moves the time, and what has become due runs in the order of the deadlines.
#[test]
fn advance_moves_the_virtual_time() {
    test::check(|| async {
        let start = Instant::now();
        let order = Arc::new(Mutex::new(Vec::new()));
        for after in [3, 1, 2, 5] {
            let order = Arc::clone(&order);
            time::set_timeout(after * MS, move || order.lock().unwrap().push(after));
        }
        time::advance(4 * MS).await;
        assert_eq!(*order.lock().unwrap(), [1, 2, 3]);
        assert_eq!(start.elapsed(), 4 * MS);
        time::sleep(MS).await;
        assert_eq!(start.elapsed(), 5 * MS);
    });
}

#[test]
fn virtual_time_is_neither_paused_nor_resumed() {
    for change in [time::pause, time::resume] {
        let run = Explorer::new().run(0, || async move { change() });
        let failure = run.into_result().expect_err("it panics");
        assert!(failure.to_string().contains("virtual"), "{failure}");
    }
}
