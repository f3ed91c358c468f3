//! Contract, "Threads": C-64, `block_on` and what is nested in it.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::task::Poll;
use std::thread;

use framewise_context::Frame;

use super::threads::blocking_of;
use crate::check_context::{CheckContext, not_applicable, output_of};
use crate::check_result::{CheckError, CheckResult, ensure, expect, expect_entries};
use crate::executor::Executor;
use crate::support::{Gate, ID, Log, NOT_INHERITED, deliberate_panic, yield_times};
use crate::wait::WaitLimit;

/// The checks of this chapter.
#[doc(hidden)]
#[macro_export]
macro_rules! __nested_checks {
    ({ $($callback:tt)* } $arguments:tt) => {
        $($callback)*! { $arguments nested:
            c64_block_on_inherits_and_restores
            c64_block_on_restores_after_a_panic
            c64_a_future_is_dropped_by_block_on_in_its_callers_frame
            c64_nested_in_a_blocking_call
            c64_nested_in_block_in_place
            c64_nested_in_block_on
        }
    };
}

const NOT_RESTORED: &str = "block_on leaves a frame behind: what was current before it is not what \
                            is current after it";

pub(crate) fn c64_block_on_inherits_and_restores(check: &CheckContext) -> CheckResult {
    let log = Log::new();
    ID.run(10, || {
        check.block_on(async {
            log.record("in block_on under 10");
            yield_times(2).await;
            log.record("after an await");
            let scoped = ID.scope(11, async {
                yield_times(2).await;
                log.record("in a scope 11");
            });
            scoped.await;
            log.record("after that scope");
        });
        log.record("after block_on");
    });
    log.record("outside");
    expect_entries(
        &log.entries(),
        &[
            ("in block_on under 10", Some(10)),
            ("after an await", Some(10)),
            ("in a scope 11", Some(11)),
            ("after that scope", Some(10)),
            ("after block_on", Some(10)),
            ("outside", check.id()),
        ],
        &[
            (
                None,
                "block_on does not inherit: it polls at the root instead of in its caller's frame",
            ),
            (Some(11), "a scope is not left again"),
            (
                check.id(),
                "block_on polls in another frame than its caller's",
            ),
        ],
    )?;
    let seen = NOT_INHERITED.run(5, || check.block_on(async { NOT_INHERITED.get() }));
    expect(
        "a variable that is not inherited, in block_on, which spawns nothing",
        Some(5),
        seen,
        &[(None, "block_on takes its caller's frame as a spawn does")],
    )
}

pub(crate) fn c64_block_on_restores_after_a_panic(check: &CheckContext) -> CheckResult {
    let restored = ID.run(10, || {
        let panicking = ID.scope(11, async {
            yield_times(1).await;
            deliberate_panic()
        });
        let panicked = catch_unwind(AssertUnwindSafe(|| check.block_on::<()>(panicking)));
        ensure(
            panicked.is_err(),
            "block_on passes a panic on",
            "the panic was lost",
            "",
        )?;
        Ok::<_, CheckError>(ID.get())
    })?;
    expect(
        "ID after a block_on, called under 10, whose future panicked within 11",
        Some(10),
        restored,
        &[
            (
                Some(11),
                "a panic unwinds past block_on and the frame is not restored on the way",
            ),
            (check.id(), NOT_RESTORED),
            (None, NOT_RESTORED),
        ],
    )
}

pub(crate) fn c64_a_future_is_dropped_by_block_on_in_its_callers_frame(
    check: &CheckContext,
) -> CheckResult {
    let log = Log::new();
    for (part, panics) in [
        (log.on_drop("a future that is ready"), false),
        (log.on_drop("a future that panics"), true),
    ] {
        // It is dropped with its parts by the caller of `poll`, not by its own last poll.
        let future = poll_fn(move |_| {
            let _keep = &part;
            if panics {
                ID.run(91, || deliberate_panic())
            }
            Poll::Ready(())
        });
        let ended = catch_unwind(AssertUnwindSafe(|| {
            ID.run(10, || check.executor().block_on(Box::pin(future)));
        }));
        ensure(
            ended.is_err() == panics,
            "block_on passes a panic on, and no other",
            "it does not",
            "",
        )?;
    }
    expect_entries(
        &log.entries(),
        &[
            ("a future that is ready", Some(10)),
            ("a future that panics", Some(10)),
        ],
        &[
            (None, "block_on drops its future at the root"),
            (
                Some(91),
                "the frame of a panic is not left before the future is dropped",
            ),
        ],
    )
}

/// Calls `block_on` in another `block_on`, and records `ID` before, in and after it.
fn nest(executor: &Arc<dyn Executor>, log: &Log) {
    log.record("before the nested one");
    executor.block_on(Box::pin(async {
        log.record("in the nested one");
        yield_times(2).await;
        ID.scope(21, async {
            yield_times(2).await;
            log.record("in a scope 21 of it");
        })
        .await;
        log.record("in the nested one, after the scope");
    }));
    log.record("after the nested one");
    let done = Gate::new();
    let (task, is_done) = (log.clone(), Arc::clone(&done));
    executor.spawn(Box::pin(async move {
        task.record("in a task spawned after it");
        is_done.open();
    }));
    executor.block_on(Box::pin(done.passed()));
}

