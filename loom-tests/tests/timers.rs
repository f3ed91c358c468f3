//! Models of the timers: arming against parking, and everything that races with a firing timer.
//!
//! The shipped wheels, queues, park state, futures and callbacks. Time is a tick that each model
//! passes in. A driver that parks is a word, "parked until tick d", and a count of the calls of
//! `unpark`. A lost wake-up is a driver that is parked past an armed timer, without an unpark, when
//! all threads have finished.

#![cfg(framewise_loom)]

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize as PlainUsize, Ordering as PlainOrdering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use framewise_loom_tests::{TimerDriver, model};
use framewise_sync::atomic::{AtomicU64, Ordering};
use framewise_sync::{Arc, Condvar, Mutex, thread};
use framewise_timers::model::{
    ArmError, DriverParkState, Found, NEVER, Published, Rearmed, TimerQueue,
};
use framewise_timers::{Timers, enter, set_interval, set_timeout, sleep};

/// Race: a timer is armed while the driver parks. Failure: the driver is parked past the timer.
#[test]
fn arming_against_parking() {
    model("arming_against_parking", || {
        let driven = TimerDriver::<1>::new();
        let arming = Arc::clone(&driven);
        let armer = thread::spawn(move || {
            arming.arm(0, 10);
        });
        let until = driven.park();
        armer.join().unwrap();
        driven.assert_not_overslept(until, 10);
        assert!(driven.unparks() <= 1);
    });
}

/// Race: like above, with two parks and a wake-up for another reason in between. Failure: the
/// second park misses the timer, because the arming thread saw the driver awake or took the first
/// park's mark.
#[test]
fn arming_against_parking_again() {
    model("arming_against_parking_again", || {
        let driven = TimerDriver::<1>::new();
        let arming = Arc::clone(&driven);
        let armer = thread::spawn(move || {
            arming.arm(0, 10);
        });
        driven.park();
        driven.park_state.unparked();
        // A late wake-up for the first park ends the second one, which loses nothing.
        let until = driven.park();
        armer.join().unwrap();
        driven.assert_not_overslept(until, 10);
    });
}

/// Race: timers in two wheels are armed while the driver parks. Failure: the driver checks one
/// wheel before and the other after, and is parked past either timer; or it is woken more than once
/// for each.
#[test]
fn two_wheels_against_parking() {
    model("two_wheels_against_parking", || {
        let driven = TimerDriver::<2>::new();
        let armers = [(0, 10), (1, 5)].map(|(wheel, when)| {
            let arming = Arc::clone(&driven);
            thread::spawn(move || {
                arming.arm(wheel, when);
            })
        });
        let until = driven.park();
        for armer in armers {
            armer.join().unwrap();
        }
        driven.assert_not_overslept(until, 5);
        assert!(driven.unparks() <= 2);
    });
}

/// Race: a timer is armed that is later than the one for which the driver parks. Failure: an
/// unneeded system call.
#[test]
fn no_unpark_for_a_later_timer() {
    model("no_unpark_for_a_later_timer", || {
        let driven = TimerDriver::<2>::new();
        driven.arm(0, 5);
        let arming = Arc::clone(&driven);
        let armer = thread::spawn(move || {
            arming.arm(0, 10);
            arming.arm(1, 10);
        });
        assert_eq!(driven.park(), 5);
        armer.join().unwrap();
        assert_eq!(driven.unparks(), 0);
    });
}

/// Race: a timer that publishes nothing, because an earlier one has, while that one is cancelled
/// and the driver parks. Failure: the cancelled timer's publication does not cover the other.
#[test]
fn a_cancelled_timer_covers_later_ones() {
    model("a_cancelled_timer_covers_later_ones", || {
        let driven = TimerDriver::<1>::new();
        let cancelling = Arc::clone(&driven);
        let canceller = thread::spawn(move || {
            let key = cancelling.arm(0, 5);
            cancelling.queues[0]
                .cancel(key)
                .expect("no thread fires it");
        });
        let arming = Arc::clone(&driven);
        let armer = thread::spawn(move || {
            arming.arm(0, 10);
        });
        let until = driven.park();
        canceller.join().unwrap();
        armer.join().unwrap();
        driven.assert_not_overslept(until, 10);
    });
}

