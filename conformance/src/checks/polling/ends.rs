//! How children end, and what is left behind: C-69 and C-73 to C-75.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;

use framewise_context::Frame;

use super::{ELSEWHERE, KEPT, NESTED, all_see, child, idle, polled};
use crate::check_context::not_applicable;
use crate::check_result::{CheckError, CheckResult, ensure, expect};
use crate::checks::within::sees;
use crate::combinator::{Child, CombinatorCheckContext};
use crate::executor::BoxFuture;
use crate::support::{Entry, ID, Log, deliberate_panic, yield_times};

pub(crate) fn c69_losers_of_a_race_are_dropped_in_their_scopes(
    check: &CombinatorCheckContext,
) -> CheckResult {
    let log = Log::new();
    let children: Vec<Child> = vec![
        Box::pin(ID.scope(21, idle(&log, "a scoped loser"))),
        idle(&log, "a plain loser"),
        Box::pin(ID.scope(22, child(&log, "the winner", 3))),
        Box::pin(ID.scope(23, idle(&log, "another loser"))),
    ];
    let Some(whole) = check.combinator().race(children) else {
        return not_applicable("no race");
    };
    check.block_on(ID.scope(11, whole));
    let expected = [
        ("a scoped loser", 21),
        ("a plain loser", 11),
        ("another loser", 23),
        ("the winner", 22),
    ];
    for (label, number) in expected {
        all_see(&log, label, Some(number))?;
        let recorded = log
            .entries()
            .iter()
            .filter(|(found, _)| *found == label)
            .count();
        let what = format!("{label} is polled, and dropped when the race is over");
        ensure(
            recorded >= 2,
            &what,
            &format!("{:?}", log.entries()),
            "it is kept, or leaked",
        )?;
    }
    Ok(())
}

/// Shares `child`, polls one half once under 11, and the other to its end under 12.
fn shared(check: &CombinatorCheckContext, child: Child) -> Result<(), CheckError> {
    let Some([mut first, second]) = check.combinator().share(child) else {
        return not_applicable("no shared future");
    };
    check.block_on(async {
        let pending = ID.scope(11, polled(&mut first)).await.is_pending();
        ensure(pending, "a shared child is not ready yet", "it is", "")?;
        ID.scope(12, second).await;
        sees(check.id(), "after a shared child was ready")?;
        ID.scope(13, first).await;
        Ok(())
    })
}

pub(crate) fn c73_a_shared_child_sees_its_pollers_frame(
    check: &CombinatorCheckContext,
) -> CheckResult {
    let log = Log::new();
    shared(check, child(&log, "a shared child", 2))?;
    let polls: Vec<Entry> = log.entries().into_iter().take(2).collect();
    let with = |first, second| vec![("a shared child", first), ("a shared child", second)];
    expect(
        "ID in a shared child that is polled under 11 and then under 12",
        with(Some(11), Some(12)),
        polls,
        &[
            (with(None, None), ELSEWHERE),
            (with(Some(11), Some(11)), KEPT),
        ],
    )
}

pub(crate) fn c73_a_wrapped_shared_child_sees_its_own(
    check: &CombinatorCheckContext,
) -> CheckResult {
    let log = Log::new();
    shared(
        check,
        Box::pin(ID.scope(21, child(&log, "a shared scope", 2))),
    )?;
    all_see(&log, "a shared scope", Some(21))
}

pub(crate) fn c74_pending_and_ready_restore(check: &CombinatorCheckContext) -> CheckResult {
    let log = Log::new();
    let children: Vec<Child> = vec![
        Box::pin(ID.scope(21, child(&log, "scoped", 3))),
        child(&log, "plain", 2),
    ];
    let mut whole = check.combinator().join_all(children);
    check.block_on(ID.scope(11, async {
        let frame = Frame::current().id();
        loop {
            let done = polled(&mut whole).await.is_ready();
            let place = if done {
                "when all are ready"
            } else {
                "when a child is pending"
            };
            sees(Some(11), place)?;
            let same = Frame::current().id() == frame;
            ensure(same, "the poller's own frame is current", "another", NESTED)?;
            if done {
                return Ok(());
            }
            yield_times(1).await;
        }
    }))
}

pub(crate) fn c74_a_childs_panic_restores(check: &CombinatorCheckContext) -> CheckResult {
    let log = Log::new();
    let children: Vec<Child> = vec![
        child(&log, "an elder sibling", 4),
        Box::pin(ID.scope(21, async {
            yield_times(1).await;
            ID.run(22, || deliberate_panic())
        })),
        child(&log, "a younger sibling", 4),
    ];
    let mut whole = check.combinator().join_all(children);
    check.block_on(ID.scope(11, async {
        // The combinator may let the panic out, or keep it and go on.
        let out = loop {
            let poll = poll_fn(|cx| {
                Poll::Ready(catch_unwind(AssertUnwindSafe(|| {
                    Pin::new(&mut whole).poll(cx)
                })))
            });
            let polled = poll.await;
            sees(
                Some(11),
                "after a poll of the whole in which a child may have panicked",
            )?;
            match polled {
                Ok(Poll::Pending) => yield_times(1).await,
                Ok(Poll::Ready(())) => break false,
                Err(_) => break true,
            }
        };
        // The rest of the combinator may be broken, and panic again.
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(whole)));
        ensure(
            dropped.is_ok() || out,
            "it can be dropped",
            "that panics",
            "",
        )?;
        sees(
            Some(11),
            "after the whole was dropped in which a child has panicked",
        )
    }))?;
    all_see(&log, "an elder sibling", Some(11))?;
    if log.find("a younger sibling").is_none() {
        return Ok(());
    }
    all_see(&log, "a younger sibling", Some(11))
}

pub(crate) fn c75_children_without_a_poll_are_dropped_in_their_scopes(
    check: &CombinatorCheckContext,
) -> CheckResult {
    let make = |log: &Log| -> Vec<Child> {
        vec![
            Box::pin(ID.scope(21, child(log, "a scoped child", 1))),
            child(log, "a plain child", 1),
        ]
    };
    let dropped = |whole: BoxFuture<'static, ()>, log: &Log| {
        check.block_on(ID.scope(11, async { drop(whole) }));
        let mut seen = log.entries();
        seen.sort_unstable();
        expect(
            "ID where children are dropped that were not polled",
            vec![("a plain child", Some(11)), ("a scoped child", Some(21))],
            seen,
            &[
                (
                    vec![("a plain child", Some(10)), ("a scoped child", Some(21))],
                    KEPT,
                ),
                (
                    vec![("a plain child", Some(21)), ("a scoped child", Some(21))],
                    NESTED,
                ),
                (
                    vec![("a plain child", None), ("a scoped child", Some(21))],
                    ELSEWHERE,
                ),
                (vec![], "children are leaked, or dropped on another thread"),
            ],
        )
    };
    let log = Log::new();
    let whole = ID.run(10, || check.combinator().join_all(make(&log)));
    dropped(whole, &log)?;
    let log = Log::new();
    match ID.run(10, || check.combinator().race(make(&log))) {
        Some(whole) => dropped(whole, &log),
        None => Ok(()),
    }
}
