//! One worker's sleep: unpark against park, and against the sleep in the driver.
//!
//! The shipped `Parker` over a fake driver, whose sleep ends only through its wake flag. How a
//! failure shows: a lost unpark is a deadlock; a wake that does not carry what was done before it
//! is a race on a cell.
#![cfg(framewise_loom)]

use framewise::model::{Parker, Unparked};
use framewise_loom_tests::{Kernel, model};
use framewise_sync::atomic::{AtomicUsize, Ordering};
use framewise_sync::cell::UnsafeCell;
use framewise_sync::{Arc, thread};

#[derive(Default)]
struct Sleeper {
    parker: Parker,
    kernel: Kernel,
    /// Written before an unpark, read after the sleep.
    note: UnsafeCell<usize>,
    /// One bit for each unparker that has something to say. Relaxed on purpose.
    said: AtomicUsize,
}

// SAFETY: loom watches the cell.
unsafe impl Send for Sleeper {}
// SAFETY: as for Send.
unsafe impl Sync for Sleeper {}

impl Sleeper {
    fn unpark(&self) {
        self.parker.unpark(|| self.kernel.wake());
    }

    fn write_note(&self) {
        // SAFETY: loom reports an access at the same time.
        self.note.with_mut(|note| unsafe { *note = 1 });
    }

    fn read_note(&self) {
        // SAFETY: loom reports a write at the same time.
        assert_eq!(self.note.with(|note| unsafe { *note }), 1);
    }

    fn say(&self, bit: usize) {
        self.said.fetch_or(bit, Ordering::Relaxed);
        self.unpark();
    }

    fn is_notified(&self, all: usize) -> bool {
        self.said.load(Ordering::Relaxed) == all
    }

    fn sleep_in_driver(&self) {
        if self.parker.enter_driver() {
            let events = self.kernel.wait();
            assert!(events.is_empty(), "nothing was raised");
            self.parker.leave_driver();
        }
    }
}

/// Race: an unpark against the park. It ends the sleep, or the next one, and carries what was
/// written before.
#[test]
fn an_unpark_ends_the_park() {
    model("unpark × park", || {
        let sleeper = Arc::new(Sleeper::default());
        let unparker = thread::spawn({
            let sleeper = sleeper.clone();
            move || {
                sleeper.write_note();
                sleeper.unpark();
            }
        });
        assert_eq!(sleeper.parker.park(None), Unparked::Notified);
        sleeper.read_note();
        unparker.join().expect("no panic");
    });
}

/// Race: an unpark against the way into the driver, the sleep in it and the way out.
#[test]
fn an_unpark_ends_the_sleep_in_the_driver() {
    model("unpark × enter_driver, sleep, leave_driver", || {
        let sleeper = Arc::new(Sleeper::default());
        let unparker = thread::spawn({
            let sleeper = sleeper.clone();
            move || {
                sleeper.write_note();
                sleeper.unpark();
            }
        });
        sleeper.sleep_in_driver();
        sleeper.read_note();
        unparker.join().expect("no panic");
    });
}

/// Race: two unparkers against a worker that sleeps until it has heard both. One unpark may stand
/// for two, but then both have been heard.
fn two_unparkers(name: &str, sleep: fn(&Sleeper, usize)) {
    model(name, move || {
        let sleeper = Arc::new(Sleeper::default());
        let unparkers = [1, 2].map(|bit| {
            let sleeper = sleeper.clone();
            thread::spawn(move || sleeper.say(bit))
        });
        let mut times = 0;
        while !sleeper.is_notified(3) {
            sleep(&sleeper, times);
            times += 1;
        }
        for unparker in unparkers {
            unparker.join().expect("no panic");
        }
    });
}

#[test]
fn two_unparks_of_a_park() {
    two_unparkers("unpark × unpark × park", |sleeper, _| {
        sleeper.parker.park(None);
    });
}

#[test]
fn two_unparks_of_a_sleep_in_the_driver() {
    two_unparkers("unpark × unpark × driver", |sleeper, _| {
        sleeper.sleep_in_driver();
    });
}

#[test]
fn two_unparks_of_sleeps_here_and_there() {
    two_unparkers("unpark × unpark × driver, then park", |sleeper, times| {
        if times == 0 {
            sleeper.sleep_in_driver();
        } else {
            sleeper.parker.park(None);
        }
    });
}

/// Race: an event ends the sleep in the driver while somebody unparks. The unpark may be taken by
/// the way out: then what it said has been heard.
#[test]
fn an_event_meets_an_unpark() {
    model("event × unpark × driver, then park", || {
        let sleeper = Arc::new(Sleeper::default());
        sleeper.kernel.raise(0);
        let unparker = thread::spawn({
            let sleeper = sleeper.clone();
            move || sleeper.say(1)
        });
        if sleeper.parker.enter_driver() {
            sleeper.kernel.wait();
            sleeper.parker.leave_driver();
        }
        while !sleeper.is_notified(1) {
            sleeper.parker.park(None);
        }
        unparker.join().expect("no panic");
    });
}

#[test]
#[should_panic(expected = "deadlock")]
fn control_a_driver_that_is_not_woken_is_noticed() {
    model("control: unpark without waking the driver", || {
        let sleeper = Arc::new(Sleeper::default());
        let unparker = thread::spawn({
            let sleeper = sleeper.clone();
            move || sleeper.parker.unpark(|| {})
        });
        sleeper.sleep_in_driver();
        unparker.join().expect("no panic");
    });
}

#[test]
#[should_panic(expected = "Causality violation")]
fn control_a_note_without_an_unpark_is_noticed() {
    model("control: a note that is written after the unpark", || {
        let sleeper = Arc::new(Sleeper::default());
        let unparker = thread::spawn({
            let sleeper = sleeper.clone();
            move || {
                sleeper.unpark();
                sleeper.write_note();
            }
        });
        sleeper.parker.park(None);
        sleeper.note.with(|_| ());
        unparker.join().expect("no panic");
    });
}