/// Race: a sibling fires the wheel, and so publishes a later deadline, while another thread arms
/// and the driver parks. Failure: the raised deadline hides the new timer.
#[test]
fn firing_and_arming_against_parking() {
    model("firing_and_arming_against_parking", || {
        let driven = TimerDriver::<1>::new();
        driven.arm(0, 5);
        let firing = Arc::clone(&driven);
        let sibling = thread::spawn(move || firing.queues[0].take_due(5).len());
        let arming = Arc::clone(&driven);
        let armer = thread::spawn(move || {
            arming.arm(0, 10);
        });
        let until = driven.park();
        assert_eq!(sibling.join().unwrap(), 1);
        armer.join().unwrap();
        driven.assert_not_overslept(until, 10);
        assert!(driven.queues[0].next() <= 10, "the timer is hidden");
        assert_eq!(
            driven.queues[0].next(),
            10,
            "a timer that has fired is still published"
        );
    });
}

/// Race: a timer is armed while the driver, which was parked, is awake. Failure: an unneeded system
/// call.
#[test]
fn no_unpark_of_a_driver_that_is_awake() {
    model("no_unpark_of_a_driver_that_is_awake", || {
        let driven = TimerDriver::<1>::new();
        driven.park();
        driven.park_state.unparked();
        let arming = Arc::clone(&driven);
        let armer = thread::spawn(move || {
            arming.arm(0, 10);
        });
        driven.queues[0].take_due(1);
        armer.join().unwrap();
        assert_eq!(driven.unparks(), 0);
    });
}

/// Race: a timer publishes nothing, because an earlier one, whose arming has not finished, has. A
/// sibling fires that one and so raises the deadline, without the park state, while the driver
/// parks. Failure: the driver does not see the later timer.
#[test]
fn a_fired_timer_covers_later_ones() {
    model("a_fired_timer_covers_later_ones", || {
        let driven = TimerDriver::<1>::new();
        let arming = Arc::clone(&driven);
        let first = thread::spawn(move || {
            let armed = arming.queues[0].arm(5, ());
            if let Ok((_, published)) = armed {
                arming.after_arm(published);
            }
        });
        let arming = Arc::clone(&driven);
        let second = thread::spawn(move || {
            arming.arm(0, 10);
            // Like an active worker.
            let _ = arming.queues[0].take_due(5);
        });
        let until = driven.park();
        first.join().unwrap();
        second.join().unwrap();
        driven.assert_not_overslept(until, 10);
        assert!(driven.queues[0].next() <= 10, "the timer is hidden");
    });
}

/// Race: a timer is cancelled while it fires. Failure: its value is returned twice, or never (then
/// loom reports a leak).
#[test]
fn cancelling_against_firing() {
    model("cancelling_against_firing", || {
        let queue = Arc::new(TimerQueue::new());
        let (key, _) = queue.arm(10, Arc::new(())).map_err(drop).unwrap();
        let firing = Arc::clone(&queue);
        let firer = thread::spawn(move || firing.take_due(10).len());
        let cancelled = queue.cancel(key).is_some();
        let fired = firer.join().unwrap() == 1;
        assert!(fired != cancelled, "fired: {fired}, cancelled: {cancelled}");
        assert!(queue.is_empty());
    });
}

/// Race: a timer gets a later deadline while it fires. Failure: it is gone and has not fired, it
/// fires twice, or its new deadline is not published.
#[test]
fn rearming_against_firing() {
    model("rearming_against_firing", || {
        let queue = Arc::new(TimerQueue::new());
        let (key, _) = queue.arm(10, ()).unwrap();
        let firing = Arc::clone(&queue);
        let firer = thread::spawn(move || firing.take_due(10).len());
        let rearmed = queue.rearm(key, 20);
        let fired = firer.join().unwrap();
        match rearmed {
            Rearmed::Armed(key, _) => {
                assert_eq!(fired, 0);
                assert!(queue.next() <= 20, "the new deadline is not published");
                assert_eq!(queue.inspect(key, |()| ()), Found::Armed(()));
                assert_eq!(queue.take_due(20).len(), 1);
            }
            Rearmed::Gone => assert_eq!(fired, 1),
            Rearmed::Elapsed(()) => panic!("tick 20 has not elapsed"),
        }
        assert!(queue.is_empty());
    });
}

