//! The checks of the suite for combinators: in which frames children are polled and dropped.

use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;

use framewise_context::Frame;

use super::within::sees;
use crate::combinator::{Child, Polling};
use crate::executor::BoxFuture;
use crate::probe::{Entry, ID, Log, OTHER, deliberate_panic, yield_times};
use crate::trial::not_applicable;
use crate::verdict::{Stop, Verdict, ensure, expect};

/// The checks of this suite.
#[doc(hidden)]
#[macro_export]
macro_rules! __polling_checks {
    ({ $($callback:tt)* } $arguments:tt) => {
        $($callback)*! { $arguments polling:
            c66_children_see_who_polls_the_whole
            c66_children_follow_from_poller_to_poller
            c67_scoped_children_see_their_own_and_their_pollers
            c68_siblings_do_not_bleed
            c69_losers_of_a_race_are_dropped_in_their_scopes
            c70_a_scope_a_child_with_a_limit
            c71_started_scopes_keep_their_variable_under_another_poller
            c73_a_shared_child_sees_who_polls_it
            c73_a_wrapped_shared_child_sees_its_own
            c74_pending_and_ready_restore
            c74_a_childs_panic_restores
            c75_children_without_a_poll_are_dropped_in_their_scopes
        }
    };
}

/// The sign of a child that is not polled where its combinator is.
const ELSEWHERE: &str = "children are polled elsewhere, without the poller's frame: poll them where \
                         the whole is polled, or carry Frame::current() to there";

/// The sign of a frame that was kept.
const KEPT: &str = "a frame is captured and kept: poll children in whatever frame is current";

/// The sign of one child's frame around another.
const NESTED: &str = "a child is polled or dropped inside of another's frame: a frame may be \
                      entered for one child only, and be left again after it";

