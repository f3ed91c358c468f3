//! Unparks of the driver's wait: their number, their limits, and those that a callback needs.

use framewise::model::Parker;
use framewise_io::{Batch, Interest, Ready};
use framewise_loom_tests::model;
use framewise_sync::atomic::{AtomicBool, Ordering};
use framewise_sync::{Arc, thread};

use crate::{LIMIT, driver, join, source, turn, turn_without_wait};

/// Race: two threads publish work and unpark the driver, which checks for work after every wait.
/// Failure: the driver sleeps although there is work, because the second unpark relied on a write
/// that was consumed.
#[test]
fn unparks_meet_a_wait_and_its_acknowledgement() {
    model("unpark × unpark × wait", || {
        let (mut driver, handle, kernel) = driver();
        let work = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
        let threads = [0, 1].map(|index| {
            let (handle, work) = (handle.clone(), Arc::clone(&work));
            thread::spawn(move || {
                work[index].store(true, Ordering::Relaxed);
                handle.unpark();
            })
        });
        let mut turns = 0;
        while !work.iter().all(|work| work.load(Ordering::Relaxed)) {
            turns += usize::from(turn(&mut driver, None).unparked);
        }
        threads.into_iter().for_each(join);
        let wakes = kernel.wakes();
        assert!((1..=2).contains(&wakes) && turns <= wakes);
    });
}

/// Race: two unparks of a driver that does not wait. Failure: more than one system call, or more
/// than one wait that ends.
#[test]
fn two_unparks_take_one_system_call() {
    model("unpark × unpark", || {
        let (mut driver, handle, kernel) = driver();
        let other = thread::spawn({
            let handle = handle.clone();
            move || handle.unpark()
        });
        handle.unpark();
        join(other);
        assert_eq!(kernel.wakes(), 1);
        assert!(turn(&mut driver, None).unparked);
        assert!(!turn_without_wait(&mut driver).unparked);
    });
}

/// Race: an unpark against a wait whose timeout elapses at some moment. Failure: a second wait that
/// does not end, or an unpark that ends two waits.
#[test]
fn an_unpark_is_not_swallowed_by_a_limit() {
    model("unpark × wait with a limit × the clock", || {
        let (mut driver, handle, kernel) = driver();
        let clock = thread::spawn(move || kernel.let_time_pass());
        let unparker = thread::spawn(move || handle.unpark());
        let first = turn(&mut driver, Some(LIMIT));
        assert!(first.timer || first.unparked);
        if !first.unparked {
            let second = turn(&mut driver, None);
            assert!(second.unparked);
        }
        join(unparker);
        join(clock);
        assert!(
            !turn_without_wait(&mut driver).unparked,
            "one unpark ended two waits"
        );
        assert_eq!(driver.timer_settings(), 1);
    });
}

/// Race: the clock against two waits with a timeout. Failure: a wait relies on a timer whose event
/// was consumed.
#[test]
fn a_limit_that_is_out_ends_one_wait() {
    model(
        "wait with a limit × wait with a limit × the clock",
        || {
            let (mut driver, _handle, kernel) = driver();
            let clock = thread::spawn({
                let kernel = kernel.clone();
                move || kernel.let_time_pass()
            });
            for settings in 1..=2 {
                assert!(turn(&mut driver, Some(LIMIT)).timer);
                assert_eq!(driver.timer_settings(), settings);
            }
            join(clock);
            assert!(!turn_without_wait(&mut driver).timer);
            assert_eq!(kernel.timer_settings(), 2);
        },
    );
}

/// Race: a timed wake-up, its time, and a wait without a timeout. Failure: the wait does not end.
#[test]
fn a_late_unpark_ends_a_wait_when_its_time_is_out() {
    model("timed wake-up × wait × the clock", || {
        let (mut driver, handle, kernel) = driver();
        let work = Arc::new(AtomicBool::new(false));
        let unparker = thread::spawn({
            let (work, handle) = (Arc::clone(&work), handle.clone());
            move || {
                work.store(true, Ordering::Relaxed);
                handle.unpark_after(LIMIT);
            }
        });
        let clock = thread::spawn({
            let kernel = kernel.clone();
            move || kernel.let_time_pass()
        });
        let report = turn(&mut driver, None);
        assert!(report.timer && work.load(Ordering::Relaxed));
        join(unparker);
        join(clock);
        assert_eq!((kernel.wakes(), kernel.timer_settings()), (0, 1));
        assert_eq!(handle.wake_timer_settings(), 1);
    });
}

/// Race: a callback is registered with a source that is ready already, while the driver waits or is
/// about to, and while another edge arrives. Failure: the driver sleeps, or bytes are left.
fn kick_against_wait(another_edge: bool, unpark: bool) {
    let (mut driver, handle, _) = driver();
    let (source, pipe) = source(&handle, Ready::EMPTY);
    pipe.arrive();
    assert_eq!(turn_without_wait(&mut driver).events, 1);
    if unpark {
        // The wake-up for the callback relies on this write until the driver has acknowledged it.
        handle.unpark();
    }
    let registering = thread::spawn({
        let pipe = Arc::clone(&pipe);
        move || {
            let call = move |_: Ready| drop(pipe.receive());
            source.on_ready(Interest::READABLE, call).unwrap();
            source
        }
    });
    let peer = another_edge.then(|| {
        let pipe = Arc::clone(&pipe);
        thread::spawn(move || pipe.arrive())
    });
    let mut calls = 0;
    while calls == 0 {
        calls += turn(&mut driver, None).callbacks;
    }
    let _source = join(registering);
    peer.map(join);
    calls += turn_without_wait(&mut driver).callbacks;
    assert!(calls <= 1 + 2 * usize::from(another_edge));
    assert_eq!(pipe.pending(), 0, "an event was not called for");
}

#[test]
fn a_callback_of_a_ready_source_ends_the_wait() {
    model("kick × wait", || kick_against_wait(false, false));
}

#[test]
fn a_callback_of_a_ready_source_meets_another_edge() {
    model("kick × wait × event", || kick_against_wait(true, false));
}

#[test]
fn a_callback_of_a_ready_source_meets_an_unpark() {
    model("kick × unpark × wait", || kick_against_wait(false, true));
}

/// Race: a worker waits in the driver through its parker, while another thread pushes work and
/// unparks it, and an event arrives. Failure: a deadlock.
#[test]
fn a_parker_wakes_its_worker_in_the_driver() {
    model("unpark × event × parker in the driver", || {
        let (mut driver, handle, _) = driver();
        let (source, pipe) = source(&handle, Ready::EMPTY);
        let receiving = Arc::clone(&pipe);
        let call = move |_: Ready| drop(receiving.receive());
        source.on_ready(Interest::READABLE, call).unwrap();
        let shared = Arc::new((Parker::new(), AtomicBool::new(false)));
        let pusher = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                let (parker, pushed) = &*shared;
                pushed.store(true, Ordering::Relaxed);
                parker.unpark(|| handle.unpark());
            }
        });
        let peer = thread::spawn(move || pipe.arrive());
        let (parker, pushed) = &*shared;
        let (mut called, mut ran) = (0, false);
        while called == 0 || !ran {
            let mut batch = Batch::default();
            if parker.enter_driver() {
                driver.wait(None, &mut batch).unwrap();
                parker.leave_driver();
            }
            called += batch.dispatch().callbacks;
            ran |= pushed.load(Ordering::Relaxed);
        }
        join(pusher);
        join(peer);
        assert_eq!(called, 1);
        drop(source);
    });
}
