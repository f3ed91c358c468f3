//! I/O readiness: the word, its waiters and callbacks, the table of sources, the driver's unpark.
//!
//! The kernel is a counter that the models hold (`Kernel`): an event is reported after it was
//! raised, once, like an edge.
#![cfg(framewise_loom)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc as StdArc;
use std::task::{Context, Wake, Waker};

use framewise_context::FramedWaker;
use framewise_io::model::{
    CallbackEntry, Readiness, ReadinessWord, Registered, ScheduledIo, Slab, SourceKey, Unpark,
    Waiters, WakeDevice,
};
use framewise_io::{Direction, Interest, Ready};
use framewise_loom_tests::{TestWaker, drive, model, wait_in_list, wait_in_slot};
use framewise_sync::atomic::{AtomicUsize, Ordering};
use framewise_sync::{Arc, Condvar, Mutex, thread};

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

/// Race: a reader that has drained the source clears the readiness while a newer event arrives.
/// Failure: bytes in the kernel and a word that is not readable.
fn clear_against_set(clear: impl Fn(&ReadinessWord, &Kernel, &Point)) {
    let word = Arc::new(ReadinessWord::new(Ready::READABLE));
    let kernel = Arc::new(Kernel::default());
    let point = Arc::new(Point::default());
    let driver = {
        let (word, kernel, point) = (Arc::clone(&word), Arc::clone(&kernel), Arc::clone(&point));
        thread::spawn(move || {
            for _ in 0..2 {
                kernel.arrive();
                let _ = word.set(Ready::READABLE);
                point.pass();
            }
        })
    };
    for _ in 0..2 {
        clear(&word, &kernel, &point);
    }
    driver.join().unwrap();
    assert!(
        kernel.pending() == 0 || word.load().ready().is_readable(),
        "a newer event was erased"
    );
}

#[test]
fn clear_never_erases_a_newer_event() {
    model("readiness: clear × set", || {
        clear_against_set(|word, kernel, point| {
            point.pass();
            let observed = word.load();
            if observed.ready().is_readable() {
                point.pass();
                let received = kernel.receive();
                point.pass();
                match received {
                    0 => word.clear_if_would_block(observed, Interest::READABLE),
                    _ => word.clear(observed, Interest::READABLE),
                }
            }
        });
    });
}

#[test]
fn clear_never_erases_a_newer_event_when_the_tick_wraps() {
    model("readiness: clear × set, wrapping tick", || {
        let word = Arc::new(ReadinessWord::new_before_wrap(Ready::READABLE));
        let point = Arc::new(Point::default());
        // The operation that finds no bytes comes before both events. With a word that was loaded
        // after them, the clear would be right to erase them.
        let observed = word.load();
        let driver = {
            let (word, point) = (Arc::clone(&word), Arc::clone(&point));
            thread::spawn(move || {
                let _ = word.set(Ready::WRITABLE);
                let _ = word.set(Ready::READABLE);
                point.pass();
            })
        };
        point.pass();
        word.clear(observed, Interest::READABLE);
        driver.join().unwrap();
        let ready = word.load().ready();
        assert!(
            ready.is_readable() && ready.is_writable(),
            "a newer event was erased"
        );
    });
}

/// Control: the compared tick is of after the operation, not of before it.
#[test]
#[should_panic(expected = "a newer event was erased")]
fn negative_clear_by_a_tick_observed_too_late() {
    model("readiness: clear by a late tick (negative)", || {
        clear_against_set(|word, kernel, point| {
            if word.load().ready().is_readable() {
                kernel.receive();
                point.pass();
                word.clear(word.load(), Interest::READABLE);
            }
        });
    });
}

/// Race: an event is visible only after its bytes. Failure: a reader sees the event and not the
/// bytes.
#[test]
fn an_event_comes_after_its_bytes() {
    model("readiness: set publishes", || {
        let word = Arc::new(ReadinessWord::new(Ready::EMPTY));
        let kernel = Arc::new(Kernel::default());
        let point = Arc::new(Point::default());
        let driver = {
            let (word, kernel, point) =
                (Arc::clone(&word), Arc::clone(&kernel), Arc::clone(&point));
            thread::spawn(move || {
                kernel.arrive();
                let _ = word.set(Ready::READABLE);
                point.pass();
            })
        };
        point.pass();
        if word.load().ready().is_readable() {
            // A load, not a swap: a swap would see the newest value with any ordering.
            assert_eq!(kernel.pending(), 1, "the event came before its bytes");
        }
        driver.join().unwrap();
    });
}

