//! Contract, "Threads": C-62, calls that never begin, and C-63, threads that users start.

use std::sync::Arc;
use std::thread;

use framewise_context::{Frame, bind};

use super::threads::{Busy, ID_HERE, blocking_of, spawn_blocking};
use crate::check_context::{CheckContext, Slot, not_applicable, output_of};
use crate::check_result::{CheckResult, ensure, expect};
use crate::support::{DropTracker, Gate, ID, KEPT, Log, yield_times};

/// The checks of this chapter.
#[doc(hidden)]
#[macro_export]
macro_rules! __calls_checks {
    ({ $($callback:tt)* } $arguments:tt) => {
        $($callback)*! { $arguments calls:
            c62_a_call_cancelled_in_the_queue_is_dropped_in_its_frame
            c62_a_call_cancelled_in_the_queue_releases_its_frame
            c63_a_thread_starts_at_the_root
            c63_the_executors_own_helper_inherits
        }
    };
}

/// A call under 10 that is cancelled, under 11, while every thread of the pool is busy.
fn cancel_in_queue(
    check: &CheckContext,
    call: Box<dyn FnOnce() + Send>,
    frame: &Frame,
) -> CheckResult {
    let blocking = check.blocking()?;
    let Some(threads) = blocking.threads_max() else {
        return not_applicable("the blocking pool has no limit, so that no call is queued");
    };
    check.block_on(async {
        let busy = Busy::begin(blocking, threads, false);
        let all = busy.has_begun().await;
        ensure(
            all,
            "as many blocking calls run at once as `threads_max` says",
            "fewer",
            "",
        )?;
        let mut queued = frame.run(|| spawn_blocking(blocking, call));
        let cancelled = ID.run(11, || queued.abort());
        for ended in busy.end().await {
            output_of::<()>(ended)?;
        }
        if !cancelled {
            queued.detach();
            return not_applicable("a blocking call cannot be cancelled");
        }
        let ended = queued.join().await;
        ensure(
            ended.is_err(),
            "a call that is cancelled in the queue never runs",
            "it ran",
            "",
        )
    })
}

pub(crate) fn c62_a_call_cancelled_in_the_queue_is_dropped_in_its_frame(
    check: &CheckContext,
) -> CheckResult {
    let log = Log::new();
    let owned = log.on_drop("closure");
    let frame = ID.run(10, Frame::current);
    cancel_in_queue(check, Box::new(move || drop(owned)), &frame)?;
    check.eventually("a cancelled call's closure is dropped", || {
        log.find("closure").is_some()
    })?;
    expect(
        "ID where the closure of a call under 10 is dropped that was cancelled under 11",
        Some(Some(10)),
        log.find("closure"),
        &[
            (
                Some(None),
                "the closure is dropped outside of its frame, by the pool",
            ),
            (
                Some(Some(11)),
                "the closure is dropped in the frame of the code that cancels",
            ),
            (
                Some(check.id()),
                "the closure is dropped in the frame of the thread that drives",
            ),
        ],
    )
}

pub(crate) fn c62_a_call_cancelled_in_the_queue_releases_its_frame(
    check: &CheckContext,
) -> CheckResult {
    let (token, tracker) = DropTracker::new();
    let frame = bind(&ID, 10).and(&KEPT, token).frame();
    cancel_in_queue(check, Box::new(|| ()), &frame)?;
    drop(frame);
    check.eventually(
        "the frame of a call cancelled in the queue is released",
        || tracker.is_dropped(),
    )
}

pub(crate) fn c63_a_thread_starts_at_the_root(check: &CheckContext) -> CheckResult {
    let task = async {
        yield_times(1).await;
        let bare = thread::spawn(ID_HERE);
        let wrapped = thread::spawn(Frame::current().wrap_once(ID_HERE));
        // The check's own thread does not panic.
        [bare, wrapped].map(|thread| thread.join().ok().flatten())
    };
    let seen = check.block_on(async { ID.run(10, || check.spawn(task)).output().await })?;
    expect(
        "ID in a thread that a task under 10 starts, and in one whose closure is wrapped there",
        [None, Some(10)],
        seen,
        &[
            (
                [None, None],
                "the task's frame is not the current one where it runs (C-25)",
            ),
            (
                [None, check.id()],
                "the task is polled in the frame of the thread that drives",
            ),
        ],
    )
}

pub(crate) fn c63_the_executors_own_helper_inherits(check: &CheckContext) -> CheckResult {
    check.blocking()?;
    let executor = Arc::clone(check.executor());
    let task = async move {
        yield_times(1).await;
        let (started, slot) = (Gate::new(), Slot::new());
        let call = {
            let (started, slot) = (Arc::clone(&started), slot.clone());
            move || {
                slot.put(ID.get());
                started.open();
            }
        };
        let thread = executor
            .blocking()
            .expect("the check requires a blocking pool")
            .spawn_thread(Box::new(call));
        // If there is no helper that starts a thread, the blocking pool is the helper.
        if let Err(call) = thread {
            blocking_of(&executor, call).detach();
        }
        started.passed().await;
        slot.take().flatten()
    };
    let seen = check.block_on(async { check.spawn(ID.scope(10, task)).output().await })?;
    expect(
        "ID in a thread that the executor's own helper starts, or gives, within 10",
        Some(10),
        seen,
        &[
            (
                None,
                "the helper captures no frame: it must inherit its caller's",
            ),
            (check.id(), "called in the frame of the thread that drives"),
        ],
    )
}