/// Notes what it sees at each poll, `polls` times, and where it is dropped.
fn child(log: &Log, label: &'static str, polls: usize) -> Child {
    let (log, dropped) = (log.clone(), log.on_drop(label));
    let mut left = polls;
    Box::pin(poll_fn(move |cx| {
        let _ = &dropped;
        log.note(label);
        left -= 1;
        if left == 0 {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }))
}

/// As [`child`], and never ready.
fn idle(log: &Log, label: &'static str) -> Child {
    let mut child = child(log, label, 1);
    Box::pin(async move {
        child.as_mut().await;
        pending::<()>().await;
    })
}

/// Polls `whole` once, within the executor that is around.
async fn polled(whole: &mut BoxFuture<'static, ()>) -> Poll<()> {
    poll_fn(|cx| Poll::Ready(whole.as_mut().poll(cx))).await
}

/// Each entry under `label` is `number`.
fn all_see(log: &Log, label: &str, number: Option<u64>) -> Verdict {
    let entries = log.entries();
    let mut of_label = entries
        .iter()
        .filter(|(found, _)| *found == label)
        .peekable();
    ensure(
        of_label.peek().is_some(),
        &format!("{label} is polled"),
        "it is not",
        "",
    )?;
    match of_label.find(|(_, seen)| *seen != number) {
        None => Ok(()),
        Some((_, seen)) => {
            let cause = match seen {
                None => ELSEWHERE,
                Some(1 | 2 | 9 | 10) => KEPT,
                Some(_) => NESTED,
            };
            let what = format!("ID in {label}, at each poll and when it is dropped: {number:?}");
            ensure(false, &what, &format!("{seen:?}"), cause)
        }
    }
}

pub(crate) fn c66_children_see_who_polls_the_whole(trial: &Polling) -> Verdict {
    let log = Log::new();
    let children: Vec<Child> = ID.run(9, || {
        vec![child(&log, "the first", 3), child(&log, "the second", 5)]
    });
    let whole = ID.run(10, || trial.combinator().join_all(children));
    ensure(
        log.entries().is_empty(),
        "a combinator is lazy",
        "it polls when it is made",
        "",
    )?;
    trial.block_on(ID.scope(11, whole));
    all_see(&log, "the first", Some(11))?;
    all_see(&log, "the second", Some(11))?;
    let plain = Log::new();
    let children: Vec<Child> = vec![child(&plain, "a child", 3)];
    trial.block_on(trial.combinator().join_all(children));
    all_see(&plain, "a child", trial.id())
}

pub(crate) fn c66_children_follow_from_poller_to_poller(trial: &Polling) -> Verdict {
    let log = Log::new();
    let children: Vec<Child> = vec![child(&log, "a child", 20), child(&log, "a child", 20)];
    let mut whole = trial.combinator().join_all(children);
    trial.block_on(async {
        let first = ID.scope(11, polled(&mut whole)).await;
        ensure(
            first.is_pending(),
            "children that yield are not ready",
            "they are",
            "",
        )?;
        let before = log.entries().len();
        ID.scope(12, whole).await;
        let entries = log.entries();
        let wrong = entries
            .iter()
            .enumerate()
            .find(|(index, (_, seen))| *seen != Some(if *index < before { 11 } else { 12 }));
        match wrong {
            None if before > 0 && entries.len() > before => Ok(()),
            None => ensure(
                false,
                "children are polled by each poller",
                "they are not",
                ELSEWHERE,
            ),
            Some((index, (_, seen))) => ensure(
                false,
                "ID in children: 11 where the whole is polled under 11, then 12",
                &format!("{seen:?}, {index} polls after the first"),
                if seen.is_none() { ELSEWHERE } else { KEPT },
            ),
        }
    })
}

pub(crate) fn c67_scoped_children_see_their_own_and_their_pollers(trial: &Polling) -> Verdict {
    let own = |number| async move {
        let mut seen = Vec::new();
        for _ in 0..3 {
            seen.push((ID.get(), OTHER.get()));
            yield_times(1).await;
        }
        (number, seen)
    };
    let (sender, receiver) = std::sync::mpsc::channel();
    let children = [41, 42].map(|number| {
        let sender = sender.clone();
        Box::pin(OTHER.scope(number, async move {
            // The check waits for it.
            let _ = sender.send(own(number).await);
        })) as Child
    });
    drop(sender);
    let whole = trial.combinator().join_all(children.into());
    trial.block_on(ID.scope(11, whole));
    let seen: Vec<_> = receiver.try_iter().collect();
    expect("children that are ready", 2, seen.len(), &[])?;
    for (number, seen) in seen {
        let alone = (None, Some(number));
        expect(
            "the poller's variable and its own, in a scoped child",
            vec![(Some(11), Some(number)); 3],
            seen,
            &[(vec![alone; 3], ELSEWHERE)],
        )?;
    }
    Ok(())
}

pub(crate) fn c68_siblings_do_not_bleed(trial: &Polling) -> Verdict {
    let log = Log::new();
    let children: Vec<Child> = vec![
        Box::pin(ID.scope(21, child(&log, "the first, scoped", 4))),
        child(&log, "the second, plain", 6),
        Box::pin(ID.scope(23, child(&log, "the third, scoped", 2))),
        child(&log, "the fourth, plain", 1),
    ];
    let whole = trial.combinator().join_all(children);
    let after = trial.block_on(ID.scope(11, async {
        whole.await;
        ID.get()
    }));
    for (label, number) in [
        ("the first, scoped", 21),
        ("the second, plain", 11),
        ("the third, scoped", 23),
        ("the fourth, plain", 11),
    ] {
        all_see(&log, label, Some(number))?;
    }
    expect("ID in the poller, when all are ready", Some(11), after, &[])
}

pub(crate) fn c69_losers_of_a_race_are_dropped_in_their_scopes(trial: &Polling) -> Verdict {
    let log = Log::new();
    let children: Vec<Child> = vec![
        Box::pin(ID.scope(21, idle(&log, "a scoped loser"))),
        idle(&log, "a plain loser"),
        Box::pin(ID.scope(22, child(&log, "the winner", 3))),
        Box::pin(ID.scope(23, idle(&log, "another loser"))),
    ];
    let Some(whole) = trial.combinator().race(children) else {
        return not_applicable("no race");
    };
    trial.block_on(ID.scope(11, whole));
    let expected = [
        ("a scoped loser", 21),
        ("a plain loser", 11),
        ("another loser", 23),
        ("the winner", 22),
    ];
    for (label, number) in expected {
        all_see(&log, label, Some(number))?;
        let noted = log
            .entries()
            .iter()
            .filter(|(found, _)| *found == label)
            .count();
        let what = format!("{label} is polled, and dropped when the race is over");
        ensure(
            noted >= 2,
            &what,
            &format!("{:?}", log.entries()),
            "it is kept, or leaked",
        )?;
    }
    Ok(())
}

pub(crate) fn c70_a_scope_a_child_with_a_limit(trial: &Polling) -> Verdict {
    const LABELS: [&str; 8] = ["30", "31", "32", "33", "34", "35", "36", "37"];
    let log = Log::new();
    // Every other one has a scope.
    let number = |index: usize| {
        if index.is_multiple_of(2) {
            30 + index as u64
        } else {
            11
        }
    };
    let make = |(index, label): (usize, &'static str)| -> Child {
        let plain = child(&log, label, 1 + index % 3);
        if index.is_multiple_of(2) {
            Box::pin(ID.scope(number(index), plain))
        } else {
            plain
        }
    };
    let children: Vec<Child> = LABELS.into_iter().enumerate().map(make).collect();
    let combinator = trial.combinator();
    let Some(whole) = combinator.join_all_with_limit(3, children) else {
        return not_applicable("no limit to how many are polled at the same time");
    };
    trial.block_on(ID.scope(11, whole));
    for (index, label) in LABELS.into_iter().enumerate() {
        all_see(&log, label, Some(number(index)))?;
    }
    Ok(())
}

/// Notes both variables at each poll and where it is dropped.
#[derive(Clone, Default)]
struct Both(std::sync::Arc<std::sync::Mutex<Vec<Seen>>>);

type Seen = (Option<u64>, Option<u64>);

impl Both {
    fn note(&self) {
        let mut seen = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        seen.push((ID.get(), OTHER.get()));
    }

    fn taken(&self) -> Vec<Seen> {
        std::mem::take(
            &mut *self
                .0
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner),
        )
    }
}

