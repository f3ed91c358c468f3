//! Contract, "Composition", side by side: C-68 to C-70.

use std::future::pending;

use futures::channel::mpsc;
use futures::future::{self, Either, FutureExt};
use futures::stream::{self, FuturesUnordered, StreamExt};

use super::within::{LEFT_BEHIND, NOT_CARRIED, in_task, sees};
use crate::check_context::CheckContext;
use crate::check_result::{CheckError, CheckResult, ensure, expect};
use crate::support::{ID, Log, yield_times};

/// The checks of this part of the chapter.
#[doc(hidden)]
#[macro_export]
macro_rules! __siblings_checks {
    ({ $($callback:tt)* } $arguments:tt) => {
        $($callback)*! { $arguments siblings:
            c68_branches_of_join_do_not_bleed
            c68_branches_of_select_do_not_bleed
            c68_branches_that_wake_each_other_do_not_bleed
            c69_the_loser_of_a_select_is_dropped_in_its_scope
            c70_a_scope_an_item_in_futures_unordered
            c70_a_scope_an_item_in_buffer_unordered
        }
    };
}

const BLED: &str = "a frame that was entered for one poll is still current at the next: restore \
                    what was there before on each way out of a poll";

/// Yields, and checks that `ID` is `number` all the time.
async fn busy(number: Option<u64>, rounds: u64) -> CheckResult {
    for _ in 0..rounds {
        let seen = ID.get();
        let cause = if seen.is_none() { NOT_CARRIED } else { BLED };
        let what = format!("ID in a branch: {number:?}");
        ensure(seen == number, &what, &format!("{seen:?}"), cause)?;
        yield_times(1).await;
    }
    sees(number, "at the end of a branch")
}

pub(crate) fn c68_branches_of_join_do_not_bleed(check: &CheckContext) -> CheckResult {
    let id = check.id();
    in_task(check, async move {
        let inner = || async {
            let (three, four) = futures::join!(ID.scope(12, busy(Some(12), 4)), busy(Some(11), 6));
            three.and(four)
        };
        let (one, two, three) = futures::join!(
            ID.scope(10, busy(Some(10), 8)),
            ID.scope(11, inner()),
            busy(id, 10),
        );
        one.and(two).and(three)
    })
}

pub(crate) fn c68_branches_of_select_do_not_bleed(check: &CheckContext) -> CheckResult {
    let id = check.id();
    in_task(check, async move {
        let (one, two) = (ID.scope(10, busy(Some(10), 5)).fuse(), busy(id, 8).fuse());
        let three = ID.scope(11, busy(Some(11), 3)).fuse();
        futures::pin_mut!(one, two, three);
        for _ in 0..3 {
            futures::select! {
                seen = one => seen?,
                seen = two => seen?,
                seen = three => seen?,
            }
            sees(id, "between branches of a select")?;
        }
        Ok(())
    })
}

pub(crate) fn c68_branches_that_wake_each_other_do_not_bleed(check: &CheckContext) -> CheckResult {
    let id = check.id();
    let own = check.clone();
    in_task(check, async move {
        let (mut to_first, mut first) = mpsc::channel::<u64>(0);
        let (mut to_second, mut second) = mpsc::channel::<u64>(0);
        let sends = ID.scope(10, async move {
            for number in 0..5 {
                // The receiver may be gone if it failed; then it has reported why.
                let _ = futures::SinkExt::send(&mut to_second, number).await;
                sees(Some(10), "in a branch after it has woken another")?;
                first.next().await;
                sees(Some(10), "in a branch that another has woken")?;
            }
            Ok::<_, CheckError>(())
        });
        let answers = async move {
            while let Some(number) = second.next().await {
                sees(Some(11), "in the task that answers")?;
                let _ = futures::SinkExt::send(&mut to_first, number).await;
            }
            sees(Some(11), "in the task that answered")
        };
        // One beside it in the task, the other in its own task.
        let answers = ID.run(11, || own.spawn(answers));
        let (sent, idle) = futures::join!(sends, busy(id, 20));
        sent.and(idle).and(answers.output().await?)
    })
}

