//! Faults on purpose, which the models notice.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use framewise_loom_tests::{TestWaker, model, model_with_panics};
use framewise_sync::{Arc, thread};
use framewise_timers::model::TICK;
use framewise_timers::model_clock::ModelClock;
use framewise_timers::{Timers, enter, set_timeout, sleep};

use crate::{Kernel, PLANNED, drive, sleeper, timers};

/// Control: arming does not wake the driver, which stays parked until its timeout.
#[test]
#[should_panic(expected = "parked past a timer")]
fn control_a_driver_without_an_unpark_is_noticed() {
    model("timers: control, no unpark", || {
        let kernel = Kernel::new(1);
        let timers = Timers::new(2, || ());
        let entered = enter(&timers.handle(0));
        set_timeout(TICK * 10, || ());
        drop(entered);
        let arming = thread::spawn({
            let (timers, kernel) = (Arc::clone(&timers), Arc::clone(&kernel));
            let mut sleep = sleep(TICK * 5);
            move || {
                let _entered = enter(&timers.handle(1));
                assert!(TestWaker::new().poll(&mut sleep).is_pending());
                kernel.expect(sleep.deadline());
                sleep
            }
        });
        kernel.sleep(timers.before_park());
        let _sleep = arming.join().unwrap();
        kernel.assert_not_overslept();
    });
}

/// Control: a driver that does not check all wheels.
#[test]
#[should_panic(expected = "parked past a timer")]
fn control_a_driver_that_sleeps_too_long_is_noticed() {
    model("timers: control, too long a sleep", || {
        let kernel = Kernel::new(1);
        let timers = timers(2, &kernel);
        let sleeping = sleeper(&timers, &kernel, 1, sleep(TICK * 5));
        kernel.sleep(Some(TICK * 10));
        drive(&timers, &kernel);
        sleeping.join().unwrap();
        kernel.assert_not_overslept();
    });
}

/// Control: an unplanned panic fails the model, although the timers catch it and other panics are
/// planned.
#[test]
#[should_panic(expected = "something caught it")]
fn control_a_panic_that_is_not_planned_is_noticed() {
    model_with_panics("timers: control, another panic", &[PLANNED], || {
        let clock = ModelClock::new();
        let timers = Timers::new(1, || ());
        let entered = enter(&timers.handle(0));
        set_timeout(TICK, || panic!("not {PLANNED}"));
        drop(entered);
        clock.advance(TICK);
        timers.fire(0);
    });
}

/// Without a [`ModelClock`] the time does not pass, which other models rely on.
#[test]
fn time_does_not_pass_without_a_clock() {
    model("timers: no clock", || {
        let timers = Timers::new(1, || ());
        let _entered = enter(&timers.handle(0));
        let mut sleep = sleep(TICK);
        let mut cx = Context::from_waker(Waker::noop());
        assert_eq!(Pin::new(&mut sleep).poll(&mut cx), Poll::Pending);
        assert_eq!(timers.fire(0), 0);
        assert_eq!(timers.before_park(), Some(TICK));
    });
}