fn expect_nested(log: &Log, outer: u64) -> CheckResult {
    let entries = log.entries();
    // A task that is spawned after the nested one shows which frame the executor takes for current.
    let after = "in a task spawned after it";
    let nested: Vec<_> = entries
        .iter()
        .copied()
        .filter(|entry| entry.0 != after)
        .collect();
    expect_entries(
        &nested,
        &[
            ("before the nested one", Some(outer)),
            ("in the nested one", Some(outer)),
            ("in a scope 21 of it", Some(21)),
            ("in the nested one, after the scope", Some(outer)),
            ("after the nested one", Some(outer)),
        ],
        &[
            (
                None,
                "a nested block_on polls, or ends, at the root instead of in its caller's frame",
            ),
            (Some(21), "a scope is not left again"),
        ],
    )?;
    expect(
        "ID in a task that is spawned after a nested block_on",
        Some(Some(outer)),
        log.find(after),
        &[
            (
                Some(None),
                "a nested block_on polls, or ends, at the root, and what is spawned after it \
                 captures that; or no frame is carried at all (C-25)",
            ),
            (Some(Some(21)), "a scope is not left again"),
        ],
    )
}

pub(crate) fn c64_nested_in_a_blocking_call(check: &CheckContext) -> CheckResult {
    check.blocking()?;
    let log = Log::new();
    let ended = check.block_on(async {
        let (executor, log) = (Arc::clone(check.executor()), log.clone());
        let call = move || ID.run(10, || nest(&executor, &log));
        ID.scope(11, blocking_of(check.executor(), call).join())
            .await
    });
    if log.entries().len() == 1 && ended.is_err() {
        return not_applicable("block_on is not legal in a blocking call");
    }
    output_of::<()>(ended)?;
    expect_nested(&log, 10)
}

pub(crate) fn c64_nested_in_block_in_place(check: &CheckContext) -> CheckResult {
    check.blocking()?;
    let log = Log::new();
    let task = {
        let (executor, log) = (Arc::clone(check.executor()), log.clone());
        async move {
            yield_times(1).await;
            let mut call = || nest(&executor, &log);
            let blocking = executor.blocking();
            let blocked = blocking.is_some_and(|blocking| blocking.block_in_place(&mut call));
            (blocked, ID.get())
        }
    };
    let task = check.spawn(ID.scope(10, task));
    let output = check.block_on(task.output());
    if output.is_err() && log.entries().len() == 1 {
        return not_applicable("block_on is not legal where a task blocks in place");
    }
    let (blocked, after) = output?;
    if !blocked {
        return not_applicable("no block_in_place");
    }
    expect_nested(&log, 10)?;
    expect(
        "ID in the task, afterwards",
        Some(10),
        after,
        &[(None, NOT_RESTORED)],
    )
}

pub(crate) fn c64_nested_in_block_on(check: &CheckContext) -> CheckResult {
    let log = Log::new();
    let (sender, outcome) = mpsc::channel();
    // On a separate thread: if nesting is not legal it may never return.
    let outer = {
        let (executor, log) = (Arc::clone(check.executor()), log.clone());
        move || {
            let nested = catch_unwind(AssertUnwindSafe(|| {
                let future = ID.scope(10, async {
                    nest(&executor, &log);
                    yield_times(1).await;
                    log.record("in the outer one, after the nested one");
                });
                executor.block_on(Box::pin(future));
            }));
            log.record("after both");
            // The check may have timed out.
            let _ = sender.send(nested.is_ok());
        }
    };
    let outer = ID.run(9, || Frame::current().wrap_once(outer));
    let thread = thread::spawn(outer);
    let mut is_legal = None;
    WaitLimit::begin().block_until(|turn| {
        is_legal = outcome.recv_timeout(turn).ok();
        is_legal.is_some()
    });
    let Some(is_legal) = is_legal else {
        return not_applicable("block_on within block_on does not return");
    };
    ensure(thread.join().is_ok(), "a thread ends", "it panicked", "")?;
    if !is_legal {
        expect(
            "ID after a block_on that panics",
            Some(Some(9)),
            log.find("after both"),
            &[],
        )?;
        return not_applicable("block_on within block_on is not legal");
    }
    let entries = log.entries();
    let (nested, outer) = entries.split_at(entries.len() - 2);
    let inner = Log::of(nested);
    expect_nested(&inner, 10)?;
    expect_entries(
        outer,
        &[
            ("in the outer one, after the nested one", Some(10)),
            ("after both", Some(9)),
        ],
        &[
            (
                None,
                "a nested block_on restores the root instead of what was there before it",
            ),
            (Some(10), NOT_RESTORED),
            (
                Some(9),
                "a nested block_on restores the frame that was there before the outer one",
            ),
        ],
    )
}
