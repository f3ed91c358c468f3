//! Callbacks, which run and end in the frame that registered them: C-53.

use std::sync::mpsc;
use std::sync::{Arc, Mutex, OnceLock};

use framewise_context::ContextVar;
use framewise_test_support::in_each_start_frame;
use framewise_timers::{TimerCallback, enter, set_interval, set_timeout};

use crate::common::{LONG, LONG_AFTER, TestRuntime, undriven};
use crate::{Dropped, REQUEST, SHORT, on_undriven_timers};

#[test]
fn c53_a_callback_runs_in_the_registering_frame() {
    in_each_start_frame(|| {
        let runtime = TestRuntime::start();
        let (sender, receiver) = mpsc::channel();
        let again = sender.clone();
        runtime.within(|| {
            REQUEST.run(7, || {
                set_timeout(SHORT, move || sender.send(REQUEST.get()).unwrap())
            });
            REQUEST.run(8, || {
                set_interval(SHORT, move || again.send(REQUEST.get()).unwrap())
            });
        });
        let seen: Vec<_> = receiver.iter().take(6).collect();
        assert_eq!(
            seen.iter().filter(|request| **request == Some(7)).count(),
            1,
            "{seen:?}"
        );
        assert_eq!(
            seen.iter().filter(|request| **request == Some(8)).count(),
            5,
            "{seen:?}"
        );
    });
}

/// A variable whose value shows when it is dropped.
static HELD: ContextVar<Arc<()>> = ContextVar::new("held");

#[test]
fn c53_the_frame_is_released_after_the_last_firing() {
    on_undriven_timers(|timers| {
        let held = Arc::new(());
        let (sender, dropped) = mpsc::channel();
        let captured = Dropped(sender);
        let callback = HELD.run(Arc::clone(&held), || {
            REQUEST.run(7, || set_timeout(LONG, move || drop(captured)))
        });
        assert_eq!(Arc::strong_count(&held), 2);
        timers.fire_at(0, LONG_AFTER);
        assert_eq!(Arc::strong_count(&held), 1);
        assert_eq!(dropped.try_recv(), Ok(Some(7)));
        assert!(!callback.is_active() && !callback.cancel());
    });
}

#[test]
fn c53_the_frame_is_released_on_cancel() {
    in_each_start_frame(|| {
        let (timers, unparks) = undriven(1);
        let _entered = enter(&timers.handle(0));
        for repeated in [false, true] {
            let held = Arc::new(());
            let (sender, dropped) = mpsc::channel();
            let captured = Dropped(sender);
            let callback = HELD.run(Arc::clone(&held), || {
                REQUEST.run(7, || match repeated {
                    false => set_timeout(LONG, move || drop(captured)),
                    true => set_interval(LONG, move || assert!(captured.0.send(None).is_err())),
                })
            });
            assert_eq!(Arc::strong_count(&held), 2);
            assert!(callback.is_active());
            assert!(REQUEST.run(9, || callback.cancel()));
            assert_eq!(Arc::strong_count(&held), 1);
            assert_eq!(
                dropped.try_recv(),
                Ok(Some(7)),
                "the value is dropped in its own frame"
            );
            assert!(dropped.try_recv().is_err(), "and only once");
            assert!(!callback.is_active() && !callback.cancel());
        }
        assert!(timers.is_empty());
        assert_eq!(timers.fire_at(0, LONG_AFTER), 0);
        assert_eq!(unparks.load(std::sync::atomic::Ordering::SeqCst), 0);
    });
}

#[test]
fn c53_an_interval_holds_its_frame_until_it_is_cancelled() {
    on_undriven_timers(|timers| {
        let held = Arc::new(());
        let calls = Arc::new(Mutex::new(0));
        let counting = Arc::clone(&calls);
        let callback = HELD.run(Arc::clone(&held), || {
            set_interval(LONG, move || {
                assert_eq!(HELD.with(|held| held.map(Arc::strong_count)), Some(2));
                *counting.lock().unwrap() += 1;
            })
        });
        for calls_then in 1..4 {
            timers.fire_at(0, calls_then * LONG_AFTER);
            assert_eq!(*calls.lock().unwrap(), calls_then);
            assert_eq!((Arc::strong_count(&held), timers.len()), (2, 1));
        }
        assert!(callback.cancel());
        assert_eq!((Arc::strong_count(&held), timers.len()), (1, 0));
    });
}

