//! Each way in which a task can end.

use std::future::pending;
use std::sync::mpsc;

use framewise::runtime::{Builder, LocalOptions};
use framewise::task::{LocalSet, spawn_local};
use framewise_test_support::{ID, Log, while_occupied};
use futures::channel::oneshot;

use crate::{Calls, ONE_POLL, kinds, observed};

#[test]
fn a_task_that_panics_is_complete_and_its_hooks_see_its_frame() {
    for (kind, builder) in kinds() {
        let (builder, calls) = observed(builder);
        let runtime = builder.build().unwrap();
        let task = ID.run(1, || {
            runtime.spawn(ID.scope(2, async { panic!("on purpose") }))
        });
        let id = task.id();
        assert!(runtime.block_on(task).unwrap_err().is_panic());
        assert_eq!(calls.of(id), ONE_POLL, "{kind}");
        assert!(calls.all().iter().all(|call| call.bound == Some(1)));
    }
}

#[test]
fn an_aborted_task_is_dropped_and_not_complete() {
    for (kind, builder) in kinds() {
        let (builder, calls) = observed(builder);
        let runtime = builder.build().unwrap();
        let (started, start) = oneshot::channel();
        let log = Log::default();
        let tracker = log.tracker("future");
        let task = ID.run(1, || {
            runtime.spawn(async move {
                let _tracker = tracker;
                let _ = started.send(());
                pending::<()>().await;
            })
        });
        let id = task.id();
        runtime.block_on(start).unwrap();
        task.abort();
        assert!(runtime.block_on(task).unwrap_err().is_cancelled());
        assert_eq!(calls.of(id), ["spawn", "before", "after", "drop"], "{kind}");
        assert_eq!(log.entries(), [("future", Some(1))]);
        assert!(calls.all().iter().all(|call| call.bound == Some(1)));
    }
}

#[test]
fn a_task_that_is_aborted_before_its_first_poll_has_none() {
    let (builder, calls) = observed(Builder::new().worker_threads(1));
    let runtime = builder.build().unwrap();
    let task = while_occupied(&runtime, 1, || {
        let task = runtime.spawn(async {});
        task.abort();
        task
    });
    let id = task.id();
    assert!(runtime.block_on(task).unwrap_err().is_cancelled());
    assert_eq!(calls.of(id), ["spawn", "drop"]);
}

#[test]
fn the_end_of_a_runtime_drops_each_task_with_its_hook() {
    for (kind, builder) in kinds() {
        let (builder, calls) = observed(builder);
        let runtime = builder.build().unwrap();
        let spawn = |value| ID.run(value, || runtime.spawn(pending::<()>()));
        let ids: Vec<_> = (0..20).map(|value| spawn(value).id()).collect();
        drop(runtime);
        for (id, value) in ids.into_iter().zip(0..) {
            assert_eq!(calls.of(id).last(), Some(&"drop"), "{kind}");
            assert!(!calls.of(id).contains(&"complete"), "{kind}");
            let of_task = calls.all().into_iter().filter(|call| call.id == id);
            assert!(of_task.into_iter().all(|call| call.bound == Some(value)));
        }
        assert_counts(&calls);
    }
}

#[test]
fn what_is_spawned_onto_a_closed_runtime_is_spawned_and_dropped_at_once() {
    for (kind, builder) in kinds() {
        let (builder, calls) = observed(builder);
        let runtime = builder.build().unwrap();
        let handle = runtime.handle().clone();
        drop(runtime);
        let task = ID.run(1, || handle.spawn(async {}));
        assert_eq!(calls.of(task.id()), ["spawn", "drop"], "{kind}");
        let call = ID.run(1, || handle.spawn_blocking(|| ()));
        assert_eq!(calls.of(call.id()), ["spawn", "drop"], "{kind}");
        let here = std::thread::current().id();
        assert!(
            calls
                .all()
                .iter()
                .all(|call| call.bound == Some(1) && call.thread == here)
        );
    }
}

