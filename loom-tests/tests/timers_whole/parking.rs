//! Timers that are armed, moved, fired and cancelled beside a driver that parks.

use framewise_loom_tests::{DropTracker, TestWaker, model};
use framewise_sync::atomic::{AtomicUsize, Ordering};
use framewise_sync::{Arc, thread};
use framewise_timers::model::TICK;
use framewise_timers::model_clock::ModelClock;
use framewise_timers::{Instant, Timers, enter, set_interval, set_timeout, sleep};

use crate::{Kernel, drive, sleeper, timers};

/// Race: a thread arms its sleep, and publishes its deadline, while the driver checks both wheels
/// and parks. Failure: the driver parks without a timeout and is not woken.
#[test]
fn a_sleep_meets_the_parking_driver() {
    model("timers: sleep × park × fire", || {
        let kernel = Kernel::new(1);
        let timers = timers(2, &kernel);
        let sleeping = sleeper(&timers, &kernel, 1, sleep(TICK * 10));
        let sleeps = drive(&timers, &kernel);
        sleeping.join().unwrap();
        kernel.assert_not_overslept();
        assert!(sleeps <= 3, "a wake-up, the time, and the end");
        assert!(timers.is_empty());
    });
}

/// Race: two threads arm in two wheels, one before the other's deadline, while the driver parks.
/// Failure: it is parked past the earlier deadline.
#[test]
fn sleeps_in_two_wheels_meet_the_parking_driver() {
    model("timers: sleep × sleep × park × fire, two wheels", || {
        let kernel = Kernel::new(2);
        let timers = timers(2, &kernel);
        let long = sleeper(&timers, &kernel, 0, sleep(TICK * 10));
        let short = sleeper(&timers, &kernel, 1, sleep(TICK * 5));
        drive(&timers, &kernel);
        long.join().unwrap();
        short.join().unwrap();
        kernel.assert_not_overslept();
        assert!(timers.is_empty());
    });
}

/// Race: a sleep for which the driver is parked is dropped, and a later one armed, in another
/// wheel. Failure: the later one relies on the timeout of the dropped one, and the driver is not
/// woken for it.
#[test]
fn a_dropped_sleep_meets_the_parking_driver() {
    model("timers: drop × sleep × park × fire, two wheels", || {
        let kernel = Kernel::new(1);
        let timers = timers(2, &kernel);
        let mut early = sleep(TICK * 5);
        let entered = enter(&timers.handle(0));
        assert!(TestWaker::new().poll(&mut early).is_pending());
        drop(entered);
        let dropping = thread::spawn({
            let (timers, kernel) = (Arc::clone(&timers), Arc::clone(&kernel));
            let late = sleep(TICK * 10);
            move || {
                let _entered = enter(&timers.handle(1));
                drop(early);
                let (test_waker, mut late) = (TestWaker::new(), late);
                test_waker.block_on(&mut late);
                kernel.leave();
            }
        });
        drive(&timers, &kernel);
        dropping.join().unwrap();
        assert!(timers.is_empty());
    });
}

/// Race: a sleep gets an earlier deadline, in a wheel that is not the thread's own, while the
/// driver parks for the later one. Failure: the driver is parked until the old deadline.
#[test]
fn a_reset_meets_the_parking_driver() {
    model("timers: reset × park × fire", || {
        let kernel = Kernel::new(1);
        let timers = timers(2, &kernel);
        let test_waker = TestWaker::new();
        let mut waiting = sleep(TICK * 10);
        let entered = enter(&timers.handle(0));
        assert!(test_waker.poll(&mut waiting).is_pending());
        drop(entered);
        let resetting = thread::spawn({
            let (kernel, begun) = (Arc::clone(&kernel), Instant::now());
            move || {
                let deadline = begun + TICK * 5;
                waiting.reset(deadline);
                if Instant::now() < deadline {
                    kernel.expect(deadline);
                }
                test_waker.block_on(&mut waiting);
                kernel.expect_no_more(deadline);
                kernel.leave();
            }
        });
        drive(&timers, &kernel);
        resetting.join().unwrap();
        kernel.assert_not_overslept();
        assert!(timers.is_empty());
    });
}

