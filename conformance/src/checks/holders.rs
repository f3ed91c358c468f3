//! Contract, "Snapshots", where they are held: by callbacks, by several holders, on other threads.
//! C-18 to C-20, C-23.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use framewise_context::{ContextVar, Frame, bind};

use super::within::{NOT_CARRIED, fails, in_task, sees};
use crate::check_context::{CheckContext, panicked};
use crate::check_result::{CheckError, CheckResult, ensure, expect};
use crate::support::{DropTracker, ID, KEPT, Log, OTHER, eventually, yield_times};

/// The checks of this part of the chapter.
#[doc(hidden)]
#[macro_export]
macro_rules! __holders_checks {
    ({ $($callback:tt)* } $arguments:tt) => {
        $($callback)*! { $arguments holders:
            c18_wrapped_closures_see_their_own_values
            c18_what_a_wrapped_closure_owns_is_dropped_in_its_frame
            c19_a_snapshot_outlives_its_task_and_ends_once
            c20_a_snapshot_works_on_any_thread
            c20_tasks_share_a_snapshot
            c23_the_first_of_two_wraps_holds
        }
    };
}

pub(crate) fn c18_wrapped_closures_see_their_own_values(check: &CheckContext) -> CheckResult {
    let own = check.clone();
    in_task(check, async move {
        let mut calls: Vec<Box<dyn FnMut() -> Option<u64> + Send>> = Vec::new();
        for number in 10..14 {
            let make = ID.run(number, || {
                own.spawn(async { Box::new(Frame::current().wrap(|| ID.get())) as Box<_> })
            });
            calls.push(make.output().await?);
        }
        let caller = ID.run(20, || {
            own.spawn(async move {
                for index in [2, 0, 3, 3, 1, 0, 2] {
                    expect(
                        "ID in a wrapped closure that a task made and another calls",
                        Some(10 + index as u64),
                        calls[index](),
                        &[
                            (None, NOT_CARRIED),
                            (
                                Some(20),
                                "the caller's frame is captured instead of the maker's",
                            ),
                        ],
                    )?;
                    yield_times(1).await;
                    sees(Some(20), "in the caller of a wrapped closure")?;
                }
                Ok(())
            })
        });
        caller.output().await?
    })
}

pub(crate) fn c18_what_a_wrapped_closure_owns_is_dropped_in_its_frame(
    check: &CheckContext,
) -> CheckResult {
    let own = check.clone();
    in_task(check, async move {
        let log = Log::new();
        let wrapped = |number, label| {
            let owned = log.on_drop(label);
            ID.run(number, || {
                own.spawn(async { Frame::current().wrap_once(move || drop(owned)) })
            })
        };
        let never_called = wrapped(10, "never called").output().await?;
        let called = wrapped(11, "called").output().await?;
        let task = ID.run(20, || {
            own.spawn(async {
                drop(never_called);
                called();
                sees(
                    Some(20),
                    "in the task that drops and calls wrapped closures",
                )
            })
        });
        task.output().await??;
        expect(
            "ID where what wrapped closures own is dropped",
            vec![("never called", Some(10)), ("called", Some(11))],
            log.entries(),
            &[(vec![("never called", None), ("called", None)], NOT_CARRIED)],
        )
    })
}

pub(crate) fn c19_a_snapshot_outlives_its_task_and_ends_once(check: &CheckContext) -> CheckResult {
    struct Counted(Arc<AtomicUsize>);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    static COUNTED: ContextVar<Counted> = ContextVar::new("counted");
    let drops = Arc::new(AtomicUsize::new(0));
    let value = Counted(Arc::clone(&drops));
    let task = COUNTED.run(value, || {
        check.spawn(async {
            yield_times(1).await;
            (Frame::current(), COUNTED.is_bound())
        })
    });
    let (first, bound) = check.block_on(task.output())?;
    ensure(
        bound,
        "a task has its spawner's bindings",
        "it has not",
        NOT_CARRIED,
    )?;
    let second = first.clone();
    let child = second.run(|| ID.run(10, Frame::current));
    let tasks = [first, second].map(|frame| ID.run(11, || check.spawn(async { drop(frame) })));
    for task in tasks {
        check.block_on(task.output())?;
    }
    expect(
        "how often a value was dropped while its frame is held",
        0,
        drops.load(Ordering::SeqCst),
        &[],
    )?;
    let task = check.spawn(async move { child.run(|| COUNTED.is_bound()) });
    ensure(
        check.block_on(task.output())?,
        "it is in the frame",
        "it is not",
        "",
    )?;
    check.eventually(
        "a value is dropped with its last holder, as a task's frame is with the task",
        || drops.load(Ordering::SeqCst) == 1,
    )
}

