//! Contract, "Wakes, time, I/O": C-50, in which frame a waker is called; and what these chapters
//! share.

use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use framewise_context::Frame;

use crate::check_context::CheckContext;
use crate::check_result::{CheckError, CheckResult, Failure, expect};
use crate::executor::{BoxFuture, Executor, Timers};
use crate::support::{ID, holds_within, logging_waker, poll_once};
use crate::wait::WaitLimit;

/// The checks of this chapter.
#[doc(hidden)]
#[macro_export]
macro_rules! __time_io_checks {
    ({ $($callback:tt)* } $arguments:tt) => {
        $($callback)*! { $arguments time_io:
            c50_an_external_waker_runs_in_its_callers_frame
            c50_a_timer_calls_a_waker_in_the_frame_that_registered_it
        }
    };
}

/// A duration that elapses during a check.
pub(super) const TICK: Duration = Duration::from_millis(1);

/// A duration that does not elapse during a check.
pub(super) const LONG: Duration = Duration::from_secs(3_600);

pub(super) const NOT_CARRIED: &str =
    "no frame is carried: capture the current frame in spawn, and poll in it";
pub(super) const LOST_AT_A_WAKE: &str =
    "the frame is lost at a wake-up: enter the task's frame around every poll, not only the first";
pub(super) const THE_DRIVERS: &str =
    "called in the driver's own frame: keep the registering frame beside the waker or the callback";
pub(super) const THE_WAKERS: &str = "polled in the frame of the code that woke the task: a wake-up \
                                     must not run it, nor give it a frame";

/// Sleeps with the executor's timers, in a task.
pub(super) fn sleep(executor: &Arc<dyn Executor>, duration: Duration) -> BoxFuture<'static, ()> {
    executor
        .timers()
        .expect("the check requires timers")
        .sleep(duration)
}

pub(crate) fn c50_an_external_waker_runs_in_its_callers_frame(check: &CheckContext) -> CheckResult {
    let (waker, log) = logging_waker();
    let task = async move {
        waker.wake_by_ref();
        ID.run(11, || waker.wake_by_ref());
        crate::support::yield_times(1).await;
        waker.wake();
    };
    check.block_on(async { ID.run(10, || check.spawn(task)).output().await })?;
    expect(
        "ID in an external waker that a task under 10 calls, calls within 11, and calls after a \
         yield",
        vec![Some(10), Some(11), Some(10)],
        log.entries().into_iter().map(|(_, id)| id).collect(),
        &[
            (vec![None, Some(11), None], NOT_CARRIED),
            (
                vec![check.id(), Some(11), check.id()],
                "captured at the first poll",
            ),
            (vec![Some(10), Some(11), None], LOST_AT_A_WAKE),
            (
                vec![Some(10), Some(11), Some(11)],
                "a scope is not left again",
            ),
        ],
    )
}

pub(crate) fn c50_a_timer_calls_a_waker_in_the_frame_that_registered_it(
    check: &CheckContext,
) -> CheckResult {
    let timers = check.timers()?;
    let frame = |id| ID.run(id, Frame::current);
    let causes = [
        (None, THE_DRIVERS),
        (
            check.id(),
            "called in the frame of the thread that drives the timers",
        ),
        (
            Some(11),
            "the frame stays the one of the first registration by the same waker",
        ),
    ];
    for (what, first, last, id) in [
        ("registered under 10", None, frame(10), Some(10)),
        (
            "registered under 11, then 12",
            Some(frame(11)),
            frame(12),
            Some(12),
        ),
        ("registered at the root", None, Frame::root(), None),
    ] {
        let seen = check.block_on(called_by_a_timer(timers, first, &last))?;
        expect(
            &format!("ID in a waker that a timer calls, {what}"),
            id,
            seen,
            &causes,
        )?;
    }
    Ok(())
}

/// Returns `ID` in an external waker that a timer calls; `last` registers it, perhaps after
/// `first`.
async fn called_by_a_timer(
    timers: &dyn Timers,
    first: Option<Frame>,
    last: &Frame,
) -> Result<Option<u64>, CheckError> {
    // If the thread is not scheduled, the first sleeps may elapse before they are polled.
    for doublings in 0..12 {
        let (waker, log) = logging_waker();
        let duration = Duration::from_millis(20 << doublings);
        let mut sleep = timers.sleep(duration);
        let mut is_pending = |frame: &Frame, waker: &Waker| {
            frame.run(|| poll_once(sleep.as_mut(), waker).is_pending())
        };
        if first.iter().all(|frame| is_pending(frame, &waker)) && is_pending(last, &waker) {
            holds_within(WaitLimit::after(duration), || !log.entries().is_empty()).await;
            let called = log.find("woken");
            return called.ok_or_else(|| never("a timer calls the waker that it was polled with"));
        }
    }
    Err(never("a sleep is pending when it is polled at once"))
}

/// Returns the failure of an event that did not happen in time.
pub(super) fn never(expected: &str) -> CheckError {
    Failure::new(expected, "it did not happen in time", "").into()
}
