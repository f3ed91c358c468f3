//! A timed park against an unpark.
//!
//! loom's waits never time out, so the shipped source of `Parker` is compiled here once more, over
//! a facade whose timed waits end at once if the model says so. An unpark that a timeout discards
//! is a deadlock in the park that follows.
#![cfg(framewise_loom)]
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::new_without_default,
    reason = "the shipped source names this crate's root as its facade"
)]

// The source below names this crate as `framewise_sync`.
extern crate self as framewise_sync;

#[path = "../../executor/src/scheduler/idle/parker.rs"]
mod parker;

use std::time::Duration;

use framewise_loom_tests::{facade, model};
use loom::sync::Arc;
use loom::thread;

use parker::{Parker, Unparked};

pub mod atomic {
    pub use framewise_loom_tests::facade::atomic::{AtomicUsize, Ordering};
}

loom::lazy_static! {
    /// Not zero once timed waits time out.
    static ref HAS_TIMED_OUT: atomic::AtomicUsize = atomic::AtomicUsize::new(0);
}

#[derive(Debug)]
pub struct Mutex<T>(facade::Mutex<T>);

pub struct MutexGuard<'a, T> {
    mutex: &'a Mutex<T>,
    guard: facade::MutexGuard<'a, T>,
}

impl<T> Mutex<T> {
    pub fn new(value: T) -> Self {
        Self(facade::Mutex::new(value))
    }

    #[track_caller]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard {
            mutex: self,
            guard: self.0.lock(),
        }
    }
}

#[derive(Debug)]
pub struct Condvar(facade::Condvar);

impl Condvar {
    pub fn new() -> Self {
        Self(facade::Condvar::new())
    }

    #[track_caller]
    pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        let MutexGuard { mutex, guard } = guard;
        let guard = self.0.wait(guard);
        MutexGuard { mutex, guard }
    }

    /// If the timeout has elapsed already, the wait only releases and reacquires the lock. What can
    /// happen during a longer wait can happen during this one too.
    #[track_caller]
    pub fn wait_timeout<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        _limit: Duration,
    ) -> (MutexGuard<'a, T>, bool) {
        if HAS_TIMED_OUT.load(atomic::Ordering::Relaxed) == 0 {
            return (self.wait(guard), false);
        }
        let mutex = guard.mutex;
        drop(guard);
        (mutex.lock(), true)
    }

    #[track_caller]
    pub fn notify_one(&self) {
        self.0.notify_one();
    }
}

/// The parked worker: a timed park and, if it timed out, another without a timeout, which the one
/// unpark must end. Afterwards no notification is left.
fn park_twice(parker: &Parker) {
    if parker.park(Some(Duration::ZERO)) == Unparked::TimedOut {
        assert_eq!(parker.park(None), Unparked::Notified);
    }
}

/// Race: an unpark against a wait whose timeout elapses.
#[test]
fn an_unpark_is_not_swallowed_by_a_time_out() {
    model("unpark × timed park × the clock", || {
        let parker = Arc::new(Parker::new());
        let clock = thread::spawn(|| HAS_TIMED_OUT.store(1, atomic::Ordering::Relaxed));
        let unparker = thread::spawn({
            let parker = parker.clone();
            move || parker.unpark(|| unreachable!("it is not in the driver"))
        });
        park_twice(&parker);
        unparker.join().expect("no panic");
        clock.join().expect("no panic");
        assert!(parker.enter_driver(), "one unpark ended two parks");
        parker.leave_driver();
    });
}

/// Race: like above, with two unparks: they end one park or two, but not none.
#[test]
fn two_unparks_and_a_time_out() {
    model("unpark × unpark × timed park", || {
        HAS_TIMED_OUT.store(1, atomic::Ordering::Relaxed);
        let parker = Arc::new(Parker::new());
        let unparkers = [(); 2].map(|()| {
            let parker = parker.clone();
            thread::spawn(move || parker.unpark(|| unreachable!("it is not in the driver")))
        });
        park_twice(&parker);
        for unparker in unparkers {
            unparker.join().expect("no panic");
        }
    });
}

/// Control: a worker that trusts the timeout loses the unpark. It leaves as if from the driver,
/// which does not report a notification.
#[test]
#[should_panic(expected = "the unpark was discarded")]
fn control_a_swallowed_unpark_is_noticed() {
    model("control: the state is not checked after a timeout", || {
        let parker = Arc::new(Parker::new());
        let unparker = thread::spawn({
            let parker = parker.clone();
            move || parker.unpark(|| {})
        });
        if parker.enter_driver() {
            parker.leave_driver();
            unparker.join().expect("no panic");
            assert!(!parker.enter_driver(), "the unpark was discarded");
        } else {
            unparker.join().expect("no panic");
        }
    });
}
