//! Joining and aborting: the behavior of `JoinHandle`, `AbortHandle` and `JoinError`, and the
//! reports of panics.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod handles;
mod panics;

use std::thread;

use framewise::JoinHandle;

fn wait_until_finished<T>(task: &JoinHandle<T>) {
    while !task.is_finished() {
        thread::yield_now();
    }
}
