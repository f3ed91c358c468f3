//! `sleep` and `sleep_until`: every state, and the limits of time.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::Duration;

use framewise_test_support::{CountingWaker, call_waker, poll_once};
use framewise_timers::{Instant, Sleep, enter, interval, sleep, sleep_until, timeout};

use common::{LONG, LONG_AFTER, TestRuntime, poll, undriven};

#[test]
fn the_futures_are_unpin_and_can_be_shared() {
    fn check<T: Unpin + Send + Sync + 'static>() {}
    check::<Sleep>();
    check::<framewise_timers::Interval>();
    check::<framewise_timers::Timeout<std::future::Ready<()>>>();
    check::<framewise_timers::TimerCallback>();
}

#[test]
fn a_sleep_never_ends_early() {
    let runtime = TestRuntime::start();
    runtime.block_on(async {
        for micros in [1, 10, 33, 100, 500, 1_000, 2_200, 5_000] {
            let duration = Duration::from_micros(micros);
            let before = Instant::now();
            let sleep = sleep(duration);
            let deadline = sleep.deadline();
            sleep.await;
            assert!(Instant::now() >= deadline && before.elapsed() >= duration);
        }
    });
}

#[test]
fn sleeps_end_in_the_order_of_their_deadlines() {
    let (timers, _) = undriven(1);
    let _entered = enter(&timers.handle(0));
    let start = Instant::now();
    let order = Arc::new(Mutex::new(Vec::new()));
    // Far apart, near, and three equal ones.
    let factors = [5, 1, 400, 2, 3, 3, 3, 7];
    let mut sleeps = Vec::new();
    for (name, factor) in factors.into_iter().enumerate() {
        let woken = Arc::clone(&order);
        let waker = call_waker(move || woken.lock().unwrap().push(name));
        sleeps.push(sleep_until(start + LONG * factor));
        assert!(poll_once(sleeps.last_mut().unwrap(), &waker).is_pending());
    }
    assert_eq!(timers.fire_at(0, LONG_AFTER * 400), 8);
    assert_eq!(*order.lock().unwrap(), [1, 3, 4, 5, 6, 0, 7, 2]);
}

#[test]
fn a_past_deadline_is_ready_when_first_polled() {
    let (timers, _) = undriven(1);
    let _entered = enter(&timers.handle(0));
    assert!(poll(&mut sleep(Duration::ZERO)).is_ready());
    assert!(poll(&mut sleep_until(Instant::now())).is_ready());
    if let Some(past) = Instant::now().checked_sub(Duration::from_secs(1)) {
        assert!(poll(&mut sleep_until(past)).is_ready());
    }
    assert!(timers.is_empty());
}

/// tokio 4494: a deadline before the runtime's clock was started.
#[test]
fn a_deadline_from_before_the_runtime_is_ready() {
    let before = Instant::now();
    let (timers, _) = undriven(1);
    let _entered = enter(&timers.handle(0));
    assert!(poll(&mut sleep_until(before)).is_ready());
    let mut armed = sleep(LONG);
    assert!(poll(&mut armed).is_pending());
    armed.reset(before);
    assert!(poll(&mut armed).is_ready());
}

