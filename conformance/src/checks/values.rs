//! Contract, "Values": C-76 to C-78. In which frame values are dropped, and that they are.

use std::sync::{Arc, Weak};

use framewise_context::{ContextVar, Frame, bind};

use super::within::{NOT_CARRIED, fails, in_task, panics, sees};
use crate::check_context::{CheckContext, not_applicable};
use crate::check_result::{CheckError, CheckResult, ensure, expect};
use crate::executor::Executor;
use crate::support::{
    DropTracker, Gate, ID, KEPT, Log, deliberate_panic, eventually, in_time, park, yield_times,
};

/// The checks of this chapter.
#[doc(hidden)]
#[macro_export]
macro_rules! __values_checks {
    ({ $($callback:tt)* } $arguments:tt) => {
        $($callback)*! { $arguments values:
            c76_a_value_is_dropped_in_its_droppers_frame
            c76_a_tasks_values_are_not_dropped_in_its_frame
            c76_a_values_drop_may_use_frames_and_spawn
            c76_a_values_drop_at_a_tasks_end_may_use_frames_and_spawn
            c77_a_value_that_panics_in_a_task_leaves_the_others_dropped_once
            c77_a_value_that_panics_at_a_tasks_end_leaves_the_others_dropped_once
            c78_a_shadowed_value_ends_with_its_own_task
            c78_a_shadowed_value_ends_with_its_own_scope
        }
    };
}

/// Calls the closure when it is dropped.
struct OnDrop(Option<Box<dyn FnOnce() + Send + Sync>>);

impl OnDrop {
    fn new(call: impl FnOnce() + Send + Sync + 'static) -> Self {
        Self(Some(Box::new(call)))
    }

    /// Records that it is dropped, and whether it is still in the current frame.
    fn records(log: &Log, label: &'static str) -> Self {
        let log = log.clone();
        Self::new(move || {
            log.record(if CALL.is_bound() {
                "in the dying frame"
            } else {
                label
            });
        })
    }
}

impl Drop for OnDrop {
    fn drop(&mut self) {
        if let Some(call) = self.0.take() {
            call();
        }
    }
}

static CALL: ContextVar<OnDrop> = ContextVar::new("call");

/// The likely cause where values are dropped while their own frame is current.
const IN_THE_DYING: &str =
    "the frame is released while it is current: leave it first, then release it";

pub(crate) fn c76_a_value_is_dropped_in_its_droppers_frame(check: &CheckContext) -> CheckResult {
    let id = check.id();
    let own = check.clone();
    in_task(check, async move {
        let log = Log::new();
        // At the end of `run`: in the frame of its caller.
        bind(&CALL, OnDrop::records(&log, "run"))
            .and(&ID, 10)
            .run(|| ());
        let scoped = bind(&CALL, OnDrop::records(&log, "scope")).and(&ID, 11);
        scoped.scope(yield_times(2)).await;
        // With a snapshot that is passed to another task, in a third frame.
        let held = bind(&CALL, OnDrop::records(&log, "snapshot"))
            .and(&ID, 12)
            .frame();
        let drops = ID.run(13, || {
            own.spawn(async move {
                yield_times(1).await;
                drop(held);
                sees(Some(13), "in the task that dropped a snapshot")
            })
        });
        drops.output().await??;
        // With a panic: the context crate keeps its frame until the next bind at most.
        let value = OnDrop::records(&log, "panic");
        panics(|| bind(&CALL, value).and(&ID, 14).run(|| deliberate_panic()));
        ID.run(15, || ());
        let expected = vec![
            ("run", id),
            ("scope", id),
            ("snapshot", Some(13)),
            ("panic", id),
        ];
        let lost = expected.iter().map(|(label, _)| (*label, None)).collect();
        let what = "ID where values are dropped that ended under 10, 11, 12 and 14";
        expect(what, expected, log.entries(), &[(lost, NOT_CARRIED)])
    })
}

pub(crate) fn c76_a_tasks_values_are_not_dropped_in_its_frame(check: &CheckContext) -> CheckResult {
    let log = Log::new();
    let spawn = |number, label| {
        let value = OnDrop::records(&log, label);
        bind(&CALL, value).and(&ID, number).run(|| {
            check.spawn(async move {
                yield_times(1).await;
                CALL.is_bound()
            })
        })
    };
    let tasks = [spawn(10, "first"), spawn(11, "second")];
    for task in tasks {
        let bound = check.block_on(task.output())?;
        ensure(bound, "a task has the value", "it has not", NOT_CARRIED)?;
    }
    let aborted = abort_a_task_with_a_value(check, &log)?;
    let what = "the values end with the tasks that hold them";
    check.eventually(what, || log.entries().len() >= 2 + aborted)?;
    for (label, seen) in log.entries() {
        // The thread that runs tasks releases their frames, and is at the root, unless it runs them
        // in block_on.
        ensure(
            label != "in the dying frame" && (seen.is_none() || seen == check.id()),
            "a task's values are dropped in the frame of the code that runs tasks",
            &format!("{label}, ID {seen:?}"),
            IN_THE_DYING,
        )?;
    }
    Ok(())
}

