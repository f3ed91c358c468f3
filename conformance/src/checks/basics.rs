//! Contract, "Basics": C-1 to C-9. The context crate implements variables; these checks are about
//! variables in a task, on the executor's threads and across awaits, which the executor affects.

use std::task::Poll;

use framewise_context::{ContextVar, DefaultVar, Frame};

use super::within::{LEFT_BEHIND, NOT_CARRIED, in_task, panics, sees};
use crate::check_context::CheckContext;
use crate::check_result::{CheckError, CheckResult, ensure, expect};
use crate::support::{DELIBERATE, ID, OTHER, deliberate_panic, yield_times};

/// The checks of this chapter.
#[doc(hidden)]
#[macro_export]
macro_rules! __basics_checks {
    ({ $($callback:tt)* } $arguments:tt) => {
        $($callback)*! { $arguments basics:
            c01_unbound_gives_the_default_or_none
            c01_a_task_at_the_root_has_no_frame
            c02_run_restores_what_was_there_before
            c02_a_wake_inside_of_run_takes_no_binding_along
            c03_each_level_of_shadowing_is_restored
            c04_variables_are_independent
            c05_run_returns_what_its_closure_returns
            c06_a_panic_in_run_restores
            c07_after_the_outermost_run_the_variable_is_unbound
            c08_a_bound_none_is_not_unbound
            c09_variables_of_the_same_name_are_two
        }
    };
}

static WITH_DEFAULT: DefaultVar<u64> = DefaultVar::new("with_default", 3);

pub(crate) fn c01_unbound_gives_the_default_or_none(check: &CheckContext) -> CheckResult {
    // Another task has both bound, and is polled in turn with the task that has neither bound.
    let neighbor = WITH_DEFAULT.run(5, || OTHER.run(40, || check.spawn(yield_times(20))));
    in_task(check, async {
        for _ in 0..10 {
            expect(
                "an unbound variable",
                None,
                OTHER.get(),
                &[(Some(40), LEFT_BEHIND)],
            )?;
            expect(
                "an unbound variable with a default",
                (3, false),
                (WITH_DEFAULT.get(), WITH_DEFAULT.is_bound()),
                &[((5, true), LEFT_BEHIND)],
            )?;
            yield_times(1).await;
        }
        Ok(())
    })?;
    check.block_on(neighbor.output())?;
    let child = WITH_DEFAULT.run(6, || {
        check.spawn(async { (WITH_DEFAULT.get(), OTHER.get()) })
    });
    let seen = check.block_on(child.output())?;
    expect(
        "a bound variable, and an unbound one",
        (6, None),
        seen,
        &[((3, None), NOT_CARRIED)],
    )
}

pub(crate) fn c01_a_task_at_the_root_has_no_frame(check: &CheckContext) -> CheckResult {
    let bound = ID.run(10, || check.spawn(yield_times(20)));
    let root = check.spawn_root(async {
        let mut roots = Vec::new();
        for _ in 0..10 {
            roots.push(Frame::current().is_root());
            let _ = (ID.get(), WITH_DEFAULT.get());
            roots.push(Frame::current().is_root());
            yield_times(1).await;
        }
        roots
    });
    let roots = check.block_on(async {
        bound.output().await?;
        root.output().await
    })?;
    ensure(
        roots.iter().all(|root| *root),
        "a task that is spawned at the root is there at each poll, and reading does not change it",
        "it has a frame",
        "the root is not entered as any other frame is, so that the one before stays; or each task \
         is given a frame of its own",
    )
}

pub(crate) fn c02_run_restores_what_was_there_before(check: &CheckContext) -> CheckResult {
    let id = check.id();
    in_task(check, async move {
        for number in 10..15 {
            ID.run(number, || sees(Some(number), "inside of run"))?;
            sees(id, "after run")?;
            yield_times(1).await;
            sees(id, "after run and an await")?;
        }
        Ok(())
    })
}

pub(crate) fn c02_a_wake_inside_of_run_takes_no_binding_along(check: &CheckContext) -> CheckResult {
    let id = check.id();
    in_task(check, async move {
        let mut polls = 0;
        let mut seen = Vec::new();
        std::future::poll_fn(|cx| {
            seen.push(ID.get());
            polls += 1;
            if polls == 4 {
                return Poll::Ready(());
            }
            ID.run(10, || cx.waker().wake_by_ref());
            Poll::Pending
        })
        .await;
        expect(
            "ID at polls of a task that wakes itself inside of run",
            vec![id; 4],
            seen,
            &[(
                vec![id, Some(10), Some(10), Some(10)],
                "the frame is captured when a task is woken instead of at spawn",
            )],
        )
    })
}

pub(crate) fn c03_each_level_of_shadowing_is_restored(check: &CheckContext) -> CheckResult {
    in_task(
        check,
        ID.scope(10, async {
            sees(Some(10), "at the first level")?;
            yield_times(1).await;
            ID.scope(11, async {
                yield_times(1).await;
                ID.run(12, || {
                    ID.run(13, || sees(Some(13), "at the fourth level"))?;
                    sees(Some(12), "at the third level")
                })?;
                yield_times(1).await;
                sees(Some(11), "at the second level after an await")
            })
            .await?;
            sees(Some(10), "back at the first level")?;
            yield_times(1).await;
            sees(Some(10), "back at the first level after an await")
        }),
    )
}

