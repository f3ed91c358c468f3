//! Contract, "Errors": C-82 and C-83.

use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::{Arc, Once};

use framewise_context::{ContextVar, Frame};
use futures::FutureExt;

use super::threads::{Busy, spawn_blocking};
use super::within::{LEFT_BEHIND, NOT_CARRIED, fails, in_task, panics, sees};
use crate::check_context::{CheckContext, Slot, not_applicable};
use crate::check_result::{CheckError, CheckResult, ensure, expect};
use crate::checks::workers::polls_end;
use crate::executor::{Ended, JoinHandle, Output};
use crate::support::{
    DELIBERATE, Gate, ID, Log, deliberate_panic, eventually, in_time, yield_times,
};

/// The checks of this chapter.
#[doc(hidden)]
#[macro_export]
macro_rules! __errors_checks {
    ({ $($callback:tt)* } $arguments:tt) => {
        $($callback)*! { $arguments errors:
            c82_the_panic_hook_sees_the_innermost_frame
            c82_the_panic_hook_sees_the_frame_of_a_task_that_panics
            c83_a_join_error_has_the_frame_in_which_the_panic_began
            c83_a_join_error_has_the_tasks_frame_where_it_panics_there
            c83_the_hook_for_unhandled_panics_has_the_frame_in_which_it_began
            c83_the_hook_runs_in_the_frame_of_a_tasks_failure
            c83_the_hook_runs_in_the_frame_of_a_blocking_calls_failure
        }
    };
}

/// If it is bound, the process's panic hook records [`ID`] and prints nothing. So checks that run
/// at the same time do not see each other's panics.
static HOOKED: ContextVar<Log> = ContextVar::new("hooked");

/// Wraps the current panic hook, once per process.
fn install_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
            match HOOKED.get() {
                Some(log) => log.record("hook"),
                None => before(info),
            };
        }));
    });
}

pub(crate) fn c82_the_panic_hook_sees_the_innermost_frame(check: &CheckContext) -> CheckResult {
    install_hook();
    let log = Log::new();
    let id = check.id();
    HOOKED.run(log.clone(), || {
        in_task(check, async move {
            ensure(
                HOOKED.is_bound(),
                "a task has its spawner's bindings",
                "it has not",
                NOT_CARRIED,
            )?;
            let fail = || panics(|| -> () { panic!("{DELIBERATE}") });
            ensure(fail(), "a panic", "none", "")?;
            ID.run(10, || ID.run(11, fail));
            let scoped = ID.scope(12, async move {
                yield_times(1).await;
                ID.run(13, fail);
                yield_times(1).await;
                fail();
            });
            scoped.await;
            fail();
            Ok(())
        })
    })?;
    let expected: Vec<_> = [id, Some(11), Some(13), Some(12), id]
        .map(|seen| ("hook", seen))
        .to_vec();
    expect(
        "ID in the panic hook",
        expected,
        log.entries(),
        &[(vec![], NOT_CARRIED)],
    )
}

pub(crate) fn c82_the_panic_hook_sees_the_frame_of_a_task_that_panics(
    check: &CheckContext,
) -> CheckResult {
    install_hook();
    let log = Log::new();
    let spawn = |number| {
        HOOKED.run(log.clone(), || {
            ID.run(number, || {
                // The suite catches it, within the task.
                check.spawn(async move {
                    if number == 10 {
                        yield_times(2).await;
                    }
                    panic!("{DELIBERATE}")
                })
            })
        })
    };
    for number in [10, 11] {
        let ended: Result<(), CheckError> = check.block_on(spawn(number).output());
        ensure(ended.is_err(), "a task panics", "it does not", "")?;
    }
    expect(
        "ID in the panic hook, of two tasks that panic in their own frames",
        vec![("hook", Some(10)), ("hook", Some(11))],
        log.entries(),
        &[
            (vec![], NOT_CARRIED),
            (
                vec![("hook", Some(11))],
                "the frame is lost across an await",
            ),
        ],
    )
}

