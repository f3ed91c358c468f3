//! How long a frame is held: C-47 and C-48.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use framewise_context::{Frame, bind};

use crate::check_context::{CheckContext, not_applicable};
use crate::check_result::{CheckError, CheckResult, Failure, ensure};
use crate::checks::workers::{block_on_catching, while_occupied};
use crate::executor::{BoxFuture, JoinHandle};
use crate::support::{
    DropTracker, Gate, ID, KEPT, deliberate_panic, eventually, in_time, pause, yield_times,
};

const FRAME_IN_HEADER: &str = "the frame is part of what the join handle keeps alive: release it \
                               when the task ends, not when its memory is freed; where C-32 is \
                               broken, too, it is a thread that keeps it";

/// Spawns a task whose frame keeps something alive, and that sees it.
fn keeping(check: &CheckContext) -> Result<(Box<dyn JoinHandle>, DropTracker), CheckError> {
    let (token, tracker) = DropTracker::new();
    let task = bind(&KEPT, token).and(&ID, 10).run(|| {
        check.spawn_joinable(async {
            yield_times(2).await;
            ID.get()
        })
    })?;
    Ok((task, tracker))
}

pub(crate) fn c47_a_frame_is_released_while_the_handle_is_held(
    check: &CheckContext,
) -> CheckResult {
    check.joining()?;
    check.block_on(async {
        for _ in 0..5 {
            let (task, tracker) = keeping(check)?;
            ensure(
                eventually(|| tracker.is_dropped()).await,
                "a finished task's frame is released while its handle is held",
                "it is alive as long as the handle",
                FRAME_IN_HEADER,
            )?;
            drop(in_time(task.join()).await);
            // Joined; only the result of the join is held.
            let (task, tracker) = keeping(check)?;
            let joined = in_time(task.join()).await;
            ensure(
                eventually(|| tracker.is_dropped()).await,
                "a joined task's frame is released while its output is held",
                "it is alive as long as the output",
                "the result of the join keeps the task's memory, and the frame is a part of it",
            )?;
            drop(joined);
        }
        Ok(())
    })
}

pub(crate) fn c47_an_aborted_tasks_frame_is_released_while_the_handle_is_held(
    check: &CheckContext,
) -> CheckResult {
    check.joining()?;
    check.block_on(async {
        for polls_first in [true, false] {
            let wakers = Wakers::default();
            let (token, tracker) = DropTracker::new();
            let mut task = bind(&KEPT, token).run(|| {
                let wakers = wakers.clone();
                check.spawn_joinable(async move { pause(|own| wakers.keep(own)).await })
            })?;
            if polls_first && !eventually(|| !wakers.is_empty()).await {
                return Err(Failure::new("a task runs", "it was not polled in time", "").into());
            }
            if !task.abort() {
                return not_applicable("tasks cannot be aborted");
            }
            ensure(
                eventually(|| tracker.is_dropped()).await,
                "an aborted task's frame is released while its handle is held",
                "it is alive as long as the handle",
                FRAME_IN_HEADER,
            )?;
            drop(task);
        }
        Ok(())
    })
}

const JOINER_FIRST: &str = "the joiner is woken, or finds the task finished, before the frame is \
                            released: release it first";
const LEAKED: &str = "the frame of a task that panics or is aborted is never released: release it \
                      however the task ends";

/// How a task ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Finished,
    Panicked,
    Aborted,
    AbortedUnpolled,
    PanickedInADestructor,
}

/// Panics when it is dropped, if it is armed. The frame of that panic is the root, since the error
/// may keep it.
struct Part {
    is_armed: bool,
}

impl Drop for Part {
    fn drop(&mut self) {
        // A second panic would abort the process.
        if self.is_armed && !std::thread::panicking() {
            Frame::root().run(|| deliberate_panic())
        }
    }
}

pub(crate) fn c47_a_frame_is_released_before_the_joiner_is_notified(
    check: &CheckContext,
) -> CheckResult {
    check.joining()?;
    for end in [
        End::Finished,
        End::Panicked,
        End::Aborted,
        End::AbortedUnpolled,
        End::PanickedInADestructor,
    ] {
        let is_armed = end == End::PanickedInADestructor;
        if is_armed && !check.executor().survives_panicking_destructors() {
            continue;
        }
        let (token, tracker) = DropTracker::new();
        let (polled, go) = (Gate::new(), Gate::new());
        let part = Part { is_armed };
        let spawn = || {
            let (polled, go) = (Arc::clone(&polled), Arc::clone(&go));
            check.spawn_joinable(async move {
                let _part = part;
                polled.open();
                go.passed().await;
                if end == End::Panicked {
                    // The error may keep the frame in which the panic began, which is not this one.
                    Frame::root().run(|| deliberate_panic())
                }
            })
        };
        let when_notified = block_on_catching(check, async {
            let frame = bind(&KEPT, token).frame();
            let mut task;
            let mut is_aborted = true;
            if end == End::AbortedUnpolled {
                task = while_occupied(check, || {
                    let mut task = frame.run(spawn)?;
                    is_aborted = task.abort();
                    Ok::<_, CheckError>(task)
                })?;
            } else {
                task = frame.run(spawn)?;
                if end == End::Aborted {
                    in_time(polled.passed()).await;
                    is_aborted = task.abort();
                }
            }
            drop(frame);
            if !is_aborted {
                return Ok(None);
            }
            let result = in_time(released_when_notified(
                task.join(),
                tracker.dropped(),
                || go.open(),
            ))
            .await;
            // Nothing else opens the gate of a task that is aborted.
            go.open();
            Ok::<_, CheckError>(result)
        })?
        .transpose()?;
        match when_notified.flatten() {
            Some(true) => {}
            // The executor cannot abort, or a panic ends its thread or `block_on`.
            None => continue,
            Some(false) => {
                let is_late = check.block_on(eventually(|| tracker.is_dropped()));
                return Err(Failure::new(
                    "the frame of a task is released before its joiner is notified",
                    format!("it is not released, of a task that ended like this: {end:?}"),
                    if is_late { JOINER_FIRST } else { LEAKED },
                )
                .into());
            }
        }
    }
    Ok(())
}

