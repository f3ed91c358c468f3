//! The blocking pool: its limit, the lifetime of its threads, aborts in its queue, and a thread
//! that cannot be started ("blocking pool": tokio 8056, 8406).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod aborts;
mod calls;
mod no_thread;
mod threads;

use std::sync::mpsc;

use framewise::runtime::Builder;

/// Returns a runtime with a pool of one thread, which is busy until the sender is dropped.
fn one_busy_thread() -> (framewise::runtime::Runtime, mpsc::Sender<()>) {
    let runtime = Builder::new()
        .worker_threads(1)
        .max_blocking_threads(1)
        .build()
        .unwrap();
    let (started, is_started) = mpsc::channel();
    let (busy, released) = mpsc::channel::<()>();
    drop(runtime.spawn_blocking(move || {
        started.send(()).unwrap();
        let _ = released.recv();
    }));
    is_started.recv().unwrap();
    (runtime, busy)
}
