//! Callbacks that panic beside their cancelling and their hook.

use framewise_context::ContextVar;
use framewise_loom_tests::{DropTracker, model_with_panics};
use framewise_sync::atomic::{AtomicUsize, Ordering};
use framewise_sync::{Arc, thread};
use framewise_timers::model::TICK;
use framewise_timers::model_clock::ModelClock;
use framewise_timers::{TimerCallback, Timers, enter, set_interval, set_timeout};

use crate::PLANNED;

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
                false
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
                false
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