pub(crate) fn c69_the_loser_of_a_select_is_dropped_in_its_scope(
    check: &CheckContext,
) -> CheckResult {
    let id = check.id();
    in_task(check, async move {
        let log = Log::new();
        let waits = |label| {
            let dropped = log.on_drop(label);
            async move {
                let _dropped = dropped;
                pending::<()>().await;
            }
        };
        let scoped = Box::pin(ID.scope(10, waits("scoped")));
        let plain = Box::pin(waits("plain"));
        let winner = Box::pin(ID.scope(11, yield_times(2)));
        match future::select(future::join(scoped, plain), winner).await {
            Either::Right(((), losers)) => drop(losers),
            Either::Left(_) => return sees(Some(11), "after a future that never ends has ended"),
        }
        sees(id, "after losers were dropped")?;
        // By the macro, which drops the losers when it ends.
        let loser = ID.scope(12, waits("by the macro"));
        {
            let (loser, winner) = (loser.fuse(), ID.scope(13, yield_times(1)).fuse());
            futures::pin_mut!(loser, winner);
            futures::select! {
                () = loser => {}
                () = winner => {}
            }
        }
        let expected = vec![
            ("scoped", Some(10)),
            ("plain", id),
            ("by the macro", Some(12)),
        ];
        let causes = [
            (
                vec![
                    ("scoped", Some(10)),
                    ("plain", None),
                    ("by the macro", Some(12)),
                ],
                NOT_CARRIED,
            ),
            (
                vec![
                    ("scoped", Some(11)),
                    ("plain", Some(11)),
                    ("by the macro", Some(13)),
                ],
                LEFT_BEHIND,
            ),
        ];
        expect(
            "ID where losers are dropped",
            expected,
            log.entries(),
            &causes,
        )
    })
}

/// Checks that the items that were seen are 10 to 29, in any order.
fn all_items(mut seen: Vec<Option<u64>>) -> CheckResult {
    seen.sort_unstable();
    let expected = (10..30).map(Some).collect::<Vec<_>>();
    expect(
        "ID in each item, which has its own",
        expected,
        seen,
        &[(vec![None; 20], NOT_CARRIED)],
    )
}

async fn item(number: u64) -> Result<Option<u64>, CheckError> {
    busy(Some(number), number % 4).await?;
    Ok(ID.get())
}

pub(crate) fn c70_a_scope_an_item_in_futures_unordered(check: &CheckContext) -> CheckResult {
    let id = check.id();
    in_task(check, async move {
        let mut items: FuturesUnordered<_> = (10..30)
            .map(|number| ID.scope(number, item(number)))
            .collect();
        let mut seen = Vec::new();
        while let Some(ready) = items.next().await {
            sees(id, "between items")?;
            seen.push(ready?);
        }
        all_items(seen)
    })
}

pub(crate) fn c70_a_scope_an_item_in_buffer_unordered(check: &CheckContext) -> CheckResult {
    let id = check.id();
    let own = check.clone();
    in_task(check, async move {
        // Every second item is a separate task, which is awaited in another item's scope.
        let make = |number: u64| {
            if number.is_multiple_of(2) {
                let task = ID.run(number, || own.spawn(item(number)));
                ID.scope(9, task.output())
                    .map(|ended| ended.and_then(|inner| inner))
                    .left_future()
            } else {
                ID.scope(number, item(number)).right_future()
            }
        };
        let mut items = Box::pin(stream::iter(10..30).map(make).buffer_unordered(4));
        let mut seen = Vec::new();
        while let Some(ready) = items.next().await {
            sees(id, "between items")?;
            seen.push(ready?);
        }
        all_items(seen)
    })
}