/// The same for a waiter whose registration finds the event.
#[test]
fn an_event_that_rejects_a_waiter_comes_after_its_bytes() {
    model("readiness: set publishes to register_interest", || {
        let word = Arc::new(ReadinessWord::new(Ready::EMPTY));
        let kernel = Arc::new(Kernel::default());
        let driver = {
            let (word, kernel) = (Arc::clone(&word), Arc::clone(&kernel));
            thread::spawn(move || {
                kernel.arrive();
                let _ = word.set(Ready::READABLE);
            })
        };
        if let Registered::Ready(_) = word.register_interest(Interest::READABLE) {
            assert_eq!(kernel.pending(), 1, "the event came before its bytes");
        }
        driver.join().unwrap();
    });
}

/// Race: a waiter registers while the event arrives. Failure: a deadlock.
#[test]
fn register_against_set_in_the_slot() {
    model("readiness: register × set, slot", || {
        let readiness = Arc::new(Readiness::new(Ready::EMPTY));
        let driver = {
            let readiness = Arc::clone(&readiness);
            thread::spawn(move || drive(&readiness, Ready::READABLE))
        };
        assert!(!wait_in_slot(&readiness, Direction::Read));
        driver.join().unwrap();
    });
}

/// The same in the list.
#[test]
fn register_against_set_in_the_list() {
    model("readiness: register × set, list", || {
        let readiness = Arc::new(Readiness::new(Ready::EMPTY));
        let driver = {
            let readiness = Arc::clone(&readiness);
            thread::spawn(move || drive(&readiness, Ready::WRITABLE))
        };
        assert!(!wait_in_list(
            &readiness,
            Interest::READABLE | Interest::WRITABLE
        ));
        driver.join().unwrap();
    });
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
        let driver = {
            let readiness = Arc::clone(&readiness);
            thread::spawn(move || drive(&readiness, Ready::READABLE))
        };
        wait_in_list_and_check_twice(&readiness, Interest::READABLE);
        driver.join().unwrap();
    });
}