pub(crate) fn c20_a_snapshot_works_on_any_thread(check: &CheckContext) -> CheckResult {
    let own = check.clone();
    in_task(check, async move {
        let (token, tracker) = DropTracker::new();
        let frame = bind(&KEPT, token).frame();
        let taken = frame.run(|| own.spawn(async { ID.run(10, Frame::current) }));
        drop(frame);
        let taken = taken.output().await?;
        let thread = thread::spawn(move || {
            sees(None, "on a thread of its own")?;
            taken.run(|| {
                ensure(
                    KEPT.is_bound(),
                    "KEPT in a snapshot",
                    "it is not bound",
                    NOT_CARRIED,
                )?;
                ID.run(11, || sees(Some(11), "bound on another thread"))?;
                sees(Some(10), "in a snapshot on another thread")
            })?;
            sees(None, "on a thread of its own after a snapshot")
        });
        joined(thread)?;
        if eventually(|| tracker.is_dropped()).await {
            return Ok(());
        }
        let (expected, seen) = ("a value ends where its last holder does", "it does not");
        fails(
            expected,
            seen,
            "a task's frame is held after the task's end",
        )
    })
}

fn joined(thread: thread::JoinHandle<CheckResult>) -> CheckResult {
    match thread.join() {
        Ok(result) => result,
        Err(payload) => Err(panicked(&*payload).into()),
    }
}

pub(crate) fn c20_tasks_share_a_snapshot(check: &CheckContext) -> CheckResult {
    let (token, tracker) = DropTracker::new();
    let shared = bind(&KEPT, token).and(&OTHER, 40).frame();
    let id = check.id();
    let share = |number: u64| {
        let mine = shared.clone();
        check.spawn(async move {
            for _ in 0..100 {
                let child = mine.run(|| ID.run(number, Frame::current));
                let seen = child.run(|| (ID.get(), OTHER.get()));
                expect(
                    "a snapshot that tasks share",
                    (Some(number), Some(40)),
                    seen,
                    &[],
                )?;
                yield_times(1).await;
                sees(id, "in a task that shares a snapshot")?;
            }
            Ok::<_, CheckError>(())
        })
    };
    let tasks: Vec<_> = (10..18).map(share).collect();
    drop(shared);
    for task in tasks {
        check.block_on(task.output())??;
    }
    check.eventually("what tasks shared ends with the last of them", || {
        tracker.is_dropped()
    })
}

pub(crate) fn c23_the_first_of_two_wraps_holds(check: &CheckContext) -> CheckResult {
    let own = check.clone();
    in_task(check, async move {
        let first = ID.run(10, || {
            own.spawn(async { Frame::current().wrap(|| ID.get()) })
        });
        let inner = first.output().await?;
        let second = ID.run(11, || own.spawn(async { Frame::current().wrap(inner) }));
        let mut outer = second.output().await?;
        let third = ID.run(12, || {
            own.spawn(async move {
                yield_times(1).await;
                (outer(), ID.get())
            })
        });
        expect(
            "ID in a closure wrapped under 10 and 11, called under 12, and in its caller",
            (Some(10), Some(12)),
            third.output().await?,
            &[
                ((None, None), NOT_CARRIED),
                ((Some(11), Some(12)), "the last wrap wins"),
            ],
        )
    })
}
