//! When a task gets its frame: C-25.

use std::sync::Arc;

use crate::check_context::CheckContext;
use crate::check_result::{CheckError, CheckResult, ensure, expect};
use crate::support::{Gate, ID, in_time, park, yield_times};

/// The likely cause where a task sees no binding.
pub(super) const LOST: &str = "no frame is carried, or it is captured at the first poll, on a \
                               thread that has none: capture it in spawn, and enter it for each \
                               poll";

pub(crate) fn c25_captured_at_spawn(check: &CheckContext) -> CheckResult {
    let (made_under, spawned_under, awaited_under) = (Some(10), Some(11), Some(12));
    let seen = check.block_on(async {
        let future = ID.run(10, || async { ID.get() });
        let child = ID.run(11, || check.spawn(future));
        ID.scope(12, child.output()).await
    })?;
    expect(
        "ID in a child, made under 10, spawned under 11 and awaited under 12",
        spawned_under,
        seen,
        &[
            (None, LOST),
            (
                made_under,
                "captured when the future was made instead of at spawn",
            ),
            (
                awaited_under,
                "polled in the frame of the code that awaits the task",
            ),
            (
                check.id(),
                "no frame is carried: the task is polled in the frame of block_on's caller",
            ),
        ],
    )
}

/// Two polls, each while another frame is current on the thread that is in `block_on`.
pub(crate) fn c25_captured_at_spawn_and_not_at_the_first_poll(check: &CheckContext) -> CheckResult {
    let (parked, release) = (Gate::new(), Gate::new());
    let child = {
        let (parked, release) = (Arc::clone(&parked), Arc::clone(&release));
        check.block_on(async {
            ID.run(11, || {
                check.spawn(async move {
                    let first = ID.get();
                    park(parked, release).await;
                    (first, ID.get())
                })
            })
        })
    };
    let was_polled = ID.run(20, || check.block_on(in_time(parked.passed())));
    ensure(
        was_polled.is_some(),
        "a task that was spawned in an earlier block_on is polled in a later one",
        "it was not polled in time",
        "tasks are lost when block_on returns",
    )?;
    ID.run(22, || release.open());
    let seen = ID.run(21, || check.block_on(child.output()))?;
    expect(
        "ID at two polls of a child that was spawned under 11",
        (Some(11), Some(11)),
        seen,
        &[
            ((None, None), LOST),
            (
                (Some(20), Some(20)),
                "captured at the first poll instead of at spawn",
            ),
            (
                (Some(20), Some(21)),
                "no frame is carried: the task is polled in the frame of block_on's caller",
            ),
            (
                (Some(11), Some(21)),
                "the first poll happens in spawn, and further ones in no frame of the task's",
            ),
            (
                (Some(11), Some(22)),
                "the frame of the code that wakes the task replaces the one that was captured at \
                 spawn: a waker has no frame, the task has",
            ),
            (
                (Some(11), None),
                "the first poll is in the task's frame, and further ones are not",
            ),
        ],
    )
}

/// Executors often have a separate path for spawning from a worker.
pub(crate) fn c25_a_task_spawned_by_a_task_has_its_spawners_frame_of_that_moment(
    check: &CheckContext,
) -> CheckResult {
    let spawner = check.clone();
    let seen = check.block_on(async {
        let parent = ID.run(10, || {
            check.spawn(async move {
                yield_times(1).await;
                let outer = spawner.spawn(async { ID.get() });
                let inner = ID.run(11, || spawner.spawn(async { ID.get() }));
                let scoped = ID
                    .scope(12, async {
                        yield_times(1).await;
                        spawner.spawn(async { ID.get() })
                    })
                    .await;
                let seen = [
                    outer.output().await?,
                    inner.output().await?,
                    scoped.output().await?,
                ];
                Ok::<_, CheckError>(seen)
            })
        });
        parent.output().await?
    })?;
    let expected = [Some(10), Some(11), Some(12)];
    expect(
        "ID in children that a task under 10 spawned there, under 11 and in a scope of 12",
        expected,
        seen,
        &[
            ([None; 3], LOST),
            (
                [Some(10); 3],
                "a child gets the frame that its parent was spawned with instead of the one that \
                 is current when spawn is called",
            ),
            (
                [check.id(); 3],
                "spawn captures the frame of block_on's caller instead of spawn's",
            ),
        ],
    )
}
