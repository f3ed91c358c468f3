//! Waiters in the slots and in the list, and the events that they wait for.

use std::sync::Arc as StdArc;
use std::task::{Context, Waker};

use framewise_io::model::{ControlledWaker, Readiness, ReadinessWord, Registered, Waiters};
use framewise_io::{Direction, Interest, Ready};
use framewise_loom_tests::{TestWaker, drive, model, wait_in_list, wait_in_slot};
use framewise_sync::atomic::Ordering;
use framewise_sync::{Arc, Mutex, thread};

use crate::{Kernel, Woken, event, wait_in_list_and_check_twice};

/// Race: a waiter registers while the event arrives. Failure: a deadlock.
#[test]
fn register_against_set_in_the_slot() {
    model("readiness: register × set, slot", || {
        let readiness = Arc::new(Readiness::new(Ready::EMPTY));
        let driver = event(&readiness, Ready::READABLE);
        assert!(!wait_in_slot(&readiness, Direction::Read));
        driver.join().unwrap();
    });
}

/// The same in the list.
#[test]
fn register_against_set_in_the_list() {
    model("readiness: register × set, list", || {
        let readiness = Arc::new(Readiness::new(Ready::EMPTY));
        let driver = event(&readiness, Ready::WRITABLE);
        assert!(!wait_in_list(
            &readiness,
            Interest::READABLE | Interest::WRITABLE
        ));
        driver.join().unwrap();
    });
}

/// Control: the waiter registers its interest before it is in the list, without the lock. (It does
/// not wait here: a deadlock would abort the test.)
#[test]
#[should_panic(expected = "the waiter sleeps forever")]
fn negative_register_before_being_in_the_list() {
    model("readiness: register_interest first (negative)", || {
        let word = Arc::new(ReadinessWord::new(Ready::EMPTY));
        let waiters = Arc::new(Mutex::new(Waiters::new()));
        let driver = {
            let (word, waiters) = (Arc::clone(&word), Arc::clone(&waiters));
            thread::spawn(move || {
                let notify = word.set(Ready::READABLE);
                let mut wakers: Vec<Waker> = Vec::new();
                if let Some(interest) = notify.waiters {
                    waiters.lock().take(interest, &mut wakers);
                }
                wakers.into_iter().for_each(Waker::wake);
            })
        };
        let woken = StdArc::new(Woken::default());
        let registered = word.register_interest(Interest::READABLE);
        let waker = Waker::from(StdArc::clone(&woken));
        let _ = waiters.lock().put_slot(Direction::Read, Some(waker));
        driver.join().unwrap();
        let awake = registered != Registered::Waiting || woken.0.load(Ordering::Relaxed) == 1;
        assert!(awake, "the waiter sleeps forever");
    });
}

/// Race: a read that would block, and the wait after it, against an event for each direction.
/// Failure: a deadlock of the reader or of the writer.
#[test]
fn both_directions() {
    model("readiness: both directions", || {
        let readiness = Arc::new(Readiness::new(Ready::READABLE));
        // Before both events: the reader waits for them after a read that finds no bytes.
        let observed = readiness.word().load();
        let driver = {
            let readiness = Arc::clone(&readiness);
            thread::spawn(move || {
                drive(&readiness, Ready::WRITABLE);
                drive(&readiness, Ready::READABLE);
            })
        };
        let writer = {
            let readiness = Arc::clone(&readiness);
            thread::spawn(move || wait_in_slot(&readiness, Direction::Write))
        };
        readiness
            .word()
            .clear_if_would_block(observed, Interest::READABLE);
        wait_in_slot(&readiness, Direction::Read);
        writer.join().unwrap();
        driver.join().unwrap();
        assert!(
            readiness.word().load().ready().is_writable(),
            "the other direction was cleared"
        );
    });
}

/// Race: a waiter in the list that polls twice before it sleeps, and one event. Failure: a
/// deadlock.
#[test]
fn a_waiter_that_checks_twice() {
    model("readiness: check, check × set", || {
        let readiness = Arc::new(Readiness::new(Ready::EMPTY));
        let driver = event(&readiness, Ready::READABLE);
        wait_in_list_and_check_twice(&readiness, Interest::READABLE);
        driver.join().unwrap();
    });
}

/// Race: two waiters in the list and one event for both. Failure: a deadlock.
#[test]
fn two_waiters() {
    model("readiness: two waiters × set", || {
        let readiness = Arc::new(Readiness::new(Ready::EMPTY));
        let driver = event(&readiness, Ready::READABLE);
        let other = {
            let readiness = Arc::clone(&readiness);
            thread::spawn(move || wait_in_list(&readiness, Interest::READABLE))
        };
        wait_in_list(&readiness, Interest::READABLE);
        other.join().unwrap();
        driver.join().unwrap();
    });
}

