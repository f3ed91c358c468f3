//! One wait of a worker whose time is paused, on the test's thread: what comes just before it keeps
//! the time from jumping. In a runtime few schedules have it there.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use framewise_io::{Batch, IoDriver};
use framewise_timers::{Instant, Sleep, enter, sleep};

use super::super::idle::state::SchedulerOps;
use crate::blocking::BlockingPool;
use crate::runtime::{Flavor, ThreadSettings};
use crate::scheduler::shared::Shared;

const HOUR: Duration = Duration::from_secs(60 * 60);

fn paused() -> Arc<Shared> {
    let blocking = BlockingPool::new(1, Duration::ZERO, ThreadSettings::default(), None);
    let no_look_ups = Arc::new(|_| Err(io::Error::other("no look-ups here")));
    let (driver, io) = IoDriver::new(no_look_ups).expect("descriptors are left");
    let (shared, _) = Shared::new(1, driver, io, blocking, None, Flavor::CurrentThread);
    shared.timers.stop_clock();
    shared
}

/// Waits once, like the worker that found nothing to do.
fn wait(shared: &Shared) {
    let mut driver = shared.try_driver().expect("no other thread has it");
    let mut batch = Batch::default();
    shared.wait_on_driver(&mut driver, None, &mut batch);
    let _ = batch.dispatch();
}

fn poll(sleep: &mut Sleep) -> Poll<()> {
    Pin::new(sleep).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn an_unpark_before_the_wait_prevents_the_jump() {
    let shared = paused();
    let _entered = enter(&shared.timers.handle(0));
    let start = Instant::now();
    let mut sleep = sleep(HOUR);
    assert!(poll(&mut sleep).is_pending());
    shared.io.unpark();
    wait(&shared);
    assert_eq!(
        start.elapsed(),
        Duration::ZERO,
        "a wake-up may be under way"
    );
    wait(&shared);
    assert_eq!(start.elapsed(), HOUR);
    wait(&shared);
    assert_eq!(start.elapsed(), HOUR, "what is due has to fire first");
    assert_eq!(shared.timers.fire(0), 1);
    assert!(poll(&mut sleep).is_ready());
}

#[test]
fn without_a_timer_the_wait_ends_by_an_unpark_alone() {
    let shared = paused();
    let _entered = enter(&shared.timers.handle(0));
    let start = Instant::now();
    let mut canceled = sleep(HOUR);
    assert!(poll(&mut canceled).is_pending());
    drop(canceled);
    let unparks = shared.io.clone();
    let waking = std::thread::spawn(move || unparks.unpark());
    wait(&shared);
    assert_eq!(start.elapsed(), Duration::ZERO);
    waking.join().expect("it does not panic");
}