/// tokio 5183: far deadlines, but not the furthest, which hit values with a special meaning.
#[test]
fn far_futures_of_every_size_wait() {
    let (timers, unparks) = undriven(1);
    let _entered = enter(&timers.handle(0));
    let mut sleeps: Vec<Sleep> = (20..64)
        .flat_map(|bit| [(1_u64 << bit) - 1, 1 << bit, u64::MAX >> (63 - bit)])
        .map(|seconds| sleep(Duration::from_secs(seconds)))
        .chain([
            sleep(Duration::MAX),
            sleep(Duration::from_secs(u64::MAX / 10)),
        ])
        .collect();
    for sleep in &mut sleeps {
        assert!(poll(sleep).is_pending());
        assert!(!sleep.is_elapsed());
        assert!(sleep.deadline() > Instant::now());
    }
    assert_eq!(timers.len(), sleeps.len());
    // None of them fires soon, and the driver may park for years.
    assert_eq!(timers.fire(0), 0);
    assert!(
        timers
            .before_park()
            .is_some_and(|limit| limit > Duration::from_secs(1 << 19))
    );
    timers.after_park();
    drop(sleeps);
    assert!(timers.is_empty());
    assert_eq!(unparks.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[test]
fn an_infinite_sleep_does_not_bound_the_drivers_park() {
    let (timers, _) = undriven(1);
    let _entered = enter(&timers.handle(0));
    let mut forever = sleep(Duration::MAX);
    assert!(poll(&mut forever).is_pending());
    assert_eq!(timers.before_park(), None);
}

/// tokio 8334, in part: a far timer and a nearer one share the wheel's upper levels. The wheel's
/// own tests check that near timers of a wheel that has run for long are not hidden.
#[test]
fn a_far_timer_does_not_hide_a_near_one() {
    let (timers, _) = undriven(1);
    let _entered = enter(&timers.handle(0));
    let mut forever = sleep(Duration::MAX);
    assert!(poll(&mut forever).is_pending());
    let (counter, waker) = CountingWaker::new();
    let mut century = sleep(Duration::from_secs(86_400 * 365 * 100));
    let mut decades = sleep(Duration::from_secs(86_400 * 365 * 20));
    assert!(poll(&mut century).is_pending());
    assert!(poll_once(&mut decades, &waker).is_pending());
    let limit = timers.before_park().unwrap();
    assert!(
        limit <= Duration::from_secs(86_400 * 365 * 20 + 1),
        "{limit:?}"
    );
    assert_eq!(
        timers.fire_at(0, (86_400 * 365 * 21 * 1_000_000_000) >> 15),
        1
    );
    assert_eq!(counter.wakes(), 1);
}

/// tokio 8252: a sleep that is dropped at any time leaves no entry in the wheel.
#[test]
fn a_dropped_sleep_leaves_nothing_behind() {
    let (timers, unparks) = undriven(1);
    let _entered = enter(&timers.handle(0));
    let (counter, waker) = CountingWaker::new();
    drop(sleep(LONG));
    for _ in 0..1_000 {
        let mut sleep = sleep(LONG);
        assert!(poll_once(&mut sleep, &waker).is_pending());
        let mut limited = timeout(LONG, std::future::ready(()));
        assert!(poll(&mut limited).is_ready());
    }
    assert!(timers.is_empty());
    assert_eq!(timers.fire_at(0, LONG_AFTER), 0);
    drop(waker);
    assert_eq!((counter.wakes(), Arc::strong_count(&counter)), (0, 1));
    assert_eq!(unparks.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[test]
fn polling_again_with_the_same_waker_does_not_clone_it() {
    let (timers, _) = undriven(1);
    let _entered = enter(&timers.handle(0));
    let (counter, waker) = CountingWaker::new();
    let mut sleep = sleep(LONG);
    for _ in 0..3 {
        assert!(poll_once(&mut sleep, &waker).is_pending());
        assert_eq!(Arc::strong_count(&counter), 3);
    }
    let (other, other_waker) = CountingWaker::new();
    assert!(poll_once(&mut sleep, &other_waker).is_pending());
    assert_eq!(Arc::strong_count(&counter), 2, "the old waker is dropped");
    timers.fire_at(0, LONG_AFTER);
    assert_eq!((counter.wakes(), other.wakes()), (0, 1));
    assert!(poll_once(&mut sleep, &waker).is_ready());
    assert!(
        poll_once(&mut sleep, &waker).is_ready(),
        "ready once, ready always"
    );
}

#[test]
fn reset_before_the_first_poll() {
    let (timers, _) = undriven(1);
    let _entered = enter(&timers.handle(0));
    let mut sleep = sleep(LONG);
    let deadline = Instant::now();
    sleep.reset(deadline);
    assert_eq!(sleep.deadline(), deadline);
    assert!(!sleep.is_elapsed(), "no poll has found out");
    assert!(poll(&mut sleep).is_ready());
    assert!(sleep.is_elapsed());
}

#[test]
fn reset_while_armed_keeps_the_task_waiting() {
    let (timers, unparks) = undriven(1);
    let _entered = enter(&timers.handle(0));
    let (counter, waker) = CountingWaker::new();
    let mut sleep = sleep(LONG);
    assert!(poll_once(&mut sleep, &waker).is_pending());
    // Later: the old deadline passes without a wake-up.
    sleep.reset(Instant::now() + LONG * 1_000);
    assert_eq!(timers.fire_at(0, LONG_AFTER), 0);
    // Earlier: the driver, which is parked for longer, is woken.
    assert!(timers.before_park().is_some());
    sleep.reset(Instant::now() + LONG * 100);
    assert_eq!(unparks.load(std::sync::atomic::Ordering::SeqCst), 1);
    timers.after_park();
    assert_eq!((timers.len(), counter.wakes()), (1, 0));
    assert_eq!(timers.fire_at(0, LONG_AFTER * 100), 1);
    assert_eq!(counter.wakes(), 1);
    assert!(poll_once(&mut sleep, &waker).is_ready());
}

#[test]
fn reset_to_the_past_while_armed_wakes_the_task() {
    let (timers, _) = undriven(1);
    let _entered = enter(&timers.handle(0));
    let (counter, waker) = CountingWaker::new();
    let mut sleep = sleep(LONG * 2);
    assert!(poll_once(&mut sleep, &waker).is_pending());
    let mut earlier = sleep_until(Instant::now() + LONG);
    assert!(poll(&mut earlier).is_pending());
    assert_eq!(timers.fire_at(0, LONG_AFTER), 1);
    sleep.reset(Instant::now() + LONG / 2);
    assert_eq!(
        counter.wakes(),
        1,
        "the wheel's time is after the new deadline"
    );
    assert!(poll_once(&mut sleep, &waker).is_ready());
}

#[test]
fn reset_after_firing_before_the_poll() {
    let (timers, _) = undriven(1);
    let _entered = enter(&timers.handle(0));
    let mut sleep = sleep(LONG);
    assert!(poll(&mut sleep).is_pending());
    assert!(!sleep.is_elapsed());
    assert_eq!(timers.fire_at(0, LONG_AFTER), 1);
    assert!(sleep.is_elapsed(), "it has fired");
    sleep.reset(Instant::now() + LONG * 100);
    assert!(!sleep.is_elapsed());
    assert!(poll(&mut sleep).is_pending());
    assert_eq!(timers.fire_at(0, LONG_AFTER * 100), 1);
    assert!(poll(&mut sleep).is_ready());
}

#[test]
fn reset_after_it_was_ready() {
    let runtime = TestRuntime::start();
    runtime.block_on(async {
        let mut sleep = sleep(Duration::from_millis(1));
        for _ in 0..5 {
            (&mut sleep).await;
            assert!(sleep.is_elapsed());
            let deadline = Instant::now() + Duration::from_millis(1);
            sleep.reset(deadline);
            (&mut sleep).await;
            assert!(Instant::now() >= deadline);
        }
    });
}

/// tokio 6634, 8384: periods and resets that overflow the clock.
#[test]
fn reset_to_the_furthest_future() {
    let (timers, _) = undriven(1);
    let _entered = enter(&timers.handle(0));
    let furthest = sleep(Duration::MAX).deadline();
    let mut sleep = sleep(Duration::from_millis(1));
    sleep.reset(furthest);
    assert!(poll(&mut sleep).is_pending());
    sleep.reset(furthest);
    assert!(poll(&mut sleep).is_pending());
    let mut interval = interval(Duration::MAX);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(interval.poll_tick(&mut cx).is_ready());
    assert!(interval.poll_tick(&mut cx).is_pending());
    interval.reset();
    interval.reset_after(Duration::MAX);
    assert!(interval.poll_tick(&mut cx).is_pending());
    assert_eq!(timers.len(), 2);
}

#[test]
fn a_sleep_belongs_to_the_runtime_that_made_it() {
    let (mine, _) = undriven(2);
    let (other, _) = undriven(1);
    let mut made_here = {
        let _entered = enter(&mine.handle(0));
        sleep(LONG)
    };
    let mut made_outside = sleep(LONG);
    let _entered = enter(&other.handle(0));
    assert!(poll(&mut made_here).is_pending());
    assert!(poll(&mut made_outside).is_pending());
    assert_eq!((mine.len(), other.len()), (1, 1));
}

#[test]
fn guards_nest() {
    let (outer, _) = undriven(1);
    let (inner, _) = undriven(1);
    let _outer = enter(&outer.handle(0));
    {
        let _inner = enter(&inner.handle(0));
        let mut sleep = sleep(LONG);
        assert!(poll(&mut sleep).is_pending());
        assert_eq!((outer.len(), inner.len()), (0, 1));
    }
    let mut sleep = sleep(LONG);
    assert!(poll(&mut sleep).is_pending());
    assert_eq!((outer.len(), inner.len()), (1, 0));
}

#[test]
#[should_panic(expected = "a timer needs a framewise runtime")]
fn outside_of_a_runtime_a_sleep_panics() {
    let _ = poll(&mut sleep(LONG));
}

#[test]
fn closing_wakes_waiting_tasks_and_polling_panics() {
    let (timers, _) = undriven(1);
    let _entered = enter(&timers.handle(0));
    let (counter, waker) = CountingWaker::new();
    let mut armed = sleep(LONG);
    assert!(poll_once(&mut armed, &waker).is_pending());
    let mut over = sleep(Duration::from_nanos(1));
    assert!(poll(&mut over).is_pending());
    let mut idle = sleep(LONG);
    timers.close();
    assert_eq!(counter.wakes(), 1);
    while Instant::now() < over.deadline() {}
    assert!(
        poll(&mut over).is_ready(),
        "its deadline has passed: it need not panic"
    );
    for sleep in [&mut armed, &mut idle] {
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| poll(sleep)));
        let payload = caught.expect_err("it can never become ready");
        let message = payload.downcast_ref::<&str>().unwrap();
        assert!(message.contains("was shut down"), "{message}");
    }
    // A sleep that need not wait is unaffected.
    assert!(poll(&mut sleep(Duration::ZERO)).is_ready());
    timers.close();
}

#[test]
fn a_sleep_outlives_its_runtime() {
    let (timers, _) = undriven(1);
    let entered = enter(&timers.handle(0));
    let mut armed = sleep(LONG);
    assert!(poll(&mut armed).is_pending());
    let idle = sleep(LONG);
    drop((timers, entered));
    drop((armed, idle));
}
