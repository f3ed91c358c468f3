//! Contract, "Errors": C-83, the hook for unhandled panics, where no join handle has the panic: of
//! local tasks, callbacks, external wakers and destructors.

use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::Duration;

use framewise_context::Frame;
use futures::AsyncWriteExt;

use super::io::{connection, listen, reads_nothing, refused};
use super::time_io::{LONG, TICK, never};
use super::timer_callbacks::{set_interval, set_timeout};
use super::within::panics;
use super::workers::{Before, are_at_the_root, block_on_catching};
use crate::check_context::{CheckContext, not_applicable};
use crate::check_result::{CheckError, CheckResult, expect_entries};
use crate::support::{ID, Log, PanicsOnDrop, deliberate_panic, eventually, poll_once, yield_times};

/// The checks of this chapter.
#[doc(hidden)]
#[macro_export]
macro_rules! __unhandled_checks {
    ({ $($callback:tt)* } $arguments:tt) => {
        $($callback)*! { $arguments unhandled:
            c83_the_hook_runs_in_the_frame_of_a_local_tasks_failure
            c83_the_hook_runs_in_the_frame_of_a_timer_callbacks_failure
            c83_the_hook_runs_in_the_frame_of_a_cancelled_callbacks_destructor
            c83_the_hook_runs_in_the_frame_of_a_socket_callbacks_failure
            c83_the_hook_runs_in_the_frame_of_a_waker_that_a_timer_calls
            c83_the_hook_runs_in_the_frame_of_a_waker_that_a_socket_calls
        }
    };
}

const GIVEN: &str = "in the frame that the hook for unhandled panics is given";
const RAN: &str = "where the hook for unhandled panics runs";

/// What the hook for unhandled panics saw: two entries for each panic.
struct Reports(Log);

impl Reports {
    fn begin(check: &CheckContext) -> Result<Self, CheckError> {
        let log = Log::new();
        let recorded = log.clone();
        let hook = move |frame: Option<Frame>| {
            if let Some(frame) = frame {
                frame.run(|| recorded.record(GIVEN));
            }
            recorded.record(RAN);
        };
        check.panic_hook()?.set_hook(Arc::new(hook));
        Ok(Self(log))
    }

    /// Waits for the report of one more panic, which began under `expected`.
    ///
    /// # Errors
    ///
    /// Not applicable, if the executor does not report it.
    async fn next(&self, seen_before: &mut usize, what: &str, expected: u64) -> CheckResult {
        let new = || self.0.entries().split_off(*seen_before);
        if !eventually(|| new().iter().any(|(label, _)| *label == RAN)).await {
            return not_applicable(format!("a panic of {what} is not reported"));
        }
        let entries = new();
        *seen_before += entries.len();
        let outside = format!("the hook does not run in the frame in which {what} panicked");
        expect_entries(
            &entries,
            &[(GIVEN, Some(expected)), (RAN, Some(expected))],
            &[
                (None, outside.as_str()),
                (
                    Some(10),
                    "the frame is recorded where the panic is caught, when the inner ones have \
                     been left already",
                ),
            ],
        )
    }
}

/// Panics under `inner`, or in the current frame.
fn fail_within(inner: Option<u64>) {
    match inner {
        Some(inner) => ID.run(inner, || deliberate_panic()),
        None => deliberate_panic(),
    }
}

/// The binding around each panic, and the value of [`ID`] that the hook must see if the code that
/// panics belongs to a frame with 10.
const INNER: [(Option<u64>, u64); 2] = [(None, 10), (Some(12), 12)];

pub(crate) fn c83_the_hook_runs_in_the_frame_of_a_local_tasks_failure(
    check: &CheckContext,
) -> CheckResult {
    let (local, reports) = (check.local()?, Reports::begin(check)?);
    let came = block_on_catching(check, async {
        let mut seen = 0;
        for (inner, expected) in INNER {
            let task = ID.scope(10, async move {
                yield_times(1).await;
                fail_within(inner);
            });
            ID.run(9, || local.spawn_local(Box::pin(task)));
            reports.next(&mut seen, "a local task", expected).await?;
        }
        Ok(())
    })?;
    came.unwrap_or_else(|| not_applicable("a local task's panic comes out of block_on"))
}

