//! Callbacks that panic: C-53 and C-92.

use std::sync::mpsc;
use std::sync::{Arc, Mutex, OnceLock};

use framewise_context::{ContextVar, Frame};
use framewise_timers::{PanicPolicy, TimerCallback, enter, set_interval_with, set_timeout};

use crate::common::{LONG, LONG_AFTER, undriven};
use crate::{Dropped, REQUEST, on_undriven_timers};

#[test]
fn c53_a_panic_is_reported_in_its_frame() {
    on_undriven_timers(|timers| {
        let (sender, reported) = mpsc::channel();
        timers.on_callback_panic(move |payload| {
            let message = payload.downcast_ref::<&str>().copied();
            sender.send((REQUEST.get(), message)).unwrap();
            false
        });
        REQUEST.run(7, || set_timeout(LONG, || panic!("on purpose")));
        REQUEST.run(8, || {
            set_timeout(LONG, || REQUEST.run(9, || panic!("further in")))
        });
        timers.fire_at(0, LONG_AFTER);
        assert_eq!(reported.try_recv(), Ok((Some(7), Some("on purpose"))));
        assert_eq!(reported.try_recv(), Ok((Some(9), Some("further in"))));
        assert_eq!(REQUEST.get(), None);
    });
}

#[test]
fn c92_the_hook_s_answer_says_whether_an_interval_goes_on() {
    on_undriven_timers(|timers| {
        // Handled at the first call, and not at the second.
        let answers = Mutex::new(vec![false, true]);
        timers.on_callback_panic(move |_| answers.lock().unwrap().pop().unwrap());
        let (sender, called) = mpsc::channel();
        let callback = set_interval_with(LONG, PanicPolicy::ContinueIfHandled, move || {
            sender.send(()).unwrap();
            panic!("on purpose")
        });
        assert_eq!(timers.fire_at(0, LONG_AFTER), 1);
        assert!(callback.is_active());
        assert_eq!(timers.fire_at(0, LONG_AFTER * 2), 1);
        assert!(!callback.is_active() && timers.is_empty());
        assert_eq!(called.iter().count(), 2);
        // Without a hook nothing is handled.
        let (timers, _) = undriven(1);
        let _entered = enter(&timers.handle(0));
        let callback = set_interval_with(LONG, PanicPolicy::ContinueIfHandled, || {
            panic!("on purpose")
        });
        assert_eq!(timers.fire_at(0, LONG_AFTER), 1);
        assert!(!callback.is_active());
    });
}

#[test]
fn c92_an_interval_that_continues_after_a_panic_is_called_again_on_schedule_in_its_frame() {
    on_undriven_timers(|timers| {
        let (sender, reported) = mpsc::channel();
        timers.on_callback_panic(move |payload| {
            let message = payload.downcast_ref::<&str>().copied();
            sender.send((REQUEST.get(), message)).unwrap();
            false
        });
        let (sender, called) = mpsc::channel();
        let call = move || {
            sender.send(REQUEST.get()).unwrap();
            REQUEST.run(8, || panic!("on purpose"))
        };
        let callback = REQUEST.run(7, || set_interval_with(LONG, PanicPolicy::Continue, call));
        // At each of these ticks one more call is due, and the next one is not.
        for calls in 1..=2 {
            assert_eq!(timers.fire_at(0, LONG_AFTER * calls), 1);
            assert_eq!(called.try_recv(), Ok(Some(7)));
            assert_eq!(reported.try_recv(), Ok((Some(8), Some("on purpose"))));
            assert!(callback.is_active());
            assert_eq!(timers.len(), 1);
        }
        assert!(callback.cancel());
        assert!(called.recv().is_err() && reported.try_recv().is_err());
        assert!(timers.is_empty());
    });
}

/// A cancel during a call that panics overrides the policy.
#[test]
fn c92_a_cancel_in_a_call_that_panics_ends_the_interval() {
    on_undriven_timers(|timers| {
        let own = Arc::new(OnceLock::<TimerCallback>::new());
        let within = Arc::clone(&own);
        let (sender, called) = mpsc::channel();
        let callback = set_interval_with(LONG, PanicPolicy::Continue, move || {
            sender.send(within.get().unwrap().cancel()).unwrap();
            panic!("on purpose");
        });
        own.set(callback).unwrap();
        timers.fire_at(0, LONG_AFTER);
        assert_eq!(called.recv(), Ok(true));
        assert!(called.recv().is_err(), "the callback is dropped");
        assert!(timers.is_empty() && !own.get().unwrap().is_active());
    });
}

/// Found by LeakSanitizer: the frame of the payload that the hook threw was leaked.
#[test]
fn c53_a_hook_that_panics_keeps_no_frame() {
    static KEPT: ContextVar<Dropped> = ContextVar::new("kept");
    on_undriven_timers(|timers| {
        timers.on_callback_panic(|_| panic!("on purpose: the hook"));
        let (sender, dropped) = mpsc::channel();
        REQUEST.run(7, || {
            set_timeout(LONG, || KEPT.run(Dropped(sender), || panic!("on purpose")))
        });
        assert_eq!(timers.fire_at(0, LONG_AFTER), 1);
        assert_eq!(
            dropped.try_recv(),
            Ok(None),
            "the frame of the panic is leaked"
        );
    });
}

/// The report of a panic may hold its frame as the last one, so values are dropped at its end.
#[test]
fn c53_a_value_that_panics_as_it_ends_with_a_reported_panic_loses_nothing_else() {
    struct Bomb(mpsc::Sender<()>);
    impl Drop for Bomb {
        fn drop(&mut self) {
            self.0.send(()).unwrap();
            panic!("on purpose: a value");
        }
    }
    static BOMB: ContextVar<Bomb> = ContextVar::new("bomb");
    on_undriven_timers(|timers| {
        let around = Frame::current().id();
        let (sender, dropped) = mpsc::channel();
        for _ in 0..2 {
            let bomb = Bomb(sender.clone());
            set_timeout(LONG, || BOMB.run(bomb, || panic!("on purpose")));
        }
        assert_eq!(timers.fire_at(0, LONG_AFTER), 2);
        assert_eq!(dropped.try_iter().count(), 2);
        // The hook panics, too, while the value is bound.
        timers.on_callback_panic(|_| panic!("on purpose: the hook"));
        let bomb = Bomb(sender);
        set_timeout(LONG, || BOMB.run(bomb, || panic!("on purpose")));
        assert_eq!(timers.fire_at(0, 2 * LONG_AFTER), 1);
        assert_eq!(dropped.try_iter().count(), 1);
        assert_eq!(Frame::current().id(), around);
    });
}