/// Returns what the join handle of a task that panics gives.
pub(super) fn ended_by_panic(
    check: &CheckContext,
    task: impl Future<Output = ()> + Send + 'static,
) -> Result<Ended, CheckError> {
    let handle = ID.run(9, || check.spawn_joinable(task))?;
    let slot = Slot::new();
    let joined = slot.clone();
    let join = async move {
        let ended = AssertUnwindSafe(handle.join()).catch_unwind().await;
        joined.put(ended);
    };
    // This also ends if the panic ended a thread, or comes out of this call.
    let waits = catch_unwind(AssertUnwindSafe(|| {
        check.block_on(ID.scope(8, async move {
            let mut join = Box::pin(join.fuse());
            let mut late = Box::pin(eventually(|| false).fuse());
            futures::select! {
                () = join => {}
                _ = late => {}
            }
        }));
    }));
    let ended: Option<std::thread::Result<Result<Output, Ended>>> = slot.take();
    match (waits, ended) {
        (Ok(()), Some(Ok(Err(ended)))) if ended.panic.is_some() => Ok(ended),
        (Ok(()), Some(Ok(Ok(_)))) => Err(crate::check_result::Failure::new(
            "joining a task that panics gives an error",
            "it gives an output",
            "",
        )
        .into()),
        _ => not_applicable("joining a task that panics gives no error that has the panic"),
    }
}

/// Returns the value of [`ID`] in the frame that an executor reports, if it reports one.
pub(super) fn id_of(frame: Option<Frame>) -> Result<Option<u64>, CheckError> {
    match frame {
        Some(frame) => Ok(frame.run(|| ID.get())),
        None => not_applicable("the error of a panic does not have its frame"),
    }
}

/// The likely cause where the frame of a panic is recorded when the panic is caught.
pub(super) const RECORDED_LATE: &str = "the frame is recorded where the panic is caught, when the inner ones \
                             have been left already: framewise_context::catch_unwind gives the one \
                             in which it began";

pub(crate) fn c83_a_join_error_has_the_frame_in_which_the_panic_began(
    check: &CheckContext,
) -> CheckResult {
    for awaits in [0, 2] {
        let ended = ended_by_panic(
            check,
            ID.scope(10, async move {
                yield_times(awaits).await;
                ID.run(11, || ID.run(12, || deliberate_panic()))
            }),
        )?;
        let payload = ended
            .panic
            .as_ref()
            .and_then(|panic| panic.downcast_ref::<&str>());
        expect("the payload of the panic", Some(&DELIBERATE), payload, &[])?;
        expect(
            "ID in the frame of the error of a task that panicked under 12, spawned under 9",
            Some(12),
            id_of(ended.frame)?,
            &[
                (Some(9), RECORDED_LATE),
                (Some(10), RECORDED_LATE),
                (Some(8), "the joiner's frame is given"),
                (None, "the panic's frame is recorded outside of the task's"),
            ],
        )?;
        sees(check.id(), "after a task that panicked was joined")?;
    }
    Ok(())
}

pub(crate) fn c83_a_join_error_has_the_tasks_frame_where_it_panics_there(
    check: &CheckContext,
) -> CheckResult {
    let ended = ended_by_panic(check, async {
        // An earlier panic, which is over.
        panics(|| ID.run(13, || deliberate_panic()));
        ID.run(14, || ());
        yield_times(2).await;
        deliberate_panic()
    })?;
    expect(
        "ID in the frame of the error of a task that panicked in its own frame, spawned under 9",
        Some(9),
        id_of(ended.frame)?,
        &[
            (Some(8), "the joiner's frame is given"),
            (
                Some(13),
                "an earlier panic is mistaken for the one that ended the task",
            ),
            (None, "the panic's frame is recorded outside of the task's"),
        ],
    )
}

pub(crate) fn c83_the_hook_for_unhandled_panics_has_the_frame_in_which_it_began(
    check: &CheckContext,
) -> CheckResult {
    let reported = Slot::new();
    let hook = reported.clone();
    check
        .panic_hook()?
        .set_hook(Arc::new(move |frame: Option<Frame>| hook.put(frame)));
    ID.run(9, || {
        check.executor().spawn(Box::pin(ID.scope(10, async {
            yield_times(1).await;
            ID.run(12, || deliberate_panic())
        })));
    });
    let mut frame = None;
    let is_called = check.block_on(eventually(|| {
        frame = reported.take();
        frame.is_some()
    }));
    if !is_called {
        let expected = "the hook is called with a panic without a joiner";
        return fails(expected, "it is not", "the task's panic is lost");
    }
    expect(
        "ID in the frame of an unhandled panic under 12, of a task that is spawned under 9",
        Some(12),
        id_of(frame.flatten())?,
        &[
            (Some(9), RECORDED_LATE),
            (Some(10), RECORDED_LATE),
            (None, RECORDED_LATE),
        ],
    )?;
    let after = check.block_on(check.spawn(async { ID.get() }).output())?;
    expect(
        "ID in a task after another has panicked",
        check.id(),
        after,
        &[(Some(12), LEFT_BEHIND)],
    )
}

