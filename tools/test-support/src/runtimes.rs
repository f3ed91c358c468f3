//! Runtimes of 1, 2 and 8 workers.

use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use framewise::JoinHandle;
use framewise::runtime::{Builder, Runtime};

use crate::{HangWatch, in_frames};

/// Builds a runtime with that many workers.
pub fn runtime(workers: usize) -> Runtime {
    Builder::new().worker_threads(workers).build().unwrap()
}

/// Prints the number of workers if the test fails.
struct Workers(usize);

impl Drop for Workers {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("... with {} workers", self.0);
        }
    }
}

/// Runs a test on 1, 2 and 8 workers.
pub fn on_workers(test: impl Fn(&Runtime)) {
    with_workers(|workers| test(&runtime(workers)));
}

/// Runs a test for each number of workers. The test builds and shuts down the runtime itself.
pub fn with_workers(test: impl Fn(usize)) {
    for workers in [1, 2, 8] {
        let _watch = HangWatch::new(format!("{workers} workers"));
        let _workers = Workers(workers);
        test(workers);
    }
}

/// Runs a test on 1, 2 and 8 workers, in each starting frame of [`in_frames`].
pub fn everywhere(test: impl Fn(&Runtime, Option<u64>)) {
    on_workers(|runtime| in_frames(|id| test(runtime, id)));
}

/// Like [`everywhere`], for a test that builds its runtime itself.
pub fn with_workers_in_frames(test: impl Fn(usize, Option<u64>)) {
    with_workers(|workers| in_frames(|id| test(workers, id)));
}

/// Runs `body` while a task blocks each worker of the runtime, so that no spawned or woken task is
/// polled meanwhile.
pub fn while_occupied<R>(runtime: &Runtime, workers: usize, body: impl FnOnce() -> R) -> R {
    let (started, starts) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let released = Arc::new(Mutex::new(released));
    for _ in 0..workers {
        let (started, released) = (started.clone(), Arc::clone(&released));
        drop(runtime.spawn_root(async move {
            started.send(()).unwrap();
            // Returns when the sender is dropped.
            let _ = released.lock().unwrap().recv();
        }));
    }
    for _ in 0..workers {
        starts.recv().unwrap();
    }
    let result = body();
    drop(release);
    result
}

/// Builds a runtime with that many workers, whose blocking pool has one thread.
pub fn one_pool_thread(workers: usize) -> Runtime {
    let builder = Builder::new().worker_threads(workers);
    builder.max_blocking_threads(1).build().unwrap()
}

/// Occupies a thread of the blocking pool until the sender is used or dropped. Also returns the
/// call, which has begun.
pub fn occupy_pool(runtime: &Runtime) -> (mpsc::Sender<()>, JoinHandle<()>) {
    let (release, released) = mpsc::channel();
    let (started, is_started) = mpsc::channel();
    let call = runtime.spawn_blocking(move || {
        started.send(()).unwrap();
        let _ = released.recv();
    });
    is_started.recv().unwrap();
    (release, call)
}

/// Returns the number of workers, which only the runtime's `Debug` output shows.
pub fn workers_of(runtime: &Runtime) -> usize {
    let shown = format!("{:?}", runtime.handle());
    let digits: String = shown.chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}
