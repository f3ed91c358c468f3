//! The park state on one thread: when `unpark` is called, and when it is not.

use std::cell::Cell;

use super::{NEVER, ParkGate, Published};

/// Arms with deadline `when`; returns `true` if the driver was woken.
fn wakes(gate: &ParkGate, when: u64) -> bool {
    let woken = Cell::new(false);
    gate.armed(Published::earlier(when), || woken.set(true));
    woken.get()
}

#[test]
fn a_driver_that_is_awake_is_not_woken() {
    let gate = ParkGate::new();
    assert!(!wakes(&gate, 1));
    gate.park(|| NEVER);
    gate.unparked();
    assert!(!wakes(&gate, 1));
}

#[test]
fn a_driver_is_woken_only_where_it_would_oversleep() {
    let gate = ParkGate::new();
    assert_eq!(gate.park(|| 100), 100);
    assert!(!wakes(&gate, 101));
    assert!(!wakes(&gate, 100));
    gate.armed(Published::nothing(), || panic!("nothing was published"));
    assert!(wakes(&gate, 99));
}

#[test]
fn a_driver_is_woken_once() {
    let gate = ParkGate::new();
    gate.park(|| NEVER);
    assert!(wakes(&gate, 100));
    assert!(!wakes(&gate, 50), "the wake-up is pending");
    gate.unparked();
    gate.park(|| 50);
    assert!(wakes(&gate, 20));
}

#[test]
fn the_second_check_counts() {
    let gate = ParkGate::new();
    let checks = Cell::new(0);
    let earliest = || {
        checks.set(checks.get() + 1);
        if checks.get() == 1 { NEVER } else { 70 }
    };
    assert_eq!(gate.park(earliest), 70);
    assert!(!wakes(&gate, 70));
    assert!(wakes(&gate, 69));
}