/// When the handle of the task or call that panics is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dropped {
    BeforeTheEnd,
    AfterTheEnd,
}

/// Opens `begun`, and panics when `go` is open.
struct Fails {
    begun: Arc<Gate>,
    go: Arc<Gate>,
}

/// Makes the hook record [`ID`] where it runs. The task or call is made under 9 and fails under 12;
/// its handle is dropped under 21.
fn hook_runs_in_the_failures_frame(
    check: &CheckContext,
    what: &str,
    make: impl Fn(Fails) -> Result<Box<dyn JoinHandle>, CheckError>,
    has_ended: impl AsyncFn() -> bool,
) -> CheckResult {
    let log = Log::new();
    let recorded = log.clone();
    check
        .panic_hook()?
        .set_hook(Arc::new(move |_| recorded.record("hook")));
    for dropped in [Dropped::BeforeTheEnd, Dropped::AfterTheEnd] {
        let (begun, go) = (Gate::new(), Gate::new());
        let fails_then = Fails {
            begun: Arc::clone(&begun),
            go: Arc::clone(&go),
        };
        let handle = ID.run(9, || make(fails_then))?;
        let before = log.entries().len();
        check.block_on(async {
            if dropped == Dropped::BeforeTheEnd {
                ID.run(21, || handle.detach());
                ID.run(22, || go.open());
            } else {
                ID.run(22, || go.open());
                in_time(begun.passed()).await;
                if !has_ended().await {
                    return not_applicable(
                        "the end of the task or call that panics cannot be awaited",
                    );
                }
                ID.run(21, || handle.detach());
            }
            eventually(|| log.entries().len() > before).await;
            Ok(())
        })?;
        let what = format!("{what} under 12, whose handle is dropped under 21, {dropped:?}");
        let Some((_, seen)) = log.entries().get(before).copied() else {
            return fails(
                &format!("the hook is called with a panic of {what}"),
                "it is not",
                "the panic is lost where its handle is dropped",
            );
        };
        expect(
            &format!("ID in the hook for unhandled panics, of {what}"),
            Some(12),
            seen,
            &[
                (
                    Some(21),
                    "the hook runs in the frame of the code that drops the handle: enter the one \
                     in which the panic began",
                ),
                (
                    None,
                    "the hook runs outside of the frame in which the panic began: enter it",
                ),
                (Some(9), HOOK_RUNS_FARTHER_OUT),
                (Some(10), HOOK_RUNS_FARTHER_OUT),
                (
                    check.id(),
                    "the hook runs in the frame of the thread that drives",
                ),
            ],
        )?;
    }
    Ok(())
}

/// The likely cause where the hook runs in the frame that its task was spawned in.
const HOOK_RUNS_FARTHER_OUT: &str = "the hook runs in the task's own frame and not in the \
                                     innermost one: enter the frame in which the panic began";

pub(crate) fn c83_the_hook_runs_in_the_frame_of_a_tasks_failure(
    check: &CheckContext,
) -> CheckResult {
    check.joining()?;
    let make = |fails: Fails| {
        check.spawn_joinable::<()>(ID.scope(10, async move {
            fails.go.passed().await;
            fails.begun.open();
            ID.run(12, || deliberate_panic())
        }))
    };
    hook_runs_in_the_failures_frame(check, "a task", make, async || polls_end(check).await)
}

pub(crate) fn c83_the_hook_runs_in_the_frame_of_a_blocking_calls_failure(
    check: &CheckContext,
) -> CheckResult {
    let blocking = check.blocking()?;
    let make = |fails: Fails| {
        let call = move || -> () {
            fails.go.wait();
            fails.begun.open();
            ID.run(12, || deliberate_panic())
        };
        Ok(spawn_blocking(blocking, call))
    };
    hook_runs_in_the_failures_frame(check, "a blocking call", make, async || {
        let Some(threads) = blocking.threads_max() else {
            return false;
        };
        // Each thread has returned to the queue.
        let busy = Busy::begin(blocking, threads, false);
        let all = busy.has_begun().await;
        drop(busy.end().await);
        all
    })
}