/// Race: one of two sleeps, in two wheels, is dropped while two threads fire both wheels, each
/// beginning with its own. Failure: the other sleep is woken by neither, a waker is called for a
/// dropped sleep, or both fire the same.
#[test]
fn a_drop_meets_two_that_fire() {
    model("timers: drop × fire × fire, two wheels", || {
        let clock = ModelClock::new();
        let timers = Timers::new(2, || ());
        let test_wakers = [TestWaker::new(), TestWaker::new()];
        let mut sleeps = [sleep(TICK * 5), sleep(TICK * 5)];
        for (wheel, (test_waker, sleep)) in test_wakers.iter().zip(&mut sleeps).enumerate() {
            let _entered = enter(&timers.handle(wheel));
            assert!(test_waker.poll(sleep).is_pending());
        }
        clock.advance(TICK * 5);
        let firing = [0, 1].map(|first| {
            let timers = Arc::clone(&timers);
            thread::spawn(move || timers.fire(first))
        });
        let [dropped, mut stays] = sleeps;
        drop(dropped);
        test_wakers[1].wait();
        assert!(test_wakers[1].poll(&mut stays).is_ready());
        let fired: usize = firing
            .into_iter()
            .map(|firing| firing.join().unwrap())
            .sum();
        assert!(fired == 1 || fired == 2, "{fired} fired");
        assert!(timers.is_empty());
    });
}

/// Race: a callback is cancelled while the driver, which parked for it, fires it, in the wheel that
/// is fired second. Failure: it is called although `cancel` prevented it, or its function stays.
#[test]
fn a_cancel_meets_the_driver() {
    model("timers: cancel × park × fire, two wheels", || {
        let kernel = Kernel::new(1);
        let timers = timers(2, &kernel);
        let entered = enter(&timers.handle(1));
        let calls = Arc::new(AtomicUsize::new(0));
        let (held, watch) = DropTracker::new();
        let callback = set_timeout(TICK * 5, {
            let calls = Arc::clone(&calls);
            move || {
                held.touch();
                calls.fetch_add(1, Ordering::Relaxed);
            }
        });
        drop(entered);
        let cancelling = thread::spawn({
            let kernel = Arc::clone(&kernel);
            move || {
                let prevented = callback.cancel();
                kernel.leave();
                prevented
            }
        });
        drive(&timers, &kernel);
        let prevented = cancelling.join().unwrap();
        assert!(watch.is_dropped(), "the function is still held");
        let calls = calls.load(Ordering::Relaxed);
        assert_eq!(calls, usize::from(!prevented));
        assert!(timers.is_empty());
    });
}

/// Race: a thread creates an interval while the driver parks, which calls it, arms it again, parks
/// for it and calls it once more, and the call cancels it. Failure: the driver is parked past it,
/// or does not notice that it armed the callback itself.
#[test]
fn an_interval_meets_the_parking_driver() {
    model("timers: set_interval × park × fire × arm again", || {
        let kernel = Kernel::new(1);
        let timers = timers(2, &kernel);
        let begun = Instant::now();
        let making = thread::spawn({
            let (timers, kernel) = (Arc::clone(&timers), Arc::clone(&kernel));
            move || {
                let _entered = enter(&timers.handle(1));
                let mut calls = Vec::new();
                set_interval(TICK * 5, move || {
                    calls.push(Instant::now());
                    if calls.len() == 2 {
                        assert_eq!(calls, [begun + TICK * 5, begun + TICK * 10]);
                        kernel.leave();
                    }
                })
            }
        });
        drive(&timers, &kernel);
        assert!(making.join().unwrap().cancel());
        assert!(timers.is_empty());
    });
}
