//! Contract, "Flow": C-93 to C-96. What code that knows no frames follows, unbound variables, and
//! what a spawned task gets, in an executor's tasks and on its threads.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use framewise_context::{ContextVar, DefaultVar, Frame, bind};

use super::within::{LEFT_BEHIND, NOT_CARRIED};
use super::workers::TimedBarrier;
use crate::check_context::{CheckContext, not_applicable, output_of};
use crate::check_result::{CheckError, CheckResult, ensure, expect};
use crate::checks::threads::spawn_blocking;
use crate::support::{DELIBERATE, Gate, ID, deliberate_panic, yield_times};

/// The checks of this chapter.
#[doc(hidden)]
#[macro_export]
macro_rules! __flow_checks {
    ({ $($callback:tt)* } $arguments:tt) => {
        $($callback)*! { $arguments flow:
            c93_a_thread_local_follows_in_interleaved_tasks
            c93_a_thread_local_follows_on_all_threads
            c93_a_panic_leaves
            c93_a_destructor_of_an_aborted_task_is_told
            c93_block_in_place_and_blocking_calls_are_told
            c94_unbound_across_awaits_and_spawns
            c95_a_variable_decides_at_the_spawn_once
            c96_without_flow_a_spawn_starts_at_the_root
        }
    };
}

thread_local! {
    /// Follows `MIRRORED` on this thread. 0 while it is left.
    static FOLLOWS: Cell<u64> = const { Cell::new(0) };
}

/// What [`FOLLOWS`] becomes if a value is entered or left twice.
const BROKEN: u64 = u64::MAX;

static MIRRORED: ContextVar<u64> = ContextVar::new("mirrored").mirrored(
    |value| FOLLOWS.set(if FOLLOWS.get() == 0 { *value } else { BROKEN }),
    |value| FOLLOWS.set(if FOLLOWS.get() == *value { 0 } else { BROKEN }),
);

/// Checks what the callbacks have set on this thread.
fn follows(expected: u64, place: &str) -> CheckResult {
    let told = FOLLOWS.get();
    let cause = match told {
        0 => {
            "polls, destructors or calls are in a frame that was not entered by `Frame::run`, or \
             no frame is carried (C-25)"
        }
        _ => LEFT_BEHIND,
    };
    ensure(
        told == expected,
        &format!("a mirrored variable's thread-local {place}: {expected}"),
        &format!("{told}"),
        cause,
    )
}

pub(crate) fn c93_a_thread_local_follows_in_interleaved_tasks(check: &CheckContext) -> CheckResult {
    check.block_on(async {
        let bound = (1..=8).map(|own| {
            let task = async move {
                for _ in 0..10 {
                    follows(own, "in one of many tasks")?;
                    yield_times(1).await;
                    let scope = MIRRORED.scope(100 + own, async move {
                        yield_times(1).await;
                        follows(100 + own, "in a scope in one of many tasks")
                    });
                    scope.await?;
                    MIRRORED.run(200 + own, || follows(200 + own, "in `run`"))?;
                    Frame::root().run(|| follows(0, "at the root within a task"))?;
                }
                follows(own, "in one of many tasks at its end")
            };
            MIRRORED.run(own, || check.spawn(task))
        });
        let mut tasks: Vec<_> = bound.collect();
        tasks.extend((0..4).map(|_| {
            check.spawn_root(async {
                for _ in 0..20 {
                    follows(0, "in a task at the root between others")?;
                    yield_times(1).await;
                }
                Ok::<_, CheckError>(())
            })
        }));
        for task in tasks {
            follows(0, "in the future of block_on")?;
            task.output().await??;
        }
        Ok(())
    })
}

/// Tasks that meet on all threads: the callbacks of each thread get its own task's value.
pub(crate) fn c93_a_thread_local_follows_on_all_threads(check: &CheckContext) -> CheckResult {
    check.needs_workers(2)?;
    let workers = check.executor().workers();
    check.block_on(async {
        for round in 0..5 {
            let barrier = TimedBarrier::of(workers);
            let tasks: Vec<_> = (0..workers as u64)
                .map(|number| {
                    let (barrier, own) = (Arc::clone(&barrier), 1 + number);
                    let task = async move {
                        barrier.arrive_and_wait();
                        follows(own, "where tasks are polled at once")?;
                        yield_times(round).await;
                        follows(own, "in a task that may have moved")
                    };
                    MIRRORED.run(own, || check.spawn(task))
                })
                .collect();
            for task in tasks {
                task.output().await??;
            }
            let roots: Vec<_> = (0..workers)
                .map(|_| check.spawn_root(async { follows(0, "after the task was polled") }))
                .collect();
            for root in roots {
                root.output().await??;
            }
        }
        Ok(())
    })
}

