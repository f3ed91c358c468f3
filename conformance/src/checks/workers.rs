//! What checks do with an executor's threads: occupy them, make tasks meet on all of them, and
//! observe from outside in which frame they are between polls.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use framewise_context::{ContextVar, Frame, bind};

use crate::check_context::{CheckContext, not_applicable, panicked};
use crate::check_result::{CheckError, CheckResult, Failure};
use crate::executor::{Ended, JoinHandle, Output};
use crate::support::{DELIBERATE, Gate, ID, Log, LogsDrop, eventually, in_time, yield_times};

/// A value that records in which frame it is dropped.
pub(crate) static RECORDS: ContextVar<LogsDrop> = ContextVar::new("records");

/// A barrier with a time limit. Its members are tasks, each of which occupies its thread, so that
/// each is on another one, and perhaps the thread that spawns them.
#[derive(Debug)]
pub(crate) struct TimedBarrier {
    missing: AtomicUsize,
    complete: Arc<Gate>,
}

impl TimedBarrier {
    /// Makes a barrier for this many members.
    pub(crate) fn of(members: usize) -> Arc<Self> {
        Arc::new(Self {
            missing: AtomicUsize::new(members),
            complete: Gate::new(),
        })
    }

    /// Arrives as a member, without waiting for the others.
    pub(crate) fn arrive(&self) {
        if self.missing.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.complete.open();
        }
    }

    /// Arrives as a member, and blocks this thread until all have arrived. Returns `false` if they
    /// do not arrive in time.
    pub(crate) fn arrive_and_wait(&self) -> bool {
        self.arrive();
        self.wait()
    }

    /// Like [`arrive_and_wait`](Self::arrive_and_wait), for a thread that is not a member.
    pub(crate) fn wait(&self) -> bool {
        self.complete.wait()
    }

    /// Returns `true` if all have arrived.
    pub(crate) fn is_complete(&self) -> bool {
        self.complete.is_open()
    }
}

/// Waits until each poll that is running now is over: as many tasks as there are threads meet, so
/// each thread has returned to the queue for one of them. Returns `false` if they do not meet.
pub(crate) async fn polls_end(check: &CheckContext) -> bool {
    let workers = check.executor().workers();
    let barrier = TimedBarrier::of(workers);
    let attend = || {
        let barrier = Arc::clone(&barrier);
        check.spawn_root(async move { barrier.arrive_and_wait() })
    };
    let tasks: Vec<_> = (0..workers).map(|_| attend()).collect();
    for task in tasks {
        // Only the barrier's state matters.
        drop(task.output().await);
    }
    barrier.is_complete()
}

/// Joins `task`, which ends when `go` is open. The gate is opened after the joiner was polled, and
/// while no thread polls it.
pub(crate) async fn join_before_the_end(
    check: &CheckContext,
    task: Box<dyn JoinHandle>,
    go: Arc<Gate>,
) -> Result<Output, Ended> {
    let is_waiting = Gate::new();
    let (own, waits) = (check.clone(), Arc::clone(&is_waiting));
    let opens = check.spawn_root(async move {
        waits.passed().await;
        polls_end(&own).await;
        go.open();
    });
    let mut join = task.join();
    let joined = poll_fn(|cx| {
        let poll = join.as_mut().poll(cx);
        is_waiting.open();
        poll
    });
    let joined = joined.await;
    drop(opens);
    joined
}

/// Calls `body` while each worker is busy and polls no other task. An executor whose tasks run on
/// the calling thread runs none of them during `body` anyway.
pub(crate) fn while_occupied<R>(check: &CheckContext, body: impl FnOnce() -> R) -> R {
    let workers = check.executor().workers();
    let (release, barrier) = (Gate::new(), TimedBarrier::of(workers + 1));
    let here = thread::current().id();
    for _ in 0..workers {
        let (release, barrier) = (Arc::clone(&release), Arc::clone(&barrier));
        check.executor().spawn_root(Box::pin(async move {
            if thread::current().id() != here {
                barrier.arrive_and_wait();
                release.wait();
            }
        }));
    }
    barrier.arrive_and_wait();
    let output = body();
    release.open();
    output
}

/// Runs `future` with `block_on` while a task panics. Returns `None` if that panic comes out of
/// `block_on`.
///
/// # Errors
///
/// A failure, if it is another panic.
pub(crate) fn block_on_catching<T>(
    check: &CheckContext,
    future: impl Future<Output = T>,
) -> Result<Option<T>, CheckError> {
    match catch_unwind(AssertUnwindSafe(|| check.block_on(future))) {
        Ok(output) => Ok(Some(output)),
        Err(payload) if is_deliberate(&*payload) => Ok(None),
        Err(payload) => Err(panicked(&*payload).into()),
    }
}

