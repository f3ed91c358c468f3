//! What checks do with an executor's threads: occupy them, bring tasks together on all of them, and
//! see from outside in which frame they are between polls.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use framewise_context::{ContextVar, Frame, bind};

use crate::probe::{DELIBERATE, Gate, ID, Log, NotesDrop, at_most, eventually, yield_times};
use crate::trial::{Trial, not_applicable, panicked};
use crate::verdict::{Failure, Stop, Verdict};

/// How long threads are waited for that may not exist. Long enough for those that exist and get no
/// processor: a verdict must not depend on that.
pub(crate) const A_WHILE: Duration = Duration::from_secs(2);

/// A value that notes in which frame it is dropped.
pub(crate) static NOTES: ContextVar<NotesDrop> = ContextVar::new("notes");

/// Where a number of tasks meet, so that each is on another thread.
#[derive(Debug)]
pub(crate) struct Meeting {
    missing: AtomicUsize,
    complete: Arc<Gate>,
}

impl Meeting {
    /// A meeting of so many.
    pub(crate) fn of(members: usize) -> Arc<Self> {
        Arc::new(Self {
            missing: AtomicUsize::new(members),
            complete: Gate::new(),
        })
    }

    /// Blocks this thread until all are there; false if they do not come.
    pub(crate) fn attend(&self) -> bool {
        if self.missing.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.complete.open();
        }
        self.is_complete()
    }

    /// Blocks this thread until all are there; false if they do not come.
    pub(crate) fn is_complete(&self) -> bool {
        self.complete.wait_at_most(A_WHILE)
    }
}

/// Calls `body` while no worker polls anything: each is kept busy. An executor whose tasks run on
/// the calling thread runs none of them meanwhile anyway.
pub(crate) fn while_occupied<R>(trial: &Trial, body: impl FnOnce() -> R) -> R {
    let workers = trial.executor().workers();
    let (release, meeting) = (Gate::new(), Meeting::of(workers + 1));
    let here = thread::current().id();
    for _ in 0..workers {
        let (release, meeting) = (Arc::clone(&release), Arc::clone(&meeting));
        trial.executor().spawn_root(Box::pin(async move {
            if thread::current().id() != here {
                meeting.attend();
                release.wait();
            }
        }));
    }
    meeting.attend();
    let output = body();
    release.open();
    output
}

/// Runs `future` with `block_on`, where a task is to panic: says whether that panic comes out of it.
///
/// # Errors
///
/// A failure, if it is another panic.
pub(crate) fn block_on_catching<T>(
    trial: &Trial,
    future: impl Future<Output = T>,
) -> Result<Option<T>, Stop> {
    match catch_unwind(AssertUnwindSafe(|| trial.block_on(future))) {
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

/// Whether the executor still runs tasks where one has panicked: its thread may be gone, or
/// `block_on` may panic again and again.
///
/// # Errors
///
/// A failure, if it panics with something else.
pub(crate) fn still_runs(trial: &Trial) -> Result<bool, Stop> {
    for _ in 0..2 {
        let ran = block_on_catching(trial, async {
            let task = trial.spawn_root(async {});
            at_most(A_WHILE * 3, task.output()).await
        })?;
        if let Some(ran) = ran {
            return Ok(matches!(ran, Some(Ok(()))));
        }
    }
    Ok(false)
}

/// What an executor did that had to run a task which panics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    /// Nothing that could have ended a thread.
    Calm,
    /// A task panicked.
    Panic,
}

/// Checks that workers are at the root between polls: a frame's last holder is whoever polled its
/// task last, so its values are dropped in that thread's own frame.
pub(crate) fn are_at_the_root(trial: &Trial, before: Before) -> Verdict {
    const ENDS: &str = "a task that panics ends the thread that polls it";
    if before == Before::Panic && !still_runs(trial)? {
        return not_applicable(ENDS);
    }
    let workers = trial.executor().workers();
    let tasks = workers * 2;
    let log = Log::new();
    let roots = Log::new();
    let done = Frame::root().run(|| {
        block_on_catching(trial, async {
            // As many as there are threads meet, so that each thread has one of them.
            let meeting = Meeting::of(workers);
            for number in 0..tasks {
                let meeting = Arc::clone(&meeting);
                let task = Box::pin(async move {
                    if number < workers {
                        meeting.attend();
                    }
                    yield_times(1).await;
                });
                bind(&NOTES, log.on_drop("a frame's value"))
                    .and(&ID, 700 + number as u64)
                    .run(|| trial.executor().spawn(task));
            }
            let meeting = Meeting::of(workers);
            for number in 0..tasks {
                let (roots, meeting) = (roots.clone(), Arc::clone(&meeting));
                trial.executor().spawn_root(Box::pin(async move {
                    if number < workers {
                        meeting.attend();
                    }
                    roots.note("a task at the root");
                }));
            }
            let done = || (log.entries().len(), roots.entries().len());
            eventually(|| done() == (tasks, tasks)).await;
            // What is let go at the end of block_on comes too late.
            done()
        })
    })?;
    let mut noted = log.entries();
    noted.extend(roots.entries());
    for (label, seen) in noted {
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
        (Some(done), _) if done == (tasks, tasks) => Ok(()),
        (_, Before::Panic) => not_applicable(ENDS),
        (None, _) => not_applicable("a panic comes out of block_on"),
        (Some((released, ran)), Before::Calm) => Err(Failure::new(
            "the tasks run, and their frames are released",
            format!(
                "of {tasks} frames {released} were released, of {tasks} tasks at the root {ran} ran"
            ),
            "a thread stays in a task's frame until its next poll, or something remembers the \
             frame after the task: leave it, and let go of it, when the poll is over",
        )
        .into()),
    }
}
