//! Sources that begin and end beside events: late events, descriptors that are used again.

use std::time::Duration;

use framewise::model::Parker;
use framewise_io::model::{ModelSource, sources};
use framewise_io::{Batch, Direction, Interest, IoDriver, IoHandle, Ready};
use framewise_loom_tests::{DropTracker, model};
use framewise_sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use framewise_sync::{Arc, Mutex, thread};

use crate::{Pipe, block_on, driver, join, source, turn, turn_and_hand_over, turn_without_wait};

/// Asserts that a new source got no event, and that nothing is left of the old one.
fn assert_no_event(driver: &mut IoDriver, handle: &IoHandle, new: &ModelSource, pipe: &Pipe) {
    let notified = new.try_io(Direction::Read, || Ok(()));
    assert!(notified.is_err(), "an event reached the wrong source");
    assert_eq!(sources(handle), 1, "a dropped source is in the table");
    // The new source has a place of its own.
    pipe.arrive();
    assert_eq!(turn_without_wait(driver).events, 1);
    assert_eq!(new.try_io(Direction::Read, || pipe.receive()).unwrap(), 1);
}

/// Race: a source is dropped while an event of it is raised, fetched, looked up and called for, and
/// a new source is opened. Failure: the new source gets the event, loom reports a race on what the
/// old callback owns, or that is dropped twice or never.
#[test]
fn an_event_meets_the_end_of_its_source() {
    model("free × event × register", || {
        let (mut driver, handle, _) = driver();
        let (old, old_pipe) = source(&handle, Ready::EMPTY);
        let (owned, watch) = DropTracker::new();
        let call = move |_: Ready| owned.touch();
        let callback = old.on_ready(Interest::READABLE, call).unwrap();
        let peer = thread::spawn(move || old_pipe.peer.raise(Ready::READABLE));
        let driving = thread::spawn(move || {
            let events = turn_without_wait(&mut driver).events;
            (driver, events)
        });
        drop(old);
        let (new, pipe) = source(&handle, Ready::EMPTY);
        join(peer);
        let (mut driver, events) = join(driving);
        assert!(events + turn_without_wait(&mut driver).events <= 1);
        assert!(
            callback.is_cancelled(),
            "it waits for a source that is gone"
        );
        assert!(watch.is_dropped(), "a dropped source's callback is left");
        assert_no_event(&mut driver, &handle, &new, &pipe);
    });
}

/// How a reused descriptor gets a late event.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Late {
    /// It was fetched, behind another event of the batch.
    Fetched,
    /// The same, and the descriptor is not closed but returned, and registered again.
    Moved,
    /// The kernel kept it over the deregistration, so that it arrives one batch later.
    Kept,
}

/// Race: a source is deregistered while the driver looks up a batch, and a new one with the same
/// descriptor number is registered, in the same slot if the driver has released it. Failure: the
/// new source gets the event. The two threads run one after the other, so few preemptions suffice.
fn reuse_against_late_event(late: Late) {
    let (mut driver, handle, kernel) = driver();
    let (old, old_pipe) = source(&handle, Ready::EMPTY);
    let (bytes, peer) = (AtomicUsize::new(0), old_pipe.peer.clone());
    let old_pipe_again = Arc::new(Pipe { bytes, peer });
    handle.unpark();
    if late == Late::Kept {
        kernel.report_late();
    } else {
        old_pipe.peer.raise(Ready::READABLE);
    }
    let freeing = thread::spawn(move || {
        if late == Late::Kept {
            old_pipe.peer.raise(Ready::READABLE);
        }
        let old = Arc::try_unwrap(old).unwrap();
        let descriptor = old.into_descriptor().unwrap();
        (late == Late::Moved).then_some(descriptor)
    });
    let registering = thread::spawn({
        let handle = handle.clone();
        move || match join(freeing) {
            None => source(&handle, Ready::EMPTY),
            Some(descriptor) => {
                let _entered = handle.enter();
                let source = ModelSource::new(descriptor, Ready::EMPTY).unwrap();
                (Arc::new(source), old_pipe_again)
            }
        }
    });
    let events = turn_without_wait(&mut driver).events + turn_without_wait(&mut driver).events;
    let (new, pipe) = join(registering);
    assert!(events + turn_without_wait(&mut driver).events <= 1);
    assert_no_event(&mut driver, &handle, &new, &pipe);
}

#[test]
fn a_late_event_of_a_reused_descriptor_finds_no_waiter() {
    model("reused descriptor × late event", || {
        reuse_against_late_event(Late::Fetched)
    });
}

#[test]
fn a_late_event_of_a_descriptor_that_moves_finds_no_waiter() {
    model("descriptor registered again × late event", || {
        reuse_against_late_event(Late::Moved)
    });
}

