//! The timers as a whole: `Timers` with several wheels, the gate, sleeps that threads poll,
//! callbacks, hooks, and a driver that parks.
//!
//! What `timers.rs` asks of the parts is asked here of all of them together, through the doors that
//! an executor has. The time is the model's ([`ModelClock`]), and goes on in two ways: a model says
//! so, or the driver sleeps to its limit. How a failure shows: a driver that is to be woken sleeps
//! without a limit, or to a limit behind a timer that is armed; a thread waits for a bell that nobody
//! rings (a deadlock); a value ends twice, or never.
#![cfg(framewise_loom)]

use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use framewise_context::{ContextVar, catch_unwind};
use framewise_loom_tests::{DropTracker, PoisoningAllocator, TestWaker, model, model_with_panics};
use framewise_sync::atomic::{AtomicUsize, Ordering};
use framewise_sync::{Arc, Condvar, Mutex, thread};
use framewise_timers::model::TICK;
use framewise_timers::model_clock::ModelClock;
use framewise_timers::{
    Sleep, TimerCallback, Timers, enter, now, set_interval, set_timeout, sleep,
};

#[global_allocator]
static ALLOCATOR: PoisoningAllocator = PoisoningAllocator;

/// What the driver sleeps in: a wake flag, and a limit at which the sleep ends.
struct Kernel {
    state: Mutex<KernelState>,
    changed: Condvar,
    clock: ModelClock,
}

#[derive(Default)]
struct KernelState {
    wake: bool,
    /// Threads that do something yet.
    busy: usize,
    /// Of timers that are armed, the driver told: it must not sleep longer than that.
    armed: Vec<Instant>,
    /// Threads that may still be arming: each is one less once it expects the driver.
    arming: usize,
    /// It slept past one while a thread was still arming, which has to wake it then: the gate lets a
    /// second thread rely on the first one's `unpark` before that is called, and the timer is as late
    /// as the call.
    owed: bool,
    /// It did. Told when all is over, since a panic in the midst would unwind into other threads'.
    overslept: bool,
}

impl Kernel {
    fn new(busy: usize) -> Arc<Self> {
        let state = KernelState {
            busy,
            arming: busy,
            ..KernelState::default()
        };
        Arc::new(Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
            clock: ModelClock::new(),
        })
    }

    fn wake(&self) {
        let mut state = self.state.lock();
        state.wake = true;
        state.owed = false;
        drop(state);
        self.changed.notify_one();
    }

    /// A thread is done. The last one wakes the driver, so that it ends.
    fn leave(&self) {
        let mut state = self.state.lock();
        state.busy -= 1;
        if state.busy == 0 {
            state.wake = true;
            self.changed.notify_one();
        }
    }

    fn is_busy(&self) -> bool {
        self.state.lock().busy > 0
    }

    /// Sleeps until it is woken, or to the limit: that time has then passed.
    fn sleep(&self, limit: Option<Duration>) {
        let mut state = self.state.lock();
        while !state.wake {
            let Some(limit) = limit else {
                state = self.changed.wait(state);
                continue;
            };
            let (begun, until) = (now(), now() + limit);
            // Of one whose time has come, the thread may not have heard yet.
            let is_missed = |armed: &Instant| begun < *armed && *armed < until;
            if state.armed.iter().any(is_missed) {
                match state.arming {
                    0 => state.overslept = true,
                    _ => state.owed = true,
                }
            }
            self.clock.advance(limit);
            return;
        }
        state.wake = false;
    }

    /// All threads are done.
    fn assert_not_overslept(&self) {
        let state = self.state.lock();
        assert!(
            !state.overslept && !state.owed,
            "the driver slept past a timer"
        );
    }

    /// From here on the driver must not sleep past `deadline`: who armed that has come back.
    fn expect(&self, deadline: Instant) {
        let mut state = self.state.lock();
        state.arming -= 1;
        state.armed.push(deadline);
    }

    fn expect_no_more(&self, deadline: Instant) {
        self.state.lock().armed.retain(|armed| *armed != deadline);
    }
}

/// Timers whose driver sleeps in `kernel`.
fn timers(wheels: usize, kernel: &Arc<Kernel>) -> Arc<Timers> {
    let kernel = Arc::clone(kernel);
    Timers::new(wheels, move || kernel.wake())
}

