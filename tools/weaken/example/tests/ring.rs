//! The model of the correct ring. It detects every mutant.
#![cfg(framewise_loom)]

use framewise_sync::{Arc, thread};
use framewise_weaken_example::ring::Ring;

/// Race: the push of the next value against the pop of the previous one. The model uses the slot
/// twice.
#[test]
fn values_come_out_in_order() {
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
        for expected in 0..2 {
            let value = loop {
                match ring.pop() {
                    Some(value) => break value,
                    None => thread::yield_now(),
                }
            };
            assert_eq!(value, expected);
        }
        producer.join().expect("no panic");
    });
}