/// Aborts a task with a value that is recorded in the log. Returns the number of aborted tasks: 0,
/// if the executor has no such ability.
fn abort_a_task_with_a_value(check: &CheckContext, log: &Log) -> Result<usize, CheckError> {
    if check.joining().is_err() {
        return Ok(0);
    }
    let polled = Gate::new();
    let own = Arc::clone(&polled);
    let mut task = bind(&CALL, OnDrop::records(log, "aborted"))
        .and(&ID, 12)
        .run(|| check.spawn_joinable(park(own, Gate::new())))?;
    check.block_on(in_time(polled.passed()));
    let is_aborted = task.abort();
    task.detach();
    Ok(usize::from(is_aborted))
}

/// Binds, reads and spawns when it is dropped, and records what it sees.
fn uses_frames_and_spawns(check: &CheckContext, log: &Log) -> OnDrop {
    let executor: Weak<dyn Executor> = Arc::downgrade(check.executor());
    let recorded = log.clone();
    OnDrop::new(move || {
        ID.run(20, || recorded.record("run"));
        Frame::root().run(|| recorded.record("root"));
        recorded.record("get");
        if let Some(executor) = executor.upgrade() {
            let recorded = recorded.clone();
            executor.spawn(Box::pin(async move {
                yield_times(1).await;
                recorded.record("spawn");
            }));
        }
    })
}

pub(crate) fn c76_a_values_drop_may_use_frames_and_spawn(check: &CheckContext) -> CheckResult {
    let log = Log::new();
    let value = uses_frames_and_spawns(check, &log);
    let own = check.clone();
    let seen = log.clone();
    in_task(check, async move {
        let held = bind(&CALL, value).and(&ID, 10).frame();
        let drops = ID.run(11, || {
            own.spawn(async move {
                yield_times(1).await;
                drop(held);
                sees(Some(11), "after a value was dropped that uses frames")
            })
        });
        drops.output().await??;
        if eventually(|| seen.entries().len() >= 4).await {
            return Ok(());
        }
        let seen = format!("{:?}", seen.entries());
        fails(
            "a value's Drop may bind, read and spawn",
            seen,
            "spawn takes a lock that is held",
        )
    })?;
    let expected = vec![
        ("run", Some(20)),
        ("root", None),
        ("get", Some(11)),
        ("spawn", Some(11)),
    ];
    let mut lost = expected.clone();
    lost[3].1 = None;
    expect(
        "ID in a value's Drop",
        expected,
        log.entries(),
        &[(lost, NOT_CARRIED)],
    )
}

pub(crate) fn c76_a_values_drop_at_a_tasks_end_may_use_frames_and_spawn(
    check: &CheckContext,
) -> CheckResult {
    let log = Log::new();
    let value = uses_frames_and_spawns(check, &log);
    let task = bind(&CALL, value)
        .and(&ID, 10)
        .run(|| check.spawn(yield_times(1)));
    check.block_on(task.output())?;
    check.eventually(
        "the value of a task's frame is dropped with it, and may bind, read and spawn",
        || log.entries().len() >= 4,
    )?;
    // The frame of the code that runs tasks.
    let here = log.find("get").flatten();
    ensure(
        here.is_none() || here == check.id(),
        "ID in a value's Drop at the end of a task: that of the code that runs tasks",
        &format!("{here:?}"),
        IN_THE_DYING,
    )?;
    let expected = vec![
        ("run", Some(20)),
        ("root", None),
        ("get", here),
        ("spawn", here),
    ];
    expect(
        "ID in a value's Drop at the end of a task",
        expected,
        log.entries(),
        &[],
    )
}

static FIRST: ContextVar<OnDrop> = ContextVar::new("first");
static LAST: ContextVar<OnDrop> = ContextVar::new("last");

/// A frame of three values, of which the second panics when it is dropped.
fn bomb(log: &Log) -> Frame {
    let recorded = log.clone();
    let panics = OnDrop::new(move || {
        recorded.record("bomb");
        if !std::thread::panicking() {
            deliberate_panic();
        }
    });
    bind(&FIRST, OnDrop::records(log, "first"))
        .and(&CALL, panics)
        .and(&LAST, OnDrop::records(log, "last"))
        .frame()
}

