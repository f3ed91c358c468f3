//! The park state on one thread: when `unpark` is called, and when it is not.

use std::cell::Cell;

use super::{DriverParkState, NEVER, Published};

/// Arms with deadline `when`; returns `true` if the driver was woken.
fn wakes(state: &DriverParkState, when: u64) -> bool {
    let woken = Cell::new(false);
    state.armed(Published::earlier(when), || woken.set(true));
    woken.get()
}

#[test]
fn a_driver_that_is_awake_is_not_woken() {
    let state = DriverParkState::new();
    assert!(!wakes(&state, 1));
    state.park(|| NEVER);
    state.unparked();
    assert!(!wakes(&state, 1));
}

#[test]
fn a_driver_is_woken_only_where_it_would_oversleep() {
    let state = DriverParkState::new();
    assert_eq!(state.park(|| 100), 100);
    assert!(!wakes(&state, 101));
    assert!(!wakes(&state, 100));
    state.armed(Published::nothing(), || panic!("nothing was published"));
    assert!(wakes(&state, 99));
}

#[test]
fn a_driver_is_woken_once() {
    let state = DriverParkState::new();
    state.park(|| NEVER);
    assert!(wakes(&state, 100));
    assert!(!wakes(&state, 50), "the wake-up is pending");
    state.unparked();
    state.park(|| 50);
    assert!(wakes(&state, 20));
}

#[test]
fn the_second_check_counts() {
    let state = DriverParkState::new();
    let checks = Cell::new(0);
    let earliest = || {
        checks.set(checks.get() + 1);
        if checks.get() == 1 { NEVER } else { 70 }
    };
    assert_eq!(state.park(earliest), 70);
    assert!(!wakes(&state, 70));
    assert!(wakes(&state, 69));
}
