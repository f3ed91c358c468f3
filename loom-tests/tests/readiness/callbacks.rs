//! Callbacks: registered, called, cancelled and dropped beside events and a shutdown.

use framewise_io::model::{CallbackEntry, ScheduledIo};
use framewise_io::{Interest, Ready};
use framewise_loom_tests::model;
use framewise_sync::atomic::{AtomicUsize, Ordering};
use framewise_sync::{Arc, thread};

use crate::Kernel;

/// Race: a callback is registered while an event arrives. Failure: the driver has not called it for
/// the event, nor has the registration returned the event.
#[test]
fn a_callback_registered_while_the_event_comes_is_called() {
    model("callback: register × set", || {
        let state = Arc::new(ScheduledIo::new(Ready::EMPTY));
        let driver = {
            let state = Arc::clone(&state);
            thread::spawn(move || {
                let (mut wakers, mut calls) = (Vec::new(), Vec::new());
                state.set(Ready::READABLE, &mut wakers, &mut calls);
                calls.len()
            })
        };
        let entry = Arc::new(CallbackEntry::new(Interest::READABLE, |_| {}));
        let before = state.add_callback(&entry).unwrap();
        let called = driver.join().unwrap();
        assert!(called == 1 || before.is_readable(), "the event was lost");
    });
}

/// Race: a callback is registered while an event finds that the last one is gone. Failure: a later
/// event does not check for callbacks.
#[test]
fn a_callback_registered_while_the_last_one_goes_is_called() {
    model("callback: register × set that clears the bit", || {
        let state = Arc::new(ScheduledIo::new(Ready::EMPTY));
        let gone = Arc::new(CallbackEntry::new(Interest::READABLE, |_| {}));
        state.add_callback(&gone).unwrap();
        gone.cancel();
        let set = |state: &ScheduledIo| {
            let (mut wakers, mut calls) = (Vec::new(), Vec::new());
            state.set(Ready::READABLE, &mut wakers, &mut calls);
            calls.len()
        };
        let driver = {
            let state = Arc::clone(&state);
            thread::spawn(move || set(&state))
        };
        let entry = Arc::new(CallbackEntry::new(Interest::READABLE, |_| {}));
        state.add_callback(&entry).unwrap();
        driver.join().unwrap();
        assert_eq!(set(&state), 1, "the event was lost");
    });
}

/// Race: a callback is registered while the driver shuts down. Failure: a callback that was
/// accepted and is never dropped.
#[test]
fn a_callback_registered_while_shutting_down_is_dropped_or_rejected() {
    model("callback: register × shutdown", || {
        let state = Arc::new(ScheduledIo::new(Ready::EMPTY));
        let driver = {
            let state = Arc::clone(&state);
            thread::spawn(move || {
                state.readiness().set_shutdown(&mut Vec::new());
                state
                    .take_callbacks()
                    .iter()
                    .for_each(|entry| entry.cancel());
            })
        };
        let entry = Arc::new(CallbackEntry::new(Interest::READABLE, |_| {}));
        let accepted = state.add_callback(&entry).is_some();
        driver.join().unwrap();
        assert!(
            !accepted || entry.is_gone(),
            "an accepted callback was left behind"
        );
    });
}

/// Counts its drops.
struct Dropped(Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Race: a callback is cancelled while the driver calls it, twice. Failure: a closure that is not
/// dropped, or dropped twice (a use after free, which loom's cells report).
#[test]
fn a_callback_cancelled_while_it_is_called_is_dropped_once() {
    model("callback: cancel × call", || {
        let drops = Arc::new(AtomicUsize::new(0));
        let owned = Dropped(Arc::clone(&drops));
        let entry = Arc::new(CallbackEntry::new(Interest::READABLE, move |_| {
            let _ = &owned;
        }));
        let driver = {
            let entry = Arc::clone(&entry);
            thread::spawn(move || {
                for _ in 0..2 {
                    entry.call(Ready::READABLE).unwrap();
                }
            })
        };
        entry.cancel();
        driver.join().unwrap();
        assert_eq!(drops.load(Ordering::Relaxed), 1);
        assert!(entry.is_gone());
    });
}

/// Race: two threads have an event each for one callback. Failure: bytes are left, because the
/// second call found the first one running and was lost.
#[test]
fn a_callback_called_while_it_runs_is_called_again() {
    model("callback: call × call", || {
        let kernel = Arc::new(Kernel::default());
        let entry = {
            let kernel = Arc::clone(&kernel);
            Arc::new(CallbackEntry::new(Interest::READABLE, move |_| {
                kernel.receive();
            }))
        };
        let event = |kernel: &Kernel, entry: &CallbackEntry| {
            kernel.arrive();
            entry.call(Ready::READABLE).unwrap();
        };
        let other = {
            let (kernel, entry) = (Arc::clone(&kernel), Arc::clone(&entry));
            thread::spawn(move || event(&kernel, &entry))
        };
        event(&kernel, &entry);
        other.join().unwrap();
        assert_eq!(kernel.pending(), 0, "an event was not called for");
    });
}

/// The same, with a cancel: the closure is dropped once all the same.
#[test]
fn a_callback_called_twice_and_cancelled_is_dropped_once() {
    model("callback: call × call × cancel", || {
        let drops = Arc::new(AtomicUsize::new(0));
        let owned = Dropped(Arc::clone(&drops));
        let entry = Arc::new(CallbackEntry::new(Interest::READABLE, move |_| {
            let _ = &owned;
        }));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let entry = Arc::clone(&entry);
                thread::spawn(move || entry.call(Ready::READABLE).unwrap())
            })
            .collect();
        entry.cancel();
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        assert_eq!(drops.load(Ordering::Relaxed), 1);
        assert!(entry.is_gone());
    });
}
