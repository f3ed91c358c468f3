//! Many tasks on four workers: woken, aborted, joined, detached and cancelled from many threads.
//!
//! Real tasks on a model's scheduler, whose workers are in this file. A joiner that waits forever
//! is a deadlock; `DropTracker` detects a value that is dropped twice or never; a task that two
//! workers poll, or that is queued twice, is an assertion.

#![cfg(framewise_shuttle)]

mod controls;
mod fates;
mod trees;

use framewise::model::ModelScheduler;
use framewise::{ContextVar, Frame};
use framewise_loom_tests::{DropObserver, DropTracker, PoisoningAllocator, below};
use framewise_sync::atomic::{AtomicBool, Ordering};
use framewise_sync::{Arc, thread};

#[global_allocator]
static ALLOCATOR: PoisoningAllocator = PoisoningAllocator;
static REQUEST: ContextVar<DropTracker> = ContextVar::new("request");
const WORKERS: usize = 4;

/// The number of threads that notify tasks and wake them.
const NOTIFIERS: usize = 3;

/// A frame with one value, and the observer of that value.
fn bound_frame() -> (Frame, DropObserver) {
    let (value, watch) = DropTracker::new();
    (REQUEST.run(value, Frame::current), watch)
}

/// Workers that run runnable tasks until they learn that no more will come.
struct Workers {
    scheduler: ModelScheduler,
    closing: Arc<AtomicBool>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Workers {
    fn start(scheduler: &ModelScheduler) -> Self {
        let closing = Arc::new(AtomicBool::new(false));
        let threads = (0..WORKERS).map(|_| {
            let (scheduler, closing) = (scheduler.clone(), closing.clone());
            thread::spawn(move || work(&scheduler, &closing))
        });
        Self {
            scheduler: scheduler.clone(),
            threads: threads.collect(),
            closing,
        }
    }

    /// No other thread makes tasks runnable any more: runs those that are left.
    fn end(self) {
        self.closing.store(true, Ordering::Release);
        join(self.threads);
        self.scheduler.run_all();
    }
}

fn work(scheduler: &ModelScheduler, closing: &AtomicBool) {
    loop {
        let Some(runnable) = scheduler.take() else {
            if closing.load(Ordering::Acquire) {
                return;
            }
            thread::yield_now();
            continue;
        };
        // A task that was woken during its poll goes to the end, or is polled again at once.
        if let Some(again) = runnable.run() {
            match below(2) {
                0 => again.put(scheduler),
                _ => again.run_to_end(),
            }
        }
    }
}

fn join(threads: impl IntoIterator<Item = thread::JoinHandle<()>>) {
    for thread in threads {
        thread.join().expect("no panic");
    }
}