#[test]
fn hooks_come_before_the_frame_is_released_and_the_joiner_woken() {
    let log = Log::default();
    static LOG: framewise::ContextVar<framewise_test_support::DropTracker> =
        framewise::ContextVar::new("log");
    let (on_complete, on_drop) = (log.clone(), log.clone());
    let runtime = Builder::new()
        .worker_threads(1)
        .on_task_complete(move |_, _| on_complete.add("complete"))
        .on_task_drop(move |_, _| on_drop.add("drop"))
        .build()
        .unwrap();
    let in_future = log.tracker("future");
    let output = log.tracker("output");
    // Detached before it ends, so that the output is dropped by the worker.
    let (detached, gate) = async_channel::bounded::<()>(1);
    drop(LOG.run(log.tracker("frame"), || {
        runtime.spawn(async move {
            gate.recv().await.unwrap_err();
            drop(in_future);
            output
        })
    }));
    drop(detached);
    let labels = log.wait(5).into_iter().map(|(label, _)| label);
    assert_eq!(
        labels.collect::<Vec<_>>(),
        ["future", "complete", "drop", "output", "frame"]
    );
}

#[test]
fn a_blocking_call_is_a_task_with_one_poll() {
    for (kind, builder) in kinds() {
        let (builder, calls) = observed(builder.max_blocking_threads(1));
        let runtime = builder.build().unwrap();
        let (release, released) = mpsc::channel::<()>();
        let running = ID.run(1, || {
            runtime.spawn_blocking(move || {
                let _ = released.recv();
            })
        });
        // The pool has one thread, so this call waits in the queue.
        let queued = ID.run(2, || runtime.spawn_blocking(|| ()));
        let queued_id = queued.id();
        queued.abort();
        assert_eq!(calls.of(queued_id), ["spawn", "drop"], "{kind}");
        drop(release);
        let id = running.id();
        runtime.block_on(running).unwrap();
        assert_eq!(calls.of(id), ONE_POLL, "{kind}");
        for call in calls.all() {
            assert!(call.is_blocking);
            assert_eq!(call.bound, Some(if call.id == id { 1 } else { 2 }));
        }
    }
}

#[test]
fn local_tasks_have_hooks_too() {
    for (kind, builder) in kinds() {
        let (builder, calls) = observed(builder);
        let runtime = builder.build().unwrap();
        let set = LocalSet::new();
        // No runtime runs the set yet, so this task is not observed.
        let before = set.spawn_local(async {});
        // The handles are kept, so that no two tasks have the same id.
        let (joined, left) = set.block_on(&runtime, async {
            let mut joined = ID.run(1, || spawn_local(async {}));
            (&mut joined).await.unwrap();
            (joined, ID.run(2, || spawn_local(pending::<()>())))
        });
        assert_eq!(calls.of(joined.id()), ONE_POLL, "{kind}");
        drop(set);
        assert_eq!(calls.of(left.id()).last(), Some(&"drop"), "{kind}");
        assert!(calls.of(before.id()).is_empty(), "{kind}");
        // A set that is made in a runtime belongs to it at once.
        let _entered = runtime.enter();
        let made_inside = LocalSet::new();
        let task = made_inside.spawn_local(async {});
        assert_eq!(calls.of(task.id()), ["spawn"], "{kind}");
        drop(made_inside);
        assert_counts(&calls);
    }
}

#[test]
fn a_local_runtimes_tasks_have_hooks() {
    let (builder, calls) = observed(Builder::new_current_thread());
    let runtime = builder.build_local(LocalOptions::default()).unwrap();
    let task = runtime.spawn_local(async {});
    let id = task.id();
    runtime.block_on(task).unwrap();
    assert_eq!(calls.of(id), ONE_POLL);
}

/// Checks what holds for each runtime that has ended: each task was spawned and dropped once, and
/// each poll has its pair.
fn assert_counts(calls: &Calls) {
    let count = |hook| calls.all().iter().filter(|call| call.hook == hook).count();
    assert_eq!(count("spawn"), count("drop"));
    assert_eq!(count("before"), count("after"));
}