/// Race: one of two waiters is dropped while the event arrives. Failure: a deadlock of the other,
/// whose waiters bit was cleared with the dropped one's entry.
#[test]
fn a_dropped_waiter_takes_no_event_along() {
    model("readiness: drop of a waiter × set", || {
        let readiness = Arc::new(Readiness::new(Ready::EMPTY));
        let driver = event(&readiness, Ready::READABLE);
        let dropping = {
            let readiness = Arc::clone(&readiness);
            thread::spawn(move || {
                let mut cx = Context::from_waker(Waker::noop());
                let mut wait = Box::pin(readiness.wait(Interest::READABLE));
                let _ = wait.as_mut().poll(&mut cx);
            })
        };
        wait_in_list(&readiness, Interest::READABLE);
        dropping.join().unwrap();
        driver.join().unwrap();
    });
}

/// Race: a wait that ends by an event without a check of the list, and the next wait, against the
/// setter that has not removed the first one's entry yet, and a second event. Failure: a deadlock,
/// or a waker that stays in the list.
#[test]
fn a_wait_after_one_that_did_not_check_the_list() {
    model("readiness: wait, wait × set, set", || {
        let readiness = Arc::new(Readiness::new(Ready::EMPTY));
        let kernel = Arc::new(Kernel::default());
        let driver = {
            let (readiness, kernel) = (Arc::clone(&readiness), Arc::clone(&kernel));
            thread::spawn(move || {
                for _ in 0..2 {
                    kernel.arrive();
                    drive(&readiness, Ready::READABLE);
                }
            })
        };
        let test_waker = TestWaker::new();
        let mut received = 0;
        while received < 2 {
            let waited = test_waker.block_on(&mut readiness.wait(Interest::READABLE));
            let event = waited.unwrap();
            match kernel.receive() {
                0 => readiness
                    .word()
                    .clear_if_would_block(event, Interest::READABLE),
                count => received += count,
            }
        }
        driver.join().unwrap();
        assert_eq!(StdArc::strong_count(&test_waker), 1, "a waker is left");
    });
}

/// Race: a notified waiter, whose place in the list another one has by now, is dropped while the
/// event for the other arrives. Failure: a deadlock of the other, whose entry was removed instead.
#[test]
fn a_notified_waiter_takes_no_other_entry_along() {
    model("readiness: drop of a notified waiter × set", || {
        let readiness = Arc::new(Readiness::new(Ready::EMPTY));
        let mut cx = Context::from_waker(Waker::noop());
        let mut notified = Box::pin(readiness.wait(Interest::READABLE));
        assert!(notified.as_mut().poll(&mut cx).is_pending());
        drive(&readiness, Ready::READABLE);
        let word = readiness.word();
        word.clear_if_would_block(word.load(), Interest::READABLE);
        let test_waker = TestWaker::new();
        let mut other = readiness.wait(Interest::READABLE);
        assert!(test_waker.poll(&mut other).is_pending());
        let driver = event(&readiness, Ready::READABLE);
        drop(notified);
        test_waker.wait();
        assert!(test_waker.poll(&mut other).is_ready(), "woken for nothing");
        driver.join().unwrap();
    });
}

/// Race: two events for one waiter, from two threads. Only one of them checks the list, and it may
/// be the later one to take the lock. Failure: a deadlock, or a waker that stays in the list.
#[test]
fn two_setters() {
    model("readiness: wait × set × set", || {
        let readiness = Arc::new(Readiness::new(Ready::EMPTY));
        let drivers = [Ready::READABLE, Ready::READ_CLOSED].map(|ready| event(&readiness, ready));
        let test_waker = TestWaker::new();
        let waited = test_waker.block_on(&mut readiness.wait(Interest::READABLE));
        waited.unwrap();
        for driver in drivers {
            driver.join().unwrap();
        }
        assert_eq!(StdArc::strong_count(&test_waker), 1, "a waker is left");
    });
}

/// Control: a setter that ignores the waiters and leaves them to the next one.
#[test]
#[should_panic(expected = "the waiter sleeps forever")]
fn negative_a_setter_that_leaves_the_waiters_to_the_next() {
    model("readiness: set without a check (negative)", || {
        let readiness = Arc::new(Readiness::new(Ready::EMPTY));
        let driver = {
            let readiness = Arc::clone(&readiness);
            thread::spawn(move || {
                let _ = readiness.word().set(Ready::READABLE);
                drive(&readiness, Ready::READABLE);
            })
        };
        let woken = StdArc::new(Woken::default());
        let waker = Waker::from(StdArc::clone(&woken));
        let mut wait = Box::pin(readiness.wait(Interest::READABLE));
        let polled = wait.as_mut().poll(&mut Context::from_waker(&waker));
        driver.join().unwrap();
        let awake = polled.is_ready() || woken.0.load(Ordering::Relaxed) == 1;
        assert!(awake, "the waiter sleeps forever");
    });
}

/// Race: the waker in the slot is replaced while the event arrives. Failure: a deadlock, because
/// the event woke the old waker.
#[test]
fn a_replaced_waker_takes_no_event_along() {
    model("readiness: replaced waker × set", || {
        let readiness = Arc::new(Readiness::new(Ready::EMPTY));
        let mut cx = Context::from_waker(Waker::noop());
        let _ = readiness.poll_ready(&mut cx, Direction::Read);
        let driver = event(&readiness, Ready::READABLE);
        wait_in_slot(&readiness, Direction::Read);
        driver.join().unwrap();
    });
}

