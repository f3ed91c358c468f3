//! The timers as a whole: `Timers` with several wheels, the park state, sleeps that threads poll,
//! callbacks, hooks, and a driver that parks.
//!
//! `timers.rs` has the models of the parts; these use all of them together, through the API for
//! executors. The time is the model's ([`ModelClock`]): it advances if a model says so, or to the
//! driver's timeout when that elapses. A failure is a driver that is parked without a timeout, or
//! past a timer that is armed; a thread that waits for a waker that is never woken (a deadlock); or
//! a value that is dropped twice or never.
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

/// Where the driver parks: a wake flag, and a timeout that elapses.
struct Kernel {
    state: Mutex<KernelState>,
    changed: Condvar,
    clock: ModelClock,
}

#[derive(Default)]
struct KernelState {
    wake: bool,
    /// Threads that have not finished.
    busy: usize,
    /// Deadlines of armed timers: the driver must not be parked longer.
    armed: Vec<Instant>,
    /// Threads that may still be arming: one less once a thread expects the driver.
    arming: usize,
    /// The driver was parked past one while a thread was still arming, which must wake it then: the
    /// park state lets a second thread rely on the first one's `unpark` before that is called, and
    /// the timer is as late as the call.
    owed: bool,
    /// It was. Asserted at the end, since a panic now would unwind into other threads' panics.
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

    /// A thread has finished. The last one wakes the driver, so that it ends.
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

    /// Parks until it is woken, or until the timeout: then that time has passed.
    fn sleep(&self, limit: Option<Duration>) {
        let mut state = self.state.lock();
        while !state.wake {
            let Some(limit) = limit else {
                state = self.changed.wait(state);
                continue;
            };
            let (begun, until) = (now(), now() + limit);
            // The thread of a timer that has elapsed may not have been woken yet.
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

    /// Asserts, once all threads have finished, that the driver was not parked past a timer.
    fn assert_not_overslept(&self) {
        let state = self.state.lock();
        assert!(
            !state.overslept && !state.owed,
            "the driver was parked past a timer"
        );
    }

    /// From here on the driver must not be parked past `deadline`: the thread has armed its timer.
    fn expect(&self, deadline: Instant) {
        let mut state = self.state.lock();
        state.arming -= 1;
        state.armed.push(deadline);
    }

    fn expect_no_more(&self, deadline: Instant) {
        self.state.lock().armed.retain(|armed| *armed != deadline);
    }
}

/// Timers whose driver parks in `kernel`.
fn timers(wheels: usize, kernel: &Arc<Kernel>) -> Arc<Timers> {
    let kernel = Arc::clone(kernel);
    Timers::new(wheels, move || kernel.wake())
}

/// Runs a driver until all threads have finished. Returns how many times it was parked.
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

/// The panic message of a sleep whose timers are closed.
const CLOSED: &str = "the runtime of this timer was shut down";

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

/// The message of planned panics.
const PLANNED: &str = "as planned";

/// A callback that panics at each call, the observer of its drop, and the count of its calls.
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

/// Race: an interval that panics is cancelled while it is fired. Failure: it is armed again, called
/// again, still active, or held, or its panic is not reported.
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

/// Race: one of two threads fires an interval that panics, while another thread reads its handle.
/// Failure: it is called twice, or stays active.
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

/// Race: a panic is reported while another hook is set. Failure: both hooks are called, or neither;
/// the replaced hook is used after its drop, or stays; the frame is wrong.
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