/// Checks that each of the three values was dropped once.
fn all_ended(log: &Log) -> CheckResult {
    let mut labels: Vec<_> = log.entries().into_iter().map(|(label, _)| label).collect();
    labels.sort_unstable();
    let what = "values that are dropped with one that panics, each once";
    expect(what, vec!["bomb", "first", "last"], labels, &[])
}

pub(crate) fn c77_a_value_that_panics_in_a_task_leaves_the_others_dropped_once(
    check: &CheckContext,
) -> CheckResult {
    let id = check.id();
    in_task(check, async move {
        let log = Log::new();
        let frame = bomb(&log);
        yield_times(1).await;
        ensure(panics(|| drop(frame)), "a value panics", "it does not", "")?;
        sees(id, "after a value has panicked")?;
        all_ended(&log)
    })
}

pub(crate) fn c77_a_value_that_panics_at_a_tasks_end_leaves_the_others_dropped_once(
    check: &CheckContext,
) -> CheckResult {
    if !check.executor().survives_panicking_destructors() {
        return not_applicable("the executor aborts the process where a task's destructor panics");
    }
    let (log, gate) = (Log::new(), Gate::new());
    let frame = bomb(&log);
    let passed = gate.passed();
    // Only the task holds the frame, and releases it when it ends.
    frame.run(|| check.executor().spawn(Box::pin(passed)));
    if panics(|| drop(frame)) {
        return fails(
            "a task holds the frame that it was spawned in",
            "it ended with its last other holder",
            NOT_CARRIED,
        );
    }
    gate.open();
    // The panic may come out of this call, or end a thread.
    let ended = || log.entries().len() >= 3;
    for _ in 0..2 {
        if !panics(|| check.block_on(eventually(ended))) {
            break;
        }
    }
    sees(check.id(), "after a value of a task has panicked")?;
    if log.entries().is_empty() {
        return fails(
            "a task's values end with the task",
            "none was dropped",
            "the frame is not released when the task ends",
        );
    }
    all_ended(&log)
}

pub(crate) fn c78_a_shadowed_value_ends_with_its_own_task(check: &CheckContext) -> CheckResult {
    let ((shadowed, its_tracker), (rebound, other_tracker)) =
        (DropTracker::new(), DropTracker::new());
    let gate = Gate::new();
    let passed = gate.passed();
    let own = check.clone();
    let parent = KEPT.run(shadowed, || {
        check.spawn(async move {
            yield_times(1).await;
            KEPT.run(rebound, || {
                own.spawn(async {
                    passed.await;
                    KEPT.is_bound()
                })
            })
        })
    });
    let child = check.block_on(parent.output())?;
    check.eventually(
        "a value ends with its task, though a child lives on that has rebound it",
        || its_tracker.is_dropped(),
    )?;
    ensure(
        !other_tracker.is_dropped(),
        "the child's own is there",
        "it ended",
        NOT_CARRIED,
    )?;
    gate.open();
    ensure(
        check.block_on(child.output())?,
        "the child has it",
        "it has not",
        NOT_CARRIED,
    )?;
    check.eventually("the child's own value ends with the child", || {
        other_tracker.is_dropped()
    })
}

pub(crate) fn c78_a_shadowed_value_ends_with_its_own_scope(check: &CheckContext) -> CheckResult {
    let own = check.clone();
    in_task(check, async move {
        let ((shadowed, its_tracker), (rebound, other_tracker)) =
            (DropTracker::new(), DropTracker::new());
        let (gate, spawner) = (Gate::new(), own.clone());
        let passed = gate.passed();
        let child = KEPT
            .scope(shadowed, async move {
                yield_times(1).await;
                KEPT.scope(rebound, async move {
                    // Two more frames in between, so the child's frame is not the one that was
                    // bound last.
                    ID.run(20, || ID.run(21, || spawner.spawn(passed)))
                })
                .await
            })
            .await;
        ensure(
            its_tracker.is_dropped(),
            "a value ends with its scope, though a child lives on that was spawned where another \
             shadowed it",
            "it is held",
            "the task holds more frames than the one that it was spawned in",
        )?;
        ensure(
            !other_tracker.is_dropped(),
            "the child's own is there",
            "it ended",
            NOT_CARRIED,
        )?;
        gate.open();
        child.output().await?;
        if eventually(|| other_tracker.is_dropped()).await {
            return Ok(());
        }
        fails(
            "the child's own value ends with the child",
            "it does not",
            "the frame is held on",
        )
    })
}
