//! Contract, "Composition", one future at a time: C-66, C-67, C-74, C-75.

use std::future::{Future, pending, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use framewise_context::{Frame, bind};
use futures::FutureExt;

use super::within::{LEFT_BEHIND, NOT_CARRIED, in_task, panics, sees};
use crate::check_context::CheckContext;
use crate::check_result::{CheckError, CheckResult, ensure, expect};
use crate::support::{Gate, ID, Log, OTHER, deliberate_panic, poll_once, yield_times};

/// The checks of this chapter.
#[doc(hidden)]
#[macro_export]
macro_rules! __composition_checks {
    ({ $($callback:tt)* } $arguments:tt) => {
        $($callback)*! { $arguments composition:
            c66_a_plain_future_sees_its_pollers_frame
            c66_a_plain_future_follows_from_task_to_task
            c67_nested_scopes_are_both_seen
            c67_a_scope_goes_by_its_pollers_frame
            c74_pending_ready_and_panic_restore
            c75_a_scope_without_a_poll_is_dropped_in_its_scope
        }
    };
}

/// Returns both variables, now and after an await.
async fn both() -> Vec<(Option<u64>, Option<u64>)> {
    let mut seen = vec![(ID.get(), OTHER.get())];
    yield_times(2).await;
    seen.push((ID.get(), OTHER.get()));
    seen
}

pub(crate) fn c66_a_plain_future_sees_its_pollers_frame(check: &CheckContext) -> CheckResult {
    let id = check.id();
    let (scoped, plain) = ID.run(10, || (both(), both()));
    in_task(check, async move {
        let causes = [
            (vec![(None, None); 2], NOT_CARRIED),
            (
                vec![(Some(10), None); 2],
                "the frame is captured where the future was made instead of at spawn",
            ),
        ];
        let what = "two variables in a future, made under 10, at both sides of an await";
        let seen = ID.scope(11, scoped).await;
        expect(what, vec![(Some(11), None); 2], seen, &causes)?;
        expect(what, vec![(id, None); 2], plain.await, &causes)
    })
}

pub(crate) fn c66_a_plain_future_follows_from_task_to_task(check: &CheckContext) -> CheckResult {
    let own = check.clone();
    let id = check.id();
    in_task(check, async move {
        let gate = Gate::new();
        let passed = gate.passed();
        let mut started = Box::pin(async move {
            let before = ID.get();
            passed.await;
            (before, ID.get())
        });
        let polled = futures::poll!(started.as_mut());
        ensure(polled.is_pending(), "it waits", "it is ready", "")?;
        let moved = ID.run(11, || own.spawn(started));
        ID.run(12, || gate.open());
        expect(
            "ID in a future that is started in one task and ended in another, woken under 12",
            (id, Some(11)),
            moved.output().await?,
            &[
                ((id, None), NOT_CARRIED),
                (
                    (id, id),
                    "the frame of the task that polled it first is used",
                ),
                (
                    (id, Some(12)),
                    "the frame is captured when a task is woken instead of at spawn",
                ),
            ],
        )
    })
}

pub(crate) fn c67_nested_scopes_are_both_seen(check: &CheckContext) -> CheckResult {
    let own = check.clone();
    let all = move || {
        let own = own.clone();
        async move {
            let mut seen = both().await;
            seen.extend(own.spawn(both()).output().await?);
            Ok::<_, CheckError>(seen)
        }
    };
    let tasks = [
        check.spawn(ID.scope(10, OTHER.scope(40, all()))),
        check.spawn(OTHER.scope(40, ID.scope(10, all()))),
        check.spawn(bind(&ID, 10).and(&OTHER, 40).scope(all())),
        ID.run(10, || check.spawn(OTHER.scope(40, all()))),
        OTHER.run(40, || check.spawn(ID.scope(10, all()))),
        OTHER.run(39, || check.spawn(ID.scope(10, OTHER.scope(40, all())))),
    ];
    // Wait for all of them first: they hold the executor, which must not be dropped in one of its
    // own tasks.
    let all: Vec<_> = check.block_on(async {
        let mut all = Vec::new();
        for task in tasks {
            all.push(task.output().await);
        }
        all
    });
    for seen in all {
        let seen = seen??;
        expect(
            "two scoped variables at both sides of an await, and in a child",
            vec![(Some(10), Some(40)); 4],
            seen,
            &[(
                vec![
                    (Some(10), Some(40)),
                    (Some(10), Some(40)),
                    (None, None),
                    (None, None),
                ],
                NOT_CARRIED,
            )],
        )?;
    }
    sees(check.id(), "after tasks with scopes")
}

pub(crate) fn c67_a_scope_goes_by_its_pollers_frame(check: &CheckContext) -> CheckResult {
    in_task(check, async {
        let seen = Log::new();
        let recorded = seen.clone();
        let mut frames = Vec::new();
        let mut scope = Box::pin(ID.scope(
            10,
            poll_fn(|_| {
                recorded.record("poll");
                frames.push((OTHER.get(), Frame::current().id()));
                Poll::<()>::Pending
            }),
        ));
        for other in [40, 41, 41] {
            // Each of these frames is a different one, even if the values are the same.
            OTHER.run(other, || {
                poll_once(scope.as_mut(), Waker::noop()).is_pending()
            });
            yield_times(1).await;
        }
        OTHER
            .scope(42, async {
                for _ in 0..3 {
                    let _ = futures::poll!(scope.as_mut());
                }
            })
            .await;
        drop(scope);
        expect(
            "ID at each poll of a scope",
            vec![("poll", Some(10)); 6],
            seen.entries(),
            &[],
        )?;
        let others: Vec<_> = frames.iter().map(|(other, _)| *other).collect();
        let expected = [40, 41, 41, 42, 42, 42].map(Some).to_vec();
        expect(
            "the poller's other variable at each poll",
            expected,
            others,
            &[],
        )?;
        ensure(
            frames[1].1 != frames[2].1 && frames[3].1 == frames[5].1,
            "a scope makes a frame for each frame in which it is polled, and no more",
            "another number of frames",
            "",
        )
    })
}

pub(crate) fn c74_pending_ready_and_panic_restore(check: &CheckContext) -> CheckResult {
    let id = check.id();
    in_task(check, async move {
        for number in [10, 20] {
            ID.scope(number, yield_times(2)).await;
            sees(id, "after a scope was ready")?;
            let mut pends = Box::pin(ID.scope(number, pending::<()>()));
            let polled = futures::poll!(pends.as_mut());
            ensure(polled.is_pending(), "it stays pending", "it is ready", "")?;
            sees(id, "after a scope was pending")?;
            yield_times(1).await;
            drop(pends);
            sees(id, "after a pending scope was dropped")?;
            let scope = ID.scope(number + 1, async move {
                yield_times(1).await;
                ID.run(number + 2, || deliberate_panic())
            });
            let caught = AssertUnwindSafe(scope).catch_unwind().await.is_err();
            ensure(caught, "a panic passes through a scope", "it did not", "")?;
            sees(id, "after a scope has panicked")?;
            let held = ID
                .run(number + 3, Frame::current)
                .scope(async { deliberate_panic() });
            let caught = AssertUnwindSafe(held).catch_unwind().await.is_err();
            ensure(
                caught,
                "a panic passes through a frame's scope",
                "it did not",
                "",
            )?;
            sees(id, "after a future in a snapshot has panicked")?;
            let scope = ID.scope(number + 4, PanicsInDrop);
            ensure(
                panics(|| drop(scope)),
                "a destructor panics",
                "it did not",
                "",
            )?;
            sees(id, "after a scope whose future's destructor panicked")?;
        }
        Ok(())
    })
}

struct PanicsInDrop;

impl Future for PanicsInDrop {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

impl Drop for PanicsInDrop {
    fn drop(&mut self) {
        deliberate_panic()
    }
}

pub(crate) fn c75_a_scope_without_a_poll_is_dropped_in_its_scope(
    check: &CheckContext,
) -> CheckResult {
    let own = check.clone();
    let id = check.id();
    in_task(check, async move {
        let log = Log::new();
        let (here, there) = (log.on_drop("here"), log.on_drop("in another task"));
        let (held, outer) = (log.on_drop("in a snapshot"), log.on_drop("outside"));
        drop(ID.scope(10, async move { drop(here) }));
        drop(outer);
        let scope = ID.scope(11, async move { drop(there) });
        let frame = ID.run(12, Frame::current);
        let in_frame = frame.scope(async move { drop(held) });
        let drops = ID.run(13, || {
            own.spawn(async move {
                yield_times(1).await;
                drop(scope);
                drop(in_frame);
                sees(
                    Some(13),
                    "in a task that dropped scopes that were not polled",
                )
            })
        });
        drops.output().await??;
        let expected = vec![
            ("here", Some(10)),
            ("outside", id),
            ("in another task", Some(11)),
            ("in a snapshot", Some(12)),
        ];
        let lost = expected.iter().map(|(label, _)| (*label, None)).collect();
        let left = expected
            .iter()
            .map(|(label, _)| (*label, Some(13)))
            .collect();
        expect(
            "ID where scopes are dropped that were not polled",
            expected,
            log.entries(),
            &[(lost, NOT_CARRIED), (left, LEFT_BEHIND)],
        )
    })
}