fn is_deliberate(payload: &(dyn Any + Send)) -> bool {
    payload
        .downcast_ref::<&str>()
        .is_some_and(|message| *message == DELIBERATE)
}

/// Returns `true` if the executor still runs tasks after one has panicked: its thread may be gone,
/// or `block_on` may panic again and again.
///
/// # Errors
///
/// A failure, if it panics with something else.
pub(crate) fn still_runs(check: &CheckContext) -> Result<bool, CheckError> {
    for _ in 0..2 {
        let ran = block_on_catching(check, async {
            let task = check.spawn_root(async {});
            in_time(task.output()).await
        })?;
        if let Some(ran) = ran {
            return Ok(matches!(ran, Some(Ok(()))));
        }
    }
    Ok(false)
}

/// What the executor ran before a check of its threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    /// No task that panics.
    Calm,
    /// A task panicked.
    Panic,
}

/// Checks that workers are at the root between polls: a frame's last holder is the thread that
/// polled its task last, so its values are dropped in that thread's own frame.
pub(crate) fn are_at_the_root(check: &CheckContext, before: Before) -> CheckResult {
    const ENDS: &str = "a task that panics ends the thread that polls it";
    if before == Before::Panic && !still_runs(check)? {
        return not_applicable(ENDS);
    }
    let workers = check.executor().workers();
    let tasks = workers * 2;
    let log = Log::new();
    let roots = Log::new();
    // As many tasks as there are threads meet, so that each thread has one of them; and the thread
    // that spawns them, which has released their frames by then.
    let (first, second) = (TimedBarrier::of(workers + 1), TimedBarrier::of(workers));
    let over = Log::new();
    let done = Frame::root().run(|| {
        block_on_catching(check, async {
            for number in 0..tasks {
                let (over, barrier) = (over.clone(), Arc::clone(&first));
                let task = Box::pin(async move {
                    if number < workers {
                        barrier.arrive_and_wait();
                    }
                    yield_times(1).await;
                    over.record("a task");
                });
                bind(&RECORDS, log.on_drop("a frame's value"))
                    .and(&ID, 700 + number as u64)
                    .run(|| check.executor().spawn(task));
            }
            first.arrive();
            // Before a thread polls anything else, since it might leave a frame only then. The two
            // barriers must not take threads from each other either.
            eventually(|| [&log, &over].iter().all(|log| log.entries().len() == tasks)).await;
            let released = log.entries().len();
            for number in 0..tasks {
                let (roots, barrier) = (roots.clone(), Arc::clone(&second));
                check.executor().spawn_root(Box::pin(async move {
                    if number < workers {
                        barrier.arrive_and_wait();
                    }
                    roots.record("a task at the root");
                }));
            }
            eventually(|| roots.entries().len() == tasks).await;
            // What is released at the end of block_on comes too late.
            (released, roots.entries().len())
        })
    })?;
    let mut recorded = log.entries();
    recorded.extend(roots.entries());
    for (label, seen) in recorded {
        if seen.is_some() {
            return Err(Failure::new(
                format!("{label} sees no binding on a thread that is between polls"),
                format!("ID is {seen:?}"),
                "the thread is left in a frame after a poll, or it was started in one: enter the \
                 task's frame for the poll only, leave it on unwinding too, and start threads at \
                 the root",
            )
            .into());
        }
    }
    match (done, before) {
        (Some(done), _) if done == (tasks, tasks) => {}
        (_, Before::Panic) => return not_applicable(ENDS),
        (None, _) => return not_applicable("a panic comes out of block_on"),
        (Some((released, ran)), Before::Calm) => {
            return Err(Failure::new(
                "the tasks run, and their frames are released",
                format!(
                    "of {tasks} frames {released} were released, of {tasks} tasks at the root \
                     {ran} ran"
                ),
                "a thread stays in a task's frame until its next poll, or something remembers the \
                 frame after the task: leave it, and release it, when the poll is over",
            )
            .into());
        }
    }
    if first.is_complete() && second.is_complete() {
        return Ok(());
    }
    not_applicable(match before {
        Before::Panic => ENDS,
        Before::Calm => "fewer threads poll at the same time than `Executor::workers` says",
    })
}
