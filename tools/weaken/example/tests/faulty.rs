//! A model of the ring with the seeded bug. The model uses the slot only once, so it is too weak
//! and passes; the command reports that.
#![cfg(framewise_loom)]

use framewise_sync::{Arc, thread};
use framewise_weaken_example::faulty::Ring;

/// Race: a push against a pop.
#[test]
fn a_value_comes_out() {
    loom::model(|| {
        let ring = Arc::new(Ring::new());
        let producer = thread::spawn({
            let ring = ring.clone();
            move || ring.push(7).expect("the ring is empty")
        });
        while ring.pop().is_none_or(|value| value != 7) {
            thread::yield_now();
        }
        producer.join().expect("no panic");
        assert!(ring.pop().is_none());
    });
}

/// Control: a model that uses the slot twice detects the bug.
#[test]
#[should_panic(expected = "Causality violation")]
fn control_a_second_value_shows_the_bug() {
    loom::model(|| {
        let ring = Arc::new(Ring::new());
        let producer = thread::spawn({
            let ring = ring.clone();
            move || {
                for value in 0..2 {
                    while ring.push(value).is_err() {
                        thread::yield_now();
                    }
                }
            }
        });
        for _ in 0..2 {
            while ring.pop().is_none() {
                thread::yield_now();
            }
        }
        producer.join().expect("no panic");
    });
}
