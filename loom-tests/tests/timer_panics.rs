//! Intervals that continue after a panic (`PanicPolicy::Continue`), against cancels, closings and
//! other threads that fire.
//!
//! The callback panics at each call. A failure is a call that is missing, early, in another frame,
//! or concurrent with another one; a call after the cancel, or a callback that is still in the
//! wheel; a function or a frame's value that is dropped twice or never; or a panic that is not
//! passed to the hook.
#![cfg(framewise_loom)]

use framewise_context::ContextVar;
use framewise_loom_tests::{DropObserver, DropTracker, PoisoningAllocator, model_with_panics};
use framewise_sync::atomic::{AtomicUsize, Ordering};
use framewise_sync::cell::UnsafeCell;
use framewise_sync::{Arc, thread};
use framewise_timers::model::TICK;
use framewise_timers::model_clock::ModelClock;
use framewise_timers::{Instant, PanicPolicy, TimerCallback, Timers, enter, set_interval_with};

#[global_allocator]
static ALLOCATOR: PoisoningAllocator = PoisoningAllocator;

/// The message of the callback's panics.
const PLANNED: &str = "as planned";

/// The value in the callback's frame.
static HELD: ContextVar<DropTracker> = ContextVar::new("held");

/// The ticks at which the callback was called. Written by each call: loom reports a race if two
/// calls overlap, or one does not happen after the previous one.
struct Calls(UnsafeCell<Vec<Instant>>);

// SAFETY: loom checks the accesses to the cell and reports a race.
unsafe impl Send for Calls {}
// SAFETY: like `Send`.
unsafe impl Sync for Calls {}

/// An interval of one tick, in the only wheel of its timers.
struct Panicking {
    timers: Arc<Timers>,
    clock: ModelClock,
    begun: Instant,
    callback: Option<TimerCallback>,
    calls: Arc<Calls>,
    counted: Arc<AtomicUsize>,
    reports: Arc<AtomicUsize>,
    function: DropObserver,
    value: DropObserver,
}

impl Panicking {
    fn new(policy: PanicPolicy) -> Self {
        let clock = ModelClock::new();
        let timers = Timers::new(1, || ());
        let reports = Arc::new(AtomicUsize::new(0));
        timers.on_callback_panic({
            let reports = Arc::clone(&reports);
            move |_| {
                HELD.with(|held| held.expect("the panic's frame is current").touch());
                reports.fetch_add(1, Ordering::Relaxed);
                false
            }
        });
        let calls = Arc::new(Calls(UnsafeCell::new(Vec::new())));
        let counted = Arc::new(AtomicUsize::new(0));
        let (held, function) = DropTracker::new();
        let (in_frame, value) = DropTracker::new();
        let entered = enter(&timers.handle(0));
        let callback = HELD.run(in_frame, || {
            let (calls, counted) = (Arc::clone(&calls), Arc::clone(&counted));
            set_interval_with(TICK, policy, move || {
                held.touch();
                HELD.with(|held| held.expect("the interval's frame is current").touch());
                // SAFETY: loom reports a concurrent access.
                calls
                    .0
                    .with_mut(|calls| unsafe { (*calls).push(Instant::now()) });
                counted.fetch_add(1, Ordering::Relaxed);
                panic!("{PLANNED}");
            })
        });
        drop(entered);
        Self {
            timers,
            clock,
            begun: Instant::now(),
            callback: Some(callback),
            calls,
            counted,
            reports,
            function,
            value,
        }
    }

    /// Returns the calls so far, in ticks since the interval began. They must happen before.
    #[track_caller]
    fn calls(&self) -> Vec<u128> {
        self.calls.0.with(|calls| {
            // SAFETY: loom reports a concurrent write.
            let calls = unsafe { &*calls };
            let ticks = |call: &Instant| (*call - self.begun).as_nanos() / TICK.as_nanos();
            calls.iter().map(ticks).collect()
        })
    }

    /// Cancels it. Returns `true` if that prevents a call.
    fn cancel(&self) -> bool {
        let callback = self.callback.as_ref();
        callback.expect("the handle was not dropped").cancel()
    }

    fn counted(&self) -> usize {
        self.counted.load(Ordering::Relaxed)
    }

    /// Asserts, once all threads have finished and the interval has ended, that nothing is left of
    /// it.
    #[track_caller]
    fn assert_ended(self) {
        let calls = self.calls();
        if let Some(callback) = &self.callback {
            assert!(!callback.is_active() && !callback.cancel());
        }
        self.clock.advance(TICK * 9);
        assert_eq!(self.timers.fire(0), 0, "it was armed after its end");
        assert!(self.timers.is_empty());
        assert_eq!(self.calls(), calls, "it was called after its end");
        assert_eq!(self.reports.load(Ordering::Relaxed), calls.len());
        assert!(self.function.is_dropped(), "the function is still held");
        assert!(self.value.is_dropped(), "the frame is still held");
    }
}

/// Fires at the interval's next tick.
fn fire_a_tick_later(timers: &Timers, clock: &ModelClock) -> usize {
    clock.advance(TICK);
    timers.fire(0)
}