pub(crate) fn c93_a_panic_leaves(check: &CheckContext) -> CheckResult {
    check.block_on(async {
        for _ in 0..check.executor().workers() {
            let task = MIRRORED.run(1, || {
                check.spawn(async {
                    yield_times(1).await;
                    let caught = catch_unwind(AssertUnwindSafe(|| {
                        MIRRORED.run(2, || deliberate_panic());
                    }));
                    follows(1, "after a panic in `run`")?;
                    drop(caught);
                    MIRRORED.scope(3, async { deliberate_panic() }).await;
                    Ok::<_, CheckError>(())
                })
            });
            let ended = task.output().await;
            ensure(
                matches!(&ended, Err(CheckError::Failed(failure)) if failure.seen.contains(DELIBERATE)),
                "a panic on purpose ends a task",
                &format!("{ended:?}"),
                "",
            )?;
            check
                .spawn_root(async { follows(0, "after a task panicked") })
                .output()
                .await??;
        }
        Ok(())
    })
}

/// Records what the callbacks have set where it is dropped.
struct NotesOnDrop(Arc<AtomicU64>);

impl Drop for NotesOnDrop {
    fn drop(&mut self) {
        self.0.store(1_000 + FOLLOWS.get(), Ordering::SeqCst);
    }
}

pub(crate) fn c93_a_destructor_of_an_aborted_task_is_told(check: &CheckContext) -> CheckResult {
    check.joining()?;
    let noted = Arc::new(AtomicU64::new(0));
    let owned = NotesOnDrop(Arc::clone(&noted));
    let could_abort = check.block_on(async {
        let mut task = MIRRORED.run(5, || {
            check.spawn_joinable(async move {
                let _owned = owned;
                std::future::pending::<()>().await;
            })
        })?;
        yield_times(3).await;
        let could_abort = MIRRORED.run(6, || task.abort());
        if could_abort {
            drop(task.join().await);
        } else {
            task.detach();
        }
        Ok::<_, CheckError>(could_abort)
    })?;
    if !could_abort {
        return not_applicable("a task cannot be aborted");
    }
    check.eventually("an aborted task's future is dropped", || {
        noted.load(Ordering::SeqCst) != 0
    })?;
    expect(
        "a mirrored variable's thread-local where a task under 5 is dropped, aborted under 6",
        1_005,
        noted.load(Ordering::SeqCst),
        &[
            (1_000, NOT_CARRIED),
            (
                1_006,
                "the future is dropped in the frame of the code that aborts",
            ),
        ],
    )
}

pub(crate) fn c93_block_in_place_and_blocking_calls_are_told(check: &CheckContext) -> CheckResult {
    let blocking = check.blocking()?;
    let own = check.clone();
    // Whether a call has a frame at all is another item's: C-61.
    let follows_the_value = || follows(MIRRORED.get().unwrap_or(0), "in a blocking call");
    check.block_on(async {
        let call = MIRRORED.run(7, || spawn_blocking(blocking, follows_the_value));
        output_of::<CheckResult>(call.join().await)??;
        let call = Frame::root().run(|| spawn_blocking(blocking, || follows(0, "in the next one")));
        output_of::<CheckResult>(call.join().await)??;
        let task = MIRRORED.run(8, || {
            check.spawn(async move {
                let mut inside = Ok(());
                let blocking = own.blocking()?;
                let mut call = || inside = follows(8, "in block_in_place");
                if blocking.block_in_place(&mut call) {
                    inside?;
                    follows(8, "after block_in_place")?;
                    yield_times(2).await;
                    follows(8, "after block_in_place and an await")?;
                }
                Ok::<_, CheckError>(())
            })
        });
        task.output().await??;
        let after = check.spawn_root(async { follows(0, "after block_in_place in another task") });
        after.output().await?
    })
}

static LEVEL: DefaultVar<u64> = DefaultVar::new("level", 3);

