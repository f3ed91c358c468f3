//! The worst panics of user code, which must not affect other tasks or workers; and what the
//! conformance suite cannot check of the frames of panics (C-83, C-92): of local tasks with a
//! handle, and of an interval that continues.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::{Future, pending};
use std::panic::panic_any;
use std::pin::Pin;
use std::sync::{Mutex, mpsc};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use framewise::runtime::{Builder, Runtime};
use framewise::task::{JoinHandle, LocalSet, spawn_local, yield_now};
use framewise::time::{PanicPolicy, set_interval_with};
use framewise::{ContextVar, bind};
use framewise_test_support::{
    DropCall, ID, Log, call_waker, in_frames, on_drop, pause, poll_once, while_occupied,
    with_workers,
};
use futures::channel::oneshot;

/// Panics when dropped. As a panic's payload, it panics when the catcher drops it.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        if !thread::panicking() {
            panic!("expected: a payload's destructor");
        }
    }
}

/// Is ready at once. Its destructor panics with a payload whose destructor panics, too.
struct WorstFuture;

impl Future for WorstFuture {
    type Output = Bomb;

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Bomb> {
        Poll::Ready(Bomb)
    }
}

impl Drop for WorstFuture {
    fn drop(&mut self) {
        if !thread::panicking() {
            panic_any(Bomb);
        }
    }
}

#[test]
fn no_panic_in_user_code_costs_a_worker_or_anything_of_its_other_tasks() {
    static CALL: ContextVar<DropCall> = ContextVar::new("call");

    with_workers(|workers| {
        let runtime = framewise_test_support::runtime(workers);
        let log = Log::default();
        let bystanders: Vec<_> = (0..20)
            .map(|number| {
                let tracker = log.tracker("bystander");
                ID.run(number, || {
                    runtime.spawn(async move {
                        let _tracker = tracker;
                        pending::<()>().await;
                    })
                })
            })
            .collect();
        for _ in 0..workers * 3 {
            // Payloads that panic when the runtime drops them, of a poll and of the destructors of
            // a future, an output and a frame. The tasks are detached, because a joiner would have
            // to drop the payloads itself.
            let (release, released) = oneshot::channel::<()>();
            let released = futures::FutureExt::shared(released);
            let go = || released.clone();
            let gate = go();
            drop(runtime.spawn(async move {
                let _ = gate.await;
                panic_any(Bomb);
            }));
            let gate = go();
            drop(runtime.spawn(async move {
                let _ = gate.await;
                Bomb
            }));
            let gate = go();
            drop(runtime.spawn(async move {
                let _ = gate.await;
                on_drop(|| panic_any(Bomb))
            }));
            let gate = go();
            drop(CALL.run(on_drop(|| panic_any(Bomb)), || {
                runtime.spawn(async move {
                    let _ = gate.await;
                })
            }));
            // Both the future's destructor and its output's panic.
            while_occupied(&runtime, workers, || drop(runtime.spawn(WorstFuture)));
            release.send(()).unwrap();
            // A waker that panics when it is woken and when it is dropped.
            let (release, released) = oneshot::channel::<()>();
            let mut task = runtime.spawn(released);
            let dropped = on_drop(|| panic_any(Bomb));
            let waker = call_waker(move || {
                let _keep = &dropped;
                panic_any(Bomb)
            });
            assert!(poll_once(&mut task, &waker).is_pending());
            std::mem::forget(waker);
            release.send(()).unwrap();
            while !task.is_finished() {
                thread::yield_now();
            }
            assert!(framewise_test_support::at_once(task).is_ok());
        }
        // Every worker still runs, with its queue.
        let tasks: Vec<_> = (0..100).map(|_| runtime.spawn(yield_now())).collect();
        runtime.block_on(async {
            for task in tasks {
                task.await.unwrap();
            }
        });
        while_occupied(&runtime, workers, || ());
        assert_eq!(log.entries(), []);
        drop(runtime);
        let mut ends: Vec<_> = log.entries().into_iter().map(|(_, id)| id).collect();
        ends.sort_unstable();
        assert_eq!(ends, (0..20).map(Some).collect::<Vec<_>>());
        drop(bystanders);
    });
}

#[test]
fn c46_a_destructor_that_panics_at_shutdown_keeps_no_other_task_from_its_end() {
    with_workers(|workers| {
        let log = Log::default();
        let runtime = framewise_test_support::runtime(workers);
        for number in 0..10 {
            let tracker = log.tracker("task");
            let (parked, is_parked) = mpsc::channel();
            drop(ID.run(number, || {
                runtime.spawn(async move {
                    let _tracker = tracker;
                    let _bomb = on_drop(|| panic!("expected: a destructor"));
                    pause(|_| parked.send(()).unwrap()).await;
                })
            }));
            is_parked.recv().unwrap();
        }
        drop(runtime);
        let mut ends: Vec<_> = log.entries().into_iter().map(|(_, id)| id).collect();
        ends.sort_unstable();
        assert_eq!(ends, (0..10).map(Some).collect::<Vec<_>>());
    });
}