/// Race: the interval is fired at its first tick and, after its panic, at its second, while another
/// thread cancels it: before, between, after and during its calls. Failure: a call beyond the one
/// that runs at the cancel, or a missing call before the cancel.
#[test]
fn a_cancel_meets_an_interval_that_goes_on() {
    let name = "timers: interval that goes on × cancel × fire, fire";
    model_with_panics(name, &[PLANNED], || {
        let interval = Panicking::new(PanicPolicy::Continue);
        let firing = thread::spawn({
            let (timers, clock) = (Arc::clone(&interval.timers), interval.clock.clone());
            move || [(); 2].map(|()| fire_a_tick_later(&timers, &clock))
        });
        let prevented = interval.cancel();
        let before = interval.counted();
        let fired = firing.join().unwrap();
        assert!(prevented, "it has ended before the cancel");
        let calls = interval.calls();
        // `before` may miss the call that is running, and no other.
        assert!(calls.len() <= before + 1, "called after the cancel");
        assert!([1, 2].starts_with(&calls), "at {calls:?}");
        // An entry that the wheel returned before the cancel is not called.
        assert!(calls.len() <= fired.iter().sum());
        interval.assert_ended();
    });
}

/// Race: the only handle of the interval is dropped on another thread while the interval is fired
/// at its first tick and at its second. Failure: the drop or the panic ends it, or the closing
/// afterwards leaves its function or its frame.
#[test]
fn a_dropped_handle_meets_an_interval_that_goes_on() {
    let name = "timers: interval that goes on × handle dropped × fire, fire";
    model_with_panics(name, &[PLANNED], || {
        let mut interval = Panicking::new(PanicPolicy::Continue);
        let handle = interval.callback.take();
        let dropping = thread::spawn(move || drop(handle));
        let fired = [(); 2].map(|()| fire_a_tick_later(&interval.timers, &interval.clock));
        dropping.join().unwrap();
        assert_eq!(fired, [1, 1], "it does not go on");
        assert_eq!(interval.calls(), [1, 2]);
        assert!(!interval.function.is_dropped() && !interval.value.is_dropped());
        interval.timers.close();
        interval.assert_ended();
    });
}

/// Race: two threads fire when the interval is a tick late, and each once more a tick later.
/// Failure: both call it at a time, it is called twice for one tick, or not again.
#[test]
fn an_interval_that_goes_on_meets_two_that_fire() {
    let name = "timers: interval that goes on × fire, fire × fire, fire";
    model_with_panics(name, &[PLANNED], || {
        let interval = Panicking::new(PanicPolicy::Continue);
        let begun = interval.begun;
        interval.clock.advance(TICK * 2);
        let fire = move |timers: &Timers, clock: &ModelClock| {
            let fired = timers.fire(0);
            clock.advance_to(begun + TICK * 3);
            fired + timers.fire(0)
        };
        let firing = thread::spawn({
            let (timers, clock) = (Arc::clone(&interval.timers), interval.clock.clone());
            move || fire(&timers, &clock)
        });
        let fired = fire(&interval.timers, &interval.clock) + firing.join().unwrap();
        let mut calls = interval.calls();
        assert_eq!(calls.len(), fired);
        // A call that reads the later time at its end is followed by one at the fourth tick.
        assert!(
            [[2, 3].as_slice(), &[2], &[3]].contains(&&*calls),
            "at {calls:?}"
        );
        assert_eq!(fire_a_tick_later(&interval.timers, &interval.clock), 1);
        calls.push(4);
        assert_eq!(interval.calls(), calls);
        assert!(interval.cancel(), "it has ended before the cancel");
        interval.assert_ended();
    });
}

/// Race: the timers are closed while the interval is fired at its first tick and at its second.
/// Failure: it is armed in a wheel that no thread fires any more, or both sides drop it.
#[test]
fn a_closing_meets_an_interval_that_goes_on() {
    let name = "timers: interval that goes on × close × fire, fire";
    model_with_panics(name, &[PLANNED], || {
        let interval = Panicking::new(PanicPolicy::Continue);
        let closing = thread::spawn({
            let timers = Arc::clone(&interval.timers);
            move || timers.close()
        });
        let fired = [(); 2].map(|()| fire_a_tick_later(&interval.timers, &interval.clock));
        closing.join().unwrap();
        let calls = interval.calls();
        assert!([1, 2].starts_with(&calls), "at {calls:?}");
        assert!(calls.len() <= fired.iter().sum());
        interval.assert_ended();
    });
}

/// Control: an interval that its panic ends.
#[test]
#[should_panic(expected = "it does not go on")]
fn control_an_interval_that_stops_is_noticed() {
    let name = "timers: control, an interval that stops";
    model_with_panics(name, &[PLANNED], || {
        let interval = Panicking::new(PanicPolicy::Stop);
        for _ in 0..2 {
            let fired = fire_a_tick_later(&interval.timers, &interval.clock);
            assert_eq!(fired, 1, "it does not go on");
        }
    });
}
