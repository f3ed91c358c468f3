//! Contract, "Snapshots", where they are entered: C-15 to C-17, C-21, C-22, C-24.

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Waker;

use framewise_context::{Frame, FrameId};

use super::within::{LEFT_BEHIND, in_task, panics, sees};
use super::workers::{TimedBarrier, block_on_catching, still_runs};
use crate::check_context::{CheckContext, not_applicable};
use crate::check_result::{CheckError, CheckResult, Failure, ensure, expect};
use crate::support::{Gate, ID, Log, deliberate_panic, eventually, poll_once, yield_times};

/// The checks of this chapter.
#[doc(hidden)]
#[macro_export]
macro_rules! __snapshots_checks {
    ({ $($callback:tt)* } $arguments:tt) => {
        $($callback)*! { $arguments snapshots:
            c15_a_snapshot_of_the_root_unbinds_inside
            c16_a_snapshot_shows_its_own_values_and_then_those_before
            c17_a_binding_inside_of_a_snapshot_is_restored
            c21_a_panic_inside_of_a_snapshot_restores
            c21_a_panic_of_a_task_leaves_nothing_behind
            c22_a_snapshot_of_the_root_is_nothing
            c24_a_scope_that_is_forgotten_does_not_outlive_its_poll
        }
    };
}

/// Takes a snapshot in a separate task, under `ID` = `number`. The snapshot outlives the task.
async fn taken_in_a_task(check: &CheckContext, number: u64) -> Result<Frame, CheckError> {
    let task = ID.run(number, || {
        check.spawn(async {
            yield_times(1).await;
            Frame::current()
        })
    });
    let frame = task.output().await?;
    frame.run(|| sees(Some(number), "in a snapshot that a task took"))?;
    Ok(frame)
}

pub(crate) fn c15_a_snapshot_of_the_root_unbinds_inside(check: &CheckContext) -> CheckResult {
    let own = check.clone();
    in_task(
        check,
        ID.scope(10, async move {
            let root = own.spawn_root(async { Frame::current() }).output().await?;
            root.run(|| sees(None, "in a snapshot of the root"))?;
            sees(Some(10), "after a snapshot of the root")?;
            let in_root = root.clone().scope(async {
                yield_times(2).await;
                sees(None, "in a snapshot of the root, after an await")
            });
            let child = own.spawn(in_root);
            child.output().await??;
            let child = root.run(|| {
                own.spawn(async {
                    yield_times(1).await;
                    ID.get()
                })
            });
            expect(
                "ID in a task that is spawned in a snapshot of the root",
                None,
                child.output().await?,
                &[(Some(10), LEFT_BEHIND)],
            )?;
            sees(Some(10), "in the task that entered the root")
        }),
    )
}

pub(crate) fn c16_a_snapshot_shows_its_own_values_and_then_those_before(
    check: &CheckContext,
) -> CheckResult {
    let own = check.clone();
    in_task(check, async move {
        let one = taken_in_a_task(&own, 10).await?;
        let other = taken_in_a_task(&own, 12).await?;
        ID.scope(11, async {
            one.run(|| sees(Some(10), "in a snapshot"))?;
            sees(Some(11), "after a snapshot")?;
            yield_times(1).await;
            one.run(|| other.run(|| sees(Some(12), "in a snapshot that is entered in another")))?;
            let held = one.clone().scope(async {
                yield_times(2).await;
                sees(Some(10), "in a future that is polled in a snapshot")
            });
            held.await?;
            sees(Some(11), "after a future that is polled in a snapshot")
        })
        .await
    })
}

pub(crate) fn c17_a_binding_inside_of_a_snapshot_is_restored(check: &CheckContext) -> CheckResult {
    let own = check.clone();
    in_task(check, async move {
        let one = taken_in_a_task(&own, 10).await?;
        one.run(|| {
            ID.run(11, || sees(Some(11), "bound inside of a snapshot"))?;
            sees(Some(10), "in a snapshot after a binding inside of it")
        })?;
        one.scope(async {
            yield_times(1).await;
            ID.scope(12, async {
                yield_times(1).await;
                sees(Some(12), "in a scope in a snapshot")
            })
            .await?;
            yield_times(1).await;
            sees(Some(10), "in a snapshot after a scope inside of it")
        })
        .await
    })
}

pub(crate) fn c21_a_panic_inside_of_a_snapshot_restores(check: &CheckContext) -> CheckResult {
    let own = check.clone();
    in_task(check, async move {
        let one = taken_in_a_task(&own, 10).await?;
        let caught = panics(|| one.run(|| deliberate_panic()));
        ensure(
            caught,
            "a panic passes through a snapshot",
            "it did not",
            "",
        )?;
        // Across awaits: the panic unwinds out of a poll in the snapshot, and the task goes on.
        let panicking = one.clone().scope(async {
            yield_times(1).await;
            deliberate_panic()
        });
        let child = ID.run(11, || own.spawn(panicking));
        ensure(
            child.output().await.is_err(),
            "the task panics",
            "it does not",
            "",
        )?;
        one.run(|| sees(Some(10), "in a snapshot that a panic has left"))
    })
}

