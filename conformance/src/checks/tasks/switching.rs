//! Tasks in turn on the same thread: C-30 to C-32.

use std::sync::Arc;

use framewise_context::Frame;

use crate::check_context::{CheckContext, Slot};
use crate::check_result::{CheckError, CheckResult, Failure, ensure, expect};
use crate::checks::workers::{Before, TimedBarrier, are_at_the_root, block_on_catching};
use crate::support::{Gate, ID, deliberate_panic, eventually, in_time, pause, yield_times};

/// Compares `ID` with what is expected in each of many tasks; the first difference is reported.
fn sees(expected: Option<u64>, place: &str) -> CheckResult {
    let seen = ID.get();
    let cause = match seen {
        None => "a task's frame is not entered for each of its polls",
        Some(_) => {
            "another task's frame is current, and the task's own is not entered for each of its \
             polls: enter it, the root too, and restore what was there before"
        }
    };
    ensure(
        seen == expected,
        &format!("ID {place}: {expected:?}"),
        &format!("{seen:?}"),
        cause,
    )
}

pub(crate) fn c30_interleaved_tasks_never_mix(check: &CheckContext) -> CheckResult {
    const TASKS: u64 = 40;
    const ROUNDS: usize = 50;
    let id = check.id();
    check.block_on(async {
        let bound = |number| {
            let own = 100 + number;
            let task = check.spawn(async move {
                for round in 0..ROUNDS {
                    sees(Some(own), "in one of many tasks")?;
                    yield_times(1 + round % 3).await;
                    sees(Some(own), "in one of many tasks after an await")?;
                    if round % 5 == 0 {
                        let inner = 1_000 + own;
                        let scope = ID.scope(inner, async {
                            yield_times(2).await;
                            sees(Some(inner), "in a scope in one of many tasks")
                        });
                        scope.await?;
                    }
                }
                Ok::<_, CheckError>(())
            });
            // Tasks at the root, in between, must not see another task's value.
            let bare = check.spawn_root(async {
                for _ in 0..ROUNDS {
                    sees(None, "in a task at the root between others")?;
                    yield_times(1).await;
                }
                Ok::<_, CheckError>(())
            });
            [task, bare]
        };
        let tasks: Vec<_> = (0..TASKS)
            .flat_map(|number| ID.run(100 + number, || bound(number)))
            .collect();
        for _ in 0..ROUNDS {
            sees(id, "in the future that block_on runs beside many tasks")?;
            yield_times(1).await;
        }
        for task in tasks {
            task.output().await??;
            sees(id, "in the future that waits for many tasks")?;
        }
        Ok(())
    })
}

/// In each round the tasks meet on all threads at once, as far as the executor allows it.
pub(crate) fn c30_tasks_that_meet_on_all_threads_never_mix(check: &CheckContext) -> CheckResult {
    const ROUNDS: usize = 10;
    let workers = check.executor().workers();
    check.block_on(async {
        let barriers: Vec<_> = (0..ROUNDS).map(|_| TimedBarrier::of(workers)).collect();
        let task = |number: usize| {
            let barriers = barriers.clone();
            let own = 100 + number as u64;
            ID.run(own, || {
                check.spawn(async move {
                    let mut all_came = true;
                    for barrier in &barriers {
                        // Wait for the timeout at most once: the threads may not exist.
                        all_came = all_came && barrier.arrive_and_wait();
                        sees(Some(own), "in a task, while each thread runs one")?;
                        yield_times(3).await;
                        sees(Some(own), "in a task that the threads take from each other")?;
                    }
                    Ok::<_, CheckError>(())
                })
            })
        };
        let tasks: Vec<_> = (0..workers).map(task).collect();
        for task in tasks {
            task.output().await??;
        }
        Ok(())
    })
}

pub(crate) fn c31_a_task_run_right_after_its_spawner_sees_its_own_frame(
    check: &CheckContext,
) -> CheckResult {
    let spawner = check.clone();
    let parent = || {
        check.spawn(async move {
            for round in 1_000..1_050 {
                let child = ID.run(round, || {
                    let child = spawner.spawn(async {
                        let first = ID.get();
                        // The task yields in the middle of a scope.
                        let second = ID.scope(7, async {
                            yield_times(1).await;
                            ID.get()
                        });
                        (first, second.await, ID.get())
                    });
                    sees(Some(round), "after spawn, in the spawner")?;
                    Ok::<_, CheckError>(child)
                })?;
                sees(Some(10), "after spawn and its scope, in the spawner")?;
                let own = Some(round);
                expect(
                    "ID in a child that runs right after its spawner: its own, in a scope of 7, \
                     and after it",
                    (own, Some(7), own),
                    child.output().await?,
                    &[(
                        (Some(10), Some(7), Some(10)),
                        "the child runs in its spawner's frame: a task that is run from a LIFO \
                         slot, or inline, needs its own frame, too",
                    )],
                )?;
                let bare = spawner.spawn_root(async { Frame::current().is_root() });
                ensure(
                    bare.output().await?,
                    "a child at the root, run right after its spawner, is at the root",
                    "it sees a frame",
                    "the child runs in its spawner's frame: the root has to be entered, too",
                )?;
                sees(Some(10), "in the spawner after its child ran")?;
            }
            Ok::<_, CheckError>(())
        })
    };
    check.block_on(async { ID.run(10, parent).output().await })?
}

