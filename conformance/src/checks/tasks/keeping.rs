//! A task keeps its frame, and passes it on to its children: C-26 to C-28.

use std::sync::Arc;

use super::capture::LOST;
use crate::check_context::{CheckContext, output_of};
use crate::check_result::{CheckError, CheckResult, Failure, expect};
use crate::support::{Gate, ID, in_time, park, yield_times};

pub(crate) fn c26_kept_when_awaited_outside_of_the_scope(check: &CheckContext) -> CheckResult {
    let (parked, release) = (Gate::new(), Gate::new());
    let seen = check.block_on(async {
        let child = ID.run(10, || {
            let (parked, release) = (Arc::clone(&parked), Arc::clone(&release));
            check.spawn(async move {
                let first = ID.get();
                park(parked, release).await;
                let woken = ID.get();
                yield_times(2).await;
                [first, woken, ID.get()]
            })
        });
        in_time(parked.passed()).await;
        ID.run(11, || release.open());
        child.output().await
    })?;
    expect(
        "ID in a child of 10: at first, after a wake-up from 11, and after two yields",
        [Some(10); 3],
        seen,
        &[
            ([None; 3], LOST),
            (
                [Some(10), None, None],
                "the frame is entered for the first poll only: enter it for each",
            ),
            (
                [Some(10), Some(11), Some(10)],
                "polled in the frame of the code that wakes it",
            ),
            (
                [Some(10), Some(11), Some(11)],
                "a wake-up replaces the task's frame with that of the code that wakes it",
            ),
            (
                [Some(10), check.id(), check.id()],
                "the frame is entered for the first poll only: enter it for each",
            ),
            (
                [check.id(); 3],
                "no frame is carried: the task is polled in the frame of block_on's caller",
            ),
        ],
    )
}

pub(crate) fn c26_kept_when_joined_outside_of_the_scope(check: &CheckContext) -> CheckResult {
    check.joining()?;
    let (parked, release) = (Gate::new(), Gate::new());
    let joined = check.block_on(async {
        let (own_parked, own_release) = (Arc::clone(&parked), Arc::clone(&release));
        let task = ID.run(10, || {
            check.spawn_joinable(async move {
                let first = ID.get();
                park(own_parked, own_release).await;
                (first, ID.get())
            })
        })?;
        let join = ID.scope(12, task.join());
        let both = async {
            in_time(parked.passed()).await;
            ID.run(11, || release.open());
        };
        let (joined, ()) = futures::join!(in_time(join), both);
        let late = || {
            Failure::new(
                "a task that is joined ends",
                "it did not in time",
                "the joiner is not woken",
            )
        };
        Ok::<_, CheckError>(joined.ok_or_else(late)?)
    })?;
    expect(
        "ID at two polls of a task that was spawned under 10 and is joined in a scope of 12",
        (Some(10), Some(10)),
        output_of::<(Option<u64>, Option<u64>)>(joined)?,
        &[
            ((None, None), LOST),
            ((Some(12), Some(12)), "polled in the joiner's frame"),
        ],
    )
}

pub(crate) fn c27_a_rebinding_is_invisible_to_parent_and_siblings(
    check: &CheckContext,
) -> CheckResult {
    let (bound, seen) = (Gate::new(), Gate::new());
    let (parent, rebinding, sibling) = check.block_on(async {
        ID.scope(5, async {
            let rebinding = check.spawn({
                let (bound, seen) = (Arc::clone(&bound), Arc::clone(&seen));
                ID.scope(10, async move {
                    bound.open();
                    in_time(seen.passed()).await;
                    ID.get()
                })
            });
            let sibling = check.spawn({
                let (bound, seen) = (Arc::clone(&bound), Arc::clone(&seen));
                async move {
                    in_time(bound.passed()).await;
                    let id = ID.get();
                    seen.open();
                    id
                }
            });
            in_time(bound.passed()).await;
            let beside = ID.get();
            let sibling = sibling.output().await?;
            let rebinding = rebinding.output().await?;
            Ok::<_, CheckError>(((beside, ID.get()), rebinding, sibling))
        })
        .await
    })?;
    let leaks = "what a child binds is written where others read it: a frame is never changed, a \
                 task that binds has another one";
    expect(
        "ID in the parent, while and after a child binds 10",
        (Some(5), Some(5)),
        parent,
        &[((Some(10), Some(5)), leaks), ((Some(10), Some(10)), leaks)],
    )?;
    expect(
        "ID in a sibling, while a child binds 10",
        Some(5),
        sibling,
        &[
            (Some(10), leaks),
            (None, LOST),
            (check.id(), "no frame is carried into the task"),
        ],
    )?;
    expect(
        "ID in the child that binds 10, after a sibling ran",
        Some(10),
        rebinding,
        &[(Some(5), "a scope in a task is lost between polls")],
    )
}

pub(crate) fn c28_grandchildren_inherit(check: &CheckContext) -> CheckResult {
    let (child, grandchild) = (check.clone(), check.clone());
    let seen = check.block_on(async {
        let child = ID.run(10, || {
            check.spawn(async move {
                let spawned = child.spawn(async move {
                    let inherited = ID.get();
                    let own = grandchild.spawn(async { ID.get() }).output().await?;
                    let rebound = ID.scope(20, async {
                        yield_times(1).await;
                        grandchild.spawn(async { ID.get() }).output().await
                    });
                    Ok::<_, CheckError>((inherited, own, rebound.await?))
                });
                spawned.output().await?
            })
        });
        child.output().await?
    })?;
    expect(
        "ID in a grandchild, in its child, and in its child under 20",
        (Some(10), Some(10), Some(20)),
        seen,
        &[
            (
                (None, None, Some(20)),
                "a task without own bindings passes no frame on: capture the current frame in \
                 spawn, on the executor's own threads too",
            ),
            (
                (None, None, None),
                "what a task spawns carries no frame: capture it on the executor's own threads, \
                 too",
            ),
            (
                (Some(10), Some(10), Some(10)),
                "a child gets the frame of its parent's spawn instead of the current one",
            ),
        ],
    )
}
