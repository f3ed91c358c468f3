//! Shutting down beside registrations, waits, callbacks and a batch on its way.

use std::future::poll_fn;

use framewise_io::model::ModelSource;
use framewise_io::{Direction, Interest, Ready};
use framewise_loom_tests::{DropTracker, model};
use framewise_sync::{Arc, Mutex, thread};

use crate::{block_on, driver, join, source, turn_and_hand_over, turn_without_wait};

/// Race: the driver ends while one task waits, and another registers and waits. Failure: a
/// deadlock.
#[test]
fn shutting_down_meets_a_registration_and_a_waiter() {
    model("shutdown × register × wait", || {
        let (mut driver, handle, kernel) = driver();
        let (source, _pipe) = source(&handle, Ready::EMPTY);
        let waiting =
            thread::spawn(move || block_on(poll_fn(|cx| source.poll_ready(cx, Direction::Read))));
        let registering = thread::spawn(move || {
            let _entered = handle.enter();
            let (descriptor, _peer) = kernel.open();
            let source = ModelSource::new(descriptor, Ready::EMPTY)?;
            block_on(source.ready(Interest::READABLE)).map(drop)
        });
        assert!(driver.shutdown().panics.is_empty());
        assert!(join(waiting).is_err());
        assert!(join(registering).is_err());
    });
}

/// Race: a callback is registered with a ready source, which queues an initial call, while the
/// driver ends. Failure: a callback that was rejected or cancelled keeps its value, or a callback
/// is accepted after the end.
#[test]
fn shutting_down_meets_an_initial_callback() {
    model("shutdown × kick", || {
        let (mut driver, handle, _) = driver();
        let (source, _pipe) = source(&handle, Ready::READABLE);
        let (owned, watch) = DropTracker::new();
        let registering = thread::spawn(move || {
            let call = move |_: Ready| owned.touch();
            let registered = source.on_ready(Interest::READABLE, call);
            (source, registered)
        });
        turn_without_wait(&mut driver);
        driver.shutdown();
        let (_source, registered) = join(registering);
        if let Ok(callback) = registered {
            assert!(
                callback.is_cancelled(),
                "it waits for a driver that is gone"
            );
        }
        assert!(watch.is_dropped(), "a callback's value is left");
        // A call that was queued too late has no effect.
        assert_eq!(turn_without_wait(&mut driver).panics.len(), 0);
    });
}

/// Race: a thread dispatches a batch after it handed the driver to another thread, which shuts it
/// down. Failure: a callback that is used after its drop, or never dropped.
#[test]
fn shutting_down_meets_a_batch() {
    model("dispatch × shutdown", || {
        let (driver, handle, _) = driver();
        let driver = Arc::new(Mutex::new(driver));
        let (source, pipe) = source(&handle, Ready::EMPTY);
        let (owned, watch) = DropTracker::new();
        let call = move |_: Ready| owned.touch();
        source.on_ready(Interest::READABLE, call).unwrap();
        pipe.arrive();
        let other = thread::spawn({
            let driver = Arc::clone(&driver);
            move || turn_and_hand_over(&driver)
        });
        assert!(driver.lock().shutdown().panics.is_empty());
        join(other);
        assert!(watch.is_dropped(), "a callback's value is left");
        assert!(source.try_io(Direction::Write, || Ok(())).is_err());
    });
}
