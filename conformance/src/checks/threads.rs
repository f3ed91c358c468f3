//! Contract, "Threads": C-61, the blocking pool.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use framewise_context::{ContextVar, Frame, bind};

use crate::check_context::{CheckContext, Slot, output_of};
use crate::check_result::{CheckError, CheckResult, ensure, expect};
use crate::executor::{Blocking, Executor, JoinHandle, Output};
use crate::support::{Gate, ID, Log, LogsDrop, deliberate_panic, eventually, yield_times};

/// The checks of this chapter.
#[doc(hidden)]
#[macro_export]
macro_rules! __threads_checks {
    ({ $($callback:tt)* } $arguments:tt) => {
        $($callback)*! { $arguments threads:
            c61_a_blocking_call_captures_where_it_is_called
            c61_a_blocking_call_of_a_task_captures_the_current_frame
            c61_a_pool_thread_is_at_the_root_after_a_call
            c61_a_pool_thread_is_at_the_root_after_a_panic
            c61_a_calls_frame_is_released_at_the_root
        }
    };
}

/// Records in which frame it is dropped.
static RECORDED: ContextVar<LogsDrop> = ContextVar::new("recorded");

/// The number of calls at once, if the executor does not limit them.
const CALLS: usize = 4;

type Handle = Box<dyn JoinHandle>;

pub(in crate::checks) fn spawn_blocking<T: Send + 'static>(
    blocking: &dyn Blocking,
    call: impl FnOnce() -> T + Send + 'static,
) -> Handle {
    blocking.spawn_blocking(Box::new(move || Box::new(call()) as Output))
}

/// Like [`spawn_blocking`], in a task.
pub(super) fn blocking_of<T: Send + 'static>(
    executor: &Arc<dyn Executor>,
    call: impl FnOnce() -> T + Send + 'static,
) -> Handle {
    let blocking = executor.blocking();
    spawn_blocking(blocking.expect("the check requires a blocking pool"), call)
}

pub(crate) fn c61_a_blocking_call_captures_where_it_is_called(check: &CheckContext) -> CheckResult {
    let blocking = check.blocking()?;
    let outside = ID.run(12, || spawn_blocking(blocking, ID_HERE));
    let seen = check.block_on(async {
        let call = ID.run(10, || spawn_blocking(blocking, ID_HERE));
        let within = output_of(ID.scope(11, call.join()).await)?;
        Ok::<_, CheckError>((within, output_of(outside.join().await)?))
    })?;
    expect(
        "ID in a blocking call, spawned under 10 and awaited under 11, and in one that is spawned \
         under 12 outside of block_on",
        (Some(10), Some(12)),
        seen,
        &[
            (
                (None, None),
                "no frame is carried: capture the current frame where the call is spawned",
            ),
            (
                (Some(11), check.id()),
                "captured when the call is awaited instead of when it is spawned",
            ),
            (
                (check.id(), check.id()),
                "called in the frame of the pool's own thread, or of block_on's",
            ),
        ],
    )
}

/// Returns `ID` where this is called.
pub(super) const ID_HERE: fn() -> Option<u64> = || ID.get();

pub(crate) fn c61_a_blocking_call_of_a_task_captures_the_current_frame(
    check: &CheckContext,
) -> CheckResult {
    check.blocking()?;
    let (executor, gate, slot) = (Arc::clone(check.executor()), Gate::new(), Slot::new());
    let task = {
        let (gate, slot) = (Arc::clone(&gate), slot.clone());
        ID.scope(11, async move {
            // The call waits until the task has ended.
            let call = move || (gate.wait(), ID.get()).1;
            slot.put(blocking_of(&executor, call));
            yield_times(1).await;
        })
    };
    let seen: Option<u64> = check.block_on(async {
        ID.run(10, || check.spawn(task)).output().await?;
        gate.open();
        let call: Handle = slot.take().expect("the task has put it there");
        output_of(call.join().await)
    })?;
    expect(
        "ID in a blocking call of a task under 10, within a scope 11",
        Some(11),
        seen,
        &[
            (
                None,
                "no frame is carried: capture the current frame where the call is spawned",
            ),
            (
                Some(10),
                "the task's frame is captured instead of the current one",
            ),
            (check.id(), "called in the frame of the thread that drives"),
        ],
    )
}

