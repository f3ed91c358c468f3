//! Arming and parking.

use framewise_loom_tests::{TimerDriver, model};
use framewise_sync::atomic::{AtomicU64, Ordering};
use framewise_sync::{Arc, thread};
use framewise_timers::model::{DriverParkState, Published};

/// Race: a timer is armed while the driver parks. Failure: the driver is parked past the timer.
#[test]
fn arming_against_parking() {
    model("arming_against_parking", || {
        let driven = TimerDriver::<1>::new();
        let arming = Arc::clone(&driven);
        let armer = thread::spawn(move || {
            arming.arm(0, 10);
        });
        let until = driven.park();
        armer.join().unwrap();
        driven.assert_not_overslept(until, 10);
        assert!(driven.unparks() <= 1);
    });
}

/// Race: like above, with two parks and a wake-up for another reason in between. Failure: the
/// second park misses the timer, because the arming thread saw the driver awake or took the first
/// park's mark.
#[test]
fn arming_against_parking_again() {
    model("arming_against_parking_again", || {
        let driven = TimerDriver::<1>::new();
        let arming = Arc::clone(&driven);
        let armer = thread::spawn(move || {
            arming.arm(0, 10);
        });
        driven.park();
        driven.park_state.unparked();
        // A late wake-up for the first park ends the second one, which loses nothing.
        let until = driven.park();
        armer.join().unwrap();
        driven.assert_not_overslept(until, 10);
    });
}

/// Race: timers in two wheels are armed while the driver parks. Failure: the driver checks one
/// wheel before and the other after, and is parked past either timer; or it is woken more than once
/// for each.
#[test]
fn two_wheels_against_parking() {
    model("two_wheels_against_parking", || {
        let driven = TimerDriver::<2>::new();
        let armers = [(0, 10), (1, 5)].map(|(wheel, when)| {
            let arming = Arc::clone(&driven);
            thread::spawn(move || {
                arming.arm(wheel, when);
            })
        });
        let until = driven.park();
        for armer in armers {
            armer.join().unwrap();
        }
        driven.assert_not_overslept(until, 5);
        assert!(driven.unparks() <= 2);
    });
}

/// Race: a timer is armed that is later than the one for which the driver parks. Failure: an
/// unneeded system call.
#[test]
fn no_unpark_for_a_later_timer() {
    model("no_unpark_for_a_later_timer", || {
        let driven = TimerDriver::<2>::new();
        driven.arm(0, 5);
        let arming = Arc::clone(&driven);
        let armer = thread::spawn(move || {
            arming.arm(0, 10);
            arming.arm(1, 10);
        });
        assert_eq!(driven.park(), 5);
        armer.join().unwrap();
        assert_eq!(driven.unparks(), 0);
    });
}

/// Race: a timer that publishes nothing, because an earlier one has, while that one is cancelled
/// and the driver parks. Failure: the cancelled timer's publication does not cover the other.
#[test]
fn a_cancelled_timer_covers_later_ones() {
    model("a_cancelled_timer_covers_later_ones", || {
        let driven = TimerDriver::<1>::new();
        let cancelling = Arc::clone(&driven);
        let canceller = thread::spawn(move || {
            let key = cancelling.arm(0, 5);
            cancelling.queues[0]
                .cancel(key)
                .expect("no thread fires it");
        });
        let arming = Arc::clone(&driven);
        let armer = thread::spawn(move || {
            arming.arm(0, 10);
        });
        let until = driven.park();
        canceller.join().unwrap();
        armer.join().unwrap();
        driven.assert_not_overslept(until, 10);
    });
}

/// Race: a sibling fires the wheel, and so publishes a later deadline, while another thread arms
/// and the driver parks. Failure: the raised deadline hides the new timer.
#[test]
fn firing_and_arming_against_parking() {
    model("firing_and_arming_against_parking", || {
        let driven = TimerDriver::<1>::new();
        driven.arm(0, 5);
        let firing = Arc::clone(&driven);
        let sibling = thread::spawn(move || firing.queues[0].take_due(5).len());
        let arming = Arc::clone(&driven);
        let armer = thread::spawn(move || {
            arming.arm(0, 10);
        });
        let until = driven.park();
        assert_eq!(sibling.join().unwrap(), 1);
        armer.join().unwrap();
        driven.assert_not_overslept(until, 10);
        assert!(driven.queues[0].next() <= 10, "the timer is hidden");
        assert_eq!(
            driven.queues[0].next(),
            10,
            "a timer that has fired is still published"
        );
    });
}

