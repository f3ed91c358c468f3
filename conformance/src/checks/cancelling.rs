//! Contract, "Errors and inspection" and "The end of a frame's work": C-85, C-86, C-97, C-98. What
//! a cancelled scope ends in an executor's tasks. Deadlines are the same, with a timer.

use std::sync::{Arc, Mutex, PoisonError};

use framewise_context::{Frame, cancel};

use super::within::{LEFT_BEHIND, NOT_CARRIED};
use crate::check_context::CheckContext;
use crate::check_result::{CheckError, CheckResult, expect};
use crate::support::{Gate, ID, yield_times};

/// The checks of this chapter.
#[doc(hidden)]
#[macro_export]
macro_rules! __cancelling_checks {
    ({ $($callback:tt)* } $arguments:tt) => {
        $($callback)*! { $arguments cancelling:
            c85_a_cancel_ends_tasks_below_and_none_beside
            c85_a_wait_for_the_end_is_woken
            c86_a_tasks_task_and_a_snapshot_are_in_the_scope
            c97_a_shield_keeps_the_values_alone
            c98_a_callback_runs_in_the_registering_frame
        }
    };
}

pub(crate) fn c85_a_cancel_ends_tasks_below_and_none_beside(check: &CheckContext) -> CheckResult {
    let (outer_handle, outer) = cancel::scope();
    let (inner_handle, inner) = cancel::scope();
    let go = Gate::new();
    let waiting = |go: &Arc<Gate>| {
        let go = Arc::clone(go);
        check.spawn(async move {
            go.passed().await;
            cancel::is_cancelled()
        })
    };
    let (below, beside, around) = outer.run(|| {
        let below = inner.run(|| waiting(&go));
        (below, waiting(&go), outer.run(|| waiting(&go)))
    });
    let outside = waiting(&go);
    inner_handle.cancel();
    go.open();
    let seen = check.block_on(async {
        let mut seen = Vec::new();
        for task in [below, beside, around, outside] {
            seen.push(task.output().await?);
        }
        Ok::<_, CheckError>(seen)
    })?;
    expect(
        "whether a task is cancelled: below the scope, beside it, around it, outside",
        vec![true, false, false, false],
        seen,
        &[(vec![false; 4], NOT_CARRIED), (vec![true; 4], LEFT_BEHIND)],
    )?;
    expect(
        "whether the handle around is cancelled",
        false,
        outer_handle.is_cancelled(),
        &[],
    )
}

pub(crate) fn c85_a_wait_for_the_end_is_woken(check: &CheckContext) -> CheckResult {
    let (handle, scope) = cancel::scope_labeled("suite");
    let waits = Gate::new();
    let is_waiting = Arc::clone(&waits);
    let task = scope.run(|| {
        ID.run(10, || {
            check.spawn(async move {
                is_waiting.open();
                // Without a frame it would wait forever.
                let carried = ID.get() == Some(10);
                let label = match carried {
                    true => cancel::cancelled().await.label(),
                    false => None,
                };
                (label, ID.get())
            })
        })
    });
    let seen = check.block_on(async {
        waits.passed().await;
        yield_times(2).await;
        handle.cancel();
        task.output().await
    })?;
    expect(
        "the label of the scope that was cancelled, and the value after the wait",
        (Some("suite"), Some(10)),
        seen,
        &[((None, None), NOT_CARRIED)],
    )
}

pub(crate) fn c86_a_tasks_task_and_a_snapshot_are_in_the_scope(
    check: &CheckContext,
) -> CheckResult {
    let (handle, scope) = cancel::scope();
    let (spawner, go) = (check.clone(), Gate::new());
    let may_go = Arc::clone(&go);
    let task = scope.run(|| {
        check.spawn(async move {
            let snapshot = Frame::current();
            let grandchild = spawner.spawn(async move {
                may_go.passed().await;
                cancel::is_cancelled()
            });
            (snapshot, grandchild.output().await)
        })
    });
    handle.cancel();
    go.open();
    let (snapshot, grandchild) = check.block_on(task.output())?;
    let elsewhere = std::thread::spawn(move || snapshot.run(cancel::is_cancelled));
    let elsewhere = elsewhere.join().expect("the thread does not panic");
    expect(
        "whether a task's task, and its snapshot on another thread, are cancelled",
        (true, true),
        (grandchild?, elsewhere),
        &[((false, false), NOT_CARRIED)],
    )
}

pub(crate) fn c97_a_shield_keeps_the_values_alone(check: &CheckContext) -> CheckResult {
    let (handle, scope) = cancel::scope();
    let spawner = check.clone();
    handle.cancel();
    let seen = || async { (ID.get(), cancel::is_cancelled()) };
    let task = scope.run(|| {
        ID.run(10, || {
            check.spawn(async move {
                let shielded = cancel::shield(async {
                    yield_times(1).await;
                    let task = spawner.spawn(seen());
                    yield_times(1).await;
                    (seen().await, task.output().await)
                });
                let (within, task) = shielded.await;
                Ok::<_, CheckError>([within, task?, seen().await])
            })
        })
    });
    let seen = check.block_on(task.output())??;
    expect(
        "the value, and whether the work is cancelled: in a shield, in its task, and after it",
        [(Some(10), false), (Some(10), false), (Some(10), true)],
        seen,
        &[([(None, false); 3], NOT_CARRIED)],
    )
}

pub(crate) fn c98_a_callback_runs_in_the_registering_frame(check: &CheckContext) -> CheckResult {
    let (handle, scope) = cancel::scope();
    let (registered, go) = (Gate::new(), Gate::new());
    let calls = Arc::new(Mutex::new(Vec::new()));
    let (is_registered, may_go, seen) =
        (Arc::clone(&registered), Arc::clone(&go), Arc::clone(&calls));
    let record = move || {
        let seen = Arc::clone(&seen);
        move || {
            seen.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(ID.get())
        }
    };
    let task = scope.run(|| {
        ID.run(10, || {
            check.spawn(async move {
                let kept = cancel::on_cancel(record());
                let _inner = ID.run(11, || cancel::on_cancel(record()));
                drop(cancel::on_cancel(record()));
                is_registered.open();
                may_go.passed().await;
                // It has ended by now, so this is called at once.
                let late = ID.run(12, || cancel::on_cancel(record()));
                drop((kept, late));
            })
        })
    });
    check.block_on(async {
        registered.passed().await;
        ID.run(20, || handle.cancel());
        go.open();
        task.output().await
    })?;
    let seen = std::mem::take(&mut *calls.lock().unwrap_or_else(PoisonError::into_inner));
    expect(
        "the values that callbacks see: two that were registered, none that was withdrawn, and one \
         that was registered late",
        vec![Some(10), Some(11), Some(12)],
        seen,
        &[(Vec::new(), NOT_CARRIED)],
    )
}
