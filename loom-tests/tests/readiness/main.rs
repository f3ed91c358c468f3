//! I/O readiness: the word, its waiters and callbacks, the table of sources, the driver's unpark.
//!
//! The kernel is a counter that the models hold (`Kernel`): an event is reported after it was
//! raised, once, like an edge.

#![cfg(framewise_loom)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod callbacks;
mod controls;
mod sources;
mod unparks;
mod waiters;
mod word;

use std::sync::Arc as StdArc;
use std::task::Wake;

use framewise_io::model::Readiness;
use framewise_io::{Interest, Ready};
use framewise_loom_tests::{TestWaker, drive};
use framewise_sync::atomic::{AtomicUsize, Ordering};
use framewise_sync::{Arc, thread};

/// The bytes that the kernel holds for a source. Relaxed on purpose: only the word makes a reader
/// see them after the event.
#[derive(Default)]
struct Kernel(AtomicUsize);

impl Kernel {
    fn arrive(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes all bytes; zero is "would block".
    fn receive(&self) -> usize {
        self.0.swap(0, Ordering::Relaxed)
    }

    fn pending(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// A thread that reports an event.
fn event(readiness: &Arc<Readiness>, ready: Ready) -> thread::JoinHandle<()> {
    let readiness = Arc::clone(readiness);
    thread::spawn(move || drive(&readiness, ready))
}

/// A point at which loom considers switching threads.
///
/// loom remembers only the last access to an atomic. A compare-exchange after a load of the same
/// thread hides what other threads loaded before, so loom does not try the exchange before such a
/// load. A point in both threads makes loom try it.
#[derive(Default)]
struct Point(AtomicUsize);

impl Point {
    fn pass(&self) {
        // Relaxed: it publishes nothing to the other threads.
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Waits in the list until it is ready, and polls once more before it sleeps, with the same waker.
fn wait_in_list_and_check_twice(readiness: &Readiness, interest: Interest) {
    let test_waker = TestWaker::new();
    let mut wait = readiness.wait(interest);
    if test_waker.poll(&mut wait).is_pending() && test_waker.poll(&mut wait).is_pending() {
        test_waker.wait();
        assert!(test_waker.poll(&mut wait).is_ready(), "woken for nothing");
    }
}

/// Counts its wakes.
#[derive(Default)]
struct Woken(AtomicUsize);

// `std`'s `Arc`, because `Wake` requires it.
impl Wake for Woken {
    fn wake(self: StdArc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
