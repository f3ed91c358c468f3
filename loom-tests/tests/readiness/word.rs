//! The word: an event that is cleared, and one that comes meanwhile.

use framewise_io::model::{ReadinessWord, Registered};
use framewise_io::{Interest, Ready};
use framewise_loom_tests::model;
use framewise_sync::{Arc, thread};

use crate::{Kernel, Point};

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
