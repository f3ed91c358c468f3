//! The worst panics of user code, which must not affect other tasks or workers.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::{Future, pending};
use std::panic::panic_any;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;

use framewise::ContextVar;
use framewise::task::yield_now;
use framewise_test_support::{
    DropCall, ID, Log, call_waker, on_drop, poll_once, while_occupied, with_workers,
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

/// The hook for unhandled panics is called once for each panic, and for nothing else: not for an
/// abort, whenever the handle is dropped.
#[test]
fn the_hook_is_called_for_panics_alone() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let runtime = framewise::runtime::Builder::new()
        .worker_threads(1)
        .on_unhandled_panic(move |error| {
            // A panic in the hook would not be noticed.
            counted.fetch_add(if error.is_panic() { 1 } else { 100 }, Ordering::SeqCst);
        })
        .build()
        .unwrap();
    let finished = |handle: &framewise::JoinHandle<()>| {
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

    let set = framewise::task::LocalSet::new();
    set.block_on(&runtime, async {
        drop(framewise::task::spawn_local(async { panic!("expected") }));
        yield_now().await;
    });
    assert_eq!(calls.load(Ordering::SeqCst), 2, "a local task's");
}
