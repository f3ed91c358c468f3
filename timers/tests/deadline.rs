//! Deadlines on timers that are driven by hand: one timer for each, and none that is left.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use framewise_context::Frame;
use framewise_context::cancel::{self, cancelled};
use framewise_timers::{deadline, enter};

use common::{LONG, LONG_AFTER, poll, undriven};

#[test]
fn a_deadline_is_one_timer_and_none_if_it_is_not_earlier() {
    let (timers, unparks) = undriven(1);
    let _entered = enter(&timers.handle(0));
    assert!(timers.before_park().is_none());
    deadline::run(LONG, || {
        assert_eq!(timers.len(), 1);
        assert_eq!(
            unparks.load(Ordering::SeqCst),
            1,
            "the driver would oversleep"
        );
        let mut waits: Vec<_> = (0..10).map(|_| cancelled()).collect();
        for wait in &mut waits {
            assert!(poll(wait).is_pending());
        }
        deadline::run(LONG * 2, || assert_eq!(timers.len(), 1));
        deadline::run(LONG / 2, || assert_eq!(timers.len(), 2));
        assert_eq!(timers.len(), 1, "its frame is gone");

        assert_eq!(timers.fire_at(0, LONG_AFTER), 1);
        for wait in &mut waits {
            assert!(poll(wait).is_ready());
        }
        assert!(cancel::cause().unwrap().is_deadline());
    });
    assert!(timers.is_empty());
}

#[test]
fn a_dropped_deadline_drops_its_future_and_its_timer() {
    let (timers, _) = undriven(1);
    let _entered = enter(&timers.handle(0));
    let value = Arc::new(());
    let held = Arc::clone(&value);
    let future = async move {
        let _held = held;
        std::future::pending::<()>().await;
    };
    let mut limited = Box::pin(deadline::within(LONG, future));
    assert!(timers.is_empty(), "it was not polled");
    assert!(poll(&mut limited).is_pending());
    assert_eq!(timers.len(), 1);
    drop(limited);
    assert_eq!(Arc::strong_count(&value), 1);
    assert!(timers.is_empty());
}

#[test]
fn a_cancelled_scope_takes_the_timers_below_it_out() {
    let (timers, _) = undriven(1);
    let _entered = enter(&timers.handle(0));
    let (handle, scope) = cancel::scope();
    let snapshot = scope.run(|| deadline::run(LONG, Frame::current));
    assert_eq!(timers.len(), 1);
    handle.cancel();
    assert!(timers.is_empty());
    assert!(!snapshot.run(cancel::cause).unwrap().is_deadline());
}

#[test]
fn a_snapshot_keeps_the_timer_and_closing_ends_the_work() {
    let (timers, _) = undriven(1);
    let entered = enter(&timers.handle(0));
    let snapshot = deadline::run(LONG, Frame::current);
    assert_eq!(timers.len(), 1);
    let mut wait = snapshot.clone().scope(cancelled());
    assert!(poll(&mut wait).is_pending());
    timers.close();
    assert!(poll(&mut wait).is_ready());
    assert!(!snapshot.run(cancel::cause).unwrap().is_deadline());
    let late = deadline::run(LONG, cancel::cause);
    assert!(late.unwrap().to_string().contains("shut down"));
    drop(entered);
}