struct NotesBoth(Both);

impl Drop for NotesBoth {
    fn drop(&mut self) {
        self.0.note();
    }
}

pub(crate) fn c71_started_scopes_keep_their_variable_under_another_poller(
    trial: &Polling,
) -> Verdict {
    let both = Both::default();
    let notes = NotesBoth(both.clone());
    let scoped = ID.scope(
        21,
        poll_fn(move |cx| {
            notes.0.note();
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        }),
    );
    let mut whole = trial.combinator().join_all(vec![Box::pin(scoped)]);
    trial.block_on(async {
        let mut under = async |other| {
            let polled = OTHER.scope(other, polled(&mut whole)).await;
            ensure(polled.is_pending(), "it stays pending", "it is ready", "")?;
            let seen = both.taken();
            ensure(
                !seen.is_empty(),
                "the child is polled",
                "it is not",
                ELSEWHERE,
            )?;
            let what = format!("a scoped child's own variable and its poller's, {other}");
            let right = (Some(21), Some(other));
            let wrong = seen.iter().find(|seen| **seen != right).copied();
            let causes = [((Some(21), None), ELSEWHERE), ((Some(21), Some(40)), KEPT)];
            expect(&what, right, wrong.unwrap_or(right), &causes)
        };
        under(40).await?;
        under(41).await
    })?;
    both.taken();
    // Where the executor is, if it takes one to drop it.
    trial.block_on(OTHER.scope(42, async { drop(whole) }));
    let causes = [
        (vec![(Some(21), None)], ELSEWHERE),
        (vec![], "a child is leaked, or dropped on another thread"),
    ];
    let what = "a scoped child's own variable and its dropper's";
    expect(what, vec![(Some(21), Some(42))], both.taken(), &causes)
}

/// Shares `child` and polls one share under 11, the other to its end under 12.
fn shared(trial: &Polling, child: Child) -> Result<(), Stop> {
    let Some([mut first, second]) = trial.combinator().share(child) else {
        return not_applicable("no shared future");
    };
    trial.block_on(async {
        let pending = ID.scope(11, polled(&mut first)).await.is_pending();
        ensure(pending, "a shared child is not ready yet", "it is", "")?;
        ID.scope(12, second).await;
        sees(trial.id(), "after a shared child was ready")?;
        ID.scope(13, first).await;
        Ok(())
    })
}

pub(crate) fn c73_a_shared_child_sees_who_polls_it(trial: &Polling) -> Verdict {
    let log = Log::new();
    shared(trial, child(&log, "a shared child", 2))?;
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

pub(crate) fn c73_a_wrapped_shared_child_sees_its_own(trial: &Polling) -> Verdict {
    let log = Log::new();
    shared(
        trial,
        Box::pin(ID.scope(21, child(&log, "a shared scope", 2))),
    )?;
    all_see(&log, "a shared scope", Some(21))
}

pub(crate) fn c74_pending_and_ready_restore(trial: &Polling) -> Verdict {
    let log = Log::new();
    let children: Vec<Child> = vec![
        Box::pin(ID.scope(21, child(&log, "scoped", 3))),
        child(&log, "plain", 2),
    ];
    let mut whole = trial.combinator().join_all(children);
    trial.block_on(ID.scope(11, async {
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

pub(crate) fn c74_a_childs_panic_restores(trial: &Polling) -> Verdict {
    let log = Log::new();
    let children: Vec<Child> = vec![
        child(&log, "an elder sibling", 4),
        Box::pin(ID.scope(21, async {
            yield_times(1).await;
            ID.run(22, || deliberate_panic())
        })),
        child(&log, "a younger sibling", 4),
    ];
    let mut whole = trial.combinator().join_all(children);
    trial.block_on(ID.scope(11, async {
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
        // What is left of it may be broken, and panic again.
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

pub(crate) fn c75_children_without_a_poll_are_dropped_in_their_scopes(trial: &Polling) -> Verdict {
    let make = |log: &Log| -> Vec<Child> {
        vec![
            Box::pin(ID.scope(21, child(log, "a scoped child", 1))),
            child(log, "a plain child", 1),
        ]
    };
    let dropped = |whole: BoxFuture<'static, ()>, log: &Log| {
        trial.block_on(ID.scope(11, async { drop(whole) }));
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
    let whole = ID.run(10, || trial.combinator().join_all(make(&log)));
    dropped(whole, &log)?;
    let log = Log::new();
    match ID.run(10, || trial.combinator().race(make(&log))) {
        Some(whole) => dropped(whole, &log),
        None => Ok(()),
    }
}