/// Race: a task polls with another waker while its timer fires. Failure: the old waker is called
/// and the poll returns `Pending`, so the task is never woken.
#[test]
fn another_waker_against_firing() {
    model("another_waker_against_firing", || {
        let queue = Arc::new(TimerQueue::new());
        let (key, _) = queue.arm(10, "old").unwrap();
        let firing = Arc::clone(&queue);
        let firer = thread::spawn(move || firing.take_due(10).into_iter().next());
        let mut waker = "new";
        let found = queue.swap(key, &mut waker);
        let woken = firer.join().unwrap();
        match found {
            Found::Armed(()) => assert_eq!((waker, woken), ("old", Some("new"))),
            Found::Fired => assert_eq!((waker, woken), ("new", Some("old"))),
            Found::Closed => panic!("no thread closes"),
        }
    });
}

/// Race: a timer is armed while the timers are closed. Failure: it stays in a wheel that no thread
/// fires.
#[test]
fn closing_against_arming() {
    model("closing_against_arming", || {
        let queue = Arc::new(TimerQueue::new());
        let arming = Arc::clone(&queue);
        let armer = thread::spawn(move || match arming.arm(10, Arc::new(())) {
            Ok((key, _)) => Some(key),
            Err(ArmError::Closed(_)) => None,
            Err(ArmError::Elapsed(_)) => panic!("tick 10 has not elapsed"),
        });
        let closed = queue.close().len();
        let armed = armer.join().unwrap();
        assert_eq!(closed, usize::from(armed.is_some()));
        assert!(queue.is_empty());
        assert_eq!(queue.next(), NEVER, "a closed queue wakes the driver");
        if let Some(key) = armed {
            assert_eq!(queue.inspect(key, |_| ()), Found::Closed);
        }
    });
}

/// A waker that counts its wakes, with a counter of std's, which orders nothing in the model.
struct CountingWaker(PlainUsize);

impl Wake for CountingWaker {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.fetch_add(1, PlainOrdering::SeqCst);
    }
}

fn counting_waker() -> (std::sync::Arc<CountingWaker>, Waker) {
    let counter = std::sync::Arc::new(CountingWaker(PlainUsize::new(0)));
    let waker = Waker::from(std::sync::Arc::clone(&counter));
    (counter, waker)
}

/// Longer than any model runs, by the real clock.
const LONG: Duration = Duration::from_secs(100_000);

/// A tick by which [`LONG`] has passed.
const LONG_AFTER: u64 = 1 << 40;

/// Race: a task polls its sleep again while it fires on another thread. Failure: the poll returns
/// `Pending` although the waker was called before and is not called again, or the waker leaks.
#[test]
fn polling_a_sleep_against_firing() {
    model("polling_a_sleep_against_firing", || {
        let timers = Timers::new(2, || ());
        let (counter, waker) = counting_waker();
        let entered = enter(&timers.handle(0));
        let mut sleep = sleep(LONG);
        let mut cx = Context::from_waker(&waker);
        assert!(Pin::new(&mut sleep).poll(&mut cx).is_pending());
        let firing = Arc::clone(&timers);
        let firer = thread::spawn(move || firing.fire_at(1, LONG_AFTER));
        let polled = Pin::new(&mut sleep).poll(&mut cx);
        assert_eq!(firer.join().unwrap(), 1);
        assert_eq!(counter.0.load(PlainOrdering::SeqCst), 1);
        if polled == Poll::Pending {
            assert!(Pin::new(&mut sleep).poll(&mut cx).is_ready());
        }
        drop((sleep, entered, waker));
        assert_eq!(
            std::sync::Arc::strong_count(&counter),
            1,
            "a waker is left over"
        );
    });
}

