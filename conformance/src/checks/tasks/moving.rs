//! From thread to thread, and calls that block a task's thread: C-29 and C-33.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, ThreadId};

use framewise_context::{Frame, bind};

use crate::check_context::{CheckContext, not_applicable};
use crate::check_result::{CheckError, CheckResult, Failure, ensure, expect};
use crate::checks::workers::{Before, RECORDS, TimedBarrier, are_at_the_root};
use crate::support::{Gate, ID, Log, NOT_INHERITED, deliberate_panic, yield_times};

const TRIES: usize = 8;
const MOVES: usize = 3;

fn sees(expected: u64, place: &str) -> CheckResult {
    let seen = ID.get();
    let cause = match seen {
        None => {
            "the frame is kept by the thread that polled the task before: keep it in the task; or \
             none is carried at all (C-25)"
        }
        Some(_) => {
            "the task is polled in a frame that the thread keeps: enter the task's own for each \
             poll"
        }
    };
    ensure(
        seen == Some(expected),
        &format!("ID {place}: {expected}"),
        &format!("{seen:?}"),
        cause,
    )
}

/// Occupies threads until one of them is the thread that last polled the task. Then a thread that
/// is not the executor's wakes the task, so another worker has to poll it.
async fn leave_this_thread(spawner: &CheckContext) -> bool {
    let before = thread::current().id();
    let (go, moved) = (Gate::new(), Gate::new());
    for _ in 0..spawner.executor().workers() {
        let (go, moved) = (Arc::clone(&go), Arc::clone(&moved));
        spawner
            .executor()
            .spawn_root(Box::pin(async move { occupy(before, go, moved) }));
    }
    go.passed().await;
    moved.open();
    thread::current().id() != before
}

fn occupy(before: ThreadId, go: Arc<Gate>, moved: Arc<Gate>) {
    if go.is_open() {
        return;
    }
    if thread::current().id() == before {
        thread::spawn(move || ID.run(90, || go.open()));
        moved.wait();
    } else if !go.wait() {
        go.open();
    }
}

pub(crate) fn c29_a_task_forced_to_another_thread_keeps_its_frame(
    check: &CheckContext,
) -> CheckResult {
    check.needs_workers(2)?;
    let spawner = check.clone();
    let moves = check.block_on(async {
        let migrant = ID.run(10, || {
            check.spawn(async move {
                let mut moves = 0;
                for _ in 0..TRIES {
                    moves += usize::from(leave_this_thread(&spawner).await);
                    sees(10, "in a task after it was moved to another thread")?;
                    let scope = ID.scope(20, async {
                        let moved = leave_this_thread(&spawner).await;
                        sees(20, "in a scope after its task was moved")?;
                        Ok::<_, CheckError>(moved)
                    });
                    moves += usize::from(scope.await?);
                    sees(10, "in a task after it was moved within a scope")?;
                    let child = spawner.spawn(async { ID.get() });
                    ensure(
                        child.output().await? == Some(10),
                        "a task that was moved passes its frame on",
                        "its child sees something else",
                        "spawn captures a frame that the thread remembers instead of the current",
                    )?;
                    if moves >= MOVES {
                        break;
                    }
                }
                Ok::<_, CheckError>(moves)
            })
        });
        migrant.output().await?
    })?;
    if moves == 0 {
        return not_applicable(format!(
            "a task stayed on its thread in {} attempts to move it",
            2 * TRIES
        ));
    }
    Ok(())
}

/// Like [`sees`], within `block_in_place`.
fn sees_in_place(expected: u64, place: &str) -> CheckResult {
    ensure(
        ID.get() == Some(expected),
        &format!("ID {place}: {expected}"),
        &format!("{:?}", ID.get()),
        "block_in_place leaves the task's frame for its call, or makes it on a thread that has \
         another one; or none is carried at all (C-25)",
    )
}

/// Calls `block_in_place`, if the executor has it.
fn block_in_place(check: &CheckContext, mut call: impl FnMut()) -> CheckResult {
    if check.blocking()?.block_in_place(&mut call) {
        return Ok(());
    }
    not_applicable("no block_in_place")
}