/// A driver, until no thread is busy. Says how often it slept.
fn drive(timers: &Timers, kernel: &Kernel) -> usize {
    let mut sleeps = 0;
    while kernel.is_busy() {
        let limit = timers.before_park();
        kernel.sleep(limit);
        timers.after_park();
        timers.fire(0);
        sleeps += 1;
    }
    sleeps
}

/// A thread that waits for a sleep, armed in its own wheel.
fn sleeper(
    timers: &Arc<Timers>,
    kernel: &Arc<Kernel>,
    wheel: usize,
    mut sleep: Sleep,
) -> thread::JoinHandle<()> {
    let (timers, kernel) = (Arc::clone(timers), Arc::clone(kernel));
    thread::spawn(move || {
        let _entered = enter(&timers.handle(wheel));
        let test_waker = TestWaker::new();
        let deadline = sleep.deadline();
        if test_waker.poll(&mut sleep).is_pending() {
            kernel.expect(deadline);
            test_waker.wait();
            kernel.expect_no_more(deadline);
            assert!(now() >= deadline, "it was woken too early");
            assert!(
                test_waker.poll(&mut sleep).is_ready(),
                "it was woken for nothing"
            );
        }
        kernel.leave();
    })
}

/// Race: a thread arms its sleep, and publishes its deadline, while the driver looks at both wheels
/// and parks. Failure: the driver parks without a limit and is not woken.
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
/// Failure: it sleeps to the later deadline, which is published, and past the earlier one, or to the
/// end of the one wheel that it has seen.
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

/// Race: a sleep that the driver already sleeps for is dropped, and a later one armed, in another
/// wheel. Failure: the later one relies on the limit of the one that is gone, and nobody wakes the
/// driver for it.
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