/// Race: a sleep is dropped while it fires, and while the timers are closed. Failure: its waker is
/// called twice or leaks.
#[test]
fn dropping_a_sleep_against_firing_and_closing() {
    model("dropping_a_sleep_against_firing_and_closing", || {
        let timers = Timers::new(1, || ());
        let (counter, waker) = counting_waker();
        let entered = enter(&timers.handle(0));
        let mut sleep = sleep(LONG);
        assert!(
            Pin::new(&mut sleep)
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
        let firing = Arc::clone(&timers);
        let firer = thread::spawn(move || firing.fire_at(0, LONG_AFTER));
        let closing = Arc::clone(&timers);
        let closer = thread::spawn(move || closing.close());
        drop(sleep);
        firer.join().unwrap();
        closer.join().unwrap();
        drop((entered, waker));
        assert!(counter.0.load(PlainOrdering::SeqCst) <= 1);
        assert_eq!(
            std::sync::Arc::strong_count(&counter),
            1,
            "a waker is left over"
        );
    });
}

/// Race: a callback is cancelled while it fires. Failure: it begins after `cancel` has returned, it
/// runs although `cancel` returned that it would not, or its function leaks or is still held.
#[test]
fn cancelling_a_callback_against_firing() {
    model("cancelling_a_callback_against_firing", || {
        let timers = Timers::new(1, || ());
        let entered = enter(&timers.handle(0));
        let begun = Arc::new(AtomicU64::new(0));
        let counting = Arc::clone(&begun);
        let callback = set_timeout(LONG, move || {
            counting.fetch_add(1, Ordering::SeqCst);
        });
        let firing = Arc::clone(&timers);
        let firer = thread::spawn(move || firing.fire_at(0, LONG_AFTER));
        let prevented = callback.cancel();
        // The function may be taken and not have begun: then it counts as running.
        let begun_before = begun.load(Ordering::SeqCst);
        firer.join().unwrap();
        let begun_after = begun.load(Ordering::SeqCst);
        assert!(begun_after <= 1);
        if prevented {
            assert_eq!((begun_before, begun_after), (0, 0));
        }
        assert_eq!(Arc::strong_count(&begun), 1, "the function is still held");
        assert!(timers.is_empty() && !callback.is_active());
        drop(entered);
    });
}

/// Race: an interval is cancelled while it fires and is armed again. Failure: it is armed after
/// `cancel`, or its function leaks.
#[test]
fn cancelling_an_interval_against_firing() {
    model("cancelling_an_interval_against_firing", || {
        let timers = Timers::new(1, || ());
        let entered = enter(&timers.handle(0));
        let begun = Arc::new(AtomicU64::new(0));
        let counting = Arc::clone(&begun);
        let callback = set_interval(LONG, move || {
            counting.fetch_add(1, Ordering::SeqCst);
        });
        let firing = Arc::clone(&timers);
        let firer = thread::spawn(move || firing.fire_at(0, LONG_AFTER));
        assert!(callback.cancel());
        assert!(!callback.is_active());
        firer.join().unwrap();
        assert!(begun.load(Ordering::SeqCst) <= 1);
        assert_eq!(Arc::strong_count(&begun), 1, "the function is still held");
        assert!(timers.is_empty());
        drop(entered);
    });
}

/// Race: like above, but the cancel comes when the callback runs, so that within two preemptions
/// the run can end and arm again in the middle of the cancel. Failure: the cancel finds it neither
/// running nor waiting, and it continues.
#[test]
fn cancelling_an_interval_against_the_end_of_its_run() {
    model("cancelling_an_interval_against_the_end_of_its_run", || {
        let timers = Timers::new(1, || ());
        let entered = enter(&timers.handle(0));
        let running = Arc::new((Mutex::new(false), Condvar::new()));
        let signal = Arc::clone(&running);
        let callback = set_interval(LONG, move || {
            *signal.0.lock() = true;
            signal.1.notify_one();
        });
        let firing = Arc::clone(&timers);
        let firer = thread::spawn(move || firing.fire_at(0, LONG_AFTER));
        {
            let mut is_running = running.0.lock();
            while !*is_running {
                is_running = running.1.wait(is_running);
            }
        }
        assert!(callback.cancel(), "the cancel is lost");
        firer.join().unwrap();
        assert!(timers.is_empty(), "it was armed again");
        assert_eq!(Arc::strong_count(&running), 1, "the function is still held");
        drop(entered);
    });
}

/// Race: a callback is cancelled on two threads while the timers are closed. Failure: its function
/// is dropped twice or leaks, or both threads learn that they prevented it.
#[test]
fn cancelling_a_callback_against_closing() {
    model("cancelling_a_callback_against_closing", || {
        let timers = Timers::new(1, || ());
        let entered = enter(&timers.handle(0));
        let held = Arc::new(());
        let holding = Arc::clone(&held);
        let callback = set_timeout(LONG, move || drop(holding));
        let other = callback.clone();
        let canceller = thread::spawn(move || other.cancel());
        let closing = Arc::clone(&timers);
        let closer = thread::spawn(move || closing.close());
        let prevented = usize::from(callback.cancel());
        let prevented = prevented + usize::from(canceller.join().unwrap());
        closer.join().unwrap();
        assert!(prevented <= 1);
        assert_eq!(Arc::strong_count(&held), 1, "the function is still held");
        drop(entered);
    });
}

/// The park state without its fences, which `arming_against_parking` must notice.
struct UnfencedGate {
    parked_until: AtomicU64,
}

impl UnfencedGate {
    fn park(&self, earliest: impl Fn() -> u64) -> u64 {
        let first = earliest();
        self.parked_until.store(first, Ordering::Relaxed);
        let second = earliest();
        if second < first {
            self.parked_until.store(second, Ordering::Relaxed);
        }
        first.min(second)
    }

    fn armed(&self, when: u64, unpark: impl FnOnce()) {
        if when < self.parked_until.load(Ordering::Relaxed) {
            unpark();
        }
    }
}

/// Control: without the fences both sides can miss each other.
#[test]
#[should_panic(expected = "was not unparked")]
fn a_park_state_without_fences_is_noticed() {
    model("a_park_state_without_fences_is_noticed", || {
        let driven = TimerDriver::<1>::new();
        let park_state = Arc::new(UnfencedGate {
            parked_until: AtomicU64::new(DriverParkState::AWAKE),
        });
        let (arming, arming_state) = (Arc::clone(&driven), Arc::clone(&park_state));
        let armer = thread::spawn(move || {
            let (_, published) = arming.queues[0].arm(10, ()).unwrap();
            assert_eq!(published, Published::earlier(10));
            arming_state.armed(10, || {
                arming.unparks.fetch_add(1, Ordering::Relaxed);
            });
        });
        let until = park_state.park(|| driven.earliest());
        armer.join().unwrap();
        driven.assert_not_overslept(until, 10);
    });
}

/// Control: a driver that does not check a second time.
#[test]
#[should_panic(expected = "was not unparked")]
fn a_park_without_a_second_scan_is_noticed() {
    model("a_park_without_a_second_scan_is_noticed", || {
        let driven = TimerDriver::<1>::new();
        let arming = Arc::clone(&driven);
        let armer = thread::spawn(move || {
            arming.arm(0, 10);
        });
        let seen = driven.earliest();
        let until = driven.park_state.park(|| seen);
        armer.join().unwrap();
        driven.assert_not_overslept(until, 10);
    });
}

/// Control: arming without the park state.
#[test]
#[should_panic(expected = "was not unparked")]
fn arming_in_silence_is_noticed() {
    model("arming_in_silence_is_noticed", || {
        let driven = TimerDriver::<1>::new();
        let arming = Arc::clone(&driven);
        let armer = thread::spawn(move || {
            let _ = arming.queues[0].arm(10, ()).unwrap();
        });
        let until = driven.park();
        armer.join().unwrap();
        driven.assert_not_overslept(until, 10);
    });
}
