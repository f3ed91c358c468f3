//! Contract, "Composition", from task to task: futures and streams that start in one task and go on
//! in another. C-71 to C-73.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use framewise_context::bind;
use futures::future::{self, FutureExt};
use futures::stream::{self, StreamExt};

use super::within::{LEFT_BEHIND, NOT_CARRIED, in_task, sees};
use crate::check_context::{CheckContext, Slot};
use crate::check_result::{CheckError, CheckResult, ensure, expect};
use crate::support::{Gate, ID, Log, OTHER, eventually, yield_times};

/// The checks of this part of the chapter.
#[doc(hidden)]
#[macro_export]
macro_rules! __handed_over_checks {
    ({ $($callback:tt)* } $arguments:tt) => {
        $($callback)*! { $arguments handed_over:
            c71_a_started_scope_keeps_its_variable_in_another_task
            c71_a_started_scope_is_dropped_where_it_was_moved
            c72_a_scoped_stream_and_its_consumer
            c72_a_scoped_stream_moves_from_task_to_task
            c73_a_shared_future_sees_one_of_its_pollers
            c73_a_wrapped_shared_future_sees_its_own
        }
    };
}

/// A scope that waits for a gate, and records what it sees before, after, and when it is dropped.
fn gated(gate: &Arc<Gate>, log: &Log) -> impl Future<Output = Seen> + Send + use<> {
    let passed = gate.passed();
    let dropped = log.on_drop("dropped");
    ID.scope(10, async move {
        let _dropped = dropped;
        let before = (ID.get(), OTHER.get());
        passed.await;
        [before, (ID.get(), OTHER.get())]
    })
}

type Seen = [(Option<u64>, Option<u64>); 2];

pub(crate) fn c71_a_started_scope_keeps_its_variable_in_another_task(
    check: &CheckContext,
) -> CheckResult {
    let own = check.clone();
    in_task(check, async move {
        let (gate, log) = (Gate::new(), Log::new());
        let mut scope = Box::pin(gated(&gate, &log));
        // Started in one task, continued in a second, ended in a third.
        let first = OTHER.run(40, || {
            own.spawn(async move {
                let polled = futures::poll!(scope.as_mut());
                (scope, polled.is_pending())
            })
        });
        let (mut scope, pending) = first.output().await?;
        let second = OTHER.run(41, || {
            own.spawn(async move {
                yield_times(1).await;
                let polled = futures::poll!(scope.as_mut());
                (scope, polled.is_pending())
            })
        });
        let (scope, still_pending) = second.output().await?;
        ensure(pending && still_pending, "it waits", "it is ready", "")?;
        let third = bind(&OTHER, 42).and(&ID, 12).run(|| own.spawn(scope));
        bind(&OTHER, 43).and(&ID, 13).run(|| gate.open());
        let own_and = |other| (Some(10), other);
        expect(
            "a scope's own and another variable, started under 40 and ended under 42",
            [own_and(Some(40)), own_and(Some(42))],
            third.output().await?,
            &[
                ([own_and(None), own_and(None)], NOT_CARRIED),
                ([own_and(Some(40)), own_and(None)], NOT_CARRIED),
            ],
        )?;
        expect("its end", vec![("dropped", Some(10))], log.entries(), &[])
    })
}

pub(crate) fn c71_a_started_scope_is_dropped_where_it_was_moved(
    check: &CheckContext,
) -> CheckResult {
    let own = check.clone();
    in_task(check, async move {
        let (gate, log) = (Gate::new(), Log::new());
        let seen = Slot::new();
        let recorded = seen.clone();
        let mut scope = Box::pin(ID.scope(10, async move {
            let _dropped = RecordsDrop(recorded);
            gate.passed().await;
        }));
        let polled = futures::poll!(scope.as_mut());
        ensure(polled.is_pending(), "it waits", "it is ready", "")?;
        let dropped = log.on_drop("beside it");
        let drops = bind(&ID, 11).and(&OTHER, 41).run(|| {
            own.spawn(async move {
                yield_times(1).await;
                drop(scope);
                drop(dropped);
            })
        });
        drops.output().await?;
        expect(
            "a scope's own and another variable, dropped in another task",
            Some((Some(10), Some(41))),
            seen.take(),
            &[(Some((Some(10), None)), NOT_CARRIED)],
        )?;
        expect(
            "ID beside it",
            vec![("beside it", Some(11))],
            log.entries(),
            &[],
        )
    })
}

/// Stores both variables when it is dropped.
struct RecordsDrop(Slot<(Option<u64>, Option<u64>)>);

impl Drop for RecordsDrop {
    fn drop(&mut self) {
        self.0.put((ID.get(), OTHER.get()));
    }
}

/// A stream of what it sees, with a yield before each item; it records its drop.
fn watching(log: &Log) -> impl stream::Stream<Item = Option<u64>> + Send + use<> {
    stream::unfold(log.on_drop("stream"), |dropped| async move {
        let before = ID.get();
        yield_times(1).await;
        (before == ID.get()).then_some((before, dropped))
    })
}

