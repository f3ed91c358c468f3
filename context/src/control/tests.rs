//! Tests of the node on one thread. The models of its races are in `loom-tests/tests/control/`.

use std::error::Error;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use super::{
    Control, ControlWait, Controlled, Ended, OnCancel, Origin, check, deadline, end_if_passed,
    ended,
};
use crate::{ContextVar, Frame};

static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");

#[track_caller]
fn origin() -> Origin {
    Origin::caller(Some("test"))
}

#[derive(Default)]
struct CountedWakes(AtomicUsize);

impl Wake for CountedWakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl CountedWakes {
    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

fn no_panic(_: crate::CaughtPanic) {
    unreachable!("nothing panics");
}

fn later(seconds: u64) -> Instant {
    Instant::now() + Duration::from_secs(seconds)
}

fn deadline_in(seconds: u64) -> Control {
    Control::with_deadline(None, later(seconds), origin()).expect("there is none around")
}

#[test]
fn the_root_and_a_frame_without_a_control_never_end() {
    let mut wait = ControlWait::new();
    let waker = Waker::noop();
    let expect_none = |wait: &mut ControlWait| {
        assert_eq!(check(), Ok(()));
        assert_eq!(wait.register(waker), Ok(()));
        assert!(!wait.is_registered());
        assert_eq!(deadline(), None);
    };
    expect_none(&mut wait);
    REQUEST_ID.run(7, || expect_none(&mut wait));
    Controlled::shielded().run(|| expect_none(&mut wait));
}

#[test]
fn an_end_wakes_each_waiter_once_and_the_first_reason_wins() {
    let control = deadline_in(60);
    let wakes = Arc::new(CountedWakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    let (mut first, mut second) = (ControlWait::new(), ControlWait::new());
    let target = control.target();
    Controlled::from(control).run(|| {
        assert_eq!(first.register(&waker), Ok(()));
        assert_eq!(first.register(&waker), Ok(()));
        assert_eq!(second.register(&waker), Ok(()));
        assert!(target.pass(&mut no_panic));
        assert_eq!(wakes.count(), 2);
        assert!(!target.cancel(None) && !target.pass(&mut no_panic));
        assert_eq!(wakes.count(), 2);

        let reason = check().expect_err("it has ended");
        assert!(reason.is_deadline());
        assert_eq!(first.register(&waker), Err(reason.clone()));
        assert!(!first.is_registered());
        assert_eq!(ControlWait::new().register(&waker), Err(reason));
    });
}

#[test]
fn c48_a_wait_that_is_cleared_or_dropped_holds_no_waker_and_is_not_woken() {
    let control = deadline_in(60);
    let target = control.target();
    let wakes = Arc::new(CountedWakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    Controlled::from(control).run(|| {
        let (mut cleared, mut dropped) = (ControlWait::new(), ControlWait::new());
        assert_eq!(cleared.register(&waker), Ok(()));
        assert_eq!(dropped.register(&waker), Ok(()));
        cleared.clear();
        drop(dropped);
        drop(waker);
        assert_eq!(Arc::strong_count(&wakes), 1);
        target.cancel(None);
        assert_eq!(wakes.count(), 0);
    });
}

#[test]
fn a_wait_follows_its_waker_and_its_frame() {
    let (one, two) = (deadline_in(60), deadline_in(60));
    let (first, second) = (
        Arc::new(CountedWakes::default()),
        Arc::new(CountedWakes::default()),
    );
    let mut wait = ControlWait::new();
    let register = |wait: &mut ControlWait, control: &Control, wakes: &Arc<CountedWakes>| {
        let waker = Waker::from(Arc::clone(wakes));
        let registered = Controlled::from(control.clone()).run(|| wait.register(&waker));
        assert_eq!(registered, Ok(()));
    };
    register(&mut wait, &one, &first);
    register(&mut wait, &one, &second);
    assert_eq!(Arc::strong_count(&first), 1);
    register(&mut wait, &two, &second);
    one.target().cancel(None);
    assert_eq!((first.count(), second.count()), (0, 0));
    two.target().cancel(None);
    assert_eq!((first.count(), second.count()), (0, 1));

    register(&mut wait, &deadline_in(60), &first);
    assert_eq!(wait.register(Waker::noop()), Ok(()));
    assert!(!wait.is_registered(), "there is no control here");
}

#[test]
fn c84_a_deadline_that_is_not_earlier_makes_no_node() {
    let outer = deadline_in(60);
    let limit = outer.deadline().expect("it has one");
    let same = Control::with_deadline(Some(&outer), limit, origin());
    assert_eq!(same.expect_err("not earlier").deadline(), Some(limit));
    let earlier = limit - Duration::from_secs(1);
    let inner = Control::with_deadline(Some(&outer), earlier, origin()).expect("earlier");
    assert_eq!(inner.deadline(), Some(earlier));

    outer.target().cancel(None);
    assert_eq!(inner.ended(), None, "its own timer comes first");
    let late = Control::with_deadline(Some(&outer), earlier, origin()).expect_err("ended");
    assert_eq!(late.ended(), outer.ended());
    assert_eq!(
        late.deadline(),
        Some(earlier),
        "also in work that has ended"
    );
}

#[test]
fn c85_an_end_flows_down_only() {
    let handle = Control::new_scope(origin());
    let outer = handle.below(None);
    let middle = Control::new_scope(origin()).below(Some(&outer));
    let sibling = Control::new_scope(origin()).below(Some(&outer));
    let limited =
        Control::with_deadline(Some(&middle), later(60), origin()).expect("none is earlier");
    let inner = Control::with_deadline(Some(&limited), later(30), origin()).expect("earlier");
    let tightest = Control::new_scope(origin()).below(Some(&inner));
    assert_eq!(tightest.deadline(), inner.deadline());

    middle
        .target()
        .cancel(Some(Arc::new(io::Error::other("a cause"))));
    assert_eq!((outer.ended(), sibling.ended()), (None, None));
    let reason = middle.ended().expect("it was cancelled");
    assert_eq!(
        reason.cause().map(ToString::to_string).as_deref(),
        Some("a cause")
    );
    for below in [&limited, &inner, &tightest] {
        assert_eq!(below.ended().as_ref(), Some(&reason));
    }
    outer.target().cancel(None);
    assert_eq!(middle.ended(), Some(reason));
    assert!(sibling.ended().is_some());
}

#[test]
fn a_scope_below_another_ends_with_its_handle_too() {
    let (around, handle) = (Control::new_scope(origin()), Control::new_scope(origin()));
    let scope = handle.below(Some(&around));
    handle.target().cancel(None);
    assert!(scope.ended().is_some());
    assert_eq!(around.ended(), None);
    let late = handle.below(Some(&around));
    assert_eq!(late.ended(), scope.ended());
}

#[test]
fn a_node_leaves_the_tree_with_its_last_holder() {
    let around = Control::new_scope(origin());
    let below = Control::new_scope(origin()).below(Some(&around));
    let snapshot = Controlled::from(below).run(Frame::current);
    let target = snapshot.run(|| Controlled::current().control().expect("bound").target());
    drop(snapshot);
    around.target().cancel(None);
    assert_eq!(target.ended(), None);
}

#[test]
fn c86_a_snapshot_carries_the_deadline() {
    let control = deadline_in(60);
    let (limit, target) = (control.deadline(), control.target());
    let snapshot = Controlled::from(control).run(|| REQUEST_ID.run(7, Frame::current));
    let ended = std::thread::spawn(move || {
        let inherited = snapshot.inherited();
        assert_eq!(inherited.run(deadline), limit);
        assert!(target.pass(&mut no_panic));
        inherited.run(ended)
    });
    assert!(ended.join().expect("no panic").is_some());
    assert_eq!(deadline(), None);
}

#[test]
fn c97_a_shield_keeps_the_values_alone() {
    let control = deadline_in(60);
    let target = control.target();
    Controlled::from(control).run(|| {
        REQUEST_ID.run(7, || {
            target.cancel(None);
            Controlled::shielded().run(|| {
                assert_eq!(
                    (REQUEST_ID.get(), deadline(), ended()),
                    (Some(7), None, None)
                );
            });
            assert!(ended().is_some());
        });
    });
}

#[test]
fn c110_an_end_drops_no_future() {
    let polls = AtomicUsize::new(0);
    let control = Control::new_scope(origin());
    let target = control.target();
    let mut wait = ControlWait::new();
    let operation = std::future::poll_fn(|cx| {
        polls.fetch_add(1, Ordering::Relaxed);
        match wait.register(cx.waker()) {
            Ok(()) => std::task::Poll::Pending,
            Err(ended) => std::task::Poll::Ready(ended),
        }
    });
    let scope = super::ControlScope::new(operation, Controlled::from(control));
    let mut scope = Box::pin(scope);
    let mut cx = std::task::Context::from_waker(Waker::noop());
    assert!(scope.as_mut().poll(&mut cx).is_pending());
    target.cancel(None);
    assert!(scope.as_mut().poll(&mut cx).is_ready());
    assert_eq!(polls.load(Ordering::Relaxed), 2);
}

#[test]
fn a_timer_is_dropped_at_the_end_and_with_the_last_holder() {
    let guard = Arc::new(());
    let held = || Arc::strong_count(&guard) - 1;
    let armed = || {
        let control = deadline_in(60);
        control.arm(Box::new(Arc::clone(&guard)));
        control
    };
    let control = armed();
    let other = control.clone();
    drop(control);
    assert_eq!(held(), 1);
    drop(other);
    assert_eq!(held(), 0);

    let control = armed();
    control.target().cancel(None);
    assert_eq!(held(), 0);
    control.arm(Box::new(Arc::clone(&guard)));
    assert_eq!(held(), 0, "armed too late");
}

#[test]
fn c12_scopes_nest_without_a_limit() {
    let around = Control::new_scope(origin());
    let mut innermost = around.clone();
    for _ in 0..100_000 {
        innermost = Control::new_scope(origin()).below(Some(&innermost));
    }
    let snapshot = innermost.clone();
    around.target().cancel(None);
    assert!(innermost.ended().is_some());
    drop(around);
    drop(innermost);
    drop(snapshot);
}

#[test]
fn c98_a_callback_runs_once_in_its_frame_also_after_the_end_but_not_withdrawn() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let call = || {
        assert_eq!(REQUEST_ID.get(), Some(7));
        CALLS.fetch_add(1, Ordering::Relaxed);
    };
    let calls = || CALLS.load(Ordering::Relaxed);
    let control = Control::new_scope(origin());
    let target = control.target();
    let registered = || {
        let kept = OnCancel::register(call);
        let withdrawn = OnCancel::register(call);
        drop(OnCancel::register(call));
        assert!(withdrawn.withdraw());
        kept
    };
    let controlled = Controlled::from(control);
    let kept = controlled.clone().run(|| REQUEST_ID.run(7, registered));
    REQUEST_ID.run(8, || target.cancel(None));
    target.cancel(None);
    assert_eq!(calls(), 1);
    assert!(!kept.withdraw());

    let late = controlled.run(|| REQUEST_ID.run(7, || OnCancel::register(call)));
    assert_eq!(calls(), 2);
    drop(late);
    assert_eq!(calls(), 2);
    drop(OnCancel::register(|| unreachable!("there is no control")));
}

#[test]
fn a_callback_can_withdraw_another_and_a_panic_does_not_prevent_the_rest() {
    let control = Control::new_scope(origin());
    let target = control.target();
    let calls = Arc::new(AtomicUsize::new(0));
    Controlled::from(control).run(|| {
        let slot = Arc::new(std::sync::Mutex::new(None));
        let victims = Arc::clone(&slot);
        let withdraws = OnCancel::register(move || {
            drop(victims.lock().expect("not poisoned").take());
            panic!("on purpose");
        });
        let victim = OnCancel::register(|| unreachable!("it was withdrawn"));
        *slot.lock().expect("not poisoned") = Some(victim);
        let counted = Arc::clone(&calls);
        let last = OnCancel::register(move || {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        let unwound = catch_unwind(AssertUnwindSafe(|| target.cancel(None)));
        let payload = unwound.expect_err("the panic resumes in the canceller");
        assert_eq!(payload.downcast_ref(), Some(&"on purpose"));
        drop((withdraws, last));
    });
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

#[test]
fn the_error_is_found_in_errors_of_other_types() {
    #[derive(Debug)]
    struct Wrapped(io::Error);
    impl std::fmt::Display for Wrapped {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("wrapped")
        }
    }
    impl Error for Wrapped {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }
    let control = deadline_in(60);
    control.target().pass(&mut no_panic);
    let reason = control.ended().expect("it has passed");
    let error = io::Error::from(reason.clone());
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    let nested = Wrapped(io::Error::other(Wrapped(error)));
    assert_eq!(Ended::find(&nested), Some(&reason));
    assert_eq!(Ended::find(&io::Error::from(io::ErrorKind::TimedOut)), None);

    let shown = reason.to_string();
    assert!(shown.starts_with("the deadline `test` (") && shown.contains("control/tests.rs"));

    let control = Control::new_scope(origin());
    control.target().cancel(None);
    let error = io::Error::from(control.ended().expect("it was cancelled"));
    assert_eq!(error.kind(), io::ErrorKind::Other);
    let closed = deadline_in(60);
    closed.target().shut_down(&mut no_panic);
    assert!(!closed.ended().expect("closed").is_deadline());
}

#[test]
fn a_deadline_that_its_timer_has_not_noticed_ends_by_the_clock() {
    let control = deadline_in(60);
    let limit = control.deadline().expect("it has one");
    Controlled::from(control).run(|| {
        end_if_passed(limit - Duration::from_nanos(1));
        assert_eq!(ended(), None);
        end_if_passed(limit);
        assert!(ended().expect("it has passed").is_deadline());
    });
    end_if_passed(limit);
}
