//! Spawning from other threads, at the root, and without what is not inherited: C-35 to C-37.

use std::sync::Arc;
use std::thread;

use framewise_context::{Frame, bind};

use crate::check_context::{CheckContext, Slot, not_applicable, output_of};
use crate::check_result::{CheckError, CheckResult, Failure, ensure, expect};
use crate::checks::workers::while_occupied;
use crate::support::{
    DropTracker, Gate, ID, KEPT, NOT_INHERITED, OTHER, eventually, in_time, park, yield_times,
};

pub(crate) fn c35_spawned_from_any_thread(check: &CheckContext) -> CheckResult {
    check.needs_any_thread()?;
    let spawner = check.clone();
    let thread = thread::Builder::new()
        .name("elsewhere".to_owned())
        .spawn(move || {
            let seen = || {
                spawner.spawn(async {
                    let first = ID.get();
                    yield_times(1).await;
                    (first, ID.get())
                })
            };
            let captured = ID.run(31, Frame::current);
            let root = seen();
            let bound = ID.run(30, seen);
            let captured = ID.run(32, || captured.run(seen));
            [root, bound, captured]
        });
    let spawned = thread.map_err(|error| Failure::new("a thread", error.to_string(), ""))?;
    let Ok([root, bound, captured]) = spawned.join() else {
        return Err(Failure::new(
            "a task can be spawned from any thread",
            "spawn panicked there",
            "if that is intended, return false from Executor::spawns_from_any_thread",
        )
        .into());
    };
    let cause = "spawn has a separate path for threads that are not the executor's, which does not \
                 capture the calling thread's frame; or none is carried at all (C-25)";
    let from = |place: &str, expected: Option<u64>, seen| {
        expect(
            &format!("ID at two polls of a task that was spawned on another thread, {place}"),
            (expected, expected),
            seen,
            &[
                ((None, None), cause),
                (
                    (check.id(), check.id()),
                    "the task has the frame of another thread",
                ),
                (
                    (expected, None),
                    "the frame is entered for the first poll only",
                ),
            ],
        )
    };
    let (root, bound, captured) = check.block_on(async {
        Ok::<_, CheckError>((
            root.output().await?,
            bound.output().await?,
            captured.output().await?,
        ))
    })?;
    from("at the root", None, root)?;
    from("under 30", Some(30), bound)?;
    from("in a captured frame of 31, under 32", Some(31), captured)
}

pub(crate) fn c36_a_task_at_the_root_sees_nothing_and_keeps_nothing(
    check: &CheckContext,
) -> CheckResult {
    let (token, tracker) = DropTracker::new();
    let (parked, release) = (Gate::new(), Gate::new());
    let spawner = check.clone();
    let seen = check.block_on(async {
        let (own_parked, own_release) = (Arc::clone(&parked), Arc::clone(&release));
        let task = bind(&ID, 10).and(&KEPT, token).run(|| {
            check.spawn_root(async move {
                let here = || (ID.get(), KEPT.is_bound(), Frame::current().is_root());
                let first = here();
                park(own_parked, own_release).await;
                let woken = here();
                let child = spawner.spawn(async move { here() }).output().await?;
                Ok::<_, CheckError>([first, woken, child])
            })
        });
        eventually(|| parked.is_open()).await;
        ensure(
            eventually(|| tracker.is_dropped()).await,
            "a task at the root keeps nothing of its spawner's frame",
            "the spawner's value is alive as long as the task",
            "spawn_root keeps the current frame beside the one that it enters",
        )?;
        ID.run(11, || release.open());
        task.output().await?
    })?;
    let nothing = (None, false, true);
    for (place, seen) in [
        "at first",
        "after a wake-up from 11",
        "in a child of the task",
    ]
    .into_iter()
    .zip(seen)
    {
        expect(
            &format!("ID, whether KEPT is bound, and whether it is the root: {place}"),
            nothing,
            seen,
            &[
                (
                    (Some(10), true, false),
                    "spawn_root captures the current frame as spawn does, or makes the first poll \
                     itself, in that frame",
                ),
                (
                    (Some(11), false, false),
                    "a task at the root is polled in the frame of the code that wakes it",
                ),
                (
                    (check.id(), false, false),
                    "a task at the root is polled in whatever frame is current: the root has to be \
                     entered, too",
                ),
                (
                    (None, false, false),
                    "a frame without these bindings, but not the root: enter Frame::root()",
                ),
            ],
        )?;
    }
    Ok(())
}

