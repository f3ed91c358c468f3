//! Contract, "Threads": C-65, futures and handles of this executor on another one.

use std::thread;

use framewise_context::Frame;
use futures::channel::oneshot;

use super::time_io::{NOT_CARRIED, never};
use crate::check_context::{CheckContext, output_of};
use crate::check_result::{CheckError, CheckResult, expect};
use crate::support::{ID, block_on_thread, yield_times};

/// The checks of this chapter.
#[doc(hidden)]
#[macro_export]
macro_rules! __elsewhere_checks {
    ({ $($callback:tt)* } $arguments:tt) => {
        $($callback)*! { $arguments elsewhere:
            c65_on_another_executor_the_polling_threads_frame
            c65_a_task_awaited_on_another_executor
            c65_a_task_spawned_on_another_executor
        }
    };
}

/// Polls a future to its end under 20, on a thread that is not the executor's.
fn on_another_executor<T: Send + 'static>(
    future: impl Future<Output = T> + Send + 'static,
) -> impl Future<Output = Result<T, CheckError>> {
    let (sender, receiver) = oneshot::channel();
    thread::spawn(move || ID.run(20, || drop(sender.send(block_on_thread(future)))));
    async move {
        let polled = receiver.await;
        polled.map_err(|_| never("a future is ready on another executor"))
    }
}

pub(crate) fn c65_on_another_executor_the_polling_threads_frame(
    check: &CheckContext,
) -> CheckResult {
    let task = async {
        let future = || async {
            yield_times(2).await;
            ID.get()
        };
        let plain = on_another_executor(future()).await?;
        let wrapped = on_another_executor(Frame::current().scope(future())).await?;
        Ok::<_, CheckError>([plain, wrapped])
    };
    let seen = check.block_on(async { ID.run(10, || check.spawn(task)).output().await })??;
    expect(
        "ID in a future that a task under 10 made and a thread under 20 polls: plain, and wrapped",
        [Some(20), Some(10)],
        seen,
        &[
            ([Some(20), None], NOT_CARRIED),
            (
                [Some(20), check.id()],
                "the task is polled in the frame of the thread that drives",
            ),
        ],
    )
}

pub(crate) fn c65_a_task_awaited_on_another_executor(check: &CheckContext) -> CheckResult {
    let child = ID.run(10, || {
        check.spawn_joinable(async {
            yield_times(5).await;
            ID.get()
        })
    })?;
    let joining = async move {
        let joined = output_of::<Option<u64>>(child.join().await);
        (joined, ID.get())
    };
    let (child, joiner) = check.block_on(on_another_executor(joining))?;
    expect(
        "ID in a task, spawned under 10",
        Some(10),
        child?,
        &[(None, NOT_CARRIED)],
    )?;
    expect(
        "ID where a thread under 20 has awaited a join handle",
        Some(20),
        joiner,
        &[(
            Some(10),
            "the joiner is polled in the frame of the task that it joins",
        )],
    )
}

pub(crate) fn c65_a_task_spawned_on_another_executor(check: &CheckContext) -> CheckResult {
    check.needs_any_thread()?;
    let spawns = || {
        let check = check.clone();
        async move {
            yield_times(1).await;
            check.spawn(async { ID.get() }).output().await
        }
    };
    let seen = check.block_on(async {
        let plain = on_another_executor(spawns()).await??;
        let wrapped = ID.run(10, || Frame::current().scope(spawns()));
        Ok::<_, CheckError>([plain, on_another_executor(wrapped).await??])
    })?;
    expect(
        "ID in a task that a future spawns on a thread under 20: plain, and wrapped under 10",
        [Some(20), Some(10)],
        seen,
        &[
            ([None, None], NOT_CARRIED),
            (
                [check.id(), check.id()],
                "polled in the frame of the thread that drives",
            ),
        ],
    )
}
