//! Contract, "Errors": C-83, the frame of a join error, wherever the panic begins.

use std::future::pending;
use std::sync::Arc;

use framewise_context::{ContextVar, Frame, bind};

use super::errors::{RECORDED_LATE, ended_by_panic, id_of};
use super::within::panics;
use super::workers::{block_on_catching, while_occupied};
use crate::check_context::{CheckContext, not_applicable};
use crate::check_result::{CheckError, CheckResult, ensure, expect};
use crate::executor::BoxFuture;
use crate::support::{
    DELIBERATE, DropTracker, Gate, ID, KEPT, PanicsOnDrop, deliberate_panic, eventually, in_time,
    yield_times,
};

/// The checks of this chapter.
#[doc(hidden)]
#[macro_export]
macro_rules! __innermost_checks {
    ({ $($callback:tt)* } $arguments:tt) => {
        $($callback)*! { $arguments innermost:
            c83_a_join_error_has_the_innermost_frame_wherever_the_panic_begins
            c83_a_join_error_has_the_innermost_frame_of_a_destructor
            c83_a_join_error_has_the_innermost_frame_of_a_nested_block_on
            c83_the_error_of_an_aborted_task_has_its_destructors_frame
            c83_an_error_holds_its_frame_until_it_is_dropped
        }
    };
}

/// Where a task panics, the task, and the value of [`ID`] there. It is spawned under 9.
type Place = (&'static str, BoxFuture<'static, ()>, Option<u64>);

fn fail() {
    deliberate_panic()
}

async fn run_19() {
    yield_times(1).await;
    ID.run(19, fail);
}

async fn after_a_scope() {
    ID.scope(21, yield_times(1)).await;
    fail();
}

fn places() -> [Place; 7] {
    let captured = ID.run(10, Frame::current);
    let scoped = captured.clone().scope(async { fail() });
    [
        (
            "at the root, in a run",
            Box::pin(async { ID.run(14, || Frame::root().run(fail)) }),
            None,
        ),
        (
            "in a captured frame, in a run",
            Box::pin(async move { ID.run(15, || captured.run(fail)) }),
            Some(10),
        ),
        ("in a captured frame's scope", Box::pin(scoped), Some(10)),
        (
            "in a run in two scopes",
            Box::pin(ID.scope(17, async { ID.scope(18, run_19()).await })),
            Some(19),
        ),
        (
            "after an inner scope",
            Box::pin(ID.scope(20, after_a_scope())),
            Some(20),
        ),
        (
            "in a run, after a panic that was caught",
            Box::pin(async {
                panics(|| ID.run(22, fail));
                ID.run(23, fail);
            }),
            Some(23),
        ),
        (
            "in a second poll",
            Box::pin(async {
                yield_times(1).await;
                fail();
            }),
            Some(9),
        ),
    ]
}

fn expect_frames(check: &CheckContext, places: impl IntoIterator<Item = Place>) -> CheckResult {
    for (place, task, expected) in places {
        let ended = ended_by_panic(check, task)?;
        expect(
            &format!(
                "ID in the frame of the error of a task, spawned under 9, that panics {place}"
            ),
            expected,
            id_of(ended.frame)?,
            &[
                (Some(9), RECORDED_LATE),
                (Some(8), "the joiner's frame is given"),
                (None, "the panic's frame is recorded outside of the task's"),
            ],
        )?;
    }
    Ok(())
}

pub(crate) fn c83_a_join_error_has_the_innermost_frame_wherever_the_panic_begins(
    check: &CheckContext,
) -> CheckResult {
    expect_frames(check, places())
}

/// A value whose destructor panics.
static PANICS: ContextVar<PanicsOnDrop> = ContextVar::new("panics");

pub(crate) fn c83_a_join_error_has_the_innermost_frame_of_a_destructor(
    check: &CheckContext,
) -> CheckResult {
    async fn with_a_local(within: Option<u64>) {
        let _local = PanicsOnDrop { within };
        yield_times(1).await;
    }
    expect_frames(
        check,
        [
            (
                "in a run in the destructor of a local",
                Box::pin(with_a_local(Some(33))) as BoxFuture<'static, ()>,
                Some(33),
            ),
            (
                "in the destructor of a local of a scope",
                Box::pin(ID.scope(34, with_a_local(None))),
                Some(34),
            ),
            (
                // A value is dropped in its dropper's frame (C-76).
                "in the destructor of a value",
                Box::pin(async {
                    bind(&PANICS, PanicsOnDrop { within: None })
                        .and(&ID, 35)
                        .run(|| ());
                }),
                Some(9),
            ),
        ],
    )
}

