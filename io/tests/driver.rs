//! The driver's contract: how a turn ends, and what it reports. The tests count; they do not time.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::{Duration, Instant};

use common::spawner;
use framewise_io::IoDriver;

#[test]
fn a_turn_of_zero_does_not_wait() {
    let (mut driver, _handle) = IoDriver::new(spawner()).unwrap();
    let report = driver.turn(Some(Duration::ZERO)).unwrap();
    assert_eq!(
        (report.events, report.unparked, report.timer),
        (0, false, false)
    );
    assert_eq!(driver.timer_settings(), 0);
}

#[test]
fn an_unpark_ends_one_turn_and_several_count_as_one() {
    let (mut driver, handle) = IoDriver::new(spawner()).unwrap();
    for _ in 0..3 {
        handle.unpark();
    }
    assert!(driver.turn(None).unwrap().unparked);
    assert!(!driver.turn(Some(Duration::ZERO)).unwrap().unparked);
    handle.unpark();
    assert!(driver.turn(None).unwrap().unparked);
}

#[test]
fn an_unpark_from_another_thread_ends_a_wait() {
    let (mut driver, handle) = IoDriver::new(spawner()).unwrap();
    let thread = std::thread::spawn(move || handle.unpark());
    assert!(driver.turn(None).unwrap().unparked);
    thread.join().unwrap();
}

/// The wake timer ends the current wait, or the next one if it fires before that begins.
#[cfg(target_os = "linux")]
#[test]
fn a_wake_timer_ends_a_wait_in_time() {
    let (mut driver, handle) = IoDriver::new(spawner()).unwrap();
    handle.unpark_after(Duration::from_millis(1));
    assert!(driver.turn(None).unwrap().timer);
    handle.unpark_after(Duration::ZERO);
    assert!(driver.turn(None).unwrap().timer);
    let thread = std::thread::spawn(move || handle.unpark_after(Duration::from_millis(1)));
    assert!(driver.turn(None).unwrap().timer);
    thread.join().unwrap();
}

/// Sets the wake timer only if it does not fire in time anyway.
#[cfg(target_os = "linux")]
#[test]
fn the_wake_timer_is_set_once_for_each_time_that_it_fires() {
    const HOUR: Duration = Duration::from_secs(3600);
    let (mut driver, handle) = IoDriver::new(spawner()).unwrap();
    handle.unpark_after(HOUR);
    handle.unpark_after(HOUR);
    handle.unpark_after(2 * HOUR);
    assert_eq!(handle.wake_timer_settings(), 1);
    for round in 1..=3 {
        handle.unpark_after(Duration::from_millis(1));
        assert!(driver.turn(None).unwrap().timer);
        assert_eq!(handle.wake_timer_settings(), 1 + round);
    }
}

/// The timer ends a wait of less than a millisecond, and not too early. Each wait sets it once.
#[cfg(target_os = "linux")]
#[test]
fn a_turn_of_microseconds_ends_by_the_timer() {
    let (mut driver, _handle) = IoDriver::new(spawner()).unwrap();
    for round in 1..=5 {
        let started = Instant::now();
        let timeout = Duration::from_micros(150);
        assert!(driver.turn(Some(timeout)).unwrap().timer);
        assert!(started.elapsed() >= timeout, "it ended too early");
        assert_eq!(driver.timer_settings(), round);
    }
}

/// Turns that end for another reason before the same deadline set the timer once.
#[cfg(target_os = "linux")]
#[test]
fn the_same_deadline_sets_the_timer_once() {
    let (mut driver, handle) = IoDriver::new(spawner()).unwrap();
    let deadline = Instant::now() + Duration::from_secs(3600);
    for _ in 0..100 {
        handle.unpark();
        let report = driver.turn(Some(deadline - Instant::now())).unwrap();
        assert!(report.unparked && !report.timer);
    }
    assert_eq!(driver.timer_settings(), 1);
    // A later deadline, no deadline and no wait do not set it either.
    for timeout in [Some(Duration::from_secs(7200)), None, Some(Duration::ZERO)] {
        handle.unpark();
        assert!(driver.turn(timeout).unwrap().unparked);
    }
    assert_eq!(driver.timer_settings(), 1);
}

#[test]
fn shutting_down_twice_and_dropping_has_no_effect() {
    let (mut driver, handle) = IoDriver::new(spawner()).unwrap();
    driver.shutdown();
    driver.shutdown();
    drop(driver);
    // No thread waits any more; it must not fail either.
    handle.unpark();
}

#[test]
fn the_current_handle_nests() {
    let (_driver, handle) = IoDriver::new(spawner()).unwrap();
    assert!(framewise_io::IoHandle::try_current().is_none());
    {
        let _outer = handle.enter();
        {
            let _inner = handle.enter();
            let _ = framewise_io::IoHandle::current();
        }
        assert!(framewise_io::IoHandle::try_current().is_some());
    }
    assert!(framewise_io::IoHandle::try_current().is_none());
}

/// A signal ends a wait: the turn returns without an error.
#[cfg(target_os = "linux")]
#[test]
fn a_signal_ends_a_turn_without_an_error() {
    use std::sync::mpsc::channel;

    extern "C" fn ignore(_: libc::c_int) {}

    // SAFETY: the handler does nothing, so it may run at any point.
    unsafe { libc::signal(libc::SIGUSR1, ignore as *const () as libc::sighandler_t) };
    let (mut driver, _handle) = IoDriver::new(spawner()).unwrap();
    let (ready, is_ready) = channel();
    let (done, is_done) = channel();
    let thread = std::thread::spawn(move || {
        // SAFETY: it returns the id of the calling thread.
        ready.send(unsafe { libc::pthread_self() }).unwrap();
        let report = driver.turn(None).unwrap();
        done.send(()).unwrap();
        report
    });
    let target = is_ready.recv().unwrap();
    // Repeated, since the first signal may come before the wait.
    while is_done.recv_timeout(Duration::from_millis(1)).is_err() {
        // SAFETY: the thread is not joined yet, so its id is valid.
        unsafe { libc::pthread_kill(target, libc::SIGUSR1) };
    }
    let report = thread.join().unwrap();
    assert_eq!((report.events, report.unparked), (0, false));
}
