//! The control of a frame: the end, by a deadline, a cancel, a shutdown or the parent, against
//! registrations, withdrawals, children and the last holder.
//!
//! The shipped node (`context/src/control/node.rs`), and with it the timers that end it
//! (`timers/src/deadline.rs`). A failure is a waiter that is never woken (a deadlock), a child or a
//! callback that misses the end, two reasons, a callback after its withdrawal, or a node, a timer's
//! guard or a value that is leaked or dropped twice.
#![cfg(framewise_loom)]

mod timers;

use std::sync::Arc as StdArc;
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use framewise_context::ContextVar;
use framewise_context::cancel;
use framewise_context::control::{Control, ControlTarget, ControlWait, Controlled, Ended, Origin};
use framewise_loom_tests::{DropTracker, PoisoningAllocator, TestWaker, model};
use framewise_sync::atomic::{AtomicUsize, Ordering};
use framewise_sync::{Arc, thread};

#[global_allocator]
static ALLOCATOR: PoisoningAllocator = PoisoningAllocator;

fn origin() -> Origin {
    Origin::caller(None)
}

fn pass(target: &ControlTarget) -> bool {
    target.pass(&mut |_| panic!("a waker panicked"))
}

/// Waits like an operation does: checks and registers, and parks until it is woken.
fn wait_for_end(control: Control) -> Ended {
    let woken = TestWaker::new();
    let waker = Waker::from(StdArc::clone(&woken));
    Controlled::from(control).run(|| {
        let mut wait = ControlWait::new();
        loop {
            if let Err(ended) = wait.register(&waker) {
                return ended;
            }
            woken.wait();
        }
    })
}

/// Race: a wait registers while a deadline passes.
#[test]
fn a_registration_meets_the_end() {
    model("control: register, end", || {
        let control = Control::new_scope(origin());
        let target = control.target();
        let ending = thread::spawn(move || pass(&target));
        assert!(wait_for_end(control).is_deadline());
        assert!(ending.join().expect("no panic"));
    });
}

/// Control: a wait that checks, and registers without a look at the result, is not woken if the end
/// comes in between.
#[test]
#[should_panic(expected = "the waiter sleeps forever")]
fn control_a_wait_that_ignores_what_register_returns_is_noticed() {
    model("control: control, ignored", || {
        let control = Control::new_scope(origin());
        let target = control.target();
        let ending = thread::spawn(move || pass(&target));
        let (wakes, waker) = CountedWakes::new();
        let waits = Controlled::from(control).run(|| {
            let mut wait = ControlWait::new();
            let waits = framewise_context::control::check().is_ok();
            if waits {
                let _ignored = wait.register(&waker);
            }
            ending.join().expect("no panic");
            waits
        });
        let sleeps = waits && wakes.count() == 0;
        assert!(!sleeps, "the waiter sleeps forever");
    });
}

/// Counts its wakes. (Not part of the model: the threads are joined before the count is read.)
#[derive(Default)]
struct CountedWakes(std::sync::atomic::AtomicUsize);

