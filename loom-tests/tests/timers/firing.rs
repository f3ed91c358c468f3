//! What races with a timer that fires.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize as PlainUsize, Ordering as PlainOrdering};
use std::task::{Context, Poll, Wake, Waker};

use framewise_loom_tests::model;
use framewise_sync::atomic::{AtomicU64, Ordering};
use framewise_sync::{Arc, Condvar, Mutex, thread};
use framewise_timers::model::{ArmError, Found, NEVER, Rearmed, TimerQueue};
use framewise_timers::{Timers, enter, set_interval, set_timeout, sleep};

use crate::{LONG, LONG_AFTER};

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
