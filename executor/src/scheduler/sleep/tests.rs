//! The steps on one thread, each call counted: a wake-up that is missing or one too many fails here, where
//! in a runtime the monitor would turn it into latency.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use super::{Wakefulness, Workplace, notify_one, unpark};
use crate::scheduler::idle::Idle;
use crate::scheduler::park::Parker;
use crate::scheduler::watch::{Missing, ROUND, Watch};

/// What the steps did, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Call {
    /// The last check of the queues, and whether this worker was registered as parked by then.
    Check {
        registered: bool,
    },
    /// A wait in the driver: for how long, and which driver owner and which IN_DRIVER state were seen.
    Wait {
        limit: Option<Duration>,
        owner: Option<usize>,
        wakes_driver: bool,
    },
    /// A timed sleep on the condition variable, and whether it was known as the monitor's.
    ParkForARound {
        kept: bool,
    },
    WakeDriver,
    WakeDriverWithin(Duration),
}

/// A workplace without queues whose waits return at once. An untimed sleep on the condition variable would
/// not return, so a test unparks the worker before.
struct Counting {
    idle: Idle,
    watch: Watch,
    parkers: Vec<Parker>,
    calls: RefCell<Vec<Call>>,
    has_stealable: Cell<bool>,
    is_closing: Cell<bool>,
    driver_is_free: Cell<bool>,
}

impl Counting {
    fn new(workers: usize) -> Self {
        Self {
            idle: Idle::new(workers),
            watch: Watch::new(),
            parkers: (0..workers).map(|_| Parker::new()).collect(),
            calls: RefCell::new(Vec::new()),
            has_stealable: Cell::new(false),
            is_closing: Cell::new(false),
            driver_is_free: Cell::new(true),
        }
    }

    fn calls(&self) -> Vec<Call> {
        self.calls.take()
    }

    /// Another worker is parked in the driver.
    fn park_in_driver(&self, worker: usize, keeps_watch: bool) {
        self.idle.park(worker, false);
        self.watch.attend(worker, keeps_watch);
        assert!(self.parkers[worker].enter_driver());
    }

    /// Worker 0 sleeps on its condition variable; returns what was called.
    fn sleep_on_condvar(&self, wakefulness: &mut Wakefulness) -> Vec<Call> {
        self.driver_is_free.set(false);
        unpark(self, 0);
        assert!(wakefulness.fall_asleep(self, 0, &mut ()));
        // What was not consumed by an untimed sleep.
        self.parkers[0].unpark(|| {});
        self.parkers[0].park(None);
        self.calls()
    }
}

impl Workplace for Counting {
    type Driver<'a> = ();
    type Batch = ();

    fn idle(&self) -> &Idle {
        &self.idle
    }

    fn watch(&self) -> &Watch {
        &self.watch
    }

    fn parker(&self, worker: usize) -> &Parker {
        &self.parkers[worker]
    }

    fn is_closing(&self) -> bool {
        self.is_closing.get()
    }

    fn has_stealable(&self, thief: usize) -> bool {
        let registered = self.idle.any_sleeper(usize::MAX) == Some(thief);
        self.calls.borrow_mut().push(Call::Check { registered });
        self.has_stealable.get()
    }

    fn try_driver(&self) -> Option<()> {
        self.driver_is_free.get().then_some(())
    }

    fn wait_in(&self, (): &mut (), limit: Option<Duration>, (): &mut ()) {
        let owner = self.watch.attendant();
        let wakes_driver = Cell::new(false);
        self.parkers[owner.unwrap_or(0)].unpark(|| wakes_driver.set(true));
        let wakes_driver = wakes_driver.get();
        self.calls.borrow_mut().push(Call::Wait {
            limit,
            owner,
            wakes_driver,
        });
    }

    fn wake_driver(&self) {
        self.calls.borrow_mut().push(Call::WakeDriver);
    }

    fn wake_driver_within(&self, limit: Duration) {
        self.calls.borrow_mut().push(Call::WakeDriverWithin(limit));
    }

    fn park_for_a_round(&self, _: usize) {
        let kept = self.watch.is_kept();
        self.calls.borrow_mut().push(Call::ParkForARound { kept });
    }
}

const CHECK: Call = Call::Check { registered: true };

fn wait(limit: Option<Duration>) -> Call {
    Call::Wait {
        limit,
        owner: Some(0),
        wakes_driver: true,
    }
}

