//! Tasks that stay on the thread of `block_on`: C-34.

use std::cell::Cell;
use std::future::Future;
use std::rc::Rc;

use framewise_context::bind;
use futures::channel::oneshot;

use crate::check_context::CheckContext;
use crate::check_result::{CheckError, CheckResult, Failure, ensure, expect};
use crate::support::{ID, Log, NOT_INHERITED, OTHER, eventually, yield_times};

struct LocalTask<T>(oneshot::Receiver<T>);

impl<T> LocalTask<T> {
    async fn output(self) -> Result<T, CheckError> {
        let dropped = |_| Failure::new("a local task runs to its end", "it was dropped", "");
        Ok(self.0.await.map_err(dropped)?)
    }
}

/// Spawns a local task, and returns its output over a channel.
fn spawn_local<T: 'static>(
    check: &CheckContext,
    future: impl Future<Output = T> + 'static,
) -> Result<LocalTask<T>, CheckError> {
    let (sender, receiver) = oneshot::channel();
    check.local()?.spawn_local(Box::pin(async move {
        let output = future.await;
        // The check need not wait for it.
        drop(sender.send(output));
    }));
    Ok(LocalTask(receiver))
}

pub(crate) fn c34_local_tasks_capture_at_spawn(check: &CheckContext) -> CheckResult {
    check.local()?;
    let own = check.clone();
    let (seen, grandchild, inherited) = check.block_on(async {
        let future = ID.run(10, || async {
            let first = ID.get();
            yield_times(1).await;
            (first, ID.get())
        });
        let child = ID.run(11, || spawn_local(check, future))?;
        let parent = ID.run(12, || {
            spawn_local(check, async move {
                // Not `Send`, and shared with the child.
                let shared = Rc::new(Cell::new(ID.get()));
                let child = spawn_local(&own, {
                    let shared = Rc::clone(&shared);
                    async move { (shared.get(), ID.get()) }
                });
                child?.output().await
            })
        })?;
        let bound = bind(&NOT_INHERITED, 5).and(&OTHER, 3);
        let bare =
            bound.run(|| spawn_local(check, async { (NOT_INHERITED.get(), OTHER.get()) }))?;
        let seen = ID.scope(13, child.output()).await?;
        Ok::<_, CheckError>((seen, parent.output().await??, bare.output().await?))
    })?;
    expect(
        "ID at two polls of a local task, made under 10, spawned under 11 and awaited under 13",
        (Some(11), Some(11)),
        seen,
        &[
            (
                (None, None),
                "no frame is carried into local tasks: capture the current one in spawn_local, and \
                 enter it for each poll",
            ),
            (
                (Some(10), Some(10)),
                "captured when the future was made instead of at spawn_local",
            ),
            (
                (Some(13), Some(13)),
                "polled in the frame of the code that awaits the task",
            ),
            (
                (check.id(), check.id()),
                "no frame is carried: the task is polled in the frame of block_on's caller",
            ),
        ],
    )?;
    expect(
        "ID in a local task of 12, and in its local child",
        (Some(12), Some(12)),
        grandchild,
        &[(
            (Some(12), None),
            "what a local task spawns carries no frame",
        )],
    )?;
    expect(
        "in a local task: a variable that is not inherited, and one that is",
        (None, Some(3)),
        inherited,
        &[(
            (Some(5), Some(3)),
            "spawn_local captures Frame::current() where it should be Frame::current().inherited()",
        )],
    )
}

fn sees(expected: u64, place: &str) -> CheckResult {
    let seen = ID.get();
    ensure(
        seen == Some(expected),
        &format!("ID {place}: {expected}"),
        &format!("{seen:?}"),
        "the local tasks' own frames are not entered for each poll, or not left after it",
    )
}

pub(crate) fn c34_local_tasks_never_mix(check: &CheckContext) -> CheckResult {
    check.local()?;
    let id = check.id();
    check.block_on(async {
        let task = |number: u64| {
            let own = check.clone();
            let local = async move {
                let not_send = Rc::new(number);
                for _ in 0..10 {
                    sees(*not_send, "in a local task between others")?;
                    yield_times(1).await;
                    sees(*not_send, "in a local task between others, after an await")?;
                    // Woken by another thread, if there is one, under another frame.
                    let other = ID.run(999, || own.spawn(yield_times(1)));
                    other.output().await?;
                    sees(*not_send, "in a local task after a wake-up from 999")?;
                }
                Ok::<_, CheckError>(())
            };
            ID.run(number, || spawn_local(check, local))
        };
        let outside = |place: &str| {
            ensure(
                ID.get() == id,
                &format!("ID in the future that block_on runs, {place}: {id:?}"),
                &format!("{:?}", ID.get()),
                "the future of block_on is polled in a local task's frame: enter its own for each \
                 poll",
            )
        };
        let tasks: Vec<_> = (100..120).map(task).collect::<Result<_, _>>()?;
        for _ in 0..10 {
            yield_times(1).await;
            outside("between polls of local tasks")?;
        }
        for task in tasks {
            task.output().await??;
            outside("after a local task")?;
        }
        Ok(())
    })
}

pub(crate) fn c34_local_tasks_end_in_their_frames(check: &CheckContext) -> CheckResult {
    let local = check.local()?;
    let log = Log::new();
    let (part, variable) = (log.on_drop("part"), log.on_drop("variable"));
    let left = log.on_drop("left");
    check.block_on(async {
        // What remains in a future when it is ready, and what its body still owns.
        let ready = std::future::poll_fn(move |_| {
            let _keep = &part;
            std::task::Poll::Ready(())
        });
        ID.run(10, || local.spawn_local(Box::pin(ready)));
        ID.run(11, || {
            local.spawn_local(Box::pin(async move {
                let _keep = variable;
                yield_times(1).await;
            }));
        });
        // Dropped when block_on returns, or whenever the executor drops such tasks.
        ID.run(12, || {
            local.spawn_local(Box::pin(async move {
                let _keep = left;
                yield_times(usize::MAX).await;
            }));
        });
        eventually(|| log.entries().len() == 2).await
    });
    let cause = "a finished local task is dropped after its frame was left: drop it inside";
    let seen = |label| log.find(label);
    expect(
        "ID where a finished local task of 10 is dropped",
        Some(Some(10)),
        seen("part"),
        &[(Some(None), cause), (Some(check.id()), cause)],
    )?;
    expect(
        "ID where a local task of 11 drops its variables",
        Some(Some(11)),
        seen("variable"),
        &[(Some(None), cause), (Some(check.id()), cause)],
    )?;
    match seen("left") {
        None | Some(Some(12)) => Ok(()),
        Some(seen) => Err(Failure::new(
            "ID where a local task of 12 is dropped that was left over: Some(12)",
            format!("{seen:?}"),
            "local tasks that are left over are dropped outside of their frames",
        )
        .into()),
    }
}