pub(crate) fn c31_a_task_run_inside_its_own_wake_sees_its_own_frame(
    check: &CheckContext,
) -> CheckResult {
    const ROUNDS: usize = 20;
    let waker = Slot::new();
    let done = Gate::new();
    check.block_on(async {
        let woken = ID.run(10, || {
            let (waker, done) = (waker.clone(), Arc::clone(&done));
            check.spawn(async move {
                let mut seen = Ok(());
                for _ in 0..ROUNDS {
                    pause(|own| waker.put(own.clone())).await;
                    if ID.get() != Some(10) {
                        seen = Err(ID.get());
                        break;
                    }
                }
                done.open();
                seen
            })
        });
        let waking = ID.run(20, || {
            check.spawn(async move {
                while !done.is_open() {
                    let mut taken = None;
                    eventually(|| {
                        taken = waker.take();
                        taken.is_some() || done.is_open()
                    })
                    .await;
                    let Some(waker): Option<std::task::Waker> = taken else {
                        break;
                    };
                    ID.run(21, || {
                        waker.wake();
                        sees(Some(21), "after `wake`, in its caller")
                    })?;
                    sees(Some(20), "in a task that wakes others")?;
                }
                Ok::<_, CheckError>(())
            })
        });
        let (waking, woken) = futures::join!(in_time(waking.output()), in_time(woken.output()));
        let late = || Failure::new("a task that is woken runs", "it did not in time", "");
        waking.ok_or_else(late)???;
        if let Err(seen) = woken.ok_or_else(late)?? {
            expect(
                "ID in a task of 10 that is woken by one of 20, under 21",
                Some(10),
                seen,
                &[
                    (
                        Some(21),
                        "polled inside `wake`, in the frame of the code that calls it: enter the \
                         task's own frame for each poll",
                    ),
                    (Some(20), "polled in the frame of the task before it"),
                    (None, "a task's frame is not entered for each of its polls"),
                ],
            )?;
        }
        Ok(())
    })
}

pub(crate) fn c32_threads_are_at_the_root_between_polls(check: &CheckContext) -> CheckResult {
    // Some tasks that park in the middle of scopes, so that something could be left behind.
    let release = Gate::new();
    let parked: Vec<_> = check.block_on(async {
        let park = |number: u64| {
            let (parked, release) = (Gate::new(), Arc::clone(&release));
            let task = ID.run(500 + number, || {
                let parked = Arc::clone(&parked);
                check.spawn(ID.scope(600 + number, crate::support::park(parked, release)))
            });
            (task, parked)
        };
        let tasks: Vec<_> = (0..8).map(park).collect();
        for (_, parked) in &tasks {
            in_time(parked.passed()).await;
        }
        tasks
    });
    are_at_the_root(check, Before::Calm)?;
    release.open();
    check.block_on(async {
        for (task, _) in parked {
            task.output().await?;
        }
        Ok::<_, CheckError>(())
    })?;
    are_at_the_root(check, Before::Calm)
}

pub(crate) fn c32_threads_are_at_the_root_after_a_panic(check: &CheckContext) -> CheckResult {
    let polled = Gate::new();
    let here = (ID.get(), Frame::current().id());
    let came_out = block_on_catching(check, async {
        let polled = Arc::clone(&polled);
        let task = ID.scope(81, async move {
            yield_times(1).await;
            polled.open();
            deliberate_panic()
        });
        ID.run(80, || check.executor().spawn(Box::pin(task)));
        yield_times(3).await;
    })?
    .is_none();
    let after = (ID.get(), Frame::current().id());
    expect(
        "ID and the frame around a block_on in which a task panics",
        here,
        after,
        &[],
    )?;
    if !came_out {
        let ran = block_on_catching(check, eventually(|| polled.is_open()))?;
        ensure(
            ran != Some(false),
            "the task that is to panic runs",
            "it did not in time",
            "",
        )?;
    }
    are_at_the_root(check, Before::Panic)
}