/// To an executor, a task's frame is a snapshot that it enters for each poll.
pub(crate) fn c21_a_panic_of_a_task_leaves_nothing_behind(check: &CheckContext) -> CheckResult {
    const TASKS: usize = 16;
    let entered = Gate::new();
    // The suite does not catch this panic; the executor may.
    ID.run(10, || {
        let entered = Arc::clone(&entered);
        check.executor().spawn(Box::pin(async move {
            yield_times(1).await;
            entered.open();
            deliberate_panic()
        }));
    });
    // Wait until it has panicked. An executor without threads may let the panic out here, or later.
    let _ = block_on_catching(check, eventually(|| entered.is_open()))?;
    if !still_runs(check)? {
        return not_applicable("a task that panics takes the executor with it");
    }
    let log = Log::new();
    let others = |check: &CheckContext| {
        // As many tasks as there are threads meet, so the thread of the panic runs one of them,
        // too.
        let workers = check.executor().workers();
        let barrier = TimedBarrier::of(workers);
        for number in 0..TASKS.max(workers) {
            let (log, barrier) = (log.clone(), Arc::clone(&barrier));
            drop(check.spawn_root(async move {
                yield_times(1).await;
                if number < workers {
                    barrier.arrive_and_wait();
                }
                log.record("at the root");
            }));
        }
        let done = eventually(|| entered.is_open() && log.entries().len() >= TASKS);
        check.block_on(done) && barrier.is_complete()
    };
    // An executor without threads may let the panic out here, too, but only once.
    let done = (0..3).find_map(|_| catch_unwind(AssertUnwindSafe(|| others(check))).ok());
    let left = log.entries().into_iter().find(|(_, id)| id.is_some());
    expect(
        "ID in a task at the root, after another has panicked",
        None,
        left,
        &[
            (Some(("at the root", Some(10))), PANIC_LEAVES),
            (Some(("at the root", check.id())), LEFT_BEHIND),
        ],
    )?;
    if done != Some(true) {
        return not_applicable("a task that panics ends the thread that polls it");
    }
    sees(
        check.id(),
        "on the calling thread after a task has panicked",
    )
}

const PANIC_LEAVES: &str =
    "the frame is not restored when a poll panics: restore it in a destructor, or use Frame::run";

pub(crate) fn c22_a_snapshot_of_the_root_is_nothing(check: &CheckContext) -> CheckResult {
    const CAUSE: &str = "a frame is made for each task, or the root is not kept as what it is, or \
                         not entered as any other frame is (C-36)";
    let own = check.clone();
    let at_root = async move {
        let seen = || {
            let frame = Frame::current();
            (frame.is_root(), frame.id(), frame.parent_id())
        };
        let mut all = vec![seen()];
        yield_times(1).await;
        all.push(Frame::current().run(seen));
        all.push(Frame::current().inherited().scope(async { seen() }).await);
        ID.scope(10, yield_times(1)).await;
        all.push(seen());
        // A task that is spawned at the root is at the root.
        all.push(own.spawn(async move { seen() }).output().await?);
        Ok::<_, CheckError>(all)
    };
    let all = check.block_on(check.spawn_root(at_root).output())??;
    for (place, seen) in [
        "its start",
        "an await",
        "a scope",
        "another scope",
        "its child",
    ]
    .into_iter()
    .zip(all)
    {
        let what = format!("a task at the root after {place}: is root, id, parent");
        let root = (true, FrameId::ROOT, None);
        if seen != root {
            return Err(
                Failure::new(format!("{what}: {root:?}"), format!("{seen:?}"), CAUSE).into(),
            );
        }
    }
    if check.id().is_none() {
        let plain = check.block_on(async {
            let here = Frame::current().is_root();
            let task = check.spawn(async { Frame::current().is_root() });
            Ok::<_, CheckError>((here, task.output().await?))
        })?;
        let what = "block_on and spawn, called at the root, are at the root";
        expect(
            what,
            (true, true),
            plain,
            &[((true, false), CAUSE), ((false, false), CAUSE)],
        )?;
    }
    Ok(())
}

pub(crate) fn c24_a_scope_that_is_forgotten_does_not_outlive_its_poll(
    check: &CheckContext,
) -> CheckResult {
    let id = check.id();
    let gate = Gate::new();
    let started = Gate::new();
    let own = check.clone();
    // A task that stays in its scope while the others run.
    let (passed, begin) = (gate.passed(), Arc::clone(&started));
    let stays = check.spawn(ID.scope(10, async move {
        begin.open();
        passed.await;
    }));
    let waits = started.passed();
    let result = in_task(check, async move {
        waits.await;
        let mut scope = Box::pin(ID.scope(11, pending::<()>()));
        let polled = poll_once(scope.as_mut(), Waker::noop());
        ensure(polled.is_pending(), "it stays pending", "it does not", "")?;
        std::mem::forget(scope);
        sees(id, "after a polled scope was forgotten")?;
        ID.run(12, || {
            std::mem::forget(Frame::current());
            std::mem::forget(Frame::current().wrap(|| ()));
            std::mem::forget(Frame::current().scope(pending::<()>()));
        });
        sees(id, "after snapshots were forgotten")?;
        // On each thread that polls, next to the task that is in a scope and the tasks that forgot
        // one.
        for _ in 0..8 {
            let forgets = own.spawn(async {
                let mut scope = Box::pin(ID.scope(13, pending::<()>()));
                let _ = poll_once(scope.as_mut(), Waker::noop());
                std::mem::forget(scope);
            });
            forgets.output().await?;
            let bare = own.spawn_root(async { Frame::current().is_root() });
            ensure(
                bare.output().await?,
                "a task at the root, after others left scopes without an end",
                "it has a frame",
                LEFT_BEHIND,
            )?;
            yield_times(1).await;
            sees(id, "after others left scopes without an end")?;
        }
        Ok(())
    });
    gate.open();
    result?;
    check.block_on(stays.output())
}
