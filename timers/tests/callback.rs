//! `set_timeout` and `set_interval`; the tests about frames are in `context.rs`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::time::Duration;

use framewise_timers::{Instant, enter, set_interval, set_timeout};

use common::{LONG, LONG_AFTER, TestRuntime, undriven};

#[test]
fn a_timeout_is_called_once_and_not_early() {
    let runtime = TestRuntime::start();
    let (sender, receiver) = mpsc::channel();
    let delay = Duration::from_millis(2);
    let before = Instant::now();
    let callback =
        runtime.within(|| set_timeout(delay, move || sender.send(Instant::now()).unwrap()));
    assert!(receiver.recv().unwrap() >= before + delay);
    assert!(
        receiver.recv().is_err(),
        "the function is dropped after its call"
    );
    assert!(!callback.is_active() && !callback.cancel());
}

#[test]
fn a_timeout_of_zero_is_called_soon_and_not_within_the_call() {
    let (timers, _) = undriven(1);
    let _entered = enter(&timers.handle(0));
    let calls = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&calls);
    set_timeout(Duration::ZERO, move || {
        counting.fetch_add(1, Ordering::SeqCst);
    });
    assert_eq!(calls.load(Ordering::SeqCst), 0);
    while !timers.has_due() {}
    timers.fire(0);
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[test]
fn dropping_the_handle_leaves_the_callback() {
    let runtime = TestRuntime::start();
    let (sender, receiver) = mpsc::channel();
    drop(
        runtime.within(|| set_timeout(Duration::from_millis(1), move || sender.send(()).unwrap())),
    );
    assert_eq!(receiver.recv(), Ok(()));
}

#[test]
fn an_interval_keeps_its_pace_and_leaves_out_what_it_missed() {
    let runtime = TestRuntime::start();
    let period = Duration::from_millis(2);
    let (sender, receiver) = mpsc::channel();
    let registered = Instant::now();
    let callback = runtime.within(|| {
        let mut calls = 0;
        set_interval(period, move || {
            calls += 1;
            if calls == 2 {
                // Miss at least three calls.
                let until = Instant::now() + period * 4;
                while Instant::now() < until {}
            }
            sender.send(Instant::now()).unwrap();
        })
    });
    let calls: Vec<Instant> = receiver.iter().take(6).collect();
    assert!(callback.cancel());
    for (call, number) in calls.iter().zip(1..) {
        assert!(
            *call >= registered + period * number,
            "call {number} was early"
        );
    }
    // The four periods that the second call took were not made up for.
    assert!(calls[5] >= registered + period * 9);
}

#[test]
fn a_callback_that_panics_loses_nothing_else() {
    let runtime = TestRuntime::start();
    let (sender, receiver) = mpsc::channel();
    let (ticks, ticked) = mpsc::channel();
    let panicking = runtime.within(|| {
        set_timeout(Duration::from_millis(1), || panic!("on purpose"));
        let panicking = set_interval(Duration::from_millis(1), move || {
            ticks.send(()).unwrap();
            panic!("on purpose")
        });
        set_timeout(Duration::from_millis(3), move || sender.send(()).unwrap());
        panicking
    });
    assert_eq!(receiver.recv(), Ok(()));
    assert_eq!(
        ticked.iter().count(),
        1,
        "it is not called again after a panic"
    );
    while panicking.is_active() {}
}

#[test]
fn a_destructor_that_panics_loses_nothing_else() {
    struct Panicking;
    impl Drop for Panicking {
        fn drop(&mut self) {
            panic!("on purpose");
        }
    }
    let (timers, _) = undriven(1);
    let _entered = enter(&timers.handle(0));
    let reported = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&reported);
    timers.on_callback_panic(move |_| {
        counting.fetch_add(1, Ordering::SeqCst);
        false
    });
    let (captured, second) = (Panicking, Panicking);
    let cancelled = set_timeout(LONG, move || drop(captured));
    set_timeout(LONG, move || drop(second));
    let calls = Arc::new(AtomicUsize::new(0));
    let called = Arc::clone(&calls);
    set_timeout(LONG, move || {
        called.fetch_add(1, Ordering::SeqCst);
    });
    assert!(cancelled.cancel());
    timers.fire_at(0, LONG_AFTER);
    assert_eq!(
        (
            calls.load(Ordering::SeqCst),
            reported.load(Ordering::SeqCst)
        ),
        (1, 2)
    );
}

#[test]
fn after_cancel_has_returned_it_does_not_begin() {
    let runtime = TestRuntime::start();
    for _ in 0..200 {
        let begun = Arc::new(AtomicUsize::new(0));
        let counting = Arc::clone(&begun);
        let callback = runtime.within(|| {
            set_interval(Duration::from_micros(50), move || {
                counting.fetch_add(1, Ordering::SeqCst);
            })
        });
        while begun.load(Ordering::SeqCst) < 2 {}
        assert!(callback.cancel());
        let calls = begun.load(Ordering::SeqCst);
        assert!(!callback.is_active());
        // One call may be running; its function is released when the call ends.
        while Arc::strong_count(&begun) > 1 {}
        assert!(begun.load(Ordering::SeqCst) <= calls + 1, "it went on");
    }
    assert!(runtime.timers.is_empty());
}

#[test]
fn an_interval_that_is_cancelled_while_it_runs_is_released_when_it_ends() {
    let runtime = TestRuntime::start();
    let barrier = Arc::new(Barrier::new(2));
    let inside = Arc::clone(&barrier);
    let callback = runtime.within(|| {
        set_interval(Duration::from_millis(1), move || {
            inside.wait();
            inside.wait();
        })
    });
    barrier.wait();
    assert!(callback.is_active());
    assert!(callback.cancel());
    assert!(!callback.is_active() && !callback.cancel());
    assert_eq!(Arc::strong_count(&barrier), 2, "the callback is running");
    barrier.wait();
    while Arc::strong_count(&barrier) > 1 {}
    assert!(runtime.timers.is_empty());
}

#[test]
fn a_far_callback_waits() {
    let (timers, _) = undriven(1);
    let _entered = enter(&timers.handle(0));
    set_timeout(Duration::MAX, || panic!("it is never due"));
    let callback = set_interval(Duration::MAX, || panic!("it is never due"));
    assert_eq!(timers.fire_at(0, u64::MAX), 0);
    assert_eq!(timers.before_park(), None);
    assert!(callback.cancel());
    assert_eq!(timers.len(), 1);
}

#[test]
#[should_panic(expected = "longer than zero")]
fn a_period_of_zero_is_rejected() {
    set_interval(Duration::ZERO, || ());
}

#[test]
#[should_panic(expected = "a timer needs a framewise runtime")]
fn outside_of_a_runtime_a_callback_is_rejected() {
    set_timeout(LONG, || ());
}
