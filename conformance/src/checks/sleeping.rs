//! Contract, "Wakes, time, I/O": C-51 and C-52, tasks that wait for timers.

use std::sync::Arc;
use std::task::{Context, Waker};

use framewise_context::bind;
use futures::StreamExt;
use futures::stream::FuturesUnordered;

use super::time_io::{LONG, LOST_AT_A_WAKE, NOT_CARRIED, TICK, sleep};
use crate::check_context::{CheckContext, not_applicable};
use crate::check_result::{CheckError, CheckResult, ensure, expect, expect_entries};
use crate::executor::{BoxFuture, Executor};
use crate::support::{DropTracker, ID, KEPT, Log, eventually};

/// The checks of this chapter.
#[doc(hidden)]
#[macro_export]
macro_rules! __sleeping_checks {
    ({ $($callback:tt)* } $arguments:tt) => {
        $($callback)*! { $arguments sleeping:
            c51_after_a_sleep_a_task_is_in_its_frame
            c51_after_a_timeout_a_task_is_in_its_frame
            c51_what_a_timeout_gives_up_is_dropped_in_the_tasks_frame
            c48_a_dropped_sleep_keeps_no_frame
            c48_a_sleep_that_is_over_in_a_combinator_keeps_no_frame
            c52_every_tick_of_an_interval_is_in_the_tasks_frame
            c52_an_interval_that_is_handed_on_ticks_in_its_new_tasks_frame
        }
    };
}

fn timeout(
    executor: &Arc<dyn Executor>,
    future: impl Future<Output = ()> + Send + 'static,
) -> Option<BoxFuture<'static, bool>> {
    executor.timers()?.timeout(TICK, Box::pin(future))
}

/// # Errors
///
/// Not applicable, if the timers have no timeouts.
fn needs_timeouts(check: &CheckContext) -> CheckResult {
    let timers = check.timers()?;
    let has = check.block_on(async {
        let limited = timers.timeout(LONG, Box::pin(async {}));
        limited.is_some()
    });
    if has {
        Ok(())
    } else {
        not_applicable("no time-outs")
    }
}

pub(crate) fn c48_a_dropped_sleep_keeps_no_frame(check: &CheckContext) -> CheckResult {
    check.timers()?;
    let (token, tracker) = DropTracker::new();
    let executor = Arc::clone(check.executor());
    // With a waker of the suite, which a timer must call in the frame that registered it (C-50).
    let task = bind(&KEPT, token).run(|| {
        check.spawn(async move {
            let mut timer = sleep(&executor, LONG);
            let polled = timer.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            drop(timer);
            polled.is_pending()
        })
    });
    ensure(
        check.block_on(task.output())?,
        "a sleep of an hour waits",
        "it is ready at once",
        "",
    )?;
    ensure(
        check.block_on(eventually(|| tracker.is_dropped())),
        "the frame of a task is released that has dropped a sleep",
        "it is alive until the sleep's deadline",
        DROPPED_SLEEP_KEEPS,
    )
}

/// How a wait ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Finished,
    Dropped,
}

/// The combinator and its task stay alive, so they do not release the wait's frame. No other timer
/// fires meanwhile, so the next event does not release it either.
pub(crate) fn c48_a_sleep_that_is_over_in_a_combinator_keeps_no_frame(
    check: &CheckContext,
) -> CheckResult {
    check.timers()?;
    for end in [End::Finished, End::Dropped] {
        let (token, tracker) = DropTracker::new();
        let executor = Arc::clone(check.executor());
        let task = check.spawn(async move {
            let timer = match end {
                End::Finished => sleep(&executor, TICK),
                End::Dropped => sleep(&executor, LONG),
            };
            // The combinator has its own wakers, so a timer has to keep the frame beside them.
            let mut waits = FuturesUnordered::from_iter([Box::pin(KEPT.scope(token, timer))]);
            match end {
                End::Finished => drop(waits.next().await),
                End::Dropped => {
                    let is_over = futures::poll!(waits.next()).is_ready();
                    waits.clear();
                    ensure(
                        !is_over,
                        "a sleep of an hour waits",
                        "it is ready at once",
                        "",
                    )?;
                }
            }
            let released = eventually(|| tracker.is_dropped()).await;
            drop(waits);
            ensure(
                released,
                &format!("the frame of a sleep in a combinator is released: {end:?}"),
                "it is alive as long as the combinator, or until another timer fires",
                match end {
                    End::Finished => {
                        "what was kept for a wait is not released when the wait is over: take the \
                         waker and its frame out when the timer has fired"
                    }
                    End::Dropped => DROPPED_SLEEP_KEEPS,
                },
            )
        });
        check.block_on(task.output())??;
    }
    Ok(())
}

/// The likely cause where a dropped wait is still registered.
const DROPPED_SLEEP_KEEPS: &str = "a sleep that is dropped leaves its waker, and the frame that \
                                   this was registered in, with the timers: take both out when it \
                                   is dropped";

