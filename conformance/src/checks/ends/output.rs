//! A task's output: C-39 and C-40.

use std::sync::Arc;
use std::thread;

use super::expect_dropped;
use crate::check_context::{CheckContext, output_of};
use crate::check_result::{CheckError, CheckResult, ensure};
use crate::checks::workers::{join_before_the_end, while_occupied};
use crate::support::{Gate, ID, Log, LogsDrop, eventually, in_time, park, yield_times};

pub(crate) fn c39_a_detached_output_is_dropped_in_the_tasks_frame(
    check: &CheckContext,
) -> CheckResult {
    check.joining()?;
    let log = Log::new();
    check.block_on(async {
        let (parked, release) = (Gate::new(), Gate::new());
        let plain = log.on_drop("a detached task's output");
        let scoped = log.on_drop("the output of a detached task that is a scope");
        let waits = |output: LogsDrop| {
            let (parked, release) = (Arc::clone(&parked), Arc::clone(&release));
            async move {
                park(parked, release).await;
                output
            }
        };
        let tasks = ID.run(10, || {
            Ok::<_, CheckError>([
                check.spawn_joinable(waits(plain))?,
                // The scope has ended when its output is dropped.
                check.spawn_joinable(ID.scope(50, waits(scoped)))?,
            ])
        })?;
        in_time(parked.passed()).await;
        ID.run(90, || tasks.into_iter().for_each(|task| task.detach()));
        ID.run(90, || release.open());
        eventually(|| log.entries().len() == 2).await;
        Ok::<_, CheckError>(())
    })?;
    for what in [
        "a detached task's output",
        "the output of a detached task that is a scope",
    ] {
        expect_dropped(what, 10, log.find(what), check.id())?;
    }
    Ok(())
}

pub(crate) fn c39_an_output_detached_before_the_first_poll_is_dropped_in_the_tasks_frame(
    check: &CheckContext,
) -> CheckResult {
    check.joining()?;
    let log = Log::new();
    let what = "the output of a task that was detached at once";
    let output = log.on_drop(what);
    check.block_on(async {
        while_occupied(check, || {
            let task = ID.run(10, || check.spawn_joinable(async move { output }))?;
            ID.run(90, || task.detach());
            Ok::<_, CheckError>(())
        })?;
        eventually(|| !log.entries().is_empty()).await;
        Ok::<_, CheckError>(())
    })?;
    expect_dropped(what, 10, log.find(what), check.id())
}

pub(crate) fn c39_an_output_detached_while_its_task_is_polled_is_dropped_in_the_tasks_frame(
    check: &CheckContext,
) -> CheckResult {
    check.joining()?;
    let here = thread::current().id();
    let log = Log::new();
    let what = "the output of a task that was detached while it was polled";
    let output = log.on_drop(what);
    let (polled, detached) = (Gate::new(), Gate::new());
    check.block_on(async {
        let (own_polled, own_detached) = (Arc::clone(&polled), Arc::clone(&detached));
        let task = ID.run(10, || {
            check.spawn_joinable(async move {
                own_polled.open();
                // If there is one thread only, no other code runs during this poll.
                if thread::current().id() == here {
                    own_detached.passed().await;
                } else {
                    own_detached.wait();
                }
                output
            })
        })?;
        in_time(polled.passed()).await;
        ID.run(90, || task.detach());
        detached.open();
        eventually(|| !log.entries().is_empty()).await;
        Ok::<_, CheckError>(())
    })?;
    expect_dropped(what, 10, log.find(what), check.id())
}

pub(crate) fn c40_a_taken_output_is_dropped_by_its_taker(check: &CheckContext) -> CheckResult {
    check.joining()?;
    let log = Log::new();
    let taker = check.clone();
    check.block_on(async {
        let joinable = |label: &'static str, go: &Arc<Gate>| {
            let (output, go) = (log.on_drop(label), Arc::clone(go));
            check.spawn_joinable(async move {
                go.passed().await;
                output
            })
        };
        let is_held = |place: &str| {
            ensure(
                log.entries().is_empty(),
                &format!("an output that was taken lives on, {place}"),
                "it was dropped",
                "the executor drops the output that it returns, or returns something else",
            )
        };
        let go = Gate::new();
        let task = ID.run(10, || {
            joinable("an output that block_on's future took", &go)
        })?;
        let output: LogsDrop = output_of(join_before_the_end(check, task, go).await)?;
        is_held("in the future that block_on runs")?;
        let go = Gate::new();
        let task = ID.run(11, || joinable("an output that another task took", &go))?;
        let other = ID.run(20, || {
            let own = taker.clone();
            taker.spawn(async move {
                let output: LogsDrop = output_of(join_before_the_end(&own, task, go).await)?;
                yield_times(1).await;
                drop(output);
                Ok::<_, CheckError>(())
            })
        });
        other.output().await??;
        ID.run(30, || drop(output));
        Ok::<_, CheckError>(())
    })?;
    for (what, expected) in [
        ("an output that block_on's future took", 30),
        ("an output that another task took", 20),
    ] {
        expect_dropped(what, expected, log.find(what), check.id())?;
    }
    Ok(())
}