pub(crate) fn c72_a_scoped_stream_and_its_consumer(check: &CheckContext) -> CheckResult {
    let id = check.id();
    in_task(check, async move {
        let log = Log::new();
        let mut items = Box::pin(ID.scope_stream(10, watching(&log)));
        for _ in 0..5 {
            expect(
                "an item of a scoped stream",
                Some(Some(10)),
                items.next().await,
                &[],
            )?;
            sees(id, "in the consumer of a scoped stream")?;
            ID.scope(11, async {
                expect(
                    "an item that another task polled for",
                    Some(Some(10)),
                    items.next().await,
                    &[],
                )?;
                sees(Some(11), "in a scoped consumer of a scoped stream")
            })
            .await?;
        }
        ID.run(12, || drop(items));
        drop(ID.scope_stream(13, watching(&log)));
        let expected = vec![("stream", Some(10)), ("stream", Some(13))];
        expect(
            "ID where a scoped stream is dropped",
            expected,
            log.entries(),
            &[],
        )
    })
}

pub(crate) fn c72_a_scoped_stream_moves_from_task_to_task(check: &CheckContext) -> CheckResult {
    let own = check.clone();
    in_task(check, async move {
        let log = Log::new();
        let mut items = Box::pin(ID.scope_stream(10, watching(&log)));
        for consumer in 11..14 {
            let consumes = ID.run(consumer, || {
                own.spawn(async move {
                    let (one, between) = (items.next().await, ID.get());
                    yield_times(1).await;
                    (items, one, between, ID.get())
                })
            });
            let (given_back, item, between, after) = consumes.output().await?;
            items = given_back;
            let consumer = Some(consumer);
            expect(
                "an item of a scoped stream, and ID in the task that took it, twice",
                (Some(Some(10)), consumer, consumer),
                (item, between, after),
                &[
                    ((Some(Some(10)), None, None), NOT_CARRIED),
                    ((Some(Some(10)), Some(10), consumer), LEFT_BEHIND),
                ],
            )?;
        }
        let last = ID.run(14, || own.spawn(async move { drop(items) }));
        last.output().await?;
        let expected = vec![("stream", Some(10))];
        expect(
            "ID where a scoped stream is dropped",
            expected,
            log.entries(),
            &[],
        )
    })
}

/// Tasks under 11, 12 and 13 wait for clones of one future, which waits for a gate. Returns the
/// output and `ID` of each task.
async fn shared_by_three<F>(
    check: &CheckContext,
    gate: &Arc<Gate>,
    shared: future::Shared<F>,
) -> Result<Vec<(Option<u64>, Option<u64>)>, CheckError>
where
    F: Future<Output = Option<u64>> + Send + 'static,
{
    let started = Arc::new(AtomicUsize::new(0));
    let wait = |number: u64| {
        let (mut shared, started) = (shared.clone(), Arc::clone(&started));
        ID.run(number, || {
            check.spawn(async move {
                let ready = poll_fn(|cx| {
                    let polled = shared.poll_unpin(cx);
                    started.fetch_add(1, Ordering::SeqCst);
                    polled
                });
                (ready.await, ID.get())
            })
        })
    };
    let tasks: Vec<_> = (11..14).map(wait).collect();
    let all = eventually(|| started.load(Ordering::SeqCst) >= 3).await;
    ensure(
        all,
        "three tasks wait for a shared future",
        "they do not",
        "",
    )?;
    ID.run(15, || gate.open());
    let mut seen = Vec::new();
    for task in tasks {
        seen.push(task.output().await?);
    }
    Ok(seen)
}

pub(crate) fn c73_a_shared_future_sees_one_of_its_pollers(check: &CheckContext) -> CheckResult {
    let own = check.clone();
    in_task(check, async move {
        let gate = Gate::new();
        let log = Log::new();
        let (mut passed, polls) = (Box::pin(gate.passed()), log.clone());
        let shared = ID.run(10, || {
            poll_fn(move |cx| {
                polls.record("poll");
                passed.as_mut().poll(cx).map(|()| ID.get())
            })
            .shared()
        });
        let seen = shared_by_three(&own, &gate, shared).await?;
        for (_, poller) in log.entries() {
            let what = "ID in a shared future is that of one of its pollers";
            let cause = match poller {
                None => NOT_CARRIED,
                Some(10) => "the frame is captured where the future was made",
                Some(15) => "a task is polled in the frame of the code that woke it",
                Some(_) => LEFT_BEHIND,
            };
            ensure(
                matches!(poller, Some(11..14)),
                what,
                &format!("{poller:?}"),
                cause,
            )?;
        }
        let first = seen[0].0;
        ensure(
            matches!(first, Some(11..14)),
            "its output is from one of them",
            &format!("{first:?}"),
            NOT_CARRIED,
        )?;
        let expected: Vec<_> = (11..14).map(|number| (first, Some(number))).collect();
        expect(
            "the output of a shared future, and ID in its awaiter",
            expected,
            seen,
            &[],
        )
    })
}

pub(crate) fn c73_a_wrapped_shared_future_sees_its_own(check: &CheckContext) -> CheckResult {
    let own = check.clone();
    in_task(check, async move {
        let gate = Gate::new();
        let passed = gate.passed();
        let read = async move {
            yield_times(1).await;
            passed.await;
            ID.get()
        };
        let seen = shared_by_three(&own, &gate, ID.scope(10, read).shared()).await?;
        let expected: Vec<_> = (11..14).map(|number| (Some(10), Some(number))).collect();
        expect(
            "the output of a shared scope, and ID in its awaiter",
            expected,
            seen,
            &[(vec![(Some(10), None); 3], NOT_CARRIED)],
        )
    })
}