pub(crate) fn c61_a_pool_thread_is_at_the_root_after_a_call(check: &CheckContext) -> CheckResult {
    at_the_root_after(check, false)
}

pub(crate) fn c61_a_pool_thread_is_at_the_root_after_a_panic(check: &CheckContext) -> CheckResult {
    at_the_root_after(check, true)
}

/// Makes every thread of the pool run a call under 10, and then makes calls at the root.
fn at_the_root_after(check: &CheckContext, panics: bool) -> CheckResult {
    let blocking = check.blocking()?;
    let calls = blocking.threads_max().unwrap_or(CALLS);
    let after: Vec<Option<u64>> = check.block_on(async {
        let busy = Busy::begin(blocking, calls, panics);
        // If the pool has fewer threads than it says, the remaining calls run one after the other.
        busy.has_begun().await;
        for ended in busy.end().await {
            ensure(
                ended.is_err() == panics,
                "a blocking call returns what its closure returns",
                if panics {
                    "a panic was lost"
                } else {
                    "it was lost"
                },
                "",
            )?;
        }
        let mut seen = Vec::new();
        for _ in 0..calls {
            let call = Frame::root().run(|| spawn_blocking(blocking, ID_HERE));
            seen.push(output_of(call.join().await)?);
        }
        Ok::<_, CheckError>(seen)
    })?;
    let seen = after.into_iter().find(Option::is_some).flatten();
    let left_behind = if panics {
        "a call that panics leaves its frame behind on the pool's thread: restore on unwinding"
    } else {
        "a call leaves its frame behind on the pool's thread, or its thread was started in it"
    };
    expect(
        "ID in a call at the root, on a pool whose threads have made calls under 10",
        None,
        seen,
        &[
            (Some(10), left_behind),
            (
                check.id(),
                "the pool's threads start in the frame in which they are spawned",
            ),
        ],
    )
}

/// Calls under 10 that occupy their threads.
pub(super) struct Busy {
    handles: Vec<Handle>,
    release: Arc<Gate>,
    begun: Arc<AtomicUsize>,
}

impl Busy {
    pub(super) fn begin(blocking: &dyn Blocking, calls: usize, panic: bool) -> Self {
        let (release, begun) = (Gate::new(), Arc::<AtomicUsize>::default());
        let call = || {
            let (release, begun) = (Arc::clone(&release), Arc::clone(&begun));
            let call = move || {
                begun.fetch_add(1, Ordering::SeqCst);
                release.wait();
                if panic {
                    deliberate_panic();
                }
            };
            ID.run(10, || spawn_blocking(blocking, call))
        };
        Self {
            handles: (0..calls).map(|_| call()).collect(),
            release,
            begun,
        }
    }

    pub(super) async fn has_begun(&self) -> bool {
        eventually(|| self.begun.load(Ordering::SeqCst) == self.handles.len()).await
    }

    pub(super) async fn end(self) -> Vec<Result<Output, crate::executor::Ended>> {
        self.release.open();
        futures::future::join_all(self.handles.into_iter().map(|call| call.join())).await
    }
}

pub(crate) fn c61_a_calls_frame_is_released_at_the_root(check: &CheckContext) -> CheckResult {
    let blocking = check.blocking()?;
    let (log, gate) = (Log::new(), Gate::new());
    let seen = check.block_on(async {
        let call = {
            let gate = Arc::clone(&gate);
            // The spawner has left the frame before the call ends.
            move || (gate.wait(), RECORDED.is_bound()).1
        };
        let bindings = bind(&RECORDED, log.on_drop("value")).and(&ID, 10);
        let call = bindings.run(|| spawn_blocking(blocking, call));
        gate.open();
        let is_bound: bool = output_of(call.join().await)?;
        ensure(
            is_bound,
            "a blocking call sees its frame",
            "it does not",
            "no frame is carried",
        )?;
        eventually(|| log.find("value").is_some()).await;
        log.find("value")
            .ok_or_else(|| super::time_io::never("a call's frame is released once it has ended"))
    })?;
    expect(
        "ID where a pool's thread releases the frame of a call under 10",
        None,
        seen,
        &[
            (
                Some(10),
                "the frame is released while it is still the current one",
            ),
            (
                check.id(),
                "the pool's threads are in the frame in which they were started",
            ),
        ],
    )
}
