//! Contract, "Wakes, time, I/O": C-53, the callbacks of timers, and the second sentence of C-51,
//! which they can observe.

use std::sync::Arc;
use std::time::Duration;

use framewise_context::{ContextVar, bind};

use super::time_io::{LONG, THE_DRIVERS, TICK, never};
use crate::check_context::{CheckContext, Slot};
use crate::check_result::{CheckError, CheckResult, ensure, expect, expect_entries};
use crate::executor::CallbackHandle;
use crate::support::{DropTracker, Gate, ID, KEPT, Log, LogsDrop, eventually};

/// The checks of this chapter.
#[doc(hidden)]
#[macro_export]
macro_rules! __timer_callbacks_checks {
    ({ $($callback:tt)* } $arguments:tt) => {
        $($callback)*! { $arguments timer_callbacks:
            c51_driver_code_runs_at_the_root
            c53_a_callback_runs_in_the_registering_frame_at_every_firing
            c53_what_a_callback_owns_is_dropped_in_the_registering_frame
            c53_the_frame_is_released_at_the_last_firing
            c53_the_frame_is_released_on_cancel
            c53_a_callback_may_cancel_its_own_handle
            c53_a_callback_may_cancel_the_handle_that_its_frame_holds
        }
    };
}

/// Records in which frame it is dropped.
static RECORDED: ContextVar<LogsDrop> = ContextVar::new("recorded");

/// Holds a callback's own handle.
static OWN: ContextVar<Slot<Arc<dyn CallbackHandle>>> = ContextVar::new("own");

type Handle = Arc<dyn CallbackHandle>;

const NO_CALLBACKS: &str = "no timer callbacks";

pub(super) fn set_timeout(
    check: &CheckContext,
    duration: Duration,
    callback: impl FnOnce() + Send + 'static,
) -> Result<Handle, CheckError> {
    let handle = check.timers()?.set_timeout(duration, Box::new(callback));
    handle.ok_or_else(|| CheckError::NotApplicable(NO_CALLBACKS.to_owned()))
}

pub(super) fn set_interval(
    check: &CheckContext,
    callback: impl FnMut() + Send + 'static,
) -> Result<Handle, CheckError> {
    let handle = check.timers()?.set_interval(TICK, Box::new(callback));
    handle.ok_or_else(|| CheckError::NotApplicable(NO_CALLBACKS.to_owned()))
}

pub(crate) fn c51_driver_code_runs_at_the_root(check: &CheckContext) -> CheckResult {
    let log = Log::new();
    let seen = check.block_on(async {
        let frame = bind(&RECORDED, log.on_drop("value")).and(&ID, 10).frame();
        let handle = frame.run(|| set_timeout(check, TICK, || ()))?;
        drop(frame);
        eventually(|| log.find("value").is_some()).await;
        drop(handle);
        log.find("value")
            .ok_or_else(|| never("the driver releases a callback's frame once it has fired"))
    })?;
    expect(
        "ID in the driver, where it releases a callback's frame",
        None,
        seen,
        &[
            (
                Some(10),
                "the callback's frame is released while it is still the current one",
            ),
            (
                check.id(),
                "the driver runs in the frame of the thread that drives the timers",
            ),
        ],
    )
}

pub(crate) fn c53_a_callback_runs_in_the_registering_frame_at_every_firing(
    check: &CheckContext,
) -> CheckResult {
    let (once, many, late) = (Log::new(), Log::new(), Log::new());
    let records = |log: &Log, label| {
        let log = log.clone();
        move || log.record(label)
    };
    let fired = check.block_on(async {
        let _once = ID.run(10, || {
            set_timeout(check, TICK, records(&once, "at its firing"))
        })?;
        let interval = ID.run(11, || set_interval(check, records(&many, "at a firing")))?;
        // From a task that has ended when the timer fires.
        let task = {
            let (check, record) = (check.clone(), records(&late, "set by a task"));
            async move { set_timeout(&check, TICK, record) }
        };
        let _late = ID.run(12, || check.spawn(task)).output().await??;
        let all = || {
            let counts = [&once, &many, &late].map(|log| log.entries().len());
            counts[0] > 0 && counts[1] > 2 && counts[2] > 0
        };
        let fired = eventually(all).await;
        interval.cancel();
        Ok::<_, CheckError>(fired)
    })?;
    ensure(fired, "callbacks fire", "they did not, in time", "")?;
    for (log, registered) in [(&once, 10), (&many, 11), (&late, 12)] {
        for (label, seen) in log.entries() {
            expect(
                &format!("ID in a callback, {label}, registered under {registered}"),
                Some(registered),
                seen,
                &[
                    (None, THE_DRIVERS),
                    (
                        check.id(),
                        "called in the frame of the thread that drives the timers",
                    ),
                ],
            )?;
        }
    }
    Ok(())
}