/// Waits for `join`. Returns `true` if `released` was open when the joiner was notified: when its
/// waker was called, or when it found the task finished. `start` is called when the joiner waits.
async fn released_when_notified<T>(
    mut join: BoxFuture<'static, T>,
    released: Arc<Gate>,
    start: impl FnOnce(),
) -> bool {
    let joiner_waker = Arc::new(JoinerWaker {
        released,
        when_woken: Mutex::default(),
        joiner: Mutex::default(),
    });
    let waker = Waker::from(Arc::clone(&joiner_waker));
    let mut start = Some(start);
    poll_fn(|cx| {
        *lock(&joiner_waker.joiner) = Some(cx.waker().clone());
        if join
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_ready()
        {
            let when_woken = *lock(&joiner_waker.when_woken);
            return Poll::Ready(when_woken.unwrap_or_else(|| joiner_waker.released.is_open()));
        }
        // A spurious wake-up: only the last one counts.
        *lock(&joiner_waker.when_woken) = None;
        if let Some(start) = start.take() {
            start();
        }
        Poll::Pending
    })
    .await
}

/// The waker of a joiner. It records whether the frame was released when it was first called.
struct JoinerWaker {
    released: Arc<Gate>,
    when_woken: Mutex<Option<bool>>,
    joiner: Mutex<Option<Waker>>,
}

impl Wake for JoinerWaker {
    fn wake(self: Arc<Self>) {
        let is_released = self.released.is_open();
        lock(&self.when_woken).get_or_insert(is_released);
        let joiner = lock(&self.joiner).clone();
        if let Some(joiner) = joiner {
            joiner.wake();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Wakers that outlive their tasks.
#[derive(Clone, Default)]
struct Wakers(Arc<Mutex<Vec<Waker>>>);

impl Wakers {
    fn keep(&self, waker: &Waker) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend([waker.clone(), waker.clone()]);
    }

    fn is_empty(&self) -> bool {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.is_empty()
    }

    /// Returns a clone of the first waker that was stored.
    fn first(&self) -> Option<Waker> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.first().cloned()
    }

    /// Calls each waker, which must have no effect.
    fn wake_all(&self) {
        let kept = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for waker in kept {
            waker.wake_by_ref();
            waker.wake();
        }
    }
}

const FRAME_IN_WAKER: &str = "a waker keeps what it wakes, and the future or the frame is a part \
                              of that: drop both when the task ends, even if wakers are left; \
                              where C-32 is broken, too, it is a thread that keeps it";

pub(crate) fn c48_stale_wakers_keep_no_frame(check: &CheckContext) -> CheckResult {
    let wakers = Wakers::default();
    let (token, tracker) = DropTracker::new();
    check.block_on(async {
        let task = bind(&KEPT, token).and(&ID, 10).run(|| {
            let wakers = wakers.clone();
            check.spawn(async move {
                pause(|own| wakers.keep(own)).await;
                pause(|own| {
                    wakers.keep(own);
                    own.wake_by_ref();
                })
                .await;
            })
        });
        if !eventually(|| !wakers.is_empty()).await {
            return Err(Failure::new("a task runs", "it was not polled in time", "").into());
        }
        ID.run(90, || wakers.first().map(Waker::wake));
        task.output().await?;
        ensure(
            eventually(|| tracker.is_dropped()).await,
            "a finished task's frame is released while its wakers are held",
            "it is alive as long as the wakers",
            FRAME_IN_WAKER,
        )?;
        // The next task runs as if nothing had happened.
        ID.run(90, || wakers.wake_all());
        check.spawn(yield_times(2)).output().await
    })
}

pub(crate) fn c48_wakers_of_an_aborted_task_keep_no_frame(check: &CheckContext) -> CheckResult {
    check.joining()?;
    let wakers = Wakers::default();
    let (token, tracker) = DropTracker::new();
    check.block_on(async {
        let mut task = bind(&KEPT, token).run(|| {
            let wakers = wakers.clone();
            check.spawn_joinable(async move { pause(|own| wakers.keep(own)).await })
        })?;
        if !eventually(|| !wakers.is_empty()).await {
            return Err(Failure::new("a task runs", "it was not polled in time", "").into());
        }
        if !task.abort() {
            return not_applicable("tasks cannot be aborted");
        }
        drop(in_time(task.join()).await);
        ensure(
            eventually(|| tracker.is_dropped()).await,
            "an aborted task's frame is released while its wakers are held",
            "it is alive as long as the wakers",
            FRAME_IN_WAKER,
        )?;
        wakers.wake_all();
        check.spawn(yield_times(2)).output().await
    })
}
