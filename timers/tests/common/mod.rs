//! A runtime for tests: one thread that parks and fires, and one wheel for the polling thread.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses a part of it"
)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::task::Waker;
use std::thread::JoinHandle;
use std::time::Duration;

use framewise_timers::{Timers, enter};

/// Long enough not to pass while a test runs.
pub const LONG: Duration = Duration::from_secs(100_000);

/// A tick at which [`LONG`] has passed, but no year.
pub const LONG_AFTER: u64 = 1 << 32;

/// A driver thread for two wheels. Wheel 0 belongs to the test's thread.
pub struct TestRuntime {
    pub timers: framewise_sync::Arc<Timers>,
    parker: Arc<Parker>,
    stop: Arc<AtomicBool>,
    driver: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Parker {
    token: Mutex<bool>,
    changed: Condvar,
}

impl Parker {
    fn unpark(&self) {
        *self.token.lock().unwrap() = true;
        self.changed.notify_one();
    }

    fn park(&self, limit: Option<Duration>) {
        let token = self.token.lock().unwrap();
        let waiting = |token: &mut bool| !*token;
        let mut token = match limit {
            Some(limit) => {
                self.changed
                    .wait_timeout_while(token, limit, waiting)
                    .unwrap()
                    .0
            }
            None => self.changed.wait_while(token, waiting).unwrap(),
        };
        *token = false;
    }
}

impl TestRuntime {
    pub fn start() -> Self {
        let parker = Arc::new(Parker::default());
        let unparking = Arc::clone(&parker);
        let timers = Timers::new(2, move || unparking.unpark());
        let stop = Arc::new(AtomicBool::new(false));
        let driver = {
            let (timers, parker, stop) = (timers.clone(), Arc::clone(&parker), Arc::clone(&stop));
            std::thread::spawn(move || {
                let _entered = enter(&timers.handle(1));
                while !stop.load(Ordering::SeqCst) {
                    let limit = timers.before_park();
                    if limit != Some(Duration::ZERO) {
                        parker.park(limit);
                    }
                    timers.after_park();
                    timers.fire(1);
                    assert!(framewise_context::Frame::current().is_root());
                }
            })
        };
        Self {
            timers,
            parker,
            stop,
            driver: Some(driver),
        }
    }

    /// Runs a future on this thread, inside the runtime.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let _entered = enter(&self.timers.handle(0));
        futures::executor::block_on(future)
    }

    /// Calls a function inside the runtime.
    pub fn within<R>(&self, call: impl FnOnce() -> R) -> R {
        let _entered = enter(&self.timers.handle(0));
        call()
    }
}

impl Drop for TestRuntime {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        self.parker.unpark();
        let driver = self.driver.take().unwrap().join();
        if !std::thread::panicking() {
            driver.unwrap();
        }
    }
}

/// Makes timers without a driver, and a counter of the calls of `unpark`.
pub fn undriven(wheels: usize) -> (framewise_sync::Arc<Timers>, Arc<AtomicUsize>) {
    let unparks = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&unparks);
    let timers = Timers::new(wheels, move || {
        counting.fetch_add(1, Ordering::SeqCst);
    });
    (timers, unparks)
}

/// Polls once with a waker that does nothing.
pub fn poll<F: Future + Unpin>(future: &mut F) -> std::task::Poll<F::Output> {
    framewise_test_support::poll_once(future, Waker::noop())
}
