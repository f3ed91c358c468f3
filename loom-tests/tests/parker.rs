//! The parker of one worker: unpark against park on the condition variable and on the driver.
//!
//! The shipped `Parker` over a fake driver, whose wait only its wake flag ends. A lost unpark is a
//! deadlock; an unpark that does not carry what was done before it is a race on a cell.
#![cfg(framewise_loom)]

use framewise::model::{Parker, Unparked};
use framewise_loom_tests::{Kernel, model};
use framewise_sync::atomic::{AtomicUsize, Ordering};
use framewise_sync::cell::UnsafeCell;
use framewise_sync::{Arc, thread};

#[derive(Default)]
struct ParkedWorker {
    parker: Parker,
    kernel: Kernel,
    /// Written before an unpark, read after the park.
    note: UnsafeCell<usize>,
    /// One bit for each unparker. Relaxed on purpose: only the unpark makes the worker see it.
    notified: AtomicUsize,
}

// SAFETY: loom checks the accesses to the cell.
unsafe impl Send for ParkedWorker {}
// SAFETY: like `Send`.
unsafe impl Sync for ParkedWorker {}

impl ParkedWorker {
    fn unpark(&self) {
        self.parker.unpark(|| self.kernel.wake());
    }

    fn write_note(&self) {
        // SAFETY: loom reports a concurrent access.
        self.note.with_mut(|note| unsafe { *note = 1 });
    }

    fn read_note(&self) {
        // SAFETY: loom reports a concurrent write.
        assert_eq!(self.note.with(|note| unsafe { *note }), 1);
    }

    fn notify(&self, bit: usize) {
        self.notified.fetch_or(bit, Ordering::Relaxed);
        self.unpark();
    }

    fn is_notified(&self, all: usize) -> bool {
        self.notified.load(Ordering::Relaxed) == all
    }

    fn park_on_driver(&self) {
        if self.parker.enter_driver() {
            let events = self.kernel.wait();
            assert!(events.is_empty(), "no event was raised");
            self.parker.leave_driver();
        }
    }
}

/// Race: an unpark against the park. It ends this park or the next one, and carries what was
/// written before.
#[test]
fn an_unpark_ends_the_park() {
    model("unpark × park", || {
        let worker = Arc::new(ParkedWorker::default());
        let unparker = thread::spawn({
            let worker = worker.clone();
            move || {
                worker.write_note();
                worker.unpark();
            }
        });
        assert_eq!(worker.parker.park(None), Unparked::Notified);
        worker.read_note();
        unparker.join().expect("no panic");
    });
}

/// Race: an unpark against entering the driver, the wait in it, and leaving it.
#[test]
fn an_unpark_ends_the_sleep_in_the_driver() {
    model("unpark × enter_driver, wait, leave_driver", || {
        let worker = Arc::new(ParkedWorker::default());
        let unparker = thread::spawn({
            let worker = worker.clone();
            move || {
                worker.write_note();
                worker.unpark();
            }
        });
        worker.park_on_driver();
        worker.read_note();
        unparker.join().expect("no panic");
    });
}

/// Race: two unparkers against a worker that parks until it has seen both bits. One unpark may
/// stand for two, but then both bits are visible.
fn two_unparkers(name: &str, sleep: fn(&ParkedWorker, usize)) {
    model(name, move || {
        let worker = Arc::new(ParkedWorker::default());
        let unparkers = [1, 2].map(|bit| {
            let worker = worker.clone();
            thread::spawn(move || worker.notify(bit))
        });
        let mut times = 0;
        while !worker.is_notified(3) {
            sleep(&worker, times);
            times += 1;
        }
        for unparker in unparkers {
            unparker.join().expect("no panic");
        }
    });
}

#[test]
fn two_unparks_of_a_park() {
    two_unparkers("unpark × unpark × park", |worker, _| {
        worker.parker.park(None);
    });
}

#[test]
fn two_unparks_of_a_sleep_in_the_driver() {
    two_unparkers("unpark × unpark × driver", |worker, _| {
        worker.park_on_driver();
    });
}

#[test]
fn two_unparks_of_sleeps_here_and_there() {
    two_unparkers("unpark × unpark × driver, then park", |worker, times| {
        if times == 0 {
            worker.park_on_driver();
        } else {
            worker.parker.park(None);
        }
    });
}

/// Race: an event ends the wait in the driver while another thread unparks. Leaving the driver may
/// consume the unpark: then its bit is visible.
#[test]
fn an_event_meets_an_unpark() {
    model("event × unpark × driver, then park", || {
        let worker = Arc::new(ParkedWorker::default());
        worker.kernel.raise(0);
        let unparker = thread::spawn({
            let worker = worker.clone();
            move || worker.notify(1)
        });
        if worker.parker.enter_driver() {
            worker.kernel.wait();
            worker.parker.leave_driver();
        }
        while !worker.is_notified(1) {
            worker.parker.park(None);
        }
        unparker.join().expect("no panic");
    });
}

#[test]
#[should_panic(expected = "deadlock")]
fn control_a_driver_that_is_not_woken_is_noticed() {
    model("control: unpark without waking the driver", || {
        let worker = Arc::new(ParkedWorker::default());
        let unparker = thread::spawn({
            let worker = worker.clone();
            move || worker.parker.unpark(|| {})
        });
        worker.park_on_driver();
        unparker.join().expect("no panic");
    });
}

#[test]
#[should_panic(expected = "Causality violation")]
fn control_a_note_without_an_unpark_is_noticed() {
    model("control: a note that is written after the unpark", || {
        let worker = Arc::new(ParkedWorker::default());
        let unparker = thread::spawn({
            let worker = worker.clone();
            move || {
                worker.unpark();
                worker.write_note();
            }
        });
        worker.parker.park(None);
        worker.note.with(|_| ());
        unparker.join().expect("no panic");
    });
}
