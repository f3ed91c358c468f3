//! Lost wake-ups: work is ready, a thread or task waits for it, and is not notified.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use framewise::time::{set_timeout, sleep};
use futures::channel::oneshot;

use crate::{Bug, Class, Here};
use framewise_test_support::{runtime, while_occupied, with_workers};

pub(crate) const CLASS: Class = Class {
    name: "lost wake-up",
    bugs: &[
        Bug {
            id: "tokio 525",
            story: "A woken thread changed from parked to idle between two steps of its waker, and \
                    the record of the wake-up was lost.",
            here: Here::Tests(&[
                ("loom-tests/tests/parker.rs", "an_unpark_ends_the_park"),
                ("loom-tests/tests/parker.rs", "two_unparks_of_a_park"),
                (
                    "loom-tests/tests/park_timeouts.rs",
                    "an_unpark_is_not_swallowed_by_a_time_out",
                ),
                ("loom-tests/tests/idle.rs", "two_pushes_meet_a_park"),
                (
                    "executor/tests/stress/wakeups.rs",
                    "as_many_blocking_tasks_as_workers_run_at_once_spawned_from_outside",
                ),
            ]),
        },
        Bug {
            id: "tokio 3190",
            story: "A worker was parked in epoll until a far deadline, and an earlier timer that \
                    another worker armed did not interrupt it.",
            here: Here::Tests(&[
                (
                    "loom-tests/tests/timers/arming.rs",
                    "arming_against_parking",
                ),
                (
                    "loom-tests/tests/timers/arming.rs",
                    "two_wheels_against_parking",
                ),
                ("io/tests/driver.rs", "a_wake_timer_ends_a_wait_in_time"),
                (
                    "executor/tests/bugs/lost_wakeup.rs",
                    "a_near_timer_interrupts_the_sleep_until_a_far_one",
                ),
            ]),
        },
        Bug {
            id: "tokio 8372",
            story: "A worker was woken without updating the idle state (for a dump of the tasks) \
                    and was counted twice when it parked again; afterwards no worker was notified \
                    of new work. framewise has no such dump, but a timer or an event also wakes \
                    the driver owner without updating the idle state.",
            here: Here::Tests(&[
                (
                    "loom-tests/tests/idle.rs",
                    "a_notification_meets_a_time_out",
                ),
                (
                    "executor/tests/stress/wakeups.rs",
                    "work_of_every_kind_wakes_sleeping_workers",
                ),
                (
                    "executor/tests/bugs/lost_wakeup.rs",
                    "workers_that_a_timer_woke_are_still_woken_for_new_work",
                ),
            ]),
        },
        Bug {
            id: "async-io 78",
            story: "A source took the reactor's tick as proof that its waker had been called, \
                    while another thread was just incrementing that tick, so the event was treated \
                    as an old one.",
            here: Here::Tests(&[
                (
                    "loom-tests/tests/readiness/waiters.rs",
                    "register_against_set_in_the_slot",
                ),
                (
                    "loom-tests/tests/readiness/waiters.rs",
                    "register_against_set_in_the_list",
                ),
                (
                    "executor/tests/stress/wakeups.rs",
                    "every_wake_is_followed_by_a_poll",
                ),
            ]),
        },
        Bug {
            id: "compio 948",
            story: "Of two wakes from other threads, one was still in progress when the task ran \
                    and parked again. The other wake saw the trace of the first one, assumed that \
                    the task was queued, and did nothing.",
            here: Here::Tests(&[
                (
                    "loom-tests/tests/task/run.rs",
                    "a_wake_during_a_poll_means_another_poll",
                ),
                (
                    "loom-tests/tests/task/run.rs",
                    "a_wake_leads_to_a_poll_that_sees_what_the_waker_wrote",
                ),
                (
                    "executor/tests/bugs/lost_wakeup.rs",
                    "two_wakes_from_other_threads_leave_no_task_behind",
                ),
            ]),
        },
        Bug {
            id: "glommio 53",
            story: crate::UNREAD,
            here: Here::Tests(&[
                (
                    "executor/tests/stress/wakeups.rs",
                    "a_task_woken_from_another_thread_as_it_parks_is_polled_again",
                ),
                (
                    "loom-tests/tests/idle.rs",
                    "a_push_meets_a_park_in_the_driver",
                ),
            ]),
        },
    ],
};

const HOUR: Duration = Duration::from_secs(3_600);

/// tokio 3190: while the driver is parked for a far timer, a task arms near timers, one after the
/// other, from its current worker, and at times from outside.
#[test]
fn a_near_timer_interrupts_the_sleep_until_a_far_one() {
    with_workers(|workers| {
        let runtime = runtime(workers);
        let far = runtime.spawn(sleep(HOUR));
        let near = runtime.spawn(async {
            for round in 0..300 {
                sleep(Duration::from_micros(round % 3 * 400)).await;
            }
        });
        runtime.block_on(near).unwrap();
        for _ in 0..100 {
            runtime.block_on(sleep(Duration::from_micros(300)));
        }
        assert!(!far.is_finished());
    });
}

/// tokio 8372: a timer wakes a worker without a notification. Afterwards each worker must still be
/// woken for a task from outside. Each of the tasks blocks its worker, so all workers must run.
#[test]
fn workers_that_a_timer_woke_are_still_woken_for_new_work() {
    with_workers(|workers| {
        let runtime = runtime(workers);
        let _entered = runtime.enter();
        for round in 0..300_u64 {
            let (fired, has_fired) = mpsc::channel();
            set_timeout(Duration::from_micros(round % 5 * 100), move || {
                fired.send(()).unwrap();
            });
            if round % 2 == 0 {
                has_fired.recv().unwrap();
            }
            while_occupied(&runtime, workers, || ());
        }
    });
}

/// compio 948: two threads wake one task, each as soon as it can, and each waits for its own reply
/// before the next round.
#[test]
fn two_wakes_from_other_threads_leave_no_task_behind() {
    with_workers(|workers| {
        let runtime = runtime(workers);
        for _ in 0..3_000 {
            let (first, has_first) = oneshot::channel::<()>();
            let (second, has_second) = oneshot::channel::<()>();
            let both = runtime.spawn(async { futures::join!(has_first, has_second) });
            thread::scope(|scope| {
                scope.spawn(|| first.send(()).unwrap());
                second.send(()).unwrap();
            });
            let (first, second) = runtime.block_on(both).unwrap();
            assert!(first.is_ok() && second.is_ok());
        }
    });
}