#[test]
fn c77_a_value_that_panics_at_a_tasks_end_leaves_the_joiner_its_output() {
    static CALL: ContextVar<DropCall> = ContextVar::new("call");

    with_workers(|workers| {
        let runtime = framewise_test_support::runtime(workers);
        let (release, released) = oneshot::channel::<()>();
        let bomb = on_drop(|| panic!("expected: a value's destructor"));
        let task = bind(&CALL, bomb)
            .and(&ID, 3)
            .run(|| runtime.spawn(async { released.await.map(|()| ID.get()) }));
        // Only the task holds the frame now.
        release.send(()).unwrap();
        assert_eq!(runtime.block_on(task).unwrap(), Ok(Some(3)));
    });
}

/// The hook for unhandled panics is called once for each panic, and for nothing else: not for an
/// abort, whenever the handle is dropped.
#[test]
fn the_hook_is_called_for_panics_alone() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let runtime = Builder::new()
        .worker_threads(1)
        .on_unhandled_panic(move |error| {
            // A panic in the hook would not be noticed.
            counted.fetch_add(if error.is_panic() { 1 } else { 100 }, Ordering::SeqCst);
        })
        .build()
        .unwrap();
    let finished = |handle: &JoinHandle<()>| {
        while !handle.is_finished() {
            thread::yield_now();
        }
    };

    let aborted = runtime.spawn(pending::<()>());
    aborted.abort();
    finished(&aborted);
    drop(aborted);
    let aborted = runtime.spawn(pending::<()>());
    aborted.abort();
    drop(aborted);
    assert_eq!(calls.load(Ordering::SeqCst), 0);

    let panicked = runtime.spawn(async { panic!("expected") });
    finished(&panicked);
    drop(panicked);
    assert_eq!(calls.load(Ordering::SeqCst), 1);

    let set = LocalSet::new();
    set.block_on(&runtime, async {
        drop(spawn_local(async { panic!("expected") }));
        yield_now().await;
    });
    assert_eq!(calls.load(Ordering::SeqCst), 2, "a local task's");
}

/// Builds a runtime whose hook for unhandled panics sends the value of [`ID`] where it runs and in
/// the error's frame.
fn hooked() -> (Runtime, mpsc::Receiver<[Option<u64>; 2]>) {
    let (sender, reports) = mpsc::channel();
    let sender = Mutex::new(sender);
    let builder = Builder::new().worker_threads(1);
    let builder = builder.on_unhandled_panic(move |error| {
        let seen = [ID.get(), error.frame().unwrap().run(|| ID.get())];
        sender.lock().unwrap().send(seen).unwrap();
    });
    (builder.build().unwrap(), reports)
}

/// Fails in a scope of a task: under 10, in a task that is spawned under 9.
fn failing_local(set: &LocalSet) -> JoinHandle<()> {
    let task = ID.scope(10, async {
        yield_now().await;
        panic!("expected");
    });
    ID.run(9, || set.spawn_local(task))
}

async fn finished<T>(task: JoinHandle<T>) -> JoinHandle<T> {
    while !task.is_finished() {
        yield_now().await;
    }
    task
}

#[test]
fn c83_the_panic_of_a_local_task_is_reported_in_its_frame_whenever_its_handle_is_dropped() {
    in_frames(|id| {
        let (runtime, reports) = hooked();
        let set = LocalSet::new();
        let [later] = set.block_on(&runtime, async {
            let error = failing_local(&set).await.unwrap_err();
            assert_eq!(error.frame().unwrap().run(|| ID.get()), Some(10));
            assert_eq!(ID.get(), id);
            // Dropped before the end, after it, and outside of any runtime.
            ID.run(21, || drop(failing_local(&set)));
            while !matches!(reports.try_recv(), Ok([Some(10), Some(10)])) {
                yield_now().await;
            }
            let ended = finished(failing_local(&set)).await;
            ID.run(21, || drop(ended));
            assert_eq!(reports.try_recv(), Ok([Some(10); 2]));
            // In an array, because an async block that returns a handle looks like a missing await.
            [finished(failing_local(&set)).await]
        });
        ID.run(22, || drop(later));
        assert_eq!(reports.try_recv(), Ok([Some(10); 2]));
        // A part of a task panics as the set is dropped, inside another runtime.
        let part = on_drop(|| panic!("expected"));
        drop(set.spawn_local(ID.scope(11, async move {
            let _part = part;
            pending::<()>().await;
        })));
        let (other, reports_of_other) = hooked();
        let entered = other.enter();
        ID.run(23, || drop(set));
        assert_eq!(reports.try_recv(), Ok([Some(11); 2]));
        drop(entered);
        drop((runtime, other));
        assert!(reports.recv().is_err() && reports_of_other.recv().is_err());
    });
}

#[test]
fn c92_each_panic_of_an_interval_that_continues_is_reported_in_its_frame() {
    in_frames(|_| {
        let (runtime, reports) = hooked();
        let _entered = runtime.enter();
        let tick = Duration::from_millis(1);
        let (sender, calls) = mpsc::channel();
        let callback = ID.run(10, || {
            set_interval_with(tick, PanicPolicy::Continue, move || {
                let _ = sender.send(ID.get());
                ID.run(11, || panic!("expected"))
            })
        });
        for _ in 0..3 {
            assert_eq!(calls.recv(), Ok(Some(10)));
            assert_eq!(reports.recv(), Ok([Some(11); 2]));
        }
        assert!(callback.is_active());
        assert!(callback.cancel());
        while calls.recv().is_ok() {}
    });
}
