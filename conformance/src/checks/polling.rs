//! The checks of the suite for combinators: in which frames children are polled and dropped.

mod ends;
mod scopes;

use std::future::{pending, poll_fn};
use std::task::Poll;

pub(crate) use ends::*;
pub(crate) use scopes::*;

use crate::check_result::{CheckResult, ensure};
use crate::combinator::Child;
use crate::executor::BoxFuture;
use crate::support::Log;

/// The checks of this suite.
#[doc(hidden)]
#[macro_export]
macro_rules! __polling_checks {
    ({ $($callback:tt)* } $arguments:tt) => {
        $($callback)*! { $arguments polling:
            c66_children_see_the_pollers_frame
            c66_children_follow_from_poller_to_poller
            c67_scoped_children_see_their_own_and_their_pollers
            c68_siblings_do_not_bleed
            c69_losers_of_a_race_are_dropped_in_their_scopes
            c70_a_scope_a_child_with_a_limit
            c71_started_scopes_keep_their_variable_under_another_poller
            c73_a_shared_child_sees_its_pollers_frame
            c73_a_wrapped_shared_child_sees_its_own
            c74_pending_and_ready_restore
            c74_a_childs_panic_restores
            c75_children_without_a_poll_are_dropped_in_their_scopes
        }
    };
}

/// The likely cause where a child is not polled in its combinator's poll.
const ELSEWHERE: &str = "children are polled elsewhere, without the poller's frame: poll them \
                         where the whole is polled, or carry Frame::current() to there";

/// The likely cause where a captured frame is kept.
const KEPT: &str = "a frame is captured and kept: poll children in the current frame";

/// The likely cause where one child's frame is current in another child.
const NESTED: &str = "a child is polled or dropped inside of another's frame: a frame may be \
                      entered for one child only, and be left again after it";

/// Records what it sees at each poll, `polls` times, and where it is dropped.
fn child(log: &Log, label: &'static str, polls: usize) -> Child {
    let (log, dropped) = (log.clone(), log.on_drop(label));
    let mut left = polls;
    Box::pin(poll_fn(move |cx| {
        let _ = &dropped;
        log.record(label);
        left -= 1;
        if left == 0 {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }))
}

/// Like [`child`], and never ready.
fn idle(log: &Log, label: &'static str) -> Child {
    let mut child = child(log, label, 1);
    Box::pin(async move {
        child.as_mut().await;
        pending::<()>().await;
    })
}

/// Polls `whole` once, within the combinator's executor.
async fn polled(whole: &mut BoxFuture<'static, ()>) -> Poll<()> {
    poll_fn(|cx| Poll::Ready(whole.as_mut().poll(cx))).await
}

/// Checks that each entry under `label` is `number`.
fn all_see(log: &Log, label: &str, number: Option<u64>) -> CheckResult {
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