pub(crate) fn c53_what_a_callback_owns_is_dropped_in_the_registering_frame(
    check: &CheckContext,
) -> CheckResult {
    let log = Log::new();
    let (fired, cancelled) = (log.on_drop("fired"), log.on_drop("cancelled"));
    check.block_on(async {
        let _once = ID.run(10, || set_timeout(check, TICK, move || drop(fired)))?;
        let all = eventually(|| !log.entries().is_empty()).await;
        ensure(all, "a callback fires", "it did not, in time", "")?;
        let long = ID.run(11, || set_timeout(check, LONG, move || drop(cancelled)))?;
        ID.run(12, || long.cancel());
        let all = eventually(|| log.entries().len() == 2).await;
        ensure(
            all,
            "a cancelled callback is dropped",
            "it is held",
            "cancel keeps the callback",
        )
    })?;
    expect_entries(
        &log.entries(),
        &[("fired", Some(10)), ("cancelled", Some(11))],
        &[
            (None, "the callback is dropped in the driver's own frame"),
            (
                Some(12),
                "the callback is dropped in the frame of the code that cancels",
            ),
            (
                check.id(),
                "dropped in the frame of the thread that drives the timers",
            ),
        ],
    )
}

pub(crate) fn c53_the_frame_is_released_at_the_last_firing(check: &CheckContext) -> CheckResult {
    let (token, tracker) = DropTracker::new();
    let released = check.block_on(async {
        let bindings = bind(&KEPT, token).and(&ID, 10);
        let handle = bindings.run(|| set_timeout(check, TICK, || ()))?;
        let released = eventually(|| tracker.is_dropped()).await;
        drop(handle);
        Ok::<_, CheckError>(released)
    })?;
    ensure(
        released,
        "a callback's frame is released once it has fired",
        "it is held as long as the handle is",
        "the handle holds the frame, or the driver does not release it after the last call",
    )
}

pub(crate) fn c53_the_frame_is_released_on_cancel(check: &CheckContext) -> CheckResult {
    check.block_on(async {
        for (what, firings) in [("set_timeout", 0), ("set_interval", 0), ("set_interval", 2)] {
            let (token, tracker) = DropTracker::new();
            let fired = Log::new();
            let fires = fired.clone();
            let handle = bind(&KEPT, token).and(&ID, 10).run(|| match what {
                "set_timeout" => set_timeout(check, LONG, || ()),
                _ => set_interval(check, move || fires.record("fired")),
            })?;
            eventually(|| fired.entries().len() >= firings).await;
            ensure(
                !tracker.is_dropped(),
                "a callback that may fire has its frame",
                &format!("the frame that {what} was called in is gone"),
                "no frame is kept beside the callback",
            )?;
            handle.cancel();
            ensure(
                eventually(|| tracker.is_dropped()).await,
                &format!("cancel releases the frame that {what} was called in"),
                "it is held as long as the handle is, or until the timer would have fired",
                "cancel only marks the entry: take the callback and its frame out of it",
            )?;
        }
        Ok(())
    })
}

pub(crate) fn c53_a_callback_may_cancel_its_own_handle(check: &CheckContext) -> CheckResult {
    cancels_itself(check, false)
}

pub(crate) fn c53_a_callback_may_cancel_the_handle_that_its_frame_holds(
    check: &CheckContext,
) -> CheckResult {
    cancels_itself(check, true)
}

/// A repeated callback that cancels itself at its first firing, by a handle that its frame holds.
/// The callback takes the handle out of the frame, or leaves it there; then the handle must not
/// keep the frame alive.
fn cancels_itself(check: &CheckContext, handle_stays: bool) -> CheckResult {
    let own = Slot::new();
    let (kept, frame_tracker) = DropTracker::new();
    let (owned, callback_tracker) = DropTracker::new();
    let (filled, log) = (Gate::new(), Log::new());
    let callback = {
        let (filled, log) = (Arc::clone(&filled), log.clone());
        move || {
            let _owned = &owned;
            log.record("called");
            filled.wait();
            let handle: Option<Handle> = OWN.with(|own| own.and_then(Slot::take));
            let Some(handle) = handle else { return };
            if handle_stays {
                OWN.with(|own| own.map(|own| own.put(Arc::clone(&handle))));
            }
            handle.cancel();
            log.record("cancelled");
        }
    };
    check.block_on(async {
        let bindings = bind(&OWN, own.clone()).and(&KEPT, kept).and(&ID, 10);
        let handle = bindings.run(|| set_interval(check, callback))?;
        own.put(handle);
        drop(own);
        filled.open();
        eventually(|| log.entries().len() >= 2).await;
        // In a wrong frame it finds no handle, and is called again.
        if let Some(seen) = log.find("called") {
            expect(
                "ID in a callback that cancels itself, registered under 10",
                Some(10),
                seen,
                &[(None, THE_DRIVERS)],
            )?;
        }
        expect_entries(
            &log.entries(),
            &[("called", Some(10)), ("cancelled", Some(10))],
            &[],
        )?;
        let ended =
            eventually(|| callback_tracker.is_dropped() && frame_tracker.is_dropped()).await;
        ensure(
            ended,
            "a callback that has cancelled its own handle is dropped, and its frame is released",
            &format!(
                "the callback is {}, the frame is {}",
                held(&callback_tracker),
                held(&frame_tracker)
            ),
            "cancel finds the entry empty while its callback runs, and what the call puts back is \
             never dropped; or the handle holds the frame that holds the handle",
        )?;
        let calls = log
            .entries()
            .iter()
            .filter(|(label, _)| *label == "called")
            .count();
        expect("calls of a callback that cancels itself", 1, calls, &[])
    })
}

fn held(tracker: &DropTracker) -> &'static str {
    if tracker.is_dropped() { "gone" } else { "held" }
}