pub(crate) fn c83_a_join_error_has_the_innermost_frame_of_a_nested_block_on(
    check: &CheckContext,
) -> CheckResult {
    check.blocking()?;
    let executor = Arc::clone(check.executor());
    let blocks = async move {
        let mut call = || {
            ID.run(31, || {
                let nested = ID.scope(32, async {
                    yield_times(1).await;
                    fail();
                });
                executor.block_on(Box::pin(nested));
            });
        };
        let blocking = executor.blocking();
        if !blocking.is_some_and(|blocking| blocking.block_in_place(&mut call)) {
            fail();
        }
    };
    let ended = ended_by_panic(check, blocks)?;
    let payload = ended
        .panic
        .as_ref()
        .and_then(|panic| panic.downcast_ref::<&str>());
    match id_of(ended.frame)? {
        _ if payload != Some(&DELIBERATE) => {
            not_applicable("block_on is not legal where a task blocks in place")
        }
        Some(9) => not_applicable("no block_in_place"),
        seen => expect(
            "ID in the frame of the error of a task that panics under 32, in a block_on under 31",
            Some(32),
            seen,
            &[(Some(31), RECORDED_LATE), (None, RECORDED_LATE)],
        ),
    }
}

/// Panics when it is dropped before the gate opens: an executor may drop the task only when it is
/// dropped itself.
struct PanicsUntil(Arc<Gate>);

impl Drop for PanicsUntil {
    fn drop(&mut self) {
        if !self.0.is_open() && !std::thread::panicking() {
            deliberate_panic();
        }
    }
}

pub(crate) fn c83_the_error_of_an_aborted_task_has_its_destructors_frame(
    check: &CheckContext,
) -> CheckResult {
    check.joining()?;
    if !check.executor().survives_panicking_destructors() {
        return not_applicable("the executor aborts the process where a destructor panics");
    }
    for is_polled in [true, false] {
        let (parked, over) = (Gate::new(), Gate::new());
        let part = PanicsUntil(Arc::clone(&over));
        let spawn = || {
            let parked = Arc::clone(&parked);
            let task = ID.scope(10, async move {
                let _part = part;
                parked.open();
                pending::<()>().await;
            });
            ID.run(9, || check.spawn_joinable(task))
        };
        let joined = block_on_catching(check, async {
            let (task, is_aborted) = if is_polled {
                let mut task = spawn()?;
                in_time(parked.passed()).await;
                let is_aborted = ID.run(21, || task.abort());
                (task, is_aborted)
            } else {
                while_occupied(check, || {
                    let mut task = spawn()?;
                    let is_aborted = ID.run(21, || task.abort());
                    Ok::<_, CheckError>((task, is_aborted))
                })?
            };
            if !is_aborted {
                return not_applicable("tasks cannot be aborted");
            }
            Ok(in_time(task.join()).await)
        });
        over.open();
        let joined = joined?;
        let Some(Some(Err(ended))) = joined.transpose()? else {
            return not_applicable("joining a task whose destructor panics gives no error");
        };
        expect(
            "ID in the error of a task that is aborted under 21, whose destructor panics under 10",
            Some(10),
            id_of(ended.frame)?,
            &[
                (Some(9), RECORDED_LATE),
                (Some(21), "the frame of the code that aborts is given"),
            ],
        )?;
    }
    Ok(())
}

pub(crate) fn c83_an_error_holds_its_frame_until_it_is_dropped(
    check: &CheckContext,
) -> CheckResult {
    let (token, tracker) = DropTracker::new();
    let task = bind(&KEPT, token).and(&ID, 10).scope(async { fail() });
    let ended = ended_by_panic(check, task)?;
    let seen = ended.frame.as_ref().map(|frame| frame.run(|| ID.get()));
    let Some(seen) = seen else {
        return not_applicable("the error of a panic does not have its frame");
    };
    expect("ID in the error's frame", Some(10), seen, &[])?;
    ensure(
        !tracker.is_dropped(),
        "the error of a panic holds the frame of the failure",
        "the frame's values are gone",
        "",
    )?;
    drop(ended);
    ensure(
        check.block_on(eventually(|| tracker.is_dropped())),
        "the frame of a panic is released with its error",
        "it is still held",
        "the thread that caught the panic keeps a record of it",
    )
}
