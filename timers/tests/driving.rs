//! `Timers` driven by hand: system calls, several wheels, and reentrant user code.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, RawWaker, RawWakerVTable, Waker};
use std::time::Duration;

use framewise_test_support::{CountingWaker, call_waker};
use framewise_timers::{Instant, Sleep, Timers, enter, set_timeout, sleep};
use futures::future::{Either, select};

use common::{LONG, LONG_AFTER, TestRuntime, poll, undriven};

#[test]
fn arming_costs_no_unpark_unless_the_driver_would_oversleep() {
    let (timers, unparks) = undriven(2);
    let unparks = || unparks.load(Ordering::SeqCst);
    let _entered = enter(&timers.handle(0));
    let mut sleeps: Vec<Sleep> = Vec::new();
    let mut arm = |duration| {
        sleeps.push(sleep(duration));
        assert!(poll(sleeps.last_mut().unwrap()).is_pending());
    };
    arm(LONG);
    assert_eq!(unparks(), 0, "no driver is parked");
    assert!(timers.before_park().is_some());
    arm(LONG * 2);
    arm(LONG + Duration::from_secs(1));
    assert_eq!(unparks(), 0, "the driver wakes earlier anyway");
    arm(LONG / 2);
    assert_eq!(unparks(), 1);
    arm(LONG / 4);
    assert_eq!(unparks(), 1, "the wake-up is pending");
    timers.after_park();
    arm(LONG / 8);
    assert_eq!(unparks(), 1, "the driver is awake");
    let _other = enter(&timers.handle(1));
    assert!(timers.before_park().is_some());
    arm(LONG / 4);
    assert_eq!(
        unparks(),
        1,
        "another wheel's timer wakes the driver earlier"
    );
    arm(LONG / 16);
    assert_eq!(unparks(), 2);
    drop(sleeps);
    assert_eq!(unparks(), 2, "canceling never wakes");
}

#[test]
fn parking_takes_the_earliest_of_all_wheels() {
    let (timers, _) = undriven(3);
    assert_eq!(timers.before_park(), None);
    let mut sleeps = Vec::new();
    for (wheel, factor) in [(0, 3), (1, 1), (2, 2)] {
        let _entered = enter(&timers.handle(wheel));
        sleeps.push(sleep(LONG * factor));
        assert!(poll(sleeps.last_mut().unwrap()).is_pending());
    }
    let limit = timers.before_park().unwrap();
    assert!(
        limit <= LONG + Duration::from_millis(1) && limit > LONG / 2,
        "{limit:?}"
    );
    timers.after_park();
    assert!(!timers.has_due());
    assert_eq!(timers.fire(0), 0);
}

#[test]
fn a_due_timer_is_seen_and_leaves_no_time_to_park() {
    let (timers, _) = undriven(2);
    assert!(!timers.has_due());
    let _entered = enter(&timers.handle(1));
    let mut sleep = sleep(Duration::from_nanos(1));
    assert!(poll(&mut sleep).is_pending());
    while !timers.has_due() {}
    assert_eq!(timers.before_park(), Some(Duration::ZERO));
    timers.after_park();
    assert_eq!(timers.fire(0), 1);
    assert!(!timers.has_due());
    assert!(poll(&mut sleep).is_ready());
}

