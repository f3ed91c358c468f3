//! Shutdown: a runtime that shuts down during all kinds of work, without a hang and without a loss.

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use framewise::runtime::Handle;
use framewise::task::{block_in_place, yield_now};
use framewise::time::sleep;
use framewise::{spawn, spawn_blocking};

use crate::{Bug, Class, Here, connection};
use framewise_test_support::{OnDrop, panics, runtime, with_workers};

pub(crate) const CLASS: Class = Class {
    name: "shutdown",
    bugs: &[
        Bug {
            id: "tokio 2046",
            story: "The scheduler held a lock while it dropped the tasks at shutdown. A destructor \
                    that woke another task acquired the same lock.",
            here: Here::Tests(&[
                (
                    "executor/tests/shutdown/tasks.rs",
                    "destructors_at_shutdown_may_spawn_wake_abort_and_arm",
                ),
                (
                    "loom-tests/tests/owned.rs",
                    "closing_meets_an_abort_and_a_wake",
                ),
            ]),
        },
        Bug {
            id: "tokio 1948",
            story: "A deadlock while a runtime was dropped, several destructors deep in the \
                    cancellation of a task.",
            here: Here::Tests(&[
                (
                    "executor/tests/shutdown/tasks.rs",
                    "destructors_at_shutdown_may_spawn_wake_abort_and_arm",
                ),
                (
                    "executor/tests/shutdown/kinds.rs",
                    "a_runtime_may_be_dropped_by_its_own_task_call_or_callback",
                ),
                ("loom-tests/tests/owned.rs", "a_spawn_meets_the_closing"),
            ]),
        },
        Bug {
            id: "tokio 2061",
            story: "A deadlock while a runtime with tasks that had a UDP socket was dropped. \
                    (framewise has TCP: tasks that share a socket use it in their destructors.)",
            here: Here::Tests(&[
                (
                    "executor/tests/shutdown/after.rs",
                    "wakers_timers_and_sockets_that_outlive_the_runtime_are_harmless",
                ),
                (
                    "executor/tests/bugs/shutdown.rs",
                    "sockets_that_tasks_share_end_with_the_runtime",
                ),
                (
                    "loom-tests/tests/readiness/waiters.rs",
                    "shutdown_against_wait",
                ),
            ]),
        },
        Bug {
            id: "tokio 2119",
            story: "A shutdown that raced with block_in_place deadlocked occasionally.",
            here: Here::Tests(&[
                (
                    "executor/tests/shutdown/threads.rs",
                    "a_shutdown_ends_what_block_in_place_left_behind",
                ),
                (
                    "executor/tests/stress/races.rs",
                    "block_in_place_everywhere_strands_nothing",
                ),
                (
                    "executor/tests/bugs/shutdown.rs",
                    "a_shutdown_races_block_in_place",
                ),
            ]),
        },
        Bug {
            id: "tokio 6463",
            story: "All workers were in block_on within block_in_place when the runtime was \
                    dropped. The events for which they waited could not happen any more, and they \
                    were not woken.",
            here: Here::Tests(&[
                (
                    "executor/tests/bugs/shutdown.rs",
                    "a_shutdown_ends_block_on_within_block_in_place",
                ),
                (
                    "executor/tests/shutdown/after.rs",
                    "a_block_on_in_another_thread_sees_the_end_of_what_it_waits_for",
                ),
            ]),
        },
        Bug {
            id: "tokio 7499",
            story: "A blocking call that is made during the shutdown does not run, which the docs \
                    did not say. In framewise it either runs or its handle reports the \
                    cancellation, and the closure is dropped in both cases.",
            here: Here::Tests(&[
                (
                    "executor/tests/bugs/shutdown.rs",
                    "a_blocking_call_during_the_shutdown_runs_or_reports_that_it_did_not",
                ),
                (
                    "executor/tests/shutdown/after.rs",
                    "a_handle_outlives_its_runtime_and_cancels_what_it_is_given",
                ),
            ]),
        },
    ],
};

const HOUR: Duration = Duration::from_secs(3_600);

/// tokio 2061: readers and writers of shared sockets wait while the runtime is dropped; their
/// destructors use the sockets once more.
#[test]
fn sockets_that_tasks_share_end_with_the_runtime() {
    with_workers(|workers| {
        for round in 0..20 {
            let runtime = runtime(workers);
            let mut peers = Vec::new();
            let ended = Arc::new(AtomicUsize::new(0));
            for _ in 0..8 {
                let (stream, peer) = runtime.block_on(connection());
                peers.push(peer);
                let stream = Arc::new(stream);
                for _ in 0..3 {
                    let (stream, ended) = (Arc::clone(&stream), Arc::clone(&ended));
                    let last = Arc::clone(&stream);
                    let at_end = OnDrop(move || {
                        let _ = last.try_read(&mut [0; 1]);
                        let _ = last.try_write(b"last words");
                        ended.fetch_add(1, Ordering::SeqCst);
                    });
                    drop(runtime.spawn(async move {
                        let _at_end = at_end;
                        let _ = stream.read(&mut [0; 1]).await;
                        pending::<()>().await;
                    }));
                }
            }
            if round % 2 == 0 {
                runtime.block_on(yield_now());
            }
            drop(runtime);
            assert_eq!(ended.load(Ordering::SeqCst), 24);
        }
    });
}

