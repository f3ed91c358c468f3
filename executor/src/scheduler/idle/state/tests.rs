//! The steps on one thread, each call counted: a wake-up that is missing or one too many fails
//! here, where in a runtime the monitor would turn it into latency.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use super::{IdleState, SchedulerOps, notify_one, unpark};
use crate::scheduler::idle::Idle;
use crate::scheduler::idle::monitor::{MONITOR_INTERVAL, MissingMonitor, Monitor};
use crate::scheduler::idle::parker::Parker;

/// What the steps did, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Call {
    /// The last check of the queues, and whether this worker was registered as parked by then.
    Check {
        registered: bool,
    },
    /// A wait in the driver: for how long, and which driver owner and which IN_DRIVER state were
    /// seen.
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

/// A scheduler without queues whose waits return at once. An untimed sleep on the condition
/// variable would not return, so a test unparks the worker before.
struct Counting {
    idle: Idle,
    monitor: Monitor,
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
            monitor: Monitor::new(),
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
    fn park_in_driver(&self, worker: usize, monitors: bool) {
        self.idle.register_parked(worker, false);
        self.monitor.set_driver_owner(worker, monitors);
        assert!(self.parkers[worker].enter_driver());
    }

    /// Worker 0 sleeps on its condition variable; returns what was called.
    fn sleep_on_condvar(&self, idle_state: &mut IdleState) -> Vec<Call> {
        self.driver_is_free.set(false);
        unpark(self, 0);
        assert!(idle_state.park(self, 0, &mut ()));
        // What was not consumed by an untimed sleep.
        self.parkers[0].unpark(|| {});
        self.parkers[0].park(None);
        self.calls()
    }
}

impl SchedulerOps for Counting {
    type Driver<'a> = ();
    type Batch = ();

    fn idle(&self) -> &Idle {
        &self.idle
    }

    fn monitor(&self) -> &Monitor {
        &self.monitor
    }

    fn parker(&self, worker: usize) -> &Parker {
        &self.parkers[worker]
    }

    fn is_closing(&self) -> bool {
        self.is_closing.get()
    }

    fn has_stealable(&self, thief: usize) -> bool {
        let registered = self.idle.any_parked(usize::MAX) == Some(thief);
        self.calls.borrow_mut().push(Call::Check { registered });
        self.has_stealable.get()
    }

    fn try_driver(&self) -> Option<()> {
        self.driver_is_free.get().then_some(())
    }

