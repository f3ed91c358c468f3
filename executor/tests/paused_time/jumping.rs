//! Auto-advance: the time jumps when the runtime has nothing else to do.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use framewise::runtime::Builder;
use framewise::task::yield_now;
use framewise::time::{
    Instant, interval, pause, resume, set_interval, set_timeout, sleep, sleep_until, timeout,
};
use framewise_test_support::HangWatch;
use futures::future::{join, join_all, pending};

use crate::{HOUR, MS, paused};

#[test]
fn sleeps_end_exactly_and_in_the_order_of_their_deadlines() {
    let _watch = HangWatch::new("sleeps in paused time");
    paused().block_on(async {
        let start = Instant::now();
        let order = Arc::new(Mutex::new(Vec::new()));
        let tasks = [300, 1, 77, 10_000_000, 5, 76].map(|after| {
            let order = Arc::clone(&order);
            framewise::spawn(async move {
                sleep(after * MS).await;
                order.lock().unwrap().push(after);
                assert_eq!(start.elapsed(), after * MS);
            })
        });
        for task in join_all(tasks).await {
            task.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), [1, 5, 76, 77, 300, 10_000_000]);
    });
}

/// The same durations give the same times, to the nanosecond.
#[test]
fn a_run_in_paused_time_can_be_repeated() {
    let run = || {
        paused().block_on(async {
            let start = Instant::now();
            let mut times = Vec::new();
            let mut random = 1_u64;
            for _ in 0..10_000 {
                random = random
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                sleep(Duration::from_nanos(random >> 34)).await;
                times.push(start.elapsed());
            }
            times
        })
    };
    assert_eq!(run(), run());
}

#[test]
fn the_time_stands_while_anything_can_run() {
    paused().block_on(async {
        let start = Instant::now();
        let busy = framewise::spawn(async move {
            for _ in 0..1_000 {
                yield_now().await;
                framewise::spawn(async {}).await.unwrap();
            }
            start.elapsed()
        });
        let limited = timeout(MS, busy).await;
        assert_eq!(limited.expect("no time passes").unwrap(), Duration::ZERO);
    });
}

/// The main future wakes itself: the runtime has something to do, though no task.
#[test]
fn the_main_future_that_yields_holds_the_time() {
    paused().block_on(async {
        let start = Instant::now();
        let sleeping = framewise::spawn(sleep(HOUR));
        for _ in 0..1_000 {
            yield_now().await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        sleeping.await.unwrap();
    });
}

#[test]
fn a_timer_that_was_canceled_is_not_jumped_to() {
    let _watch = HangWatch::new("the time beside a cancelled timer");
    paused().block_on(async {
        let start = Instant::now();
        let (sender, receiver) = async_channel::bounded::<()>(1);
        let outside = std::thread::spawn(move || sender.send_blocking(()));
        timeout(HOUR, async {}).await.unwrap();
        assert!(set_timeout(HOUR, || {}).cancel());
        // The runtime waits for another thread, and for no timer.
        receiver.recv().await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
        outside.join().unwrap().unwrap();
    });
}

#[test]
fn limits_intervals_and_callbacks_follow_the_paused_time() {
    paused().block_on(async {
        let start = Instant::now();
        let calls = Arc::new(AtomicUsize::new(0));
        let counts = Arc::clone(&calls);
        let ticking = set_interval(HOUR, move || {
            counts.fetch_add(1, Ordering::SeqCst);
        });
        let mut interval = interval(HOUR);
        for hour in 0..24 {
            assert_eq!(interval.tick().await, start + hour * HOUR);
        }
        assert!(timeout(HOUR / 2, pending::<()>()).await.is_err());
        assert_eq!(start.elapsed(), 23 * HOUR + HOUR / 2);
        assert_eq!(calls.load(Ordering::SeqCst), 23);
        ticking.cancel();
    });
}

#[test]
fn an_endless_sleep_ends_where_nothing_else_is_waited_for() {
    let _watch = HangWatch::new("an endless sleep in paused time");
    paused().block_on(async { join(sleep(Duration::MAX), sleep(HOUR)).await });
}

#[test]
fn a_sleep_until_the_paused_now_is_ready() {
    paused().block_on(async {
        let now = Instant::now();
        let mut sleep = sleep_until(now);
        assert!(!sleep.is_elapsed());
        (&mut sleep).await;
        assert!(sleep.is_elapsed());
        assert_eq!(now.elapsed(), Duration::ZERO);
    });
}

/// After `resume` the runtime waits again; a timer of the paused time is not lost.
#[test]
fn resumed_time_passes_by_itself() {
    let _watch = HangWatch::new("resumed time");
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        pause();
        sleep(HOUR).await;
        let armed = framewise::spawn(sleep(2 * MS));
        yield_now().await;
        resume();
        let real = std::time::Instant::now();
        let start = Instant::now();
        armed.await.unwrap();
        sleep(2 * MS).await;
        assert!(real.elapsed() >= 2 * MS && start.elapsed() >= 2 * MS);
        pause();
        let start = Instant::now();
        sleep(HOUR).await;
        assert_eq!(start.elapsed(), HOUR);
    });
}