type Seen = (Option<u64>, bool, Option<u64>);

fn seen() -> Seen {
    (NOT_INHERITED.get(), NOT_INHERITED.is_bound(), OTHER.get())
}

pub(crate) fn c37_what_is_not_inherited_stays_in_its_task(check: &CheckContext) -> CheckResult {
    let spawner = check.clone();
    let (own, children) = check.block_on(async {
        let parent = OTHER.run(3, || {
            check.spawn(NOT_INHERITED.scope(5, async move {
                let mut own = vec![NOT_INHERITED.get()];
                yield_times(2).await;
                own.push(NOT_INHERITED.get());
                // Across the end of another task, and a wake-up.
                spawner.spawn(yield_times(1)).output().await?;
                own.push(NOT_INHERITED.get());

                let grandparent = spawner.clone();
                let child = spawner.spawn(async move {
                    let child = seen();
                    yield_times(1).await;
                    let grandchild = grandparent.spawn(async { seen() }).output().await?;
                    Ok::<_, CheckError>([child, seen(), grandchild])
                });
                let mut children = child.output().await??.to_vec();
                if spawner.joining().is_ok() {
                    let task = spawner.spawn_joinable(async { seen() })?;
                    children.push(output_of(task.join().await)?);
                }
                // A snapshot carries it, if it is asked for.
                let asked_for = Frame::current().scope(async { NOT_INHERITED.get() });
                own.push(spawner.spawn(asked_for).output().await?);
                own.push(NOT_INHERITED.get());
                Ok::<_, CheckError>((own, children))
            }))
        });
        parent.output().await?
    })?;
    for (place, seen) in [
        "at first",
        "after two yields",
        "after another task was awaited",
        "in a child that enters a snapshot of it",
        "after that",
    ]
    .into_iter()
    .zip(own)
    {
        expect(
            &format!("a variable that is not inherited, in its own task, {place}"),
            Some(5),
            seen,
            &[(None, "what is not inherited is taken away at each poll")],
        )?;
    }
    for seen in children {
        expect(
            "in a child: a variable that is not inherited, whether it is bound, and one that is \
             inherited",
            (None, false, Some(3)),
            seen,
            &[
                (
                    (Some(5), true, Some(3)),
                    "spawn captures Frame::current() where it should be \
                     Frame::current().inherited(), or makes the first poll itself, in the \
                     spawner's frame",
                ),
                ((None, false, None), "no frame is carried into the task"),
            ],
        )?;
    }
    Ok(())
}

/// Records the value of [`NOT_INHERITED`] where it is dropped.
struct StoresOnDrop(Slot<Option<u64>>);

impl Drop for StoresOnDrop {
    fn drop(&mut self) {
        self.0.put(NOT_INHERITED.get());
    }
}

pub(crate) fn c37_what_is_not_inherited_is_absent_in_a_task_that_is_never_polled(
    check: &CheckContext,
) -> CheckResult {
    check.joining()?;
    let seen = Slot::new();
    let records = StoresOnDrop(seen.clone());
    check.block_on(async {
        let task = while_occupied(check, || {
            let fresh = async move { drop(records) };
            let mut task = NOT_INHERITED.run(5, || check.spawn_joinable(fresh))?;
            match task.abort() {
                true => Ok(task),
                false => not_applicable("tasks cannot be aborted"),
            }
        })?;
        drop(in_time(task.join()).await);
        Ok::<_, CheckError>(())
    })?;
    // Even if it was polled after all, the variable is absent there.
    let mut dropped = None;
    check.eventually("what an aborted task has is dropped", || {
        dropped = seen.take();
        dropped.is_some()
    })?;
    expect(
        "where a task is dropped that was aborted before its first poll: a variable that is not \
         inherited",
        Some(None),
        dropped,
        &[(
            Some(Some(5)),
            "what is not inherited is taken away when the task is first polled, or not at all: \
             capture Frame::current().inherited() in spawn",
        )],
    )
}