#[test]
fn the_driver_owner_is_known_while_it_waits_and_not_after() {
    let place = Counting::new(1);
    let mut wakefulness = Wakefulness::new();
    assert!(wakefulness.fall_asleep(&place, 0, &mut ()));
    assert_eq!(place.calls(), [CHECK, wait(None)]);
    assert_eq!(place.watch.attendant(), None);
    assert!(!place.idle.are_all_parked());
    assert!(!wakefulness.is_settled(), "it has slept");
    unpark(&place, 0);
    assert_eq!(place.calls(), [], "it is not in the driver any more");
}

#[test]
fn a_driver_owner_that_was_unparked_before_does_not_wait() {
    let place = Counting::new(1);
    unpark(&place, 0);
    assert!(Wakefulness::new().fall_asleep(&place, 0, &mut ()));
    assert_eq!(place.calls(), [CHECK]);
    assert_eq!(place.watch.attendant(), None);
}

#[test]
fn the_driver_owner_waits_with_a_limit_only_as_the_one_monitor_of_a_worker_that_is_awake() {
    let place = Counting::new(2);
    assert!(Wakefulness::new().fall_asleep(&place, 0, &mut ()));
    assert_eq!(place.calls(), [CHECK, wait(Some(ROUND))]);

    let place = Counting::new(2);
    assert!(place.watch.start(), "another worker is the monitor");
    assert!(Wakefulness::new().fall_asleep(&place, 0, &mut ()));
    assert_eq!(place.calls(), [CHECK, wait(None)]);

    let place = Counting::new(2);
    place.idle.park(1, false);
    assert!(Wakefulness::new().fall_asleep(&place, 0, &mut ()));
    assert_eq!(place.calls(), [CHECK, wait(None)]);
}

#[test]
fn a_worker_without_the_driver_is_the_monitor_of_one_that_is_awake() {
    let place = Counting::new(2);
    let mut wakefulness = Wakefulness::new();
    let calls = place.sleep_on_condvar(&mut wakefulness);
    assert_eq!(calls, [CHECK, Call::ParkForARound { kept: true }]);
    assert!(!place.watch.is_kept(), "it is awake");

    assert!(place.watch.start(), "another worker is the monitor");
    assert_eq!(place.sleep_on_condvar(&mut wakefulness), [CHECK]);
    assert!(place.watch.is_kept(), "the other one still is");
}

#[test]
fn an_idle_runtime_has_no_monitor_after_one_more_round() {
    let place = Counting::new(2);
    place.idle.park(1, false);
    let mut wakefulness = Wakefulness::new();
    assert_eq!(
        place.sleep_on_condvar(&mut wakefulness),
        [CHECK],
        "none woke up"
    );
    // A worker has gone from sleep to user code.
    assert_eq!(place.watch.missing(), Missing::Watcher);
    let calls = place.sleep_on_condvar(&mut wakefulness);
    assert_eq!(
        calls,
        [CHECK, Call::ParkForARound { kept: true }],
        "one did"
    );
    assert_eq!(
        place.sleep_on_condvar(&mut wakefulness),
        [CHECK],
        "none since"
    );
}

#[test]
fn a_worker_that_finds_a_task_or_the_end_when_registered_does_not_sleep() {
    let place = Counting::new(2);
    place.has_stealable.set(true);
    let mut wakefulness = Wakefulness::new();
    assert!(!wakefulness.fall_asleep(&place, 0, &mut ()));
    assert_eq!(place.calls(), [CHECK]);
    assert_eq!(place.idle.any_sleeper(usize::MAX), None);
    place.idle.park(1, false);
    assert!(!place.idle.would_notify(), "it searches on");

    let place = Counting::new(2);
    place.is_closing.set(true);
    assert!(!Wakefulness::new().fall_asleep(&place, 0, &mut ()));
    assert_eq!(place.calls(), [CHECK]);
    place.idle.park(1, false);
    assert!(
        place.idle.would_notify(),
        "it found nothing, and does not search"
    );
}

