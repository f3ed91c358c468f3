//! Starvation: ready tasks do not run, because other tasks are always first or block their worker.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use framewise::task::yield_now;
use framewise::time::sleep;

use crate::{Bug, Class, Here, connection};
use framewise_test_support::{runtime, while_occupied, with_workers};

pub(crate) const CLASS: Class = Class {
    name: "starvation",
    bugs: &[
        Bug {
            id: "tokio 4941",
            story: "The last woken task is in a slot from which other workers cannot steal. If its \
                    worker is busy for long, the task waits although other workers are idle.",
            here: Here::Tests(&[
                (
                    "executor/tests/long_polls.rs",
                    "what_a_blocking_task_woke_last_is_run_by_another_worker",
                ),
                (
                    "executor/tests/long_polls.rs",
                    "what_a_blocking_task_spawned_last_is_run_by_another_worker",
                ),
                (
                    "loom-tests/tests/monitor.rs",
                    "what_a_blocking_task_woke_is_found_by_the_other",
                ),
            ]),
        },
        Bug {
            id: "tokio 5686",
            story: "Tasks that woke each other through that slot used no budget, so the worker \
                    never polled its queue.",
            here: Here::Tests(&[
                (
                    "executor/tests/fairness/busy.rs",
                    "a_ping_pong_pair_starves_no_task",
                ),
                (
                    "executor/tests/fairness/busy.rs",
                    "a_chain_of_spawns_starves_nobody",
                ),
            ]),
        },
        Bug {
            id: "tokio 5712",
            story: "The fix of 5686: only a limited number of tasks in a row may come from the \
                    slot. A limit for the slot must also hold for timers and I/O.",
            here: Here::Tests(&[
                (
                    "executor/tests/fairness/busy.rs",
                    "self_waking_tasks_starve_no_task",
                ),
                (
                    "executor/tests/fairness/busy.rs",
                    "io_is_seen_within_ten_yields",
                ),
                (
                    "executor/tests/bugs/starvation.rs",
                    "a_pair_that_fills_the_slot_leaves_the_queue_timers_and_io_their_turn",
                ),
            ]),
        },
        Bug {
            id: "tokio 4730",
            story: "A worker fetched events, among them its own, and started a task that never \
                    returned. It had been the driver owner, so no worker polled the driver any \
                    more.",
            here: Here::Tests(&[
                (
                    "executor/tests/fairness/blocked.rs",
                    "a_worker_that_blocks_freezes_neither_io_nor_timers_of_the_others",
                ),
                (
                    "executor/tests/fairness/blocked.rs",
                    "a_task_that_blocks_right_after_its_own_io_or_timer_freezes_no_others",
                ),
                (
                    "loom-tests/tests/monitor.rs",
                    "a_monitor_that_blocks_is_followed_by_another",
                ),
                (
                    "executor/tests/bugs/starvation.rs",
                    "one_worker_that_is_left_serves_io_timers_and_spawns",
                ),
            ]),
        },
    ],
};

/// tokio 5712: a pair of tasks keeps a worker's LIFO slot full; a queue of other tasks, a timer and
/// a socket still get their turn, and the pair itself makes progress.
#[test]
fn a_pair_that_fills_the_slot_leaves_the_queue_timers_and_io_their_turn() {
    let runtime = runtime(1);
    let _watch = framewise_test_support::HangWatch::new("the slot is always full");
    let (stream, mut peer) = runtime.block_on(connection());
    let (to_b, from_a) = async_channel::bounded::<()>(1);
    let (to_a, from_b) = async_channel::bounded::<()>(1);
    let rounds = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&rounds);
    let a = runtime.spawn(async move {
        while to_b.send(()).await.is_ok() && from_b.recv().await.is_ok() {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    let b = runtime
        .spawn(async move { while from_a.recv().await.is_ok() && to_a.send(()).await.is_ok() {} });
    let others: Vec<_> = (0..100)
        .map(|_| {
            runtime.spawn(async {
                for _ in 0..10 {
                    yield_now().await;
                }
            })
        })
        .collect();
    let timer = runtime.spawn(sleep(Duration::from_millis(2)));
    let io = runtime.spawn(async move { stream.read(&mut [0; 1]).await.unwrap() });
    peer.write_all(b"x").unwrap();
    runtime.block_on(async {
        for other in others {
            other.await.unwrap();
        }
        timer.await.unwrap();
        assert_eq!(io.await.unwrap(), 1);
    });
    let before = rounds.load(Ordering::Relaxed);
    while rounds.load(Ordering::Relaxed) == before {
        std::thread::yield_now();
    }
    a.abort();
    b.abort();
}

/// tokio 4730: tasks block all workers but one; the remaining worker serves everything.
#[test]
fn one_worker_that_is_left_serves_io_timers_and_spawns() {
    with_workers(|workers| {
        let runtime = runtime(workers);
        let (stream, mut peer) = runtime.block_on(connection());
        for round in 0..20_u64 {
            while_occupied(&runtime, workers - 1, || {
                peer.write_all(b"x").unwrap();
                runtime.block_on(async {
                    assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 1);
                    sleep(Duration::from_micros(round * 50)).await;
                });
                let (sender, receiver) = mpsc::channel();
                drop(runtime.spawn(async move {
                    yield_now().await;
                    sender.send(()).unwrap();
                }));
                receiver.recv().unwrap();
            });
        }
    });
}
