//! Destructors that panic: C-46, and C-32 after them.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Wake, Waker};

use framewise_context::Frame;

use crate::check_context::{CheckContext, not_applicable};
use crate::check_result::{CheckError, CheckResult, ensure, expect};
use crate::checks::workers::{Before, are_at_the_root, block_on_catching};
use crate::executor::Output;
use crate::support::{
    Gate, ID, Log, deliberate_panic, eventually, in_time, park, poll_once, yield_times,
};

/// Records that it is dropped, and panics in its own frame if it is armed.
struct PanicsOnDrop {
    log: Log,
    is_armed: bool,
}

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        self.log.record("destructor");
        // A second panic would abort the process.
        if self.is_armed && !std::thread::panicking() {
            ID.run(90, || deliberate_panic());
        }
    }
}

fn can_try(check: &CheckContext) -> CheckResult {
    if check.executor().survives_panicking_destructors() {
        return Ok(());
    }
    not_applicable("the executor aborts the process where a task's destructor panics")
}

/// Checks that this thread and the executor's threads are in the same frames as before.
fn all_is_well(check: &CheckContext, here: (Option<u64>, Frame), log: &Log) -> CheckResult {
    let after = (ID.get(), Frame::current());
    expect(
        "ID around a block_on in which a destructor panics",
        here.0,
        after.0,
        &[(Some(10), "block_on does not restore the frame on unwinding")],
    )?;
    ensure(
        here.1.id() == after.1.id(),
        "the frame around a block_on in which a destructor panics is the one before",
        "another one",
        "",
    )?;
    ensure(
        !log.entries().is_empty(),
        "the destructor that is to panic runs",
        "it did not in time",
        "",
    )?;
    are_at_the_root(check, Before::Panic)
}

pub(crate) fn c46_a_destructor_that_panics_restores(check: &CheckContext) -> CheckResult {
    can_try(check)?;
    let here = (ID.get(), Frame::current());
    let log = Log::new();
    let value = PanicsOnDrop {
        log: log.clone(),
        is_armed: true,
    };
    block_on_catching(check, async {
        let task = poll_fn(move |_| {
            let _keep = &value;
            Poll::Ready(())
        });
        ID.run(10, || check.executor().spawn(Box::pin(task)));
        eventually(|| !log.entries().is_empty()).await;
        yield_times(3).await;
    })?;
    all_is_well(check, here, &log)
}

pub(crate) fn c46_a_detached_outputs_destructor_that_panics_restores(
    check: &CheckContext,
) -> CheckResult {
    can_try(check)?;
    check.joining()?;
    let here = (ID.get(), Frame::current());
    let log = Log::new();
    let value = PanicsOnDrop {
        log: log.clone(),
        is_armed: true,
    };
    block_on_catching(check, async {
        let (parked, release) = (Gate::new(), Gate::new());
        let own = (Arc::clone(&parked), Arc::clone(&release));
        let task = ID.run(10, || {
            check.spawn_joinable(async move {
                park(own.0, own.1).await;
                value
            })
        })?;
        in_time(parked.passed()).await;
        task.detach();
        release.open();
        eventually(|| !log.entries().is_empty()).await;
        yield_times(3).await;
        Ok::<_, CheckError>(())
    })?
    .unwrap_or(Ok(()))?;
    all_is_well(check, here, &log)
}

/// How a task ends whose destructor panics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Ready,
    Aborted,
}

/// Records in which frame a joiner is woken.
struct RecordsWake(Mutex<Option<Option<u64>>>);

impl Wake for RecordsWake {
    fn wake(self: Arc<Self>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(ID.get());
    }
}

/// Returns `ID` where the joiner of a task is woken, or `None` if it is not woken or the executor
/// cannot do this.
fn joiner_is_woken_in(
    check: &CheckContext,
    end: End,
    is_armed: bool,
) -> Result<Option<Option<u64>>, CheckError> {
    let joining = check.joining()?;
    let log = Log::new();
    let records = Arc::new(RecordsWake(Mutex::new(None)));
    let waker = Waker::from(Arc::clone(&records));
    let value = PanicsOnDrop {
        log: log.clone(),
        is_armed,
    };
    let woken = || *records.0.lock().unwrap_or_else(PoisonError::into_inner);
    let here = std::thread::current().id();
    block_on_catching(check, async {
        let (polled, go, release) = (Gate::new(), Gate::new(), Gate::new());
        let mut waits = Box::pin(park(Arc::clone(&polled), Arc::clone(&release)));
        let held = Arc::clone(&go);
        let task = poll_fn(move |cx| {
            let _keep = &value;
            let poll = waits.as_mut().poll(cx);
            // The task is aborted during this poll, so the joiner waits before the task ends.
            if std::thread::current().id() != here {
                held.wait();
            }
            poll.map(|()| Box::new(()) as Output)
        });
        let mut task = ID.run(10, || joining.spawn_joinable(Box::pin(task)));
        in_time(polled.passed()).await;
        let ends = match end {
            End::Ready => true,
            End::Aborted => task.abort(),
        };
        let mut join = task.join();
        let is_waiting = poll_once(join.as_mut(), &waker).is_pending();
        go.open();
        if end == End::Ready {
            release.open();
        }
        if ends && is_waiting {
            eventually(|| woken().is_some()).await;
        }
        if ends {
            // It panics here, and not when the executor is dropped.
            eventually(|| !log.entries().is_empty()).await;
        }
    })?;
    Ok(woken())
}

pub(crate) fn c46_what_follows_a_destructor_that_panics_is_where_it_always_is(
    check: &CheckContext,
) -> CheckResult {
    can_try(check)?;
    check.joining()?;
    for end in [End::Ready, End::Aborted] {
        let usual = Frame::root().run(|| joiner_is_woken_in(check, end, false))?;
        let after_a_panic = Frame::root().run(|| joiner_is_woken_in(check, end, true))?;
        let (Some(usual), Some(after_a_panic)) = (usual, after_a_panic) else {
            continue;
        };
        expect(
            "ID where a joiner is woken after a destructor panicked, as after one that did not",
            usual,
            after_a_panic,
            &[
                (
                    Some(10),
                    "after a destructor that panics, what follows runs in the task's frame still",
                ),
                (
                    Some(90),
                    "after a destructor that panics, its own frame is still current",
                ),
            ],
        )?;
    }
    Ok(())
}

pub(crate) fn c32_threads_are_at_the_root_after_an_aborted_tasks_destructor_panics(
    check: &CheckContext,
) -> CheckResult {
    can_try(check)?;
    check.joining()?;
    joiner_is_woken_in(check, End::Aborted, true)?;
    are_at_the_root(check, Before::Panic)
}
