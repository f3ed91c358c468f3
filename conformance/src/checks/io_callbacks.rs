//! Contract, "Wakes, time, I/O": C-59, the callbacks of I/O.

use futures::AsyncWriteExt;

use super::io::{listen, refused};
use super::time_io::THE_DRIVERS;
use crate::check_context::{CheckContext, not_applicable};
use crate::check_result::{CheckResult, ensure, expect};
use crate::support::{ID, Log, eventually};

/// The checks of this chapter.
#[doc(hidden)]
#[macro_export]
macro_rules! __io_callbacks_checks {
    ({ $($callback:tt)* } $arguments:tt) => {
        $($callback)*! { $arguments io_callbacks:
            c59_an_io_callback_runs_in_the_registering_frame
            c59_what_an_io_callback_owns_is_dropped_in_the_registering_frame
        }
    };
}

/// Registers a callback of a socket under 10. The log gets what the callback saw, and where the
/// value that it owns was dropped.
async fn callback_recorded(check: &CheckContext, log: &Log) -> CheckResult {
    let listener = listen(check.executor()).await.map_err(refused)?;
    let (own_log, owned) = (log.clone(), log.on_drop("where the callback is dropped"));
    let callback = Box::new(move || {
        let _owned = &owned;
        own_log.record("in a callback");
    });
    let registered = ID.run(10, || {
        check
            .net()
            .map(|net| net.on_readable(listener.address(), callback))
    })?;
    let Some(registered) = registered else {
        return not_applicable("no callback for I/O");
    };
    let (registered, far) = futures::join!(ID.scope(10, registered), listener.accept());
    let (handle, mut far) = (registered.map_err(refused)?, far.map_err(refused)?);
    for _ in 0..3 {
        let before = log.entries().len();
        ID.scope(11, far.write_all(b"a")).await.map_err(refused)?;
        ensure(
            eventually(|| log.entries().len() > before).await,
            "a callback is called when there are data to read",
            "it was not, in time",
            "",
        )?;
    }
    ID.run(12, || handle.cancel());
    ensure(
        eventually(|| log.find("where the callback is dropped").is_some()).await,
        "a cancelled callback is dropped",
        "it is held",
        "cancel keeps the callback until the socket is closed",
    )
}

pub(crate) fn c59_an_io_callback_runs_in_the_registering_frame(
    check: &CheckContext,
) -> CheckResult {
    check.net()?;
    let log = Log::new();
    check.block_on(callback_recorded(check, &log))?;
    for (label, seen) in log.entries() {
        if label == "in a callback" {
            expect(
                "ID in an I/O callback, registered under 10",
                Some(10),
                seen,
                &[
                    (None, THE_DRIVERS),
                    (Some(11), "called in the frame of the code that writes"),
                    (
                        check.id(),
                        "called in the frame of the thread that drives the sockets",
                    ),
                ],
            )?;
        }
    }
    Ok(())
}

pub(crate) fn c59_what_an_io_callback_owns_is_dropped_in_the_registering_frame(
    check: &CheckContext,
) -> CheckResult {
    check.net()?;
    let log = Log::new();
    check.block_on(callback_recorded(check, &log))?;
    expect(
        "ID where an I/O callback that was registered under 10 is dropped",
        Some(Some(10)),
        log.find("where the callback is dropped"),
        &[
            (
                Some(None),
                "the callback is dropped in the driver's own frame",
            ),
            (
                Some(Some(12)),
                "the callback is dropped in the frame of the code that cancels",
            ),
            (
                Some(check.id()),
                "dropped in the frame of the thread that drives the sockets",
            ),
        ],
    )
}
