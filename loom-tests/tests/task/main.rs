//! The task: schedule × run × wake, abort, completion, join, and the last reference.
//!
//! Real tasks on a minimal scheduler (`framewise::model`); the wakers, the handles and every step
//! of a task's life are shipped. A failure is a race on a cell, a leak or a deadlock, which loom
//! reports; a drop that comes twice or too early, which `DropTracker` detects; or an assertion.

#![cfg(framewise_loom)]

mod controls;
mod joining;
mod observed;
mod references;
mod run;

use framewise::model::ModelScheduler;
use framewise::{ContextVar, Frame, JoinHandle};
use framewise_loom_tests::{
    DropObserver, DropTracker, Listener, ListenerDrops, Notified, PoisoningAllocator,
};
use framewise_sync::thread;

#[global_allocator]
static ALLOCATOR: PoisoningAllocator = PoisoningAllocator;
static REQUEST: ContextVar<DropTracker> = ContextVar::new("request");

/// A frame with one value, and the observer of that value.
fn bound_frame() -> (Frame, DropObserver) {
    let (value, watch) = DropTracker::new();
    (REQUEST.run(value, Frame::current), watch)
}

/// A task that is ready at its first poll.
fn spawn_ready(
    scheduler: &ModelScheduler,
    frame: Frame,
) -> (JoinHandle<DropTracker>, ListenerDrops) {
    let (listener, watches) = Listener::new(&Notified::default(), 0);
    (scheduler.spawn(listener, frame), watches)
}

fn run_one(scheduler: &ModelScheduler) {
    if let Some(runnable) = scheduler.take() {
        runnable.run_to_end();
    }
}

fn in_thread<R: 'static>(f: impl FnOnce() -> R + Send + 'static) -> thread::JoinHandle<R> {
    thread::spawn(f)
}
