//! Signal delivery: the handler that counts, the driver that dispatches, listeners that wait.
//!
//! The shipped counts and listeners. The pipe between the handler and the driver is left out: the
//! thread that counts dispatches. A failure is a listener that is not woken (a deadlock), or one
//! that does not see what was written before the signal.
#![cfg(all(framewise_loom, unix))]

use framewise::model::{ModelListener, ModelSignals};
use framewise_loom_tests::{Notified, PoisoningAllocator, TestWaker, model};
use framewise_sync::thread::{self, JoinHandle};

#[global_allocator]
static ALLOCATOR: PoisoningAllocator = PoisoningAllocator;

/// Writes, and raises the signal, on another thread.
fn raise_elsewhere(signals: &ModelSignals, notified: &Notified, bit: usize) -> JoinHandle<()> {
    let (signals, notified) = (signals.clone(), notified.clone());
    thread::spawn(move || {
        notified.notify(bit);
        signals.increment();
        signals.dispatch();
    })
}

/// Receives until all bits of `wanted` were written.
fn receive(listener: &mut ModelListener, notified: &Notified, wanted: usize) {
    let waker = TestWaker::new();
    while notified.received() != wanted {
        assert_eq!(waker.block_on(&mut listener.recv()), Some(()));
        assert_ne!(notified.received(), 0, "it does not see what came before");
    }
}

/// Race: a signal against a listener that looks, registers and waits. Failure: it waits forever.
#[test]
fn a_signal_meets_a_listener() {
    model("signals: raise × receive", || {
        let (signals, notified) = (ModelSignals::new(), Notified::default());
        let mut listener = signals.listen();
        let raising = raise_elsewhere(&signals, &notified, 1);
        assert_eq!(TestWaker::new().block_on(&mut listener.recv()), Some(()));
        assert_eq!(notified.received(), 1, "it does not see what came before");
        raising.join().unwrap();
    });
}

/// Race: two signals, the second of which comes while the listener receives the first, or while the
/// first is dispatched. Failure: the listener receives no more after the second.
#[test]
fn two_signals_meet_a_listener() {
    model("signals: raise × raise × receive", || {
        let (signals, notified) = (ModelSignals::new(), Notified::default());
        let mut listener = signals.listen();
        let raising = [1, 2].map(|bit| raise_elsewhere(&signals, &notified, bit));
        receive(&mut listener, &notified, 3);
        for thread in raising {
            thread.join().unwrap();
        }
    });
}

/// Race: a signal against two listeners. Failure: one of them waits forever.
#[test]
fn a_signal_meets_two_listeners() {
    model("signals: raise × receive × receive", || {
        let (signals, notified) = (ModelSignals::new(), Notified::default());
        let mut listeners = [signals.listen(), signals.listen()];
        let raising = raise_elsewhere(&signals, &notified, 1);
        let waker = TestWaker::new();
        let polled = listeners.each_mut().map(|listener| {
            // Both wait before either is woken.
            waker.poll(&mut listener.recv()).is_ready()
        });
        for (listener, received) in listeners.iter_mut().zip(polled) {
            assert!(received || waker.block_on(&mut listener.recv()) == Some(()));
        }
        raising.join().unwrap();
    });
}

/// Race: the end of the runtime against a listener that waits. Failure: it waits forever.
#[test]
fn the_end_meets_a_listener() {
    model("signals: close × receive", || {
        let signals = ModelSignals::new();
        let mut listener = signals.listen();
        let closing = {
            let signals = signals.clone();
            thread::spawn(move || signals.close())
        };
        assert_eq!(TestWaker::new().block_on(&mut listener.recv()), None);
        assert!(signals.is_closed(), "the listener was told before");
        closing.join().unwrap();
    });
}

/// Race: a signal against a wait that is dropped, and the next one. Failure: the signal went to the
/// dropped wait, and the next one waits forever.
#[test]
fn a_signal_meets_a_wait_that_is_dropped() {
    model("signals: raise × drop a wait × receive", || {
        let (signals, notified) = (ModelSignals::new(), Notified::default());
        let mut listener = signals.listen();
        let raising = raise_elsewhere(&signals, &notified, 1);
        if TestWaker::new().poll(&mut listener.recv()).is_pending() {
            listener.release();
            assert_eq!(TestWaker::new().block_on(&mut listener.recv()), Some(()));
        }
        assert_eq!(notified.received(), 1, "it does not see what came before");
        raising.join().unwrap();
    });
}

/// Control: a handler that writes to the pipe before it counts.
#[test]
#[should_panic(expected = "deadlock")]
fn control_a_dispatch_before_the_count_is_noticed() {
    model("signals: control, dispatch before count", || {
        let signals = ModelSignals::new();
        let mut listener = signals.listen();
        let raising = {
            let signals = signals.clone();
            thread::spawn(move || {
                signals.dispatch();
                signals.increment();
            })
        };
        let _ = TestWaker::new().block_on(&mut listener.recv());
        raising.join().unwrap();
    });
}