pub(crate) fn c83_the_hook_runs_in_the_frame_of_a_timer_callbacks_failure(
    check: &CheckContext,
) -> CheckResult {
    check.timers()?;
    let reports = Reports::begin(check)?;
    check.block_on(async {
        let mut seen = 0;
        for (inner, expected) in INNER {
            let _once = ID.run(10, || set_timeout(check, TICK, move || fail_within(inner)))?;
            reports.next(&mut seen, "a callback", expected).await?;
            // It is not called again.
            let _often = ID.run(10, || set_interval(check, move || fail_within(inner)))?;
            let what = "a repeated callback";
            reports.next(&mut seen, what, expected).await?;
        }
        Ok::<_, CheckError>(())
    })?;
    are_at_the_root(check, Before::Panic)
}

pub(crate) fn c83_the_hook_runs_in_the_frame_of_a_cancelled_callbacks_destructor(
    check: &CheckContext,
) -> CheckResult {
    check.timers()?;
    let reports = Reports::begin(check)?;
    check.block_on(async {
        let owned = PanicsOnDrop { within: None };
        let never = ID.run(10, || set_timeout(check, LONG, move || drop(owned)))?;
        if panics(|| ID.run(11, || never.cancel())) {
            return not_applicable("a panic of a callback's destructor comes out of cancel");
        }
        reports
            .next(&mut 0, "a cancelled callback's destructor", 10)
            .await
    })
}

pub(crate) fn c83_the_hook_runs_in_the_frame_of_a_socket_callbacks_failure(
    check: &CheckContext,
) -> CheckResult {
    let (net, reports) = (check.net()?, Reports::begin(check)?);
    check.block_on(async {
        let mut seen = 0;
        for (inner, expected) in INNER {
            let listener = listen(check.executor()).await.map_err(refused)?;
            let callback = Box::new(move || fail_within(inner));
            let registering = ID.run(10, || net.on_readable(listener.address(), callback));
            let Some(registering) = registering else {
                return not_applicable("no callback for I/O");
            };
            let (handle, far) = futures::join!(ID.scope(10, registering), listener.accept());
            let (_handle, mut far) = (handle.map_err(refused)?, far.map_err(refused)?);
            ID.scope(11, far.write_all(b"a")).await.map_err(refused)?;
            let what = "a socket's callback";
            reports.next(&mut seen, what, expected).await?;
        }
        Ok::<_, CheckError>(())
    })?;
    are_at_the_root(check, Before::Panic)
}

/// Returns an external waker that panics under `inner` when it is called.
fn panicking_waker(inner: Option<u64>) -> Waker {
    struct PanickingWake(Option<u64>);
    impl Wake for PanickingWake {
        fn wake(self: Arc<Self>) {
            fail_within(self.0);
        }
    }
    Waker::from(Arc::new(PanickingWake(inner)))
}

pub(crate) fn c83_the_hook_runs_in_the_frame_of_a_waker_that_a_timer_calls(
    check: &CheckContext,
) -> CheckResult {
    let (timers, reports) = (check.timers()?, Reports::begin(check)?);
    check.block_on(async {
        let mut seen = 0;
        for (inner, expected) in INNER {
            let waker = panicking_waker(inner);
            // If the thread is not scheduled, a sleep may elapse before it is polled.
            let waiting = (0..12).find_map(|doublings| {
                let mut sleep = timers.sleep(Duration::from_millis(20 << doublings));
                let polled = ID.run(10, || poll_once(sleep.as_mut(), &waker));
                polled.is_pending().then_some(sleep)
            });
            let _sleep = waiting.ok_or_else(|| never("a sleep is pending"))?;
            let what = "a waker that a timer calls";
            reports.next(&mut seen, what, expected).await?;
        }
        Ok::<_, CheckError>(())
    })?;
    are_at_the_root(check, Before::Panic)
}

pub(crate) fn c83_the_hook_runs_in_the_frame_of_a_waker_that_a_socket_calls(
    check: &CheckContext,
) -> CheckResult {
    check.net()?;
    let reports = Reports::begin(check)?;
    check.block_on(async {
        let mut seen = 0;
        for (inner, expected) in INNER {
            let (mut near, mut far) = connection(check.executor()).await?;
            let waker = panicking_waker(inner);
            if !ID.run(10, || reads_nothing(&mut near, &waker)) {
                return Err(never("a read waits where nothing was sent"));
            }
            far.write_all(b"a").await.map_err(refused)?;
            let what = "a waker that a socket calls";
            reports.next(&mut seen, what, expected).await?;
        }
        Ok::<_, CheckError>(())
    })?;
    are_at_the_root(check, Before::Panic)
}
