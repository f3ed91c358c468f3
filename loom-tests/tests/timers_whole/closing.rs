//! The closing of the timers beside sleeps, time and callbacks.

use framewise_context::catch_unwind;
use framewise_loom_tests::{DropTracker, TestWaker, model, model_with_panics};
use framewise_sync::{Arc, thread};
use framewise_timers::model::TICK;
use framewise_timers::model_clock::ModelClock;
use framewise_timers::{TimerCallback, Timers, enter, set_interval, set_timeout, sleep};

use crate::CLOSED;

/// Race: a thread polls its sleep and waits while the timers are closed. Failure: it stays in a
/// wheel that no thread fires any more and waits forever, or its waker stays.
#[test]
fn a_closing_meets_a_sleep() {
    model_with_panics("timers: close × arm × poll", &[CLOSED], || {
        let _clock = ModelClock::new();
        let timers = Timers::new(2, || ());
        let (held, watch) = DropTracker::new();
        let sleeping = thread::spawn({
            let timers = Arc::clone(&timers);
            let mut sleep = sleep(TICK * 5);
            move || {
                let _entered = enter(&timers.handle(1));
                let said = catch_unwind(|| TestWaker::new().block_on(&mut sleep));
                drop((sleep, held));
                said.is_err()
            }
        });
        timers.close();
        assert!(sleeping.join().unwrap(), "the time never came");
        assert!(watch.is_dropped());
        assert!(timers.is_empty());
    });
}

/// Race: the timers are closed, the time passes, and a driver fires, all at once. Failure: the
/// sleep is woken by neither.
#[test]
fn a_closing_meets_the_time() {
    model_with_panics("timers: close × fire × poll", &[CLOSED], || {
        let clock = ModelClock::new();
        let timers = Timers::new(2, || ());
        let mut sleep = sleep(TICK * 5);
        let test_waker = TestWaker::new();
        let entered = enter(&timers.handle(1));
        assert!(test_waker.poll(&mut sleep).is_pending());
        drop(entered);
        let firing = thread::spawn({
            let (timers, clock) = (Arc::clone(&timers), clock.clone());
            move || {
                clock.advance(TICK * 5);
                timers.fire(0)
            }
        });
        let closing = thread::spawn({
            let timers = Arc::clone(&timers);
            move || timers.close()
        });
        test_waker.wait();
        let received = catch_unwind(|| test_waker.poll(&mut sleep));
        let fired = firing.join().unwrap();
        closing.join().unwrap();
        match received {
            Ok(polled) => assert!(polled.is_ready(), "it was woken for nothing"),
            Err(_) => assert_eq!(fired, 0, "it had fired, and did not see the time"),
        }
        assert!(timers.is_empty());
    });
}

/// Race: a thread creates callbacks while the timers are closed. Failure: one stays in its wheel,
/// with its function.
#[test]
fn a_closing_meets_callbacks() {
    model("timers: close × set_timeout × set_interval", || {
        let _clock = ModelClock::new();
        let timers = Timers::new(2, || ());
        let (once, of_once) = DropTracker::new();
        let (again, of_again) = DropTracker::new();
        let making = thread::spawn({
            let timers = Arc::clone(&timers);
            move || {
                let _entered = enter(&timers.handle(1));
                let once = set_timeout(TICK * 5, move || once.touch());
                let again = set_interval(TICK * 5, move || again.touch());
                [once, again]
            }
        });
        timers.close();
        let callbacks = making.join().unwrap();
        assert!(!callbacks.iter().any(TimerCallback::is_active));
        assert!(of_once.is_dropped() && of_again.is_dropped());
        assert!(timers.is_empty());
    });
}