/// tokio 2119: tasks enter and leave `block_in_place` while the runtime is dropped.
#[test]
fn a_shutdown_races_block_in_place() {
    with_workers(|workers| {
        for round in 0..100 {
            let runtime = runtime(workers);
            let (begun, has_begun) = mpsc::channel();
            for _ in 0..2 * workers {
                let begun = begun.clone();
                drop(runtime.spawn(async move {
                    loop {
                        block_in_place(thread::yield_now);
                        let _ = begun.send(());
                        yield_now().await;
                    }
                }));
            }
            for _ in 0..round % 7 {
                has_begun.recv().unwrap();
            }
            drop(runtime);
        }
    });
}

/// tokio 6463: threads that wait for a timer, a socket or a task of the runtime within
/// `block_in_place`, in various ways, get a result, an error or a panic, and the drop of the
/// runtime returns.
#[test]
fn a_shutdown_ends_block_on_within_block_in_place() {
    with_workers(|workers| {
        for _ in 0..5 {
            let runtime = runtime(workers);
            let (ended, has_ended) = mpsc::channel();
            let (begun, has_begun) = mpsc::channel();
            let (stream, _peer) = runtime.block_on(connection());
            let stream = Arc::new(stream);
            for number in 0..5 * workers {
                let (begun, ended) = (begun.clone(), ended.clone());
                let stream = Arc::clone(&stream);
                let (keep, kept) = mpsc::channel::<()>();
                drop(runtime.spawn(async move {
                    let _keep = keep;
                    pending::<()>().await;
                }));
                drop(runtime.spawn(async move {
                    let handle = Handle::current();
                    block_in_place(|| {
                        begun.send(()).unwrap();
                        // A timer panics if its runtime is shut down.
                        let gave_up = match number % 5 {
                            0 => panics(|| handle.block_on(sleep(HOUR))),
                            1 => handle.block_on(stream.read(&mut [0; 1])).is_err(),
                            2 => handle.block_on(spawn(sleep(HOUR))).is_err(),
                            // A wait that does not know the runtime.
                            3 => panics(|| futures::executor::block_on(sleep(HOUR))),
                            _ => kept.recv().is_err(),
                        };
                        ended.send(gave_up).unwrap();
                    });
                }));
            }
            for _ in 0..5 * workers {
                has_begun.recv().unwrap();
            }
            drop(runtime);
            drop(ended);
            let ended: Vec<_> = has_ended.iter().collect();
            assert_eq!(ended, vec![true; 5 * workers]);
        }
    });
}

/// tokio 7499: every blocking call that tasks and other threads make during the shutdown either
/// runs or reports that it did not; no closure is leaked.
#[test]
fn a_blocking_call_during_the_shutdown_runs_or_reports_that_it_did_not() {
    with_workers(|workers| {
        for _ in 0..30 {
            let runtime = runtime(workers);
            let made = Arc::new(AtomicUsize::new(0));
            let dropped = Arc::new(AtomicUsize::new(0));
            let call = {
                let (made, dropped) = (Arc::clone(&made), Arc::clone(&dropped));
                move || {
                    let (made, dropped) = (Arc::clone(&made), Arc::clone(&dropped));
                    let at_end = OnDrop(move || {
                        dropped.fetch_add(1, Ordering::SeqCst);
                    });
                    move || {
                        let _at_end = at_end;
                        made.fetch_add(1, Ordering::SeqCst);
                    }
                }
            };
            let (handles, made_handles) = mpsc::channel();
            drop(runtime.spawn({
                let (call, handles) = (call.clone(), handles.clone());
                async move {
                    loop {
                        if handles.send(spawn_blocking(call())).is_err() {
                            return;
                        }
                        yield_now().await;
                    }
                }
            }));
            let handle = runtime.handle().clone();
            let outside = thread::spawn(move || {
                for _ in 0..200 {
                    handles.send(handle.spawn_blocking(call())).unwrap();
                }
            });
            // At least one call is made.
            let first = made_handles.recv().unwrap();
            drop(runtime);
            outside.join().unwrap();
            let (mut all, mut ok) = (0, 0);
            for handle in std::iter::once(first).chain(made_handles.iter()) {
                all += 1;
                match futures::executor::block_on(handle) {
                    Ok(()) => ok += 1,
                    Err(error) => assert!(error.is_cancelled(), "{error}"),
                }
            }
            assert_eq!(ok, made.load(Ordering::SeqCst));
            assert_eq!(all, dropped.load(Ordering::SeqCst));
        }
    });
}
