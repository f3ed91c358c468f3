//! Timers: extreme deadlines, and wheels that wrap around.
//!
//! Jumps of the wall clock are not a class here, because deadlines are `Instant`s, which are
//! monotonic.

use std::time::Duration;

use framewise::spawn;
use framewise::time::{
    Instant, MissedTickBehavior, interval, interval_at, set_interval, set_timeout, sleep,
    sleep_until, timeout,
};

use crate::{Bug, Class, Here};
use framewise_test_support::{on_workers, poll_once};

const ENDS: (&str, &str) = (
    "executor/tests/bugs/timers.rs",
    "every_timer_takes_every_duration",
);

pub(crate) const CLASS: Class = Class {
    name: "timers",
    bugs: &[
        Bug {
            id: "tokio 5183",
            story: "Rounding turned a far deadline into the number that meant \"not registered\".",
            here: Here::Tests(&[
                ("timers/tests/sleep.rs", "far_futures_of_every_size_wait"),
                ("timers/src/clock/tests.rs", "far_futures_saturate"),
                ENDS,
            ]),
        },
        Bug {
            id: "tokio 6634",
            story: "An interval of Duration::MAX added the period to the current time and \
                    panicked.",
            here: Here::Tests(&[
                ENDS,
                (
                    "timers/tests/futures.rs",
                    "a_missed_tick_of_an_endless_period_does_not_overflow",
                ),
            ]),
        },
        Bug {
            id: "tokio 4494",
            story: "The number of ticks until a deadline did not fit its integer, and the \
                    conversion panicked.",
            here: Here::Tests(&[
                (
                    "timers/tests/sleep.rs",
                    "a_deadline_from_before_the_runtime_is_ready",
                ),
                (
                    "timers/src/clock/tests.rs",
                    "a_deadline_rounds_up_and_the_time_rounds_down",
                ),
                ENDS,
            ]),
        },
        Bug {
            id: "tokio 8384",
            story: "An interval's reset, and its computation after a missed tick, added periods \
                    without a check for overflow.",
            here: Here::Tests(&[(
                "executor/tests/bugs/timers.rs",
                "intervals_of_every_period_may_be_late_and_reset",
            )]),
        },
        Bug {
            id: "tokio 8334",
            story: "When the wheel's time came near the end of its top level, short timers were \
                    put into a slot of that level that had wrapped around, and the wheel panicked.",
            here: Here::Tests(&[
                ("timers/src/wheel/tests.rs", "the_wheel_is_a_sorted_map"),
                ("timers/src/wheel/tests.rs", "the_levels_wrap_around"),
                (
                    "timers/src/wheel/tests.rs",
                    "short_timers_come_out_in_time_where_each_level_wraps",
                ),
                (
                    "timers/src/wheel/tests.rs",
                    "a_jump_of_the_clock_loses_nothing",
                ),
            ]),
        },
        Bug {
            id: "tokio 8252",
            story: crate::UNREAD,
            here: Here::Tests(&[
                (
                    "loom-tests/tests/timers/firing.rs",
                    "cancelling_against_firing",
                ),
                (
                    "loom-tests/tests/timers/firing.rs",
                    "rearming_against_firing",
                ),
                (
                    "timers/tests/driving.rs",
                    "many_threads_arm_and_cancel_while_a_driver_fires",
                ),
            ]),
        },
        Bug {
            id: "tokio 3619",
            story: crate::UNREAD,
            here: Here::Tests(&[
                (
                    "timers/tests/sleep.rs",
                    "reset_while_armed_keeps_the_task_waiting",
                ),
                (
                    "timers/tests/sleep.rs",
                    "reset_to_the_past_while_armed_wakes_the_task",
                ),
                (
                    "timers/tests/sleep.rs",
                    "reset_after_firing_before_the_poll",
                ),
                ("timers/tests/sleep.rs", "reset_to_the_furthest_future"),
                (
                    "executor/tests/fairness/busy.rs",
                    "timers_in_every_state_go_on_beside_each_other",
                ),
            ]),
        },
    ],
};

/// Returns durations from zero to the maximum, and around each power of two of nanoseconds,
/// milliseconds and seconds.
fn durations() -> Vec<Duration> {
    let mut all = vec![Duration::ZERO, Duration::MAX, Duration::MAX / 2];
    for power in 0..64 {
        for beside in [-1_i64, 0, 1] {
            let number = (1_u64 << power).saturating_add_signed(beside);
            all.push(Duration::from_nanos(number));
            all.push(Duration::from_millis(number));
            all.push(Duration::from_secs(number));
        }
    }
    all.push(Duration::from_nanos(u64::MAX));
    all.push(Duration::from_millis(u64::MAX));
    all.push(Duration::from_secs(u64::MAX));
    // The duration of the bug report.
    all.push(Duration::from_secs(u64::MAX / 10));
    all
}

/// Longer than any test: a timer of that length must not fire.
const LONG: Duration = Duration::from_secs(3_600);

/// tokio 5183, 6634, 4494: no timer panics; far timers do not fire, and near timers do.
#[test]
fn every_timer_takes_every_duration() {
    on_workers(|runtime| {
        let near = runtime.block_on(async {
            let mut near = Vec::new();
            for duration in durations() {
                let waiting = spawn(async move {
                    sleep(duration).await;
                    interval_at(Instant::now(), duration.max(Duration::from_nanos(1)))
                        .tick()
                        .await;
                    let _ = timeout(duration, std::future::pending::<()>()).await;
                });
                let callback = set_timeout(duration, || ());
                let ticking = set_interval(duration.max(Duration::from_millis(1)), || ());
                spawn(async {}).await.unwrap();
                if duration > LONG {
                    assert!(!waiting.is_finished(), "{duration:?}");
                    waiting.abort();
                } else if duration < Duration::from_millis(2) {
                    near.push(waiting);
                } else {
                    waiting.abort();
                }
                callback.cancel();
                ticking.cancel();
            }
            near
        });
        runtime.block_on(async {
            assert!(near.len() > 20);
            for near in near {
                near.await.unwrap();
            }
            if let Some(past) = Instant::now().checked_sub(Duration::from_secs(1)) {
                sleep_until(past).await;
            }
        });
    });
}

/// tokio 8384: a late tick, and each kind of reset, for every period and behavior.
#[test]
fn intervals_of_every_period_may_be_late_and_reset() {
    on_workers(|runtime| {
        let _entered = runtime.enter();
        let noop = std::task::Waker::noop();
        for period in durations() {
            if period.is_zero() {
                continue;
            }
            for behavior in [
                MissedTickBehavior::Burst,
                MissedTickBehavior::Delay,
                MissedTickBehavior::Skip,
            ] {
                let mut interval = interval(period);
                interval.set_missed_tick_behavior(behavior);
                // The first tick is due, and late by the time since the interval's creation.
                assert!(poll_once(&mut Box::pin(interval.tick()), noop).is_ready());
                let is_far = period > LONG;
                let pending = poll_once(&mut Box::pin(interval.tick()), noop).is_pending();
                assert!(pending || !is_far, "{period:?}");
                interval.reset();
                let pending = poll_once(&mut Box::pin(interval.tick()), noop).is_pending();
                assert!(pending || !is_far, "{period:?} after reset");
                interval.reset_after(Duration::MAX);
                assert!(poll_once(&mut Box::pin(interval.tick()), noop).is_pending());
                interval.reset_after(period);
                interval.reset_immediately();
                runtime.block_on(interval.tick());
            }
        }
    });
}