#[test]
fn a_searcher_is_counted_until_it_settles_or_sleeps() {
    let place = Counting::new(2);
    place.idle.park(1, false);
    let mut wakefulness = Wakefulness::new();
    assert!(wakefulness.is_settled());
    assert!(wakefulness.start_searching(&place) && wakefulness.start_searching(&place));
    assert!(!wakefulness.is_settled());
    assert!(!place.idle.would_notify(), "one searches");
    wakefulness.settle(&place, 0, || false);
    assert!(wakefulness.is_settled());
    assert!(place.idle.would_notify(), "none does, once");
    assert!(wakefulness.start_searching(&place));
    assert!(wakefulness.fall_asleep(&place, 0, &mut ()));
    assert!(place.idle.would_notify(), "none does, again");
}

#[test]
fn no_more_than_half_of_the_workers_search() {
    let place = Counting::new(2);
    let (mut one, mut other) = (Wakefulness::new(), Wakefulness::new());
    assert!(one.start_searching(&place));
    assert!(!other.start_searching(&place));
    assert!(other.is_settled());
}

/// Worker 1 sleeps in the driver; worker 0, the last searcher, settles.
fn settle_last(has_backlog: bool, has_stealable: bool) -> Vec<Call> {
    let place = Counting::new(2);
    place.park_in_driver(1, false);
    place.has_stealable.set(has_stealable);
    let mut wakefulness = Wakefulness::new();
    assert!(wakefulness.start_searching(&place));
    wakefulness.settle(&place, 0, || has_backlog);
    wakefulness.settle(&place, 0, || has_backlog);
    place
        .calls()
        .into_iter()
        .filter(|call| !matches!(call, Call::Check { .. }))
        .collect()
}

#[test]
fn the_last_searcher_notifies_once_if_there_is_more() {
    assert_eq!(settle_last(true, false), [Call::WakeDriver]);
    assert_eq!(settle_last(false, true), [Call::WakeDriver]);
    assert_eq!(settle_last(true, true), [Call::WakeDriver]);
    assert_eq!(settle_last(false, false), []);
}

#[test]
fn a_searcher_that_is_not_the_last_notifies_none() {
    let place = Counting::new(4);
    place.park_in_driver(3, false);
    place.has_stealable.set(true);
    let (mut one, mut other) = (Wakefulness::new(), Wakefulness::new());
    assert!(one.start_searching(&place) && other.start_searching(&place));
    one.settle(&place, 0, || true);
    assert_eq!(place.calls(), []);
    other.settle(&place, 1, || true);
    assert_eq!(place.calls(), [Call::WakeDriver]);
}

#[test]
fn a_worker_that_woke_up_sees_to_a_monitor_once() {
    // The driver owner waits without a limit.
    let place = Counting::new(2);
    let mut wakefulness = Wakefulness::new();
    wakefulness.fall_asleep(&place, 0, &mut ());
    place.calls();
    place.park_in_driver(1, false);
    wakefulness.settle(&place, 0, || true);
    wakefulness.settle(&place, 0, || true);
    assert_eq!(place.calls(), [Call::WakeDriverWithin(ROUND)]);

    // The driver owner is the monitor.
    let place = Counting::new(2);
    let mut wakefulness = Wakefulness::new();
    wakefulness.fall_asleep(&place, 0, &mut ());
    place.calls();
    place.park_in_driver(1, true);
    wakefulness.settle(&place, 0, || true);
    assert_eq!(place.calls(), []);

    // No worker owns the driver: another one that sleeps is woken, and none is counted for it.
    let place = Counting::new(2);
    let mut wakefulness = Wakefulness::new();
    wakefulness.fall_asleep(&place, 0, &mut ());
    place.calls();
    place.park_in_driver(1, false);
    place.watch.leave();
    wakefulness.settle(&place, 0, || true);
    assert_eq!(place.calls(), [Call::WakeDriver]);
    assert_eq!(place.idle.any_sleeper(0), Some(1));
}

#[test]
fn a_notification_wakes_the_driver_owner_last() {
    let place = Counting::new(3);
    place.park_in_driver(2, false);
    place.idle.park(1, false);
    notify_one(&place);
    assert_eq!(place.calls(), [], "worker 1, on its condition variable");
    assert_eq!(
        place.parkers[1].park(None),
        crate::scheduler::park::Unparked::Notified
    );
    assert!(place.idle.unpark(1, false), "it searches now");
    notify_one(&place);
    assert_eq!(place.calls(), [], "worker 1 searches");
    assert!(place.idle.stop_searching());
    notify_one(&place);
    assert_eq!(place.calls(), [Call::WakeDriver]);
}
