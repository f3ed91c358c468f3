//! Tasks that panic: C-43.

use std::future::poll_fn;
use std::task::Poll;

use super::expect_dropped;
use crate::check_context::{CheckContext, not_applicable};
use crate::check_result::CheckResult;
use crate::checks::workers::block_on_catching;
use crate::support::{ID, Log, deliberate_panic, eventually, yield_times};

/// Waits for the drops of a task that panics, whether or not the panic comes out of `block_on`.
fn panic_in_task(
    check: &CheckContext,
    spawn: impl FnOnce(),
    log: &Log,
    drops: usize,
) -> CheckResult {
    let came = block_on_catching(check, async {
        spawn();
        eventually(|| log.entries().len() >= drops).await
    })?;
    if log.entries().len() < drops {
        return not_applicable(match came {
            None => {
                "a task's panic comes out of block_on, and the executor keeps what is left of it"
            }
            Some(_) => "a task's panic ends its thread, and the executor keeps what is left of it",
        });
    }
    Ok(())
}

pub(crate) fn c43_a_panic_drops_locals_in_their_frames(check: &CheckContext) -> CheckResult {
    let log = Log::new();
    let labels = [
        "a variable within ID.run, on a panic",
        "a variable of an inner scope, on a panic",
        "a variable of a scope, on a panic",
        "a variable of a task, on a panic",
    ];
    let [in_run, in_inner, in_scope, in_task] = labels.map(|label| log.on_drop(label));
    let spawn = || {
        let task = async move {
            let _in_task = in_task;
            ID.scope(20, async move {
                let _in_scope = in_scope;
                yield_times(1).await;
                ID.scope(21, async move {
                    let _in_inner = in_inner;
                    yield_times(1).await;
                    ID.run(22, || {
                        let _in_run = in_run;
                        deliberate_panic()
                    })
                })
                .await
            })
            .await
        };
        ID.run(10, || check.executor().spawn(Box::pin(task)));
    };
    panic_in_task(check, spawn, &log, labels.len())?;
    for (label, expected) in labels.into_iter().zip([22, 21, 20, 10]) {
        expect_dropped(label, expected, log.find(label), check.id())?;
    }
    Ok(())
}

/// A panic in a hand-written `poll` does not drop the future's fields: the executor drops them.
pub(crate) fn c43_a_panicked_future_is_dropped_in_its_frame(check: &CheckContext) -> CheckResult {
    let log = Log::new();
    let whats = [
        "a future whose first poll panicked",
        "a future whose second poll panicked",
    ];
    for (first, what) in whats.into_iter().enumerate() {
        let part = log.on_drop(what);
        let spawn = || {
            let mut polls_left = first;
            let task = poll_fn(move |cx| -> Poll<()> {
                let _keep = &part;
                if polls_left == 0 {
                    ID.run(91, || deliberate_panic())
                }
                polls_left -= 1;
                cx.waker().wake_by_ref();
                Poll::Pending
            });
            ID.run(10, || check.executor().spawn(Box::pin(task)));
        };
        panic_in_task(check, spawn, &log, 1 + first)?;
        expect_dropped(what, 10, log.find(what), check.id())?;
    }
    Ok(())
}