pub(crate) fn c04_variables_are_independent(check: &CheckContext) -> CheckResult {
    let id = check.id();
    let both = move |first, second, place: &str| {
        expect(
            &format!("two variables {place}"),
            (first, second),
            (ID.get(), OTHER.get()),
            &[((None, None), NOT_CARRIED), ((id, None), NOT_CARRIED)],
        )
    };
    OTHER.run(40, || {
        in_task(check, async move {
            both(id, Some(40), "of which one is bound at spawn")?;
            ID.scope(10, async {
                yield_times(1).await;
                both(Some(10), Some(40), "when the other is bound")
            })
            .await?;
            OTHER
                .scope(41, async {
                    yield_times(1).await;
                    both(id, Some(41), "when one is rebound")?;
                    ID.run(11, || both(Some(11), Some(41), "when both are"))
                })
                .await?;
            yield_times(1).await;
            both(id, Some(40), "after an await")
        })
    })
}

pub(crate) fn c05_run_returns_what_its_closure_returns(check: &CheckContext) -> CheckResult {
    let own = check.clone();
    in_task(check, async move {
        let borrowed = String::from("borrowed");
        let text = ID.run(10, || borrowed.as_str());
        expect("what run returns", "borrowed", text, &[])?;
        let child = ID.run(11, || own.spawn(async { (ID.get(), 77) }));
        let output = child.output().await?;
        expect(
            "the output of a task whose handle run returned",
            (Some(11), 77),
            output,
            &[((None, 77), NOT_CARRIED)],
        )
    })
}

pub(crate) fn c06_a_panic_in_run_restores(check: &CheckContext) -> CheckResult {
    let id = check.id();
    let own = check.clone();
    in_task(check, async move {
        let caught = panics(|| ID.run(10, || OTHER.run(40, || deliberate_panic())));
        ensure(caught, "a panic passes through run", "it did not", "")?;
        sees(id, "after a panic in run")?;
        yield_times(1).await;
        sees(id, "after a panic in run and an await").and(expect(
            "a variable of a run that panicked",
            None,
            OTHER.get(),
            &[],
        ))?;
        // A panic that leaves the poll of a task; the executor may catch it or not.
        let child = own.spawn(async { ID.run(11, || deliberate_panic()) });
        ensure(
            child.output().await.is_err_and(is_deliberate),
            "a task that panics has no output",
            "it has one",
            "",
        )?;
        sees(id, "after another task has panicked in run")?;
        let bare = own.spawn_root(async { Frame::current().is_root() });
        ensure(
            bare.output().await?,
            "a task at the root, after another has panicked in run",
            "it has a frame",
            "the frame is not restored when a poll panics: restore it in a destructor; or the root \
             is not entered as any other frame is (C-36)",
        )
    })
}

fn is_deliberate(error: CheckError) -> bool {
    matches!(error, CheckError::Failed(failure) if failure.seen.contains(DELIBERATE))
}

pub(crate) fn c07_after_the_outermost_run_the_variable_is_unbound(
    check: &CheckContext,
) -> CheckResult {
    static FRESH: ContextVar<u64> = ContextVar::new("fresh");
    in_task(check, async {
        for number in 0..3 {
            FRESH.run(number, || ());
            FRESH.scope(number, yield_times(1)).await;
            yield_times(1).await;
            ensure(
                !FRESH.is_bound(),
                "a variable is unbound after its outermost binding",
                "it is bound",
                LEFT_BEHIND,
            )?;
        }
        Ok(())
    })?;
    let root = check.spawn_root(async {
        FRESH.scope(1, yield_times(2)).await;
        let after_scope = Frame::current().is_root();
        yield_times(1).await;
        FRESH.run(2, || ());
        after_scope && Frame::current().is_root()
    });
    ensure(
        check.block_on(root.output())?,
        "a task at the root is there again after its outermost binding",
        "it has a frame",
        LEFT_BEHIND,
    )
}

pub(crate) fn c08_a_bound_none_is_not_unbound(check: &CheckContext) -> CheckResult {
    static MAYBE: DefaultVar<Option<u64>> = DefaultVar::new("maybe", Some(1));
    let read = || async {
        yield_times(1).await;
        (MAYBE.is_bound(), MAYBE.get())
    };
    let bound = MAYBE.run(None, || check.spawn(read()));
    let unbound = check.spawn(read());
    let (bound, unbound) = check.block_on(async { (bound.output().await, unbound.output().await) });
    expect(
        "a variable bound to None, in a task",
        (true, None),
        bound?,
        &[((false, Some(1)), NOT_CARRIED)],
    )?;
    expect(
        "its default where it is not bound",
        (false, Some(1)),
        unbound?,
        &[((true, None), LEFT_BEHIND)],
    )
}

pub(crate) fn c09_variables_of_the_same_name_are_two(check: &CheckContext) -> CheckResult {
    static ONE: ContextVar<u64> = ContextVar::new("same");
    static TWO: ContextVar<u64> = ContextVar::new("same");
    let seen = |place: &str, expected| {
        let causes = [((None, None), NOT_CARRIED)];
        expect(
            &format!("two variables of one name {place}"),
            expected,
            (ONE.get(), TWO.get()),
            &causes,
        )
    };
    ONE.run(1, || {
        in_task(check, async move {
            seen("of which the first is bound", (Some(1), None))?;
            TWO.scope(2, async move {
                yield_times(1).await;
                seen("that are both bound", (Some(1), Some(2)))
            })
            .await?;
            yield_times(1).await;
            seen("after the second's scope", (Some(1), None))
        })
    })
}
