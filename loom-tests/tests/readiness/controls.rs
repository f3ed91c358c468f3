//! Waits under a control: its end against events and the waits' own ends.

use std::sync::Arc as StdArc;
use std::task::{Context, Waker};

use framewise_context::control::{self, Control, Controlled, Origin};
use framewise_io::model::Readiness;
use framewise_io::{Direction, Interest, Ready};
use framewise_loom_tests::{TestWaker, drive, model};
use framewise_sync::atomic::Ordering;
use framewise_sync::{Arc, thread};

use crate::{Woken, event};

fn scope() -> Control {
    Control::new_scope(Origin::caller(None))
}

fn within<R>(control: &Control, f: impl FnOnce() -> R) -> R {
    Controlled::from(control.clone()).run(f)
}

/// A thread that ends the control.
fn end(control: &Control) -> thread::JoinHandle<()> {
    let target = control.target();
    thread::spawn(move || {
        target.cancel(None);
    })
}

/// Race: a wait in the list registers while an event comes and its control ends. Failure: a
/// deadlock, or a waker that stays in the list or with the control.
#[test]
fn c99_a_wait_in_the_list_meets_an_event_and_the_end() {
    model("readiness: wait × set × end, list", || {
        let readiness = Arc::new(Readiness::new(Ready::EMPTY));
        let control = scope();
        let others = [event(&readiness, Ready::READABLE), end(&control)];
        let test_waker = TestWaker::new();
        within(&control, || {
            let _ = test_waker.block_on(&mut readiness.wait(Interest::READABLE));
        });
        for other in others {
            other.join().unwrap();
        }
        assert!(readiness.word().load().ready().is_readable());
        assert!(!readiness.word().has_waiters(Interest::READABLE));
        assert_eq!(StdArc::strong_count(&test_waker), 1, "a waker is left");
    });
}

/// Race: the same in the slot.
#[test]
fn c99_a_poll_of_the_slot_meets_an_event_and_the_end() {
    model("readiness: wait × set × end, slot", || {
        let readiness = Arc::new(Readiness::new(Ready::EMPTY));
        let control = scope();
        let others = [event(&readiness, Ready::READABLE), end(&control)];
        let test_waker = TestWaker::new();
        let waker = Waker::from(StdArc::clone(&test_waker));
        within(&control, || {
            let mut cx = Context::from_waker(&waker);
            while readiness.poll_ready(&mut cx, Direction::Read).is_pending() {
                test_waker.wait();
            }
        });
        for other in others {
            other.join().unwrap();
        }
        assert!(!readiness.word().has_waiters(Interest::READABLE));
        drop(waker);
        assert_eq!(StdArc::strong_count(&test_waker), 1, "a waker is left");
    });
}

/// Race: a wait is dropped while an event comes and its control ends. Failure: a waker that stays
/// in the list or with the control, or a bit without a waiter.
#[test]
fn c99_a_dropped_wait_meets_an_event_and_the_end() {
    model("readiness: drop of a wait × set × end", || {
        let readiness = Arc::new(Readiness::new(Ready::EMPTY));
        let control = scope();
        let woken = StdArc::new(Woken::default());
        let waker = Waker::from(StdArc::clone(&woken));
        let mut wait = Box::pin(readiness.wait(Interest::READABLE));
        let polled = within(&control, || {
            wait.as_mut().poll(&mut Context::from_waker(&waker))
        });
        assert!(polled.is_pending());
        let others = [event(&readiness, Ready::READABLE), end(&control)];
        drop(wait);
        for other in others {
            other.join().unwrap();
        }
        assert!(!readiness.word().has_waiters(Interest::READABLE));
        drop(waker);
        assert_eq!(StdArc::strong_count(&woken), 1, "a waker is left");
    });
}

/// Race: a poller outside takes the slot over while the control of the poller in it ends, whose
/// poll then fails. Failure: the poller outside is woken by no event.
#[test]
fn c99_the_end_of_one_poller_meets_another_poller() {
    model("readiness: poll × end and poll of another", || {
        let readiness = Arc::new(Readiness::new(Ready::EMPTY));
        let control = scope();
        let mut cx = Context::from_waker(Waker::noop());
        let poll = |cx: &mut Context<'_>| readiness.poll_ready(cx, Direction::Read);
        assert!(within(&control, || poll(&mut cx)).is_pending());
        let ending = {
            let (readiness, control) = (Arc::clone(&readiness), control.clone());
            thread::spawn(move || {
                control.target().cancel(None);
                let mut cx = Context::from_waker(Waker::noop());
                let polled = || readiness.poll_ready(&mut cx, Direction::Read);
                assert!(within(&control, polled).is_ready());
            })
        };
        let woken = StdArc::new(Woken::default());
        let waker = Waker::from(StdArc::clone(&woken));
        assert!(poll(&mut Context::from_waker(&waker)).is_pending());
        ending.join().unwrap();
        drive(&readiness, Ready::READABLE);
        assert_eq!(woken.0.load(Ordering::Relaxed), 1, "the event is lost");
    });
}

/// Control: a wait that checks the control, and does not register with it.
#[test]
#[should_panic(expected = "the waiter sleeps forever")]
fn negative_a_check_without_a_registration() {
    model("readiness: check × end (negative)", || {
        let readiness = Readiness::new(Ready::EMPTY);
        let control = scope();
        let ending = end(&control);
        let woken = StdArc::new(Woken::default());
        let waker = Waker::from(StdArc::clone(&woken));
        let checked = within(&control, control::check);
        let mut wait = Box::pin(readiness.wait(Interest::READABLE));
        let polled = wait.as_mut().poll(&mut Context::from_waker(&waker));
        ending.join().unwrap();
        let awake = checked.is_err() || polled.is_ready() || woken.0.load(Ordering::Relaxed) == 1;
        assert!(awake, "the waiter sleeps forever");
    });
}
