//! Panics that a test expects, and a watchdog.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Runs `body`; returns `true` if it panicked.
pub fn panics(body: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(body)).is_err()
}

/// Returns the message of the panic of `body`.
pub fn panic_message<R>(body: impl FnOnce() -> R) -> String {
    let payload = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(_) => panic!("this should have panicked"),
        Err(payload) => payload,
    };
    match payload.downcast::<String>() {
        Ok(message) => *message,
        Err(payload) => (*payload.downcast::<&'static str>().unwrap()).to_owned(),
    }
}

/// The timeout after which a test counts as hanging. No test measures time with it.
const HANG: Duration = Duration::from_secs(120);

/// A watchdog that aborts the process with a message unless it is dropped in time. Without it, a
/// lost wake-up would be a test that never ends and prints nothing.
pub struct HangWatch {
    ended: Option<mpsc::Sender<()>>,
    watcher: Option<thread::JoinHandle<()>>,
}

impl HangWatch {
    /// Starts the watchdog. Its message names the calling thread, which has the test's name, and
    /// `what`.
    pub fn new(what: impl Into<String>) -> Self {
        let what = what.into();
        let test = thread::current().name().unwrap_or("a test").to_owned();
        let (ended, wait) = mpsc::channel::<()>();
        let watcher = thread::spawn(move || {
            if wait.recv_timeout(HANG) == Err(mpsc::RecvTimeoutError::Timeout) {
                eprintln!("{test} hangs: {what}");
                std::process::abort();
            }
        });
        Self {
            ended: Some(ended),
            watcher: Some(watcher),
        }
    }
}

impl Drop for HangWatch {
    fn drop(&mut self) {
        drop(self.ended.take());
        if let Some(watcher) = self.watcher.take() {
            let _ = watcher.join();
        }
    }
}