    fn wait_on_driver(&self, (): &mut (), limit: Option<Duration>, (): &mut ()) {
        let owner = self.monitor.driver_owner();
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

    fn wake_driver_after(&self, limit: Duration) {
        self.calls.borrow_mut().push(Call::WakeDriverWithin(limit));
    }

    fn park_for_interval(&self, _: usize) {
        let kept = self.monitor.is_running();
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
    let ops = Counting::new(1);
    let mut idle_state = IdleState::new();
    assert!(idle_state.park(&ops, 0, &mut ()));
    assert_eq!(ops.calls(), [CHECK, wait(None)]);
    assert_eq!(ops.monitor.driver_owner(), None);
    assert!(!ops.idle.are_all_parked());
    assert!(!idle_state.is_active(), "it has slept");
    unpark(&ops, 0);
    assert_eq!(ops.calls(), [], "it is not in the driver any more");
}

#[test]
fn a_driver_owner_that_was_unparked_before_does_not_wait() {
    let ops = Counting::new(1);
    unpark(&ops, 0);
    assert!(IdleState::new().park(&ops, 0, &mut ()));
    assert_eq!(ops.calls(), [CHECK]);
    assert_eq!(ops.monitor.driver_owner(), None);
}

#[test]
fn the_driver_owner_waits_with_a_limit_only_as_the_one_monitor_of_a_worker_that_is_awake() {
    let ops = Counting::new(2);
    assert!(IdleState::new().park(&ops, 0, &mut ()));
    assert_eq!(ops.calls(), [CHECK, wait(Some(MONITOR_INTERVAL))]);

    let ops = Counting::new(2);
    assert!(ops.monitor.try_start(), "another worker is the monitor");
    assert!(IdleState::new().park(&ops, 0, &mut ()));
    assert_eq!(ops.calls(), [CHECK, wait(None)]);

    let ops = Counting::new(2);
    ops.idle.register_parked(1, false);
    assert!(IdleState::new().park(&ops, 0, &mut ()));
    assert_eq!(ops.calls(), [CHECK, wait(None)]);
}

#[test]
fn a_worker_without_the_driver_is_the_monitor_of_one_that_is_awake() {
    let ops = Counting::new(2);
    let mut idle_state = IdleState::new();
    let calls = ops.sleep_on_condvar(&mut idle_state);
    assert_eq!(calls, [CHECK, Call::ParkForARound { kept: true }]);
    assert!(!ops.monitor.is_running(), "it is awake");

    assert!(ops.monitor.try_start(), "another worker is the monitor");
    assert_eq!(ops.sleep_on_condvar(&mut idle_state), [CHECK]);
    assert!(ops.monitor.is_running(), "the other one still is");
}

#[test]
fn an_idle_runtime_has_no_monitor_after_one_more_round() {
    let ops = Counting::new(2);
    ops.idle.register_parked(1, false);
    let mut idle_state = IdleState::new();
    assert_eq!(
        ops.sleep_on_condvar(&mut idle_state),
        [CHECK],
        "none woke up"
    );
    // A worker has gone from sleep to user code.
    assert_eq!(ops.monitor.missing(), MissingMonitor::Worker);
    let calls = ops.sleep_on_condvar(&mut idle_state);
    assert_eq!(
        calls,
        [CHECK, Call::ParkForARound { kept: true }],
        "one did"
    );
    assert_eq!(ops.sleep_on_condvar(&mut idle_state), [CHECK], "none since");
}

#[test]
fn a_worker_that_finds_a_task_or_the_end_when_registered_does_not_sleep() {
    let ops = Counting::new(2);
    ops.has_stealable.set(true);
    let mut idle_state = IdleState::new();
    assert!(!idle_state.park(&ops, 0, &mut ()));
    assert_eq!(ops.calls(), [CHECK]);
    assert_eq!(ops.idle.any_parked(usize::MAX), None);
    ops.idle.register_parked(1, false);
    assert!(!ops.idle.would_notify(), "it searches on");

    let ops = Counting::new(2);
    ops.is_closing.set(true);
    assert!(!IdleState::new().park(&ops, 0, &mut ()));
    assert_eq!(ops.calls(), [CHECK]);
    ops.idle.register_parked(1, false);
    assert!(
        ops.idle.would_notify(),
        "it found nothing, and does not search"
    );
}

#[test]
fn a_searcher_is_counted_until_it_settles_or_sleeps() {
    let ops = Counting::new(2);
    ops.idle.register_parked(1, false);
    let mut idle_state = IdleState::new();
    assert!(idle_state.is_active());
    assert!(idle_state.start_searching(&ops) && idle_state.start_searching(&ops));
    assert!(!idle_state.is_active());
    assert!(!ops.idle.would_notify(), "one searches");
    idle_state.leave_idle(&ops, 0, || false);
    assert!(idle_state.is_active());
    assert!(ops.idle.would_notify(), "none does, once");
    assert!(idle_state.start_searching(&ops));
    assert!(idle_state.park(&ops, 0, &mut ()));
    assert!(ops.idle.would_notify(), "none does, again");
}

#[test]
fn no_more_than_half_of_the_workers_search() {
    let ops = Counting::new(2);
    let (mut one, mut other) = (IdleState::new(), IdleState::new());
    assert!(one.start_searching(&ops));
    assert!(!other.start_searching(&ops));
    assert!(other.is_active());
}

/// Worker 1 sleeps in the driver; worker 0, the last searcher, settles.
fn settle_last(has_backlog: bool, has_stealable: bool) -> Vec<Call> {
    let ops = Counting::new(2);
    ops.park_in_driver(1, false);
    ops.has_stealable.set(has_stealable);
    let mut idle_state = IdleState::new();
    assert!(idle_state.start_searching(&ops));
    idle_state.leave_idle(&ops, 0, || has_backlog);
    idle_state.leave_idle(&ops, 0, || has_backlog);
    ops.calls()
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
    let ops = Counting::new(4);
    ops.park_in_driver(3, false);
    ops.has_stealable.set(true);
    let (mut one, mut other) = (IdleState::new(), IdleState::new());
    assert!(one.start_searching(&ops) && other.start_searching(&ops));
    one.leave_idle(&ops, 0, || true);
    assert_eq!(ops.calls(), []);
    other.leave_idle(&ops, 1, || true);
    assert_eq!(ops.calls(), [Call::WakeDriver]);
}

#[test]
fn a_worker_that_woke_up_sees_to_a_monitor_once() {
    // The driver owner waits without a limit.
    let ops = Counting::new(2);
    let mut idle_state = IdleState::new();
    idle_state.park(&ops, 0, &mut ());
    ops.calls();
    ops.park_in_driver(1, false);
    idle_state.leave_idle(&ops, 0, || true);
    idle_state.leave_idle(&ops, 0, || true);
    assert_eq!(ops.calls(), [Call::WakeDriverWithin(MONITOR_INTERVAL)]);

    // The driver owner is the monitor.
    let ops = Counting::new(2);
    let mut idle_state = IdleState::new();
    idle_state.park(&ops, 0, &mut ());
    ops.calls();
    ops.park_in_driver(1, true);
    idle_state.leave_idle(&ops, 0, || true);
    assert_eq!(ops.calls(), []);

    // No worker owns the driver: another one that sleeps is woken, and none is counted for it.
    let ops = Counting::new(2);
    let mut idle_state = IdleState::new();
    idle_state.park(&ops, 0, &mut ());
    ops.calls();
    ops.park_in_driver(1, false);
    ops.monitor.clear_driver_owner();
    idle_state.leave_idle(&ops, 0, || true);
    assert_eq!(ops.calls(), [Call::WakeDriver]);
    assert_eq!(ops.idle.any_parked(0), Some(1));
}

#[test]
fn a_notification_wakes_the_driver_owner_last() {
    let ops = Counting::new(3);
    ops.park_in_driver(2, false);
    ops.idle.register_parked(1, false);
    notify_one(&ops);
    assert_eq!(ops.calls(), [], "worker 1, on its condition variable");
    assert_eq!(
        ops.parkers[1].park(None),
        crate::scheduler::idle::parker::Unparked::Notified
    );
    assert!(ops.idle.deregister_parked(1, false), "it searches now");
    notify_one(&ops);
    assert_eq!(ops.calls(), [], "worker 1 searches");
    assert!(ops.idle.stop_searching());
    notify_one(&ops);
    assert_eq!(ops.calls(), [Call::WakeDriver]);
}