pub(crate) fn c29_a_task_that_moves_after_block_in_place_keeps_its_frame(
    check: &CheckContext,
) -> CheckResult {
    check.blocking()?;
    let spawner = check.clone();
    let moved = check.block_on(async {
        let migrant = ID.run(10, || {
            check.spawn(async move {
                let workers = spawner.executor().workers();
                for _ in 0..TRIES {
                    let before = thread::current().id();
                    let barrier = TimedBarrier::of(workers);
                    for _ in 0..workers {
                        let barrier = Arc::clone(&barrier);
                        spawner.executor().spawn_root(Box::pin(async move {
                            barrier.arrive_and_wait();
                        }));
                    }
                    block_in_place(&spawner, || {
                        barrier.wait();
                    })?;
                    sees(10, "in a task after block_in_place")?;
                    yield_times(1).await;
                    sees(10, "in a task after block_in_place and an await")?;
                    if thread::current().id() != before {
                        return Ok(true);
                    }
                }
                Ok::<_, CheckError>(false)
            })
        });
        migrant.output().await?
    })?;
    if moved {
        return Ok(());
    }
    not_applicable("a task stayed on its thread after block_in_place")
}

/// Checks the frame of the threads that go on while one is blocked: each runs a task under a value
/// that records where it is dropped.
fn beside_a_blocked_thread(check: &CheckContext) -> CheckResult {
    let workers = check.executor().workers();
    // This thread attends, too, when it has released the frames: the other threads drop the values.
    let (log, barrier) = (Log::new(), TimedBarrier::of(workers + 1));
    Frame::root().run(|| {
        for _ in 0..workers {
            let barrier = Arc::clone(&barrier);
            let task = Box::pin(async move {
                barrier.arrive_and_wait();
            });
            bind(&RECORDS, log.on_drop("a frame's value"))
                .and(&ID, 70)
                .run(|| check.executor().spawn(task));
        }
    });
    if !barrier.arrive_and_wait() {
        return not_applicable("no thread takes the place of one that is in block_in_place");
    }
    let recorded = log.wait_for(workers);
    let cause = "the thread that takes over was started in the frame of the task that blocks: \
                 start threads at the root";
    ensure(
        recorded.len() == workers,
        "the frames of tasks that ran beside a blocked thread are released",
        &format!("{} of {workers} are", recorded.len()),
        "",
    )?;
    for (label, seen) in recorded {
        if let Some(seen) = seen {
            return Err(Failure::new(
                format!("{label} sees no binding on the thread that takes over"),
                format!("ID is {seen}"),
                cause,
            )
            .into());
        }
    }
    Ok(())
}

pub(crate) fn c33_block_in_place_keeps_the_callers_frame(check: &CheckContext) -> CheckResult {
    check.blocking()?;
    let spawner = check.clone();
    check.block_on(async {
        let task = ID.run(10, || {
            check.spawn(async move {
                let mut held = Ok(());
                let mut replacement = Ok(());
                block_in_place(&spawner, || {
                    held = sees_in_place(10, "in block_in_place");
                    replacement = beside_a_blocked_thread(&spawner);
                })?;
                held?;
                let bound = bind(&ID, 20).and(&NOT_INHERITED, 5).run(|| {
                    let mut held = Ok(());
                    block_in_place(&spawner, || {
                        held = sees_in_place(20, "in block_in_place under 20").and(expect(
                            "a variable that is not inherited, in block_in_place",
                            Some(5),
                            NOT_INHERITED.get(),
                            &[(
                                None,
                                "block_in_place takes its caller's frame as a spawn does",
                            )],
                        ));
                    })?;
                    sees(20, "after block_in_place, under 20")?;
                    held
                });
                bound?;
                sees(10, "in a task after block_in_place")?;
                yield_times(1).await;
                sees(10, "in a task after block_in_place and an await")?;
                let child = spawner.spawn(async { ID.get() }).output().await?;
                ensure(
                    child == Some(10),
                    "a task passes its frame on after block_in_place",
                    "its child sees something else",
                    "",
                )?;
                replacement
            })
        });
        task.output().await?
    })
}

pub(crate) fn c33_a_panic_in_block_in_place_restores(check: &CheckContext) -> CheckResult {
    check.blocking()?;
    let spawner = check.clone();
    check.block_on(async {
        let task = ID.run(10, || {
            check.spawn(async move {
                let panicked = catch_unwind(AssertUnwindSafe(|| {
                    block_in_place(&spawner, || ID.run(20, || deliberate_panic()))
                }));
                if let Ok(result) = panicked {
                    result?;
                    return Err(Failure::new(
                        "a panic in block_in_place is its caller's",
                        "block_in_place returned",
                        "",
                    )
                    .into());
                }
                sees(10, "in a task after a panic in block_in_place")?;
                yield_times(1).await;
                sees(
                    10,
                    "in a task after a panic in block_in_place, and an await",
                )
            })
        });
        task.output().await?
    })?;
    are_at_the_root(check, Before::Panic)
}
