//! The timers as a whole: `Timers` with several wheels, the park state, sleeps that threads poll,
//! callbacks, hooks, and a driver that parks.
//!
//! `timers/` has the models of the parts; these use all of them together, through the API for
//! executors. The time is the model's ([`ModelClock`]): it advances if a model says so, or to the
//! driver's timeout when that elapses. A failure is a driver that is parked without a timeout, or
//! past a timer that is armed; a thread that waits for a waker that is never woken (a deadlock); or
//! a value that is dropped twice or never.

#![cfg(framewise_loom)]

mod closing;
mod controls;
mod panicking;
mod parking;

use std::time::Duration;

use framewise_loom_tests::{PoisoningAllocator, TestWaker};
use framewise_sync::{Arc, Condvar, Mutex, thread};
use framewise_timers::model_clock::ModelClock;
use framewise_timers::{Instant, Sleep, Timers, enter};

#[global_allocator]
static ALLOCATOR: PoisoningAllocator = PoisoningAllocator;

/// Where the driver parks: a wake flag, and a timeout that elapses.
struct Kernel {
    state: Mutex<KernelState>,
    changed: Condvar,
    clock: ModelClock,
}

#[derive(Default)]
struct KernelState {
    wake: bool,
    /// Threads that have not finished.
    busy: usize,
    /// Deadlines of armed timers: the driver must not be parked longer.
    armed: Vec<Instant>,
    /// Threads that may still be arming: one less once a thread expects the driver.
    arming: usize,
    /// The driver was parked past one while a thread was still arming, which must wake it then: the
    /// park state lets a second thread rely on the first one's `unpark` before that is called, and
    /// the timer is as late as the call.
    owed: bool,
    /// It was. Asserted at the end, since a panic now would unwind into other threads' panics.
    overslept: bool,
}

impl Kernel {
    fn new(busy: usize) -> Arc<Self> {
        let state = KernelState {
            busy,
            arming: busy,
            ..KernelState::default()
        };
        Arc::new(Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
            clock: ModelClock::new(),
        })
    }

    fn wake(&self) {
        let mut state = self.state.lock();
        state.wake = true;
        state.owed = false;
        drop(state);
        self.changed.notify_one();
    }

    /// A thread has finished. The last one wakes the driver, so that it ends.
    fn leave(&self) {
        let mut state = self.state.lock();
        state.busy -= 1;
        if state.busy == 0 {
            state.wake = true;
            self.changed.notify_one();
        }
    }

    fn is_busy(&self) -> bool {
        self.state.lock().busy > 0
    }

    /// Parks until it is woken, or until the timeout: then that time has passed.
    fn sleep(&self, limit: Option<Duration>) {
        let mut state = self.state.lock();
        while !state.wake {
            let Some(limit) = limit else {
                state = self.changed.wait(state);
                continue;
            };
            let (begun, until) = (Instant::now(), Instant::now() + limit);
            // The thread of a timer that has elapsed may not have been woken yet.
            let is_missed = |armed: &Instant| begun < *armed && *armed < until;
            if state.armed.iter().any(is_missed) {
                match state.arming {
                    0 => state.overslept = true,
                    _ => state.owed = true,
                }
            }
            self.clock.advance(limit);
            return;
        }
        state.wake = false;
    }

    /// Asserts, once all threads have finished, that the driver was not parked past a timer.
    fn assert_not_overslept(&self) {
        let state = self.state.lock();
        assert!(
            !state.overslept && !state.owed,
            "the driver was parked past a timer"
        );
    }

    /// From here on the driver must not be parked past `deadline`: the thread has armed its timer.
    fn expect(&self, deadline: Instant) {
        let mut state = self.state.lock();
        state.arming -= 1;
        state.armed.push(deadline);
    }

    fn expect_no_more(&self, deadline: Instant) {
        self.state.lock().armed.retain(|armed| *armed != deadline);
    }
}

/// Timers whose driver parks in `kernel`.
fn timers(wheels: usize, kernel: &Arc<Kernel>) -> Arc<Timers> {
    let kernel = Arc::clone(kernel);
    Timers::new(wheels, move || kernel.wake())
}

/// Runs a driver until all threads have finished. Returns how many times it was parked.
fn drive(timers: &Timers, kernel: &Kernel) -> usize {
    let mut sleeps = 0;
    while kernel.is_busy() {
        let limit = timers.before_park();
        kernel.sleep(limit);
        timers.after_park();
        timers.fire(0);
        sleeps += 1;
    }
    sleeps
}

/// A thread that waits for a sleep, armed in its own wheel.
fn sleeper(
    timers: &Arc<Timers>,
    kernel: &Arc<Kernel>,
    wheel: usize,
    mut sleep: Sleep,
) -> thread::JoinHandle<()> {
    let (timers, kernel) = (Arc::clone(timers), Arc::clone(kernel));
    thread::spawn(move || {
        let _entered = enter(&timers.handle(wheel));
        let test_waker = TestWaker::new();
        let deadline = sleep.deadline();
        if test_waker.poll(&mut sleep).is_pending() {
            kernel.expect(deadline);
            test_waker.wait();
            kernel.expect_no_more(deadline);
            assert!(Instant::now() >= deadline, "it was woken too early");
            assert!(
                test_waker.poll(&mut sleep).is_ready(),
                "it was woken for nothing"
            );
        }
        kernel.leave();
    })
}

/// The panic message of a sleep whose timers are closed.
const CLOSED: &str = "the runtime of this timer was shut down";

/// The message of planned panics.
const PLANNED: &str = "as planned";