impl CountedWakes {
    fn new() -> (StdArc<Self>, Waker) {
        let wakes = StdArc::new(Self::default());
        let waker = Waker::from(StdArc::clone(&wakes));
        (wakes, waker)
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for CountedWakes {
    fn wake(self: StdArc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Race: a deadline passes, and a handle cancels. One of them wins, and the waiter sees its reason.
#[test]
fn a_deadline_meets_a_cancel() {
    model("control: deadline, cancel", || {
        let control = Control::new_scope(origin());
        let (deadline, handle) = (control.target(), control.target());
        let passing = thread::spawn(move || pass(&deadline));
        let cancelling = thread::spawn(move || handle.cancel(None));
        let ended = wait_for_end(control);
        let passed = passing.join().expect("no panic");
        let cancelled = cancelling.join().expect("no panic");
        assert_ne!(passed, cancelled, "it ends once");
        assert_eq!(passed, ended.is_deadline(), "the first reason wins");
    });
}

/// Race: a wait is dropped while the end calls its waker.
#[test]
fn a_dropped_wait_meets_the_end() {
    model("control: clear, end", || {
        let control = Control::new_scope(origin());
        let target = control.target();
        let woken = TestWaker::new();
        let waker = Waker::from(StdArc::clone(&woken));
        let mut wait = ControlWait::new();
        Controlled::from(control.clone()).run(|| assert!(wait.register(&waker).is_ok()));
        drop(waker);
        let ending = thread::spawn(move || pass(&target));
        drop(wait);
        ending.join().expect("no panic");
        assert_eq!(StdArc::strong_count(&woken), 1);
        drop(control);
    });
}

/// Race: another waker is registered while the end calls the first.
#[test]
fn a_changed_waker_meets_the_end() {
    model("control: update, end", || {
        let control = Control::new_scope(origin());
        let target = control.target();
        let mut wait = ControlWait::new();
        Controlled::from(control).run(|| {
            assert!(wait.register(Waker::noop()).is_ok());
            let ending = thread::spawn(move || pass(&target));
            let woken = TestWaker::new();
            if wait.register(&Waker::from(StdArc::clone(&woken))).is_ok() {
                woken.wait();
                assert!(wait.register(Waker::noop()).is_err());
            }
            ending.join().expect("no panic");
        });
    });
}

/// Race: a scope begins to run below another that is cancelled.
#[test]
fn a_child_meets_the_end_of_its_parent() {
    model("control: child, end", || {
        let around = Control::new_scope(origin());
        let target = around.target();
        let ending = thread::spawn(move || target.cancel(None));
        let handle = Control::new_scope(origin());
        let below = handle.below(Some(&around));
        assert!(!wait_for_end(below).is_deadline());
        assert!(ending.join().expect("no panic"));
        assert!(around.ended().is_some());
        assert_eq!(handle.ended(), None);
    });
}

/// Race: the last holder of a child leaves while its parent ends.
#[test]
fn the_last_holder_meets_the_end() {
    model("control: leave, end", || {
        let around = Control::new_scope(origin());
        let target = around.target();
        let below = Control::new_scope(origin()).below(Some(&around));
        let child = below.target();
        let ending = thread::spawn(move || target.cancel(None));
        drop(around);
        drop(below);
        ending.join().expect("no panic");
        // The parent's holder was the child: whether the end found it depends on the order.
        let _either = child.ended();
    });
}

/// Race: one of two holders of a child leaves while the parent ends, which the other one sees.
#[test]
fn a_holder_that_stays_sees_the_end() {
    model("control: one holder leaves, end", || {
        let around = Control::new_scope(origin());
        let below = Control::new_scope(origin()).below(Some(&around));
        let other = below.clone();
        let leaving = thread::spawn(move || drop(other));
        assert!(around.target().cancel(None));
        assert!(below.ended().is_some());
        leaving.join().expect("no panic");
    });
}

/// Race: a deadline is set below a later one, while the scope around both is cancelled.
#[test]
fn an_earlier_deadline_meets_the_cancel_of_the_scope() {
    model("control: deadline below a deadline, cancel", || {
        let now = Instant::now();
        let around = Control::new_scope(origin());
        let within = |around: &Control, seconds| {
            let deadline = now + Duration::from_secs(seconds);
            Control::with_deadline(Some(around), deadline, origin()).unwrap_or_else(|around| around)
        };
        let outer = within(&around, 2);
        let target = around.target();
        let ending = thread::spawn(move || target.cancel(None));
        let inner = within(&outer, 1);
        assert!(!wait_for_end(inner).is_deadline());
        assert!(ending.join().expect("no panic"));
    });
}

/// Race: two holders of a child leave.
#[test]
fn two_holders_leave_once() {
    model("control: two holders", || {
        let around = Control::new_scope(origin());
        let below = Control::new_scope(origin()).below(Some(&around));
        let (guard, dropped) = DropTracker::new();
        below.arm(Box::new(guard));
        let other = below.clone();
        let thread = thread::spawn(move || drop(other));
        drop(below);
        thread.join().expect("no panic");
        assert!(dropped.is_dropped());
    });
}

/// Race: a timer's guard is stored while the timer fires.
#[test]
fn an_armed_timer_meets_the_end() {
    model("control: arm, end", || {
        let control = Control::new_scope(origin());
        let target = control.target();
        let (guard, dropped) = DropTracker::new();
        let ending = thread::spawn(move || pass(&target));
        control.arm(Box::new(guard));
        ending.join().expect("no panic");
        assert!(dropped.is_dropped());
        drop(control);
    });
}

static HELD: ContextVar<DropTracker> = ContextVar::new("held");

/// Race: a callback is withdrawn while a cancel calls it. It runs in its frame, at most once, and
/// not if the withdrawal says so.
#[test]
fn c98_a_withdrawal_meets_the_end() {
    model("control: withdraw, end", || {
        let control = Control::new_scope(origin());
        let target = control.target();
        let calls = Arc::new(AtomicUsize::new(0));
        let (value, dropped) = DropTracker::new();
        let counted = Arc::clone(&calls);
        let callback = HELD.run(value, || {
            Controlled::from(control).run(|| {
                cancel::on_cancel(move || {
                    HELD.with(|held| held.expect("its frame is current").touch());
                    counted.fetch_add(1, Ordering::Relaxed);
                })
            })
        });
        let ending = thread::spawn(move || target.cancel(None));
        let withdrawn = callback.withdraw();
        assert!(ending.join().expect("no panic"));
        assert_eq!(calls.load(Ordering::Relaxed), usize::from(!withdrawn));
        assert!(dropped.is_dropped());
    });
}
