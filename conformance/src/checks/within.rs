//! Shared by the checks of frames themselves: a body that runs in a task, between awaits, where an
//! executor can lose or mix up frames.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};

use framewise_context::Frame;

use crate::check_context::CheckContext;
use crate::check_result::{CheckResult, Failure, ensure};
use crate::support::{ID, yield_times};

/// The likely cause where a frame was not carried.
pub(crate) const NOT_CARRIED: &str =
    "no frame is carried: capture the current one in spawn, and enter it for each poll";

/// The likely cause where a frame is still current but should not be.
pub(crate) const LEFT_BEHIND: &str = "another frame is left on the thread: enter the task's frame \
                                      for each poll, the root too, and restore what was there \
                                      before on each way out";

/// Checks the value of [`ID`] here.
pub(crate) fn sees(expected: Option<u64>, place: &str) -> CheckResult {
    let seen = ID.get();
    let cause = if seen.is_none() {
        NOT_CARRIED
    } else {
        LEFT_BEHIND
    };
    ensure(
        seen == expected,
        &format!("ID {place}: {expected:?}"),
        &format!("{seen:?}"),
        cause,
    )
}

/// Runs `body` in a task, after an await. Before it, after it and after a further await the task is
/// in the frame in which the check started; so is the future that awaits it.
pub(crate) fn in_task(
    check: &CheckContext,
    body: impl Future<Output = CheckResult> + Send + 'static,
) -> CheckResult {
    let id = check.id();
    check.block_on(async move {
        sees(id, "where a check starts")?;
        let task = check.spawn(async move {
            sees(id, "where a task begins")?;
            yield_times(1).await;
            sees(id, "in a task after an await")?;
            let frame = Frame::current().id();
            body.await?;
            sees(id, "in a task when all inner bindings are over")?;
            ensure(
                Frame::current().id() == frame,
                "the frame that was current before inner bindings is current after them",
                "another frame with the same values",
                "a new frame is made instead of restoring the old one",
            )?;
            yield_times(2).await;
            sees(id, "in a task after inner bindings and an await")
        });
        task.output().await??;
        sees(id, "after a task was awaited")
    })
}

/// Returns `true` if `body` panics.
pub(crate) fn panics<R>(body: impl FnOnce() -> R) -> bool {
    catch_unwind(AssertUnwindSafe(body)).is_err()
}

/// Returns a failure: a check expected `expected`, and saw `seen`.
pub(crate) fn fails(expected: &str, seen: impl Into<String>, cause: &str) -> CheckResult {
    Err(Failure::new(expected, seen, cause).into())
}
