//! What children see at each poll: C-66 to C-68, C-70 and C-71.

use std::future::poll_fn;
use std::task::Poll;

use super::{ELSEWHERE, KEPT, all_see, child, polled};
use crate::check_context::not_applicable;
use crate::check_result::{CheckResult, ensure, expect};
use crate::combinator::{Child, CombinatorCheckContext};
use crate::support::{ID, Log, OTHER, yield_times};

pub(crate) fn c66_children_see_the_pollers_frame(check: &CombinatorCheckContext) -> CheckResult {
    let log = Log::new();
    let children: Vec<Child> = ID.run(9, || {
        vec![child(&log, "the first", 3), child(&log, "the second", 5)]
    });
    let whole = ID.run(10, || check.combinator().join_all(children));
    ensure(
        log.entries().is_empty(),
        "a combinator is lazy",
        "it polls when it is made",
        "",
    )?;
    check.block_on(ID.scope(11, whole));
    all_see(&log, "the first", Some(11))?;
    all_see(&log, "the second", Some(11))?;
    let plain = Log::new();
    let children: Vec<Child> = vec![child(&plain, "a child", 3)];
    check.block_on(check.combinator().join_all(children));
    all_see(&plain, "a child", check.id())
}

pub(crate) fn c66_children_follow_from_poller_to_poller(
    check: &CombinatorCheckContext,
) -> CheckResult {
    let log = Log::new();
    let children: Vec<Child> = vec![child(&log, "a child", 20), child(&log, "a child", 20)];
    let mut whole = check.combinator().join_all(children);
    check.block_on(async {
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

pub(crate) fn c67_scoped_children_see_their_own_and_their_pollers(
    check: &CombinatorCheckContext,
) -> CheckResult {
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
    let whole = check.combinator().join_all(children.into());
    check.block_on(ID.scope(11, whole));
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

pub(crate) fn c68_siblings_do_not_bleed(check: &CombinatorCheckContext) -> CheckResult {
    let log = Log::new();
    let children: Vec<Child> = vec![
        Box::pin(ID.scope(21, child(&log, "the first, scoped", 4))),
        child(&log, "the second, plain", 6),
        Box::pin(ID.scope(23, child(&log, "the third, scoped", 2))),
        child(&log, "the fourth, plain", 1),
    ];
    let whole = check.combinator().join_all(children);
    let after = check.block_on(ID.scope(11, async {
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

pub(crate) fn c70_a_scope_a_child_with_a_limit(check: &CombinatorCheckContext) -> CheckResult {
    const LABELS: [&str; 8] = ["30", "31", "32", "33", "34", "35", "36", "37"];
    let log = Log::new();
    // Every second child has a scope.
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
    let combinator = check.combinator();
    let Some(whole) = combinator.join_all_with_limit(3, children) else {
        return not_applicable("no limit to how many are polled at the same time");
    };
    check.block_on(ID.scope(11, whole));
    for (index, label) in LABELS.into_iter().enumerate() {
        all_see(&log, label, Some(number(index)))?;
    }
    Ok(())
}

/// Records both variables at each poll and where it is dropped.
#[derive(Clone, Default)]
struct Both(std::sync::Arc<std::sync::Mutex<Vec<Seen>>>);

type Seen = (Option<u64>, Option<u64>);

impl Both {
    fn record(&self) {
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

struct RecordsBoth(Both);

impl Drop for RecordsBoth {
    fn drop(&mut self) {
        self.0.record();
    }
}

pub(crate) fn c71_started_scopes_keep_their_variable_under_another_poller(
    check: &CombinatorCheckContext,
) -> CheckResult {
    let both = Both::default();
    let records = RecordsBoth(both.clone());
    let scoped = ID.scope(
        21,
        poll_fn(move |cx| {
            records.0.record();
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        }),
    );
    let mut whole = check.combinator().join_all(vec![Box::pin(scoped)]);
    check.block_on(async {
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
    // In the executor, if dropping needs one.
    check.block_on(OTHER.scope(42, async { drop(whole) }));
    let causes = [
        (vec![(Some(21), None)], ELSEWHERE),
        (vec![], "a child is leaked, or dropped on another thread"),
    ];
    let what = "a scoped child's own variable and its dropper's";
    expect(what, vec![(Some(21), Some(42))], both.taken(), &causes)
}