/// Race: two waiters in the list and one event for both. Failure: a deadlock.
#[test]
fn two_waiters() {
    model("readiness: two waiters × set", || {
        let readiness = Arc::new(Readiness::new(Ready::EMPTY));
        let driver = {
            let readiness = Arc::clone(&readiness);
            thread::spawn(move || drive(&readiness, Ready::READABLE))
        };
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
        let driver = {
            let readiness = Arc::clone(&readiness);
            thread::spawn(move || drive(&readiness, Ready::READABLE))
        };
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
            let event = test_waker.block_on(&mut readiness.wait(Interest::READABLE));
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
        let driver = {
            let readiness = Arc::clone(&readiness);
            thread::spawn(move || drive(&readiness, Ready::READABLE))
        };
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
        let drivers = [Ready::READABLE, Ready::READ_CLOSED].map(|ready| {
            let readiness = Arc::clone(&readiness);
            thread::spawn(move || drive(&readiness, ready))
        });
        let test_waker = TestWaker::new();
        test_waker.block_on(&mut readiness.wait(Interest::READABLE));
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
        let driver = {
            let readiness = Arc::clone(&readiness);
            thread::spawn(move || drive(&readiness, Ready::READABLE))
        };
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
        let driver = {
            let readiness = Arc::clone(&readiness);
            thread::spawn(move || drive(&readiness, Ready::READABLE))
        };
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
        let driver = {
            let readiness = Arc::clone(&readiness);
            thread::spawn(move || drive(&readiness, Ready::WRITABLE))
        };
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
                wakers.into_iter().for_each(FramedWaker::wake);
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

/// A fake `epoll`: the registered sources, and their events.
type Epoll = Arc<Mutex<Vec<(usize, bool)>>>;

/// Race: a source is removed and its slot reused while the driver holds a batch of events that
/// still names the old one. Failure: an event for a source to which nothing happened.
fn free_against_a_late_event(
    driver_key: impl Fn(usize) -> SourceKey + Send + 'static,
    reuse: bool,
) {
    let slab: Arc<Mutex<Slab<Arc<AtomicUsize>>>> = Arc::new(Mutex::new(Slab::new()));
    let epoll: Epoll = Arc::default();
    let old = slab.lock().insert(Arc::new(AtomicUsize::new(0))).unwrap();
    epoll.lock().push((old.to_token(), true));
    let driver = {
        let (slab, epoll) = (Arc::clone(&slab), Arc::clone(&epoll));
        thread::spawn(move || {
            let batch: Vec<usize> = {
                let mut epoll = epoll.lock();
                let happened = epoll.iter_mut().filter(|(_, happened)| *happened);
                happened
                    .map(|(token, happened)| {
                        *happened = false;
                        *token
                    })
                    .collect()
            };
            for token in batch {
                if let Some(tenant) = slab.lock().get(driver_key(token)) {
                    tenant.fetch_add(1, Ordering::Relaxed);
                }
            }
            slab.lock().release();
        })
    };
    epoll.lock().retain(|entry| entry.0 != old.to_token());
    let tenant = Arc::new(AtomicUsize::new(0));
    {
        let mut slab = slab.lock();
        drop(slab.remove(old));
        if reuse {
            // What the shipped driver does only between two batches.
            slab.release();
        }
        let new = slab.insert(Arc::clone(&tenant)).unwrap();
        epoll.lock().push((new.to_token(), false));
    }
    driver.join().unwrap();
    assert_eq!(
        tenant.load(Ordering::Relaxed),
        0,
        "an event reached the wrong source"
    );
}

#[test]
fn a_late_event_finds_no_waiter() {
    model("slab: free × late event", || {
        free_against_a_late_event(SourceKey::from_token, false)
    });
}

/// The generation alone rejects the event, too, if a slot is reused at once.
#[test]
fn a_late_event_of_a_reused_slot_finds_no_waiter() {
    model("slab: reuse × late event", || {
        free_against_a_late_event(SourceKey::from_token, true)
    });
}

/// A generation that has wrapped: the old key names the next source in its slot.
fn wrapped(token: usize) -> SourceKey {
    SourceKey::from_token(token | 1 << 32)
}

/// The quarantine alone rejects the event, too, if generations repeat.
#[test]
fn a_late_event_without_generations_finds_no_waiter() {
    model("slab: free × late event, no generations", || {
        free_against_a_late_event(wrapped, false)
    });
}

/// Control: slots are reused at once, and every source has the same generation.
#[test]
#[should_panic(expected = "an event reached the wrong source")]
fn negative_a_slot_reused_without_generations() {
    model("slab: reuse without generations (negative)", || {
        free_against_a_late_event(wrapped, true)
    });
}

/// Race: two unparks of a driver that does not wait. Failure: more than one system call.
#[test]
fn two_unparks_take_one_system_call() {
    model("unpark: unpark × unpark", || {
        let unpark = Arc::new(Unpark::new(Device::default()));
        let other = {
            let unpark = Arc::clone(&unpark);
            thread::spawn(move || unpark.unpark())
        };
        let calls = usize::from(unpark.unpark()) + usize::from(other.join().unwrap());
        assert_eq!((calls, unpark.device().writes()), (1, 1));
    });
}

/// Race: two threads publish work and unpark the driver, which acknowledges and checks. Failure:
/// work that the driver has not seen and no write that would end its wait, because the second
/// unpark relied on the first one's write.
fn unpark_against_acknowledge(look_first: bool) {
    let unpark = Arc::new(Unpark::new(Device::default()));
    let work = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let threads: Vec<_> = (0..2)
        .map(|index| {
            let (unpark, work) = (Arc::clone(&unpark), Arc::clone(&work));
            thread::spawn(move || {
                work[index].store(1, Ordering::Relaxed);
                unpark.unpark();
            })
        })
        .collect();
    let done = || work.iter().all(|work| work.load(Ordering::Relaxed) == 1);
    let mut seen = false;
    let mut turn = || {
        unpark.device().wait();
        if look_first {
            seen |= done();
            unpark.acknowledge();
        } else {
            unpark.acknowledge();
            seen |= done();
        }
    };
    turn();
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    while unpark.device().writes() > 0 {
        turn();
    }
    assert!(seen, "the driver sleeps on work");
}

/// An eventfd: it counts writes, and the driver waits for one.
#[derive(Default)]
struct Device {
    writes: Mutex<usize>,
    written: Condvar,
}

impl Device {
    fn wait(&self) {
        let mut writes = self.writes.lock();
        while *writes == 0 {
            writes = self.written.wait(writes);
        }
        *writes -= 1;
    }

    fn writes(&self) -> usize {
        *self.writes.lock()
    }
}

impl WakeDevice for Device {
    fn wake(&self) -> std::io::Result<()> {
        *self.writes.lock() += 1;
        self.written.notify_one();
        Ok(())
    }
}

#[test]
fn unparks_are_coalesced_and_not_lost() {
    model("unpark: unpark × unpark × acknowledge", || {
        unpark_against_acknowledge(false)
    });
}

/// Control: the driver checks for work and acknowledges after that.
#[test]
#[should_panic(expected = "the driver sleeps on work")]
fn negative_acknowledge_after_the_scan() {
    model("unpark: acknowledge after the check (negative)", || {
        unpark_against_acknowledge(true)
    });
}

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