/// Race: the half whose poller waits in the slot is dropped while an event for the same direction
/// arrives. Failure: the poller is woken by neither or by both, a waker stays in the slot, or a bit
/// stays without a waiter.
#[test]
fn a_slot_that_is_emptied_meets_its_event() {
    model("readiness: release of the slot × set", || {
        let readiness = Arc::new(Readiness::new(Ready::EMPTY));
        let woken = StdArc::new(Woken::default());
        let waker = Waker::from(StdArc::clone(&woken));
        let mut cx = Context::from_waker(&waker);
        assert!(readiness.poll_ready(&mut cx, Direction::Read).is_pending());
        let driver = event(&readiness, Ready::READABLE);
        readiness.release_slot(Direction::Read);
        let has_waiters = readiness.word().has_waiters(Interest::READABLE);
        driver.join().unwrap();
        assert!(!has_waiters, "the slot that was emptied has a waiter");
        assert_eq!(woken.0.load(Ordering::Relaxed), 1, "wakes of the poller");
        drop(waker);
        assert_eq!(StdArc::strong_count(&woken), 1, "a waker is left");
    });
}

/// Race: the half whose poller waits for bytes is dropped while an event arrives for the other
/// half, whose poller waits in the other slot. Failure: a deadlock of the writer, whose bit was
/// cleared with the reader's, or a reader's poller that is not woken.
#[test]
fn a_slot_that_is_emptied_meets_the_other_slots_event() {
    model("readiness: release of the slot × set of the other", || {
        let readiness = Arc::new(Readiness::new(Ready::EMPTY));
        let woken = StdArc::new(Woken::default());
        let waker = Waker::from(StdArc::clone(&woken));
        let mut cx = Context::from_waker(&waker);
        assert!(readiness.poll_ready(&mut cx, Direction::Read).is_pending());
        let driver = event(&readiness, Ready::WRITABLE);
        let releasing = {
            let readiness = Arc::clone(&readiness);
            thread::spawn(move || readiness.release_slot(Direction::Read))
        };
        assert!(!wait_in_slot(&readiness, Direction::Write));
        driver.join().unwrap();
        releasing.join().unwrap();
        assert_eq!(woken.0.load(Ordering::Relaxed), 1, "wakes of the reader");
        assert!(
            !readiness
                .word()
                .has_waiters(Interest::READABLE | Interest::WRITABLE),
            "a bit without a waiter"
        );
        drop(waker);
        assert_eq!(StdArc::strong_count(&woken), 1, "a waker is left");
    });
}

/// Race: the half is dropped while another poller takes the slot over, like one that was moved to
/// another task. Failure: the poller that is in the slot at the end is woken neither by that nor by
/// an event, or both are woken.
#[test]
fn a_slot_that_is_emptied_meets_another_poller() {
    model("readiness: release of the slot × poll", || {
        let readiness = Arc::new(Readiness::new(Ready::EMPTY));
        let pollers = [StdArc::new(Woken::default()), StdArc::new(Woken::default())];
        let woken = |poller: usize| pollers[poller].0.load(Ordering::Relaxed);
        let wait = |poller: usize| {
            let waker = Waker::from(StdArc::clone(&pollers[poller]));
            let mut cx = Context::from_waker(&waker);
            assert!(readiness.poll_ready(&mut cx, Direction::Read).is_pending());
        };
        wait(0);
        let releasing = {
            let readiness = Arc::clone(&readiness);
            thread::spawn(move || readiness.release_slot(Direction::Read))
        };
        wait(1);
        releasing.join().unwrap();
        assert_eq!(woken(0) + woken(1), 1, "wakes by the release");
        if woken(1) == 0 {
            // It took the slot after the release, and an event wakes it.
            drive(&readiness, Ready::READABLE);
            assert_eq!(woken(1), 1, "wakes by the event");
        }
        assert!(!readiness.word().has_waiters(Interest::READABLE));
        let held = |poller: &StdArc<Woken>| StdArc::strong_count(poller) > 1;
        assert!(!pollers.iter().any(held), "a waker is left");
    });
}

/// Race: shutdown while one task waits in the slot and one in the list. Failure: a deadlock, or a
/// wait that ends without the reason.
#[test]
fn shutdown_against_wait() {
    model("readiness: shutdown × wait", || {
        let readiness = Arc::new(Readiness::new(Ready::EMPTY));
        let driver = {
            let readiness = Arc::clone(&readiness);
            thread::spawn(move || {
                let mut wakers = Vec::new();
                readiness.set_shutdown(&mut wakers);
                wakers.into_iter().for_each(ControlledWaker::wake);
            })
        };
        let other = {
            let readiness = Arc::clone(&readiness);
            thread::spawn(move || wait_in_list(&readiness, Interest::WRITABLE))
        };
        assert!(
            wait_in_slot(&readiness, Direction::Read),
            "the wait ended without shutdown"
        );
        assert!(other.join().unwrap(), "the wait ended without shutdown");
        driver.join().unwrap();
    });
}
