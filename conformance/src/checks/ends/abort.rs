//! Tasks that are aborted: C-41 and C-42.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::expect_dropped;
use crate::check_context::{CheckContext, not_applicable, output_of};
use crate::check_result::{CheckError, CheckResult, Failure};
use crate::checks::threads::spawn_blocking;
use crate::checks::workers::{polls_end, while_occupied};
use crate::executor::JoinHandle;
use crate::support::{Gate, ID, Log, eventually, in_time, park};

const NO_ABORT: &str = "tasks cannot be aborted";

/// The number of tries, since a task may be polled too early while the threads start.
const TRIES: usize = 3;

pub(crate) fn c41_aborted_before_the_first_poll(check: &CheckContext) -> CheckResult {
    check.joining()?;
    for _ in 0..TRIES {
        if abort_before_the_first_poll(check)? {
            return Ok(());
        }
    }
    not_applicable("a task was polled before it could be aborted")
}

/// Returns `false` if a task was polled before it was aborted.
fn abort_before_the_first_poll(check: &CheckContext) -> Result<bool, CheckError> {
    let log = Log::new();
    let was_polled = Arc::new(AtomicBool::new(false));
    let fresh = |label: &'static str| {
        let (held, was_polled) = (log.on_drop(label), Arc::clone(&was_polled));
        async move {
            was_polled.store(true, Ordering::SeqCst);
            std::future::pending::<()>().await;
            drop(held);
        }
    };
    let labels = [
        "a future that was aborted before its first poll",
        "a future that was aborted before its first poll, from another frame",
        "a scope that was aborted before its first poll",
    ];
    check.block_on(async {
        let tasks = while_occupied(check, || {
            let mut tasks = ID.run(10, || {
                Ok::<_, CheckError>([
                    check.spawn_joinable(fresh(labels[0]))?,
                    check.spawn_joinable(fresh(labels[1]))?,
                    check.spawn_joinable(ID.scope(50, fresh(labels[2])))?,
                ])
            })?;
            let [here, elsewhere, scoped] = &mut tasks;
            let can = here.abort() && ID.run(90, || elsewhere.abort() && scoped.abort());
            if can {
                Ok(tasks)
            } else {
                not_applicable(NO_ABORT)
            }
        })?;
        for task in tasks {
            drop(in_time(task.join()).await);
        }
        eventually(|| log.entries().len() == labels.len()).await;
        Ok::<_, CheckError>(())
    })?;
    if was_polled.load(Ordering::SeqCst) {
        return Ok(false);
    }
    for (label, expected) in labels.into_iter().zip([10, 10, 50]) {
        expect_dropped(label, expected, log.find(label), check.id())?;
    }
    Ok(true)
}

/// Where the abort comes from.
#[derive(Clone, Copy)]
enum Aborter {
    Here,
    AnotherFrame,
    AnotherThread,
    AnotherTask,
    BlockingCall,
}

async fn abort(
    check: &CheckContext,
    aborter: Aborter,
    mut task: Box<dyn JoinHandle>,
) -> Result<Box<dyn JoinHandle>, CheckError> {
    let aborted = match aborter {
        Aborter::Here => task.abort().then_some(task),
        Aborter::AnotherFrame => ID.run(90, || task.abort()).then_some(task),
        Aborter::AnotherThread => {
            let thread = thread::spawn(move || ID.run(90, || task.abort()).then_some(task));
            thread.join().unwrap_or_default()
        }
        Aborter::AnotherTask => {
            let other = ID.run(90, || {
                check.spawn(async move { task.abort().then_some(task) })
            });
            other.output().await?
        }
        Aborter::BlockingCall => {
            let (blocking, call) = (check.blocking()?, move || task.abort().then_some(task));
            let other = ID.run(90, || spawn_blocking(blocking, call));
            output_of(other.join().await)?
        }
    };
    aborted.map_or_else(|| not_applicable(NO_ABORT), Ok)
}

pub(crate) fn c42_aborted_while_parked(check: &CheckContext) -> CheckResult {
    check.joining()?;
    // The aborters whose frame has its own number come first, since the number shows which frame
    // was seen.
    for (aborter, from) in [
        (
            Aborter::AnotherFrame,
            "of a task that is aborted from another frame",
        ),
        (
            Aborter::AnotherThread,
            "of a task that is aborted from another thread",
        ),
        (
            Aborter::AnotherTask,
            "of a task that is aborted from another task",
        ),
        (
            Aborter::BlockingCall,
            "of a task that is aborted from a blocking call",
        ),
        (Aborter::Here, "of a task that is aborted while parked"),
    ] {
        if matches!(aborter, Aborter::BlockingCall) && check.blocking().is_err() {
            continue;
        }
        let log = Log::new();
        let (outer, inner) = (log.on_drop("outer"), log.on_drop("inner"));
        let (parked, release) = (Gate::new(), Gate::new());
        check.block_on(async {
            let own = Arc::clone(&release);
            let task = ID.run(10, || {
                let parked = Arc::clone(&parked);
                check.spawn_joinable(async move {
                    let _outer = outer;
                    ID.scope(50, async move {
                        let _inner = inner;
                        park(parked, own).await;
                    })
                    .await;
                })
            })?;
            if in_time(parked.passed()).await.is_none() {
                return Err(Failure::new("a task runs", "it was not polled in time", "").into());
            }
            // The task's poll is over when it is aborted, so the caller of `abort` may drop it.
            polls_end(check).await;
            let task = abort(check, aborter, task).await?;
            drop(in_time(task.join()).await);
            eventually(|| log.entries().len() == 2).await;
            Ok::<_, CheckError>(())
        })?;
        let what = format!("a variable in a scope {from}");
        expect_dropped(&what, 50, log.find("inner"), check.id())?;
        let what = format!("a variable {from}");
        expect_dropped(&what, 10, log.find("outer"), check.id())?;
        drop(release);
    }
    Ok(())
}

pub(crate) fn c42_aborted_while_polled(check: &CheckContext) -> CheckResult {
    check.joining()?;
    let here = thread::current().id();
    let log = Log::new();
    let what = "a variable of a task that was aborted while it was polled";
    let held = log.on_drop(what);
    let (polled, aborted) = (Gate::new(), Gate::new());
    check.block_on(async {
        let (own_polled, own_aborted) = (Arc::clone(&polled), Arc::clone(&aborted));
        let mut task = ID.run(10, || {
            check.spawn_joinable(async move {
                let _held = held;
                own_polled.open();
                // If there is one thread only, the aborter cannot run during this poll.
                if thread::current().id() != here {
                    own_aborted.wait();
                }
                park(own_polled, Gate::new()).await;
            })
        })?;
        if in_time(polled.passed()).await.is_none() {
            return Err(Failure::new("a task runs", "it was not polled in time", "").into());
        }
        let can = ID.run(90, || task.abort());
        aborted.open();
        if !can {
            return not_applicable(NO_ABORT);
        }
        drop(in_time(task.join()).await);
        eventually(|| !log.entries().is_empty()).await;
        Ok::<_, CheckError>(())
    })?;
    expect_dropped(what, 10, log.find(what), check.id())
}
