//! Tasks that finish: C-44.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use super::expect_dropped;
use crate::check_context::CheckContext;
use crate::check_result::{CheckError, CheckResult, Failure};
use crate::executor::{BoxFuture, Output};
use crate::support::{Gate, ID, Log, eventually, in_time, park, yield_times};

pub(crate) fn c44_a_finished_future_is_dropped_in_its_frame(check: &CheckContext) -> CheckResult {
    let log = Log::new();
    let labels = [
        "what is left in a future that is ready at once",
        "what is left in a future that is ready at its second poll",
        "what is left in a scope that is ready",
        "a variable of a finished task",
        "an argument of a finished task",
    ];
    let [at_once, later, scoped, variable, argument] = labels.map(|label| log.on_drop(label));
    check.block_on(async {
        let spawn = |task: BoxFuture<'static, ()>| ID.run(10, || check.executor().spawn(task));
        spawn(Box::pin(poll_fn(move |_| {
            let _keep = &at_once;
            Poll::Ready(())
        })));
        let mut was_polled = false;
        spawn(Box::pin(poll_fn(move |cx| {
            let _keep = &later;
            if was_polled {
                return Poll::Ready(());
            }
            was_polled = true;
            cx.waker().wake_by_ref();
            Poll::Pending
        })));
        spawn(Box::pin(ID.scope(
            50,
            poll_fn(move |_| {
                let _keep = &scoped;
                Poll::Ready(())
            }),
        )));
        spawn(Box::pin(async move {
            let _argument = argument;
            let _variable = variable;
            yield_times(2).await;
        }));
        eventually(|| log.entries().len() == labels.len()).await
    });
    for (label, expected) in labels.into_iter().zip([10, 10, 50, 10, 10]) {
        expect_dropped(label, expected, log.find(label), check.id())?;
    }
    Ok(())
}

/// If the task has a handle, other code often drops the future, when it stores the output.
pub(crate) fn c44_a_joined_future_is_dropped_in_its_frame(check: &CheckContext) -> CheckResult {
    let joining = check.joining()?;
    let log = Log::new();
    let what = "what is left in a future that is ready, and joined";
    let part = log.on_drop(what);
    check.block_on(async {
        let (parked, release) = (Gate::new(), Gate::new());
        let mut waits = Box::pin(park(Arc::clone(&parked), Arc::clone(&release)));
        let task = poll_fn(move |cx| {
            let _keep = &part;
            waits.as_mut().poll(cx).map(|()| Box::new(()) as Output)
        });
        let task = ID.run(10, || joining.spawn_joinable(Box::pin(task)));
        let join = ID.scope(90, task.join());
        let releases = async {
            in_time(parked.passed()).await;
            ID.run(90, || release.open());
        };
        let (joined, ()) = futures::join!(in_time(join), releases);
        if joined.is_none() {
            return Err(Failure::new("a joined task ends", "it did not in time", "").into());
        }
        eventually(|| !log.entries().is_empty()).await;
        Ok::<_, CheckError>(())
    })?;
    expect_dropped(what, 10, log.find(what), check.id())
}