/// The kernel breaks its own rule: only the generation rejects the event.
#[test]
fn a_late_event_that_the_system_has_kept_finds_no_waiter() {
    model("reused descriptor × event kept by the system", || {
        reuse_against_late_event(Late::Kept)
    });
}

/// Control: there is such a late event at all. Code that identifies sources by the descriptor would
/// take it for the new source's.
#[test]
#[should_panic(expected = "an event came for a descriptor whose source has no bytes")]
fn control_a_late_event_is_there() {
    model("control: sources known by their descriptors", || {
        let (mut driver, handle, kernel) = driver();
        let (old, old_pipe) = source(&handle, Ready::EMPTY);
        old_pipe.arrive();
        let dropped = Arc::new(AtomicBool::new(false));
        let driving = thread::spawn({
            let dropped = Arc::clone(&dropped);
            move || {
                let mut batch = Batch::default();
                driver.wait(Some(Duration::ZERO), &mut batch).unwrap();
                let is_late = dropped.load(Ordering::Acquire);
                let events = batch.dispatch().events;
                assert!(
                    events == 0 || !is_late,
                    "an event came for a descriptor whose source has no bytes"
                );
            }
        });
        let number = Arc::try_unwrap(old)
            .unwrap()
            .into_descriptor()
            .unwrap()
            .number();
        assert_eq!(kernel.open().0.number(), number);
        dropped.store(true, Ordering::Release);
        join(driving);
    });
}

/// Race: an event is raised before, while and after its source is registered. Failure: a task that
/// waits forever.
#[test]
fn an_event_meets_the_registration_of_its_source() {
    model("register × event × wait", || {
        let (mut driver, handle, kernel) = driver();
        let (descriptor, peer) = kernel.open();
        let task = thread::spawn(move || {
            let _entered = handle.enter();
            let source = ModelSource::new(descriptor, Ready::EMPTY).unwrap();
            let ready = block_on(source.ready(Interest::READABLE)).unwrap();
            assert!(ready.is_readable());
        });
        let peer = thread::spawn(move || peer.raise(Ready::READABLE));
        assert_eq!(turn(&mut driver, None).events, 1);
        join(peer);
        join(task);
    });
}

/// Race: two threads own the driver one after the other, and each dispatches its batch after it
/// released the driver, while a reader waits. Failure: the reader sleeps forever.
#[test]
fn a_reader_is_notified_across_a_hand_over() {
    model("handoff × reader", || {
        let (driver, handle, _) = driver();
        let driver = Arc::new(Mutex::new(driver));
        let (source, pipe) = source(&handle, Ready::EMPTY);
        pipe.arrive();
        let first = thread::spawn({
            let driver = Arc::clone(&driver);
            move || turn_and_hand_over(&driver)
        });
        let second = thread::spawn({
            let (driver, pipe) = (Arc::clone(&driver), Arc::clone(&pipe));
            move || {
                pipe.arrive();
                turn_and_hand_over(&driver);
            }
        });
        let mut count = 0;
        while count < 2 {
            count += block_on(source.async_io(Direction::Read, || pipe.receive())).unwrap();
        }
        join(first);
        join(second);
    });
}

/// Race: a worker hands the driver over by unparking another worker, and calls a callback while the
/// other fetches a newer event of the same source. Failure: bytes are left, because the second call
/// found the first one running and was lost.
#[test]
fn a_callback_is_called_again_across_a_hand_over() {
    model("handoff by a parker × callback", || {
        let (driver, handle, _) = driver();
        let driver = Arc::new(Mutex::new(driver));
        let parker = Arc::new(Parker::new());
        let (source, pipe) = source(&handle, Ready::EMPTY);
        let receiving = Arc::clone(&pipe);
        let call = move |_: Ready| drop(receiving.receive());
        source.on_ready(Interest::READABLE, call).unwrap();
        let successor = thread::spawn({
            let (driver, parker) = (Arc::clone(&driver), Arc::clone(&parker));
            move || {
                parker.park(None);
                turn_and_hand_over(&driver);
            }
        });
        let predecessor = thread::spawn({
            let driver = Arc::clone(&driver);
            move || {
                let mut batch = Batch::default();
                driver.lock().wait(None, &mut batch).unwrap();
                parker.unpark(|| unreachable!("it is not in the driver"));
                assert!(batch.dispatch().panics.is_empty());
            }
        });
        pipe.arrive();
        pipe.arrive();
        join(predecessor);
        join(successor);
        turn_and_hand_over(&driver);
        assert_eq!(pipe.pending(), 0, "an event was not called for");
    });
}