pub(crate) fn c94_unbound_across_awaits_and_spawns(check: &CheckContext) -> CheckResult {
    let spawner = check.clone();
    let seen = check.block_on(async {
        let task = bind(&ID, 10).and(&LEVEL, 5).run(|| {
            check.spawn(async move {
                let unbound = LEVEL.scope_unbound(ID.scope_unbound(async {
                    yield_times(2).await;
                    let child = spawner.spawn(async { (ID.get(), LEVEL.get()) });
                    let within = (ID.get(), LEVEL.get());
                    Ok::<_, CheckError>([within, child.output().await?])
                }));
                let [within, child] = unbound.await?;
                Ok::<_, CheckError>([within, child, (ID.get(), LEVEL.get())])
            })
        });
        task.output().await?
    })?;
    expect(
        "two variables in a scope that unbinds them after an await, in a child, and afterwards",
        [(None, 3), (None, 3), (Some(10), 5)],
        seen,
        &[
            ([(None, 3); 3], NOT_CARRIED),
            (
                [(None, 3), (Some(10), 5), (Some(10), 5)],
                "a child gets the frame that its parent was spawned with instead of the one that \
                 is current when spawn is called",
            ),
        ],
    )
}

/// How often `DECIDES` was asked, and its spawner's `ID` at the last time.
static ASKED: ContextVar<Arc<(AtomicU64, AtomicU64)>> = ContextVar::new("asked");

static DECIDES: ContextVar<u64> = ContextVar::new("decides").inherit_with(|left| {
    ASKED.with(|asked| {
        let (count, id) = &**asked?;
        count.fetch_add(1, Ordering::SeqCst);
        id.store(ID.get().unwrap_or(0), Ordering::SeqCst);
        left.checked_sub(1)
    })
});

pub(crate) fn c95_a_variable_decides_at_the_spawn_once(check: &CheckContext) -> CheckResult {
    let asked = Arc::new((AtomicU64::new(0), AtomicU64::new(0)));
    let (spawner, go) = (check.clone(), Gate::new());
    let (seen, at_the_spawn) = check.block_on(async {
        let list = bind(&ID, 10)
            .and(&DECIDES, 1)
            .and(&ASKED, Arc::clone(&asked));
        let may_go = Arc::clone(&go);
        let task = list.run(|| {
            ID.run(11, || {
                check.spawn(ID.scope(12, async move {
                    let child = spawner.clone();
                    may_go.passed().await;
                    let own = DECIDES.get();
                    let task = spawner.spawn(async move {
                        let grandchild = child.spawn(async { DECIDES.get() });
                        Ok::<_, CheckError>([DECIDES.get(), grandchild.output().await?])
                    });
                    let [second, third] = task.output().await??;
                    Ok::<_, CheckError>([own, second, third])
                }))
            })
        });
        let at_the_spawn = (
            asked.0.load(Ordering::SeqCst),
            asked.1.load(Ordering::SeqCst),
        );
        go.open();
        Ok::<_, CheckError>((task.output().await??, at_the_spawn))
    })?;
    expect(
        "what a task, its child and its grandchild get of a variable that hands on one less than 1",
        [Some(0), None, None],
        seen,
        &[
            ([None; 3], NOT_CARRIED),
            (
                [Some(1); 3],
                "tasks get the frame as it is: capture Frame::current().inherited()",
            ),
        ],
    )?;
    expect(
        "how often a variable has decided when `spawn` returned, and the value of ID there",
        (1, 11),
        at_the_spawn,
        &[((0, 0), "what a task inherits is decided at its first poll")],
    )?;
    ensure(
        asked.0.load(Ordering::SeqCst) == 2,
        "a variable decides once for each task that it is handed to or kept from",
        &format!("{} times for 2 tasks", asked.0.load(Ordering::SeqCst)),
        "Frame::inherited is called several times for a task",
    )
}

pub(crate) fn c96_without_flow_a_spawn_starts_at_the_root(check: &CheckContext) -> CheckResult {
    let spawner = check.clone();
    let seen = check.block_on(async {
        let seen = || async { (ID.get(), Frame::current().is_root()) };
        let task = ID.run(10, || {
            check.spawn(async move {
                let (closure, own) = Frame::without_flow(|| (spawner.spawn(seen()), ID.get()));
                let scope = Frame::scope_without_flow(async {
                    yield_times(1).await;
                    (
                        ID.scope(11, async { spawner.spawn(seen()) }).await,
                        ID.get(),
                    )
                });
                let (future, also_own) = scope.await;
                let after = spawner.spawn(async { ID.get() });
                let spawned = [closure.output().await?, future.output().await?];
                Ok::<_, CheckError>((spawned, [own, also_own, after.output().await?]))
            })
        });
        task.output().await?
    })?;
    expect(
        "what tasks see that are spawned without flow; and the code's own values, and a task's \
         that is spawned afterwards",
        ([(None, true); 2], [Some(10); 3]),
        seen,
        &[
            (([(None, true); 2], [None; 3]), NOT_CARRIED),
            (
                ([(Some(10), false), (Some(11), false)], [Some(10); 3]),
                "tasks get the frame as it is: capture Frame::current().inherited()",
            ),
        ],
    )
}
