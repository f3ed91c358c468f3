//! Waiting for a task: C-38.

use std::sync::Arc;

use framewise_context::Frame;

use crate::check_context::{CheckContext, not_applicable};
use crate::check_result::{CheckResult, Failure, expect};
use crate::checks::workers::{block_on_catching, join_before_the_end};
use crate::support::{Gate, ID, deliberate_panic, in_time, yield_times};

const STAYS: &str = "the awaiter of a task goes on in that task's frame: restore the frame after \
                     each poll, before the joiner is woken";

fn is_as_before(what: &str, before: (Option<u64>, Frame)) -> CheckResult {
    let (id, frame) = before;
    expect(what, id, ID.get(), &[(Some(10), STAYS), (Some(11), STAYS)])?;
    expect(
        &format!("{what}, the frame itself"),
        frame.id(),
        Frame::current().id(),
        &[],
    )
}

pub(crate) fn c38_joining_leaves_the_awaiters_frame(check: &CheckContext) -> CheckResult {
    check.joining()?;
    check.block_on(joins(check))?;
    // The joiner may be polled where the joined task ended.
    let own = check.clone();
    check.block_on(async {
        let waits = || check.spawn(async move { joins(&own).await });
        ID.run(15, waits).output().await?
    })
}

async fn joins(check: &CheckContext) -> CheckResult {
    let late = || Failure::new("a task that is joined ends", "it did not in time", "");
    let before = || (ID.get(), Frame::current());
    for aborts in [false, true] {
        let here = before();
        let go = Gate::new();
        let mut task = ID.run(10, || {
            let go = Arc::clone(&go);
            check.spawn_joinable(ID.scope(11, async move {
                go.passed().await;
                if aborts {
                    std::future::pending::<()>().await;
                }
            }))
        })?;
        if aborts && !task.abort() {
            break;
        }
        let joined = if aborts {
            in_time(task.join()).await.ok_or_else(late)?
        } else {
            // Polled when it is woken, and not before: the wake-up itself may poll it.
            join_before_the_end(check, task, go).await
        };
        is_as_before("ID where a task under 10 was joined", here)?;
        drop(joined);
    }
    // In a scope, with a task that has ended before it is joined.
    ID.scope(12, async {
        let here = before();
        let task = ID.run(10, || check.spawn_joinable(async { ID.get() }))?;
        let beside = ID.run(11, || check.spawn(yield_times(3)));
        beside.output().await?;
        let joined = in_time(task.join()).await.ok_or_else(late)?;
        is_as_before("ID in a scope in which a task under 10 was joined", here)?;
        drop(joined);
        Ok(())
    })
    .await
}

pub(crate) fn c38_joining_a_task_that_panicked_leaves_the_awaiters_frame(
    check: &CheckContext,
) -> CheckResult {
    check.joining()?;
    let here = (ID.get(), Frame::current());
    let joined = block_on_catching(check, async {
        let here = (ID.get(), Frame::current());
        let task = ID.run(10, || {
            check.spawn_joinable::<()>(ID.scope(11, async {
                yield_times(2).await;
                deliberate_panic()
            }))
        })?;
        let joined = in_time(task.join()).await;
        is_as_before("ID where a task that panicked was joined", here)?;
        match joined {
            Some(_) => Ok(()),
            None => not_applicable("a task that panics never reaches its joiner"),
        }
    })?;
    is_as_before("ID around a block_on in which a task panicked", here)?;
    joined.unwrap_or_else(|| not_applicable("a task's panic comes out of block_on"))
}