/// Race: a timer is armed while the driver, which was parked, is awake. Failure: an unneeded system
/// call.
#[test]
fn no_unpark_of_a_driver_that_is_awake() {
    model("no_unpark_of_a_driver_that_is_awake", || {
        let driven = TimerDriver::<1>::new();
        driven.park();
        driven.park_state.unparked();
        let arming = Arc::clone(&driven);
        let armer = thread::spawn(move || {
            arming.arm(0, 10);
        });
        driven.queues[0].take_due(1);
        armer.join().unwrap();
        assert_eq!(driven.unparks(), 0);
    });
}

/// Race: a timer publishes nothing, because an earlier one, whose arming has not finished, has. A
/// sibling fires that one and so raises the deadline, without the park state, while the driver
/// parks. Failure: the driver does not see the later timer.
#[test]
fn a_fired_timer_covers_later_ones() {
    model("a_fired_timer_covers_later_ones", || {
        let driven = TimerDriver::<1>::new();
        let arming = Arc::clone(&driven);
        let first = thread::spawn(move || {
            let armed = arming.queues[0].arm(5, ());
            if let Ok((_, published)) = armed {
                arming.after_arm(published);
            }
        });
        let arming = Arc::clone(&driven);
        let second = thread::spawn(move || {
            arming.arm(0, 10);
            // Like an active worker.
            let _ = arming.queues[0].take_due(5);
        });
        let until = driven.park();
        first.join().unwrap();
        second.join().unwrap();
        driven.assert_not_overslept(until, 10);
        assert!(driven.queues[0].next() <= 10, "the timer is hidden");
    });
}

/// The park state without its fences, which `arming_against_parking` must notice.
struct UnfencedGate {
    parked_until: AtomicU64,
}

impl UnfencedGate {
    fn park(&self, earliest: impl Fn() -> u64) -> u64 {
        let first = earliest();
        self.parked_until.store(first, Ordering::Relaxed);
        let second = earliest();
        if second < first {
            self.parked_until.store(second, Ordering::Relaxed);
        }
        first.min(second)
    }

    fn armed(&self, when: u64, unpark: impl FnOnce()) {
        if when < self.parked_until.load(Ordering::Relaxed) {
            unpark();
        }
    }
}

/// Control: without the fences both sides can miss each other.
#[test]
#[should_panic(expected = "was not unparked")]
fn a_park_state_without_fences_is_noticed() {
    model("a_park_state_without_fences_is_noticed", || {
        let driven = TimerDriver::<1>::new();
        let park_state = Arc::new(UnfencedGate {
            parked_until: AtomicU64::new(DriverParkState::AWAKE),
        });
        let (arming, arming_state) = (Arc::clone(&driven), Arc::clone(&park_state));
        let armer = thread::spawn(move || {
            let (_, published) = arming.queues[0].arm(10, ()).unwrap();
            assert_eq!(published, Published::earlier(10));
            arming_state.armed(10, || {
                arming.unparks.fetch_add(1, Ordering::Relaxed);
            });
        });
        let until = park_state.park(|| driven.earliest());
        armer.join().unwrap();
        driven.assert_not_overslept(until, 10);
    });
}

/// Control: a driver that does not check a second time.
#[test]
#[should_panic(expected = "was not unparked")]
fn a_park_without_a_second_scan_is_noticed() {
    model("a_park_without_a_second_scan_is_noticed", || {
        let driven = TimerDriver::<1>::new();
        let arming = Arc::clone(&driven);
        let armer = thread::spawn(move || {
            arming.arm(0, 10);
        });
        let seen = driven.earliest();
        let until = driven.park_state.park(|| seen);
        armer.join().unwrap();
        driven.assert_not_overslept(until, 10);
    });
}

/// Control: arming without the park state.
#[test]
#[should_panic(expected = "was not unparked")]
fn arming_in_silence_is_noticed() {
    model("arming_in_silence_is_noticed", || {
        let driven = TimerDriver::<1>::new();
        let arming = Arc::clone(&driven);
        let armer = thread::spawn(move || {
            let _ = arming.queues[0].arm(10, ()).unwrap();
        });
        let until = driven.park();
        armer.join().unwrap();
        driven.assert_not_overslept(until, 10);
    });
}