pub(crate) fn c51_after_a_sleep_a_task_is_in_its_frame(check: &CheckContext) -> CheckResult {
    check.timers()?;
    let log = Log::new();
    let task = {
        let (executor, log) = (Arc::clone(check.executor()), log.clone());
        async move {
            log.record("before");
            sleep(&executor, TICK).await;
            log.record("after a sleep");
            let scoped = ID.scope(11, async {
                sleep(&executor, TICK).await;
                log.record("after a sleep within 11");
            });
            scoped.await;
            log.record("after that scope");
        }
    };
    check.block_on(async {
        ID.run(10, || check.spawn(task)).output().await?;
        sleep(check.executor(), TICK).await;
        log.record("in block_on");
        Ok::<_, CheckError>(())
    })?;
    let entries = log.entries();
    expect(
        "ID in a task, spawned under 10",
        Some(10),
        entries[0].1,
        &[(None, NOT_CARRIED)],
    )?;
    expect_entries(
        &entries,
        &[
            ("before", Some(10)),
            ("after a sleep", Some(10)),
            ("after a sleep within 11", Some(11)),
            ("after that scope", Some(10)),
            ("in block_on", check.id()),
        ],
        &[
            (None, LOST_AT_A_WAKE),
            (check.id(), "polled in the frame of the thread that drives"),
        ],
    )
}

pub(crate) fn c51_after_a_timeout_a_task_is_in_its_frame(check: &CheckContext) -> CheckResult {
    needs_timeouts(check)?;
    let log = Log::new();
    let task = {
        let (executor, log) = (Arc::clone(check.executor()), log.clone());
        async move {
            log.record("before");
            let inside = {
                let log = log.clone();
                async move {
                    log.record("inside");
                    std::future::pending().await
                }
            };
            let first = timeout(&executor, inside);
            let in_time = match first {
                Some(limited) => limited.await,
                None => true,
            };
            log.record("after a time-out");
            let scoped = ID.scope(11, async {
                if let Some(limited) = timeout(&executor, std::future::pending()) {
                    limited.await;
                }
                log.record("after a time-out within 11");
            });
            scoped.await;
            in_time
        }
    };
    let in_time = check.block_on(async { ID.run(10, || check.spawn(task)).output().await })?;
    ensure(
        !in_time,
        "a timeout ends what is never ready",
        "it was ready",
        "",
    )?;
    expect_entries(
        &log.entries(),
        &[
            ("before", Some(10)),
            ("inside", Some(10)),
            ("after a time-out", Some(10)),
            ("after a time-out within 11", Some(11)),
        ],
        &[
            (
                None,
                "the task's frame is not the current one: see C-25, and C-51 for sleep",
            ),
            (check.id(), "polled in the frame of the thread that drives"),
        ],
    )
}

pub(crate) fn c51_what_a_timeout_gives_up_is_dropped_in_the_tasks_frame(
    check: &CheckContext,
) -> CheckResult {
    needs_timeouts(check)?;
    let log = Log::new();
    let task = {
        let executor = Arc::clone(check.executor());
        let (plain, scoped) = (
            log.on_drop("given up"),
            log.on_drop("given up, of a scope 11"),
        );
        let never = |owned| async move {
            let _owned = owned;
            std::future::pending().await
        };
        async move {
            let both = [
                timeout(&executor, never(plain)),
                timeout(&executor, ID.scope(11, never(scoped))),
            ];
            for limited in both.into_iter().flatten() {
                limited.await;
            }
        }
    };
    check.block_on(async { ID.run(10, || check.spawn(task)).output().await })?;
    expect_entries(
        &log.entries(),
        &[
            ("given up", Some(10)),
            ("given up, of a scope 11", Some(11)),
        ],
        &[
            (None, "dropped by the driver, or no frame is carried (C-25)"),
            (check.id(), "dropped in the frame of the thread that drives"),
        ],
    )
}

/// Returns a future that waits for five ticks, and records the frame at each.
fn five_ticks(executor: &Arc<dyn Executor>, log: &Log) -> Option<BoxFuture<'static, ()>> {
    let mut ticks = executor.timers()?.interval(TICK)?;
    let log = log.clone();
    Some(Box::pin(async move {
        for _ in 0..5 {
            ticks.next().await;
            log.record("tick");
        }
    }))
}

pub(crate) fn c52_every_tick_of_an_interval_is_in_the_tasks_frame(
    check: &CheckContext,
) -> CheckResult {
    check.timers()?;
    let log = Log::new();
    let task = {
        let (executor, log) = (Arc::clone(check.executor()), log.clone());
        async move {
            let Some(ticks) = five_ticks(&executor, &log) else {
                return false;
            };
            ticks.await;
            true
        }
    };
    let ticked = check.block_on(async { ID.run(10, || check.spawn(task)).output().await })?;
    if !ticked {
        return not_applicable("no interval");
    }
    let causes = [
        (
            None,
            "a tick comes in the driver's frame, or no frame is carried (C-25)",
        ),
        (check.id(), "polled in the frame of the thread that drives"),
    ];
    expect_entries(&log.entries(), &[("tick", Some(10)); 5], &causes)
}

pub(crate) fn c52_an_interval_that_is_handed_on_ticks_in_its_new_tasks_frame(
    check: &CheckContext,
) -> CheckResult {
    check.timers()?;
    let log = Log::new();
    let ticked = check.block_on(async {
        // Its first poll is by this task, under another frame.
        let Some(mut ticks) = five_ticks(check.executor(), &log) else {
            return not_applicable("no interval");
        };
        let polled = ID.scope(11, async { futures::poll!(ticks.as_mut()) }).await;
        let recorded = log.entries().len();
        if polled.is_pending() {
            ID.run(10, || check.spawn(ticks)).output().await?;
        }
        Ok(recorded)
    })?;
    let mut expected = vec![("tick", Some(11)); ticked];
    expected.resize(5, ("tick", Some(10)));
    let causes = [
        (Some(11), "the interval keeps the frame of its first poll"),
        (
            None,
            "a tick comes in the driver's frame, or no frame is carried (C-25)",
        ),
        (check.id(), "polled in the frame of the thread that drives"),
    ];
    expect_entries(&log.entries(), &expected, &causes)
}