/// Race: a sleep gets an earlier deadline, in a wheel that is not the thread's own, while the driver
/// parks for the later one. Failure: the driver sleeps to the old deadline.
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
            let (kernel, begun) = (Arc::clone(&kernel), now());
            move || {
                let deadline = begun + TICK * 5;
                waiting.reset(deadline);
                if now() < deadline {
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

/// Race: of two sleeps, in two wheels, one is dropped while two threads fire both wheels, each from
/// its own on. Failure: the one that stays is woken by neither, a waker is called for a sleep that
/// is gone for good, or both fire the same.
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

/// Race: a callback is cancelled while the driver, who parked for it, fires it; it sits in another
/// wheel than the one that is fired first. Failure: it is called although it was prevented, or its
/// function stays.
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

/// Race: a thread makes a repeating callback while the driver parks, which calls it, arms it again,
/// parks for it and calls it once more, at which it ends itself. Failure: the driver sleeps past it,
/// or does not notice that it armed the callback itself.
#[test]
fn an_interval_meets_the_parking_driver() {
    model("timers: set_interval × park × fire × arm again", || {
        let kernel = Kernel::new(1);
        let timers = timers(2, &kernel);
        let begun = now();
        let making = thread::spawn({
            let (timers, kernel) = (Arc::clone(&timers), Arc::clone(&kernel));
            move || {
                let _entered = enter(&timers.handle(1));
                let mut calls = Vec::new();
                set_interval(TICK * 5, move || {
                    calls.push(now());
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

/// What a sleep says that finds its timers closed.
const CLOSED: &str = "the runtime of this timer was shut down";

/// Race: a thread polls its sleep and waits while the timers are closed. Failure: it stays in the
/// wheel that nobody fires any more, and waits for ever; or its waker stays.
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

/// Race: the timers are closed, the time comes, a driver fires, all at once. Failure: the sleep is
/// woken by neither.
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

/// Race: a thread makes callbacks while the timers are closed. Failure: one stays in its wheel, with
/// its function.
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

/// What callbacks say that are to panic.
const PLANNED: &str = "as planned";

/// A callback that panics whenever it is called, with what sees it end, and its count of calls.
struct Panics {
    callback: TimerCallback,
    calls: Arc<AtomicUsize>,
    watch: framewise_loom_tests::DropObserver,
}

fn panicking_interval() -> Panics {
    let calls = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&calls);
    let (held, watch) = DropTracker::new();
    let callback = set_interval(TICK, move || {
        held.touch();
        counting.fetch_add(1, Ordering::Relaxed);
        panic!("{PLANNED}");
    });
    Panics {
        callback,
        calls,
        watch,
    }
}

/// Race: a repeating callback that panics is cancelled while it is fired. Failure: it is armed
/// again, called again, still active, or held; or its panic is not reported.
#[test]
fn a_cancel_meets_an_interval_that_panics() {
    let name = "timers: set_interval that panics × cancel × fire";
    model_with_panics(name, &[PLANNED], || {
        let clock = ModelClock::new();
        let timers = Timers::new(1, || ());
        let reports = Arc::new(AtomicUsize::new(0));
        timers.on_callback_panic({
            let reports = Arc::clone(&reports);
            move |_| {
                reports.fetch_add(1, Ordering::Relaxed);
            }
        });
        let entered = enter(&timers.handle(0));
        let Panics {
            callback,
            calls,
            watch,
        } = panicking_interval();
        drop(entered);
        clock.advance(TICK * 2);
        let firing = thread::spawn({
            let timers = Arc::clone(&timers);
            move || timers.fire(0)
        });
        callback.cancel();
        assert!(!callback.is_active());
        firing.join().unwrap();
        let calls = calls.load(Ordering::Relaxed);
        assert!(calls <= 1);
        assert_eq!(reports.load(Ordering::Relaxed), calls);
        assert!(watch.is_dropped(), "the function is still held");
        assert!(timers.is_empty(), "it was armed again");
    });
}

/// Race: a repeating callback that panics is fired by one of two threads while the handle is asked.
/// Failure: it is called twice, or is active for ever.
#[test]
fn an_interval_that_panics_meets_two_that_fire() {
    let name = "timers: set_interval that panics × fire × fire";
    model_with_panics(name, &[PLANNED], || {
        let clock = ModelClock::new();
        let timers = Timers::new(1, || ());
        let entered = enter(&timers.handle(0));
        let Panics {
            callback,
            calls,
            watch,
        } = panicking_interval();
        drop(entered);
        clock.advance(TICK * 2);
        let firing = thread::spawn({
            let timers = Arc::clone(&timers);
            move || timers.fire(0)
        });
        let fired = timers.fire(0);
        let fired = fired + firing.join().unwrap();
        assert_eq!((fired, calls.load(Ordering::Relaxed)), (1, 1));
        assert!(!callback.is_active() && !callback.cancel());
        assert!(watch.is_dropped(), "the function is still held");
        assert!(timers.is_empty());
    });
}

static REQUEST: ContextVar<u64> = ContextVar::new("request");

/// Race: a panic is reported while another hook is set. Failure: both hooks hear of it, or neither;
/// the one that was replaced is used after its end, or stays; it does not hear in which frame.
#[test]
fn a_panic_meets_another_hook() {
    let name = "timers: report × on_callback_panic";
    model_with_panics(name, &[PLANNED], || {
        let clock = ModelClock::new();
        let timers = Timers::new(1, || ());
        let reports = Arc::new(AtomicUsize::new(0));
        let hook = |number: usize| {
            let (reports, (held, watch)) = (Arc::clone(&reports), DropTracker::new());
            let hook = move |payload: Box<dyn std::any::Any + Send>| {
                held.touch();
                assert!(payload.is::<String>());
                assert_eq!(REQUEST.get(), Some(7));
                reports.fetch_add(number, Ordering::Relaxed);
            };
            (hook, watch)
        };
        let (old, of_old) = hook(1);
        let (new, of_new) = hook(10);
        timers.on_callback_panic(old);
        let entered = enter(&timers.handle(0));
        REQUEST.run(7, || set_timeout(TICK, || panic!("{PLANNED}")));
        drop(entered);
        clock.advance(TICK);
        let setting = thread::spawn({
            let timers = Arc::clone(&timers);
            move || timers.on_callback_panic(new)
        });
        assert_eq!(timers.fire(0), 1);
        setting.join().unwrap();
        assert!(of_old.is_dropped(), "the old hook is still held");
        assert!(!of_new.is_dropped());
        let reports = reports.load(Ordering::Relaxed);
        assert!(reports == 1 || reports == 10, "{reports}");
        drop(timers);
        assert!(of_new.is_dropped());
    });
}

/// Negative control: a driver whom arming does not wake sleeps on to the limit that it has.
#[test]
#[should_panic(expected = "slept past a timer")]
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

/// Negative control: a driver that does not look at all the wheels.
#[test]
#[should_panic(expected = "slept past a timer")]
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

/// Negative control: a panic that is not planned fails the model, although the timers catch it, and
/// others are planned.
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

/// Without a [`ModelClock`] the time stands still, which other models rely on.
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