#[test]
fn every_overdue_wheel_fires_the_first_wheel_first() {
    let (timers, _) = undriven(3);
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut sleeps = Vec::new();
    for wheel in 0..3 {
        let _entered = enter(&timers.handle(wheel));
        let woken = Arc::clone(&order);
        let waker = call_waker(move || woken.lock().unwrap().push(wheel));
        let mut sleep = sleep(LONG);
        assert!(
            Pin::new(&mut sleep)
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
        sleeps.push(sleep);
    }
    assert_eq!(timers.fire_at(1, LONG_AFTER), 3);
    assert_eq!(*order.lock().unwrap(), [1, 2, 0]);
}

/// A slow callback does not delay a future that is due at the same time.
#[test]
fn futures_are_woken_before_callbacks_are_called() {
    let (timers, _) = undriven(1);
    let _entered = enter(&timers.handle(0));
    let (counter, waker) = CountingWaker::new();
    let (sender, woken_before) = mpsc::channel();
    let seen = Arc::clone(&counter);
    set_timeout(LONG / 2, move || sender.send(seen.wakes()).unwrap());
    let mut sleep = sleep(LONG);
    assert!(
        Pin::new(&mut sleep)
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    assert_eq!(timers.fire_at(0, LONG_AFTER), 2);
    assert_eq!(woken_before.recv(), Ok(1));
}

#[test]
fn a_panicking_waker_loses_no_other() {
    let (timers, _) = undriven(1);
    let _entered = enter(&timers.handle(0));
    let reported = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&reported);
    timers.on_callback_panic(move |_| {
        counting.fetch_add(1, Ordering::SeqCst);
        panic!("the hook panics, too");
    });
    let (counter, waker) = CountingWaker::new();
    let mut sleeps = Vec::new();
    // More than one batch.
    for round in 0..100 {
        let panicking = call_waker(|| panic!("on purpose"));
        let mut sleep = sleep(LONG);
        let waker = if round % 10 == 0 { &panicking } else { &waker };
        assert!(
            Pin::new(&mut sleep)
                .poll(&mut Context::from_waker(waker))
                .is_pending()
        );
        sleeps.push(sleep);
    }
    assert_eq!(timers.fire_at(0, LONG_AFTER), 100);
    assert_eq!((counter.wakes(), reported.load(Ordering::SeqCst)), (90, 10));
}

/// A waker each of whose functions arms, fires and cancels timers. If one of them is called with a
/// lock held, this deadlocks.
///
/// tokio 1886, 8529, 8552, 8554, 8558, 8562: user code under a lock.
struct Reentrant(framewise_sync::Arc<Timers>, mpsc::Sender<&'static str>);

impl Reentrant {
    fn use_timers(&self, from: &'static str) {
        let _entered = enter(&self.0.handle(0));
        // These lock the wheel; once the timers are closed they still work, without effect.
        set_timeout(LONG * 1_000, || ()).cancel();
        let _ = self.0.len();
        self.0.fire(0);
        self.1.send(from).unwrap();
    }

    fn waker(self) -> Waker {
        // SAFETY: the data is an `Arc`'s pointer, and each function follows the contract of
        // `RawWaker`.
        unsafe { Waker::from_raw(raw(Arc::new(self))) }
    }
}

fn raw(state: Arc<Reentrant>) -> RawWaker {
    static VTABLE: RawWakerVTable = RawWakerVTable::new(
        |data| {
            // SAFETY: `data` is from `Arc::into_raw`; the waker that is cloned keeps its own
            // reference.
            let state = unsafe {
                Arc::increment_strong_count(data.cast::<Reentrant>());
                Arc::from_raw(data.cast::<Reentrant>())
            };
            state.use_timers("clone");
            raw(state)
        },
        |data| {
            // SAFETY: `data` is from `Arc::into_raw`, and `wake` consumes the waker.
            let state = unsafe { Arc::from_raw(data.cast::<Reentrant>()) };
            state.use_timers("wake");
        },
        |_| panic!("timers wake by value"),
        |data| {
            // SAFETY: `data` is from `Arc::into_raw`, and `drop` consumes the waker.
            let state = unsafe { Arc::from_raw(data.cast::<Reentrant>()) };
            state.use_timers("drop");
        },
    );
    RawWaker::new(Arc::into_raw(state).cast(), &VTABLE)
}

#[test]
fn wakers_run_with_no_lock_held() {
    let (timers, _) = undriven(1);
    let _entered = enter(&timers.handle(0));
    let (sender, used) = mpsc::channel();
    let waker = || Reentrant(timers.clone(), sender.clone()).waker();
    let mut cancelled = sleep(LONG);
    let (first, second) = (waker(), waker());
    for waker in [&first, &second] {
        // The second poll replaces the clone of the first one.
        assert!(
            Pin::new(&mut cancelled)
                .poll(&mut Context::from_waker(waker))
                .is_pending()
        );
    }
    assert_eq!(
        used.try_iter().collect::<Vec<_>>(),
        ["clone", "clone", "drop"]
    );
    drop(cancelled);
    assert_eq!(used.try_iter().collect::<Vec<_>>(), ["drop"]);
    let mut fired = sleep(LONG);
    assert!(
        Pin::new(&mut fired)
            .poll(&mut Context::from_waker(&first))
            .is_pending()
    );
    timers.fire_at(0, LONG_AFTER);
    assert_eq!(used.try_iter().collect::<Vec<_>>(), ["clone", "wake"]);
    let mut reset = sleep(LONG * 2);
    assert!(
        Pin::new(&mut reset)
            .poll(&mut Context::from_waker(&first))
            .is_pending()
    );
    reset.reset(Instant::now());
    assert_eq!(used.try_iter().collect::<Vec<_>>(), ["clone", "wake"]);
    let mut closed = sleep(LONG * 2);
    assert!(
        Pin::new(&mut closed)
            .poll(&mut Context::from_waker(&first))
            .is_pending()
    );
    timers.close();
    assert_eq!(used.try_iter().collect::<Vec<_>>(), ["clone", "wake"]);
}

#[test]
fn callbacks_and_their_destructors_run_with_no_lock_held() {
    struct UsesTimers(framewise_sync::Arc<Timers>, mpsc::Sender<&'static str>);
    impl Drop for UsesTimers {
        fn drop(&mut self) {
            Reentrant(self.0.clone(), self.1.clone()).use_timers("drop");
        }
    }
    let (timers, _) = undriven(1);
    let _entered = enter(&timers.handle(0));
    let (sender, used) = mpsc::channel();
    let register = || {
        let captured = UsesTimers(timers.clone(), sender.clone());
        set_timeout(LONG, move || {
            Reentrant(captured.0.clone(), captured.1.clone()).use_timers("call");
            drop(captured);
        })
    };
    register();
    timers.fire_at(0, LONG_AFTER);
    assert_eq!(used.try_iter().collect::<Vec<_>>(), ["call", "drop"]);
    let cancelled = register();
    cancelled.cancel();
    assert_eq!(used.try_iter().collect::<Vec<_>>(), ["drop"]);
}

#[test]
fn many_threads_arm_and_cancel_while_a_driver_fires() {
    let runtime = TestRuntime::start();
    std::thread::scope(|scope| {
        for thread in 0..3_u32 {
            let runtime = &runtime;
            scope.spawn(move || {
                runtime.block_on(async {
                    for round in 0..300_u32 {
                        let micros = u64::from((round * 7 + thread * 13) % 200);
                        let cancelled = sleep(Duration::from_micros(micros * 10));
                        let awaited = sleep(Duration::from_micros(micros));
                        let deadline = awaited.deadline();
                        // Either future may lose and be dropped: armed, fired or never polled.
                        if let Either::Left(_) = select(awaited, cancelled).await {
                            assert!(Instant::now() >= deadline);
                        }
                    }
                });
            });
        }
    });
    assert!(runtime.timers.is_empty());
}

#[test]
#[should_panic(expected = "at least one wheel")]
fn timers_without_a_wheel_are_rejected() {
    let _ = Timers::new(0, || ());
}