static OWN_HANDLE: ContextVar<Arc<OnceLock<TimerCallback>>> = ContextVar::new("own_handle");

#[test]
fn c53_a_callback_cancels_its_own_handle_that_its_frame_holds() {
    on_undriven_timers(|timers| {
        for repeated in [false, true] {
            let place = Arc::new(OnceLock::new());
            let weak = Arc::downgrade(&place);
            let (sender, cancelled) = mpsc::channel();
            let cancel = move || {
                let own = OWN_HANDLE.get().unwrap();
                sender.send(own.get().unwrap().cancel()).unwrap();
            };
            OWN_HANDLE
                .run(Arc::clone(&place), || {
                    place.set(if repeated {
                        set_interval(LONG, cancel)
                    } else {
                        set_timeout(LONG, cancel)
                    })
                })
                .unwrap();
            drop(place);
            timers.fire_at(0, LONG_AFTER << u32::from(repeated));
            assert_eq!(
                cancelled.try_recv(),
                Ok(repeated),
                "a timeout has no further call"
            );
            assert!(cancelled.recv().is_err(), "the function is dropped");
            assert!(
                weak.upgrade().is_none(),
                "the frame is dropped, with the handle in it"
            );
            assert!(timers.is_empty());
        }
    });
}

/// Like the previous test, canceled from outside: dropping the frame drops the last handle inside
/// `cancel`.
#[test]
fn c53_cancelling_drops_a_frame_that_holds_the_handle() {
    on_undriven_timers(|_| {
        let place = Arc::new(OnceLock::new());
        let weak = Arc::downgrade(&place);
        let callback = OWN_HANDLE.run(Arc::clone(&place), || set_timeout(LONG, || ()));
        place.set(callback.clone()).unwrap();
        drop(place);
        assert!(weak.upgrade().is_some());
        assert!(callback.cancel());
        assert!(weak.upgrade().is_none());
    });
}

/// A value whose destructor cancels the callback that holds its frame.
struct CancelsOnDrop(Mutex<Option<TimerCallback>>, mpsc::Sender<bool>);

impl Drop for CancelsOnDrop {
    fn drop(&mut self) {
        let callback = self.0.get_mut().unwrap().take().unwrap();
        self.1.send(callback.cancel()).unwrap();
    }
}

static CANCELS: ContextVar<Arc<CancelsOnDrop>> = ContextVar::new("cancels");

#[test]
fn c53_a_value_of_the_frame_cancels_the_callback_as_it_is_dropped() {
    on_undriven_timers(|timers| {
        let (sender, cancelled) = mpsc::channel();
        let value = Arc::new(CancelsOnDrop(Mutex::new(None), sender));
        let callback = CANCELS.run(Arc::clone(&value), || set_timeout(LONG, || ()));
        *value.0.lock().unwrap() = Some(callback);
        drop(value);
        timers.fire_at(0, LONG_AFTER);
        assert_eq!(cancelled.try_recv(), Ok(false));
    });
}

#[test]
fn c53_closing_drops_a_callback_in_its_frame() {
    on_undriven_timers(|timers| {
        let (sender, dropped) = mpsc::channel();
        let captured = Dropped(sender.clone());
        let callback = REQUEST.run(7, || set_timeout(LONG, move || drop(captured)));
        timers.close();
        assert_eq!(dropped.try_recv(), Ok(Some(7)));
        assert!(!callback.is_active());
        // Registered later: dropped at once, also in its frame.
        let captured = Dropped(sender);
        let callback = REQUEST.run(8, || set_timeout(LONG, move || drop(captured)));
        assert_eq!(dropped.try_recv(), Ok(Some(8)));
        assert!(!callback.is_active() && timers.is_empty());
    });
}
