//! Blocking on a future: on a runtime, without one, nested, and on another executor.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::thread;
use std::time::Duration;

use framewise::task::{block_in_place, yield_now};
use framewise::time::{sleep, timeout};
use framewise::{block_on, spawn, spawn_blocking};
use framewise_test_support::{
    ID, in_frames, on_workers, panic_message, runtime, while_occupied, workers_of,
};

#[test]
fn block_on_runs_what_is_not_send_and_borrows() {
    on_workers(|runtime| {
        let mut count = 0;
        let not_send = std::rc::Rc::new(());
        runtime.block_on(async {
            for _ in 0..10 {
                yield_now().await;
                count += std::rc::Rc::strong_count(&not_send);
            }
        });
        assert_eq!(count, 10);
    });
}

#[test]
fn several_threads_may_block_on_one_runtime() {
    on_workers(|runtime| {
        thread::scope(|scope| {
            let threads: Vec<_> = (0..8_u64)
                .map(|number| {
                    scope.spawn(move || {
                        runtime.block_on(async move {
                            let mut sum = 0;
                            for _ in 0..50 {
                                sum += spawn(async move {
                                    yield_now().await;
                                    number
                                })
                                .await
                                .unwrap();
                            }
                            sleep(Duration::from_millis(1)).await;
                            sum
                        })
                    })
                })
                .collect();
            for (thread, number) in threads.into_iter().zip(0..) {
                assert_eq!(thread.join().unwrap(), 50 * number);
            }
        });
    });
}

#[test]
fn block_on_on_a_worker_panics_and_says_what_to_do() {
    on_workers(|runtime| {
        let handle = runtime.handle().clone();
        let task = runtime.spawn(async move {
            let by_handle = panic_message(|| handle.block_on(async {}));
            let free = panic_message(|| block_on(async {}));
            let other = panic_message(|| framewise_test_support::runtime(1).block_on(async {}));
            yield_now().await;
            [by_handle, free, other]
        });
        for message in runtime.block_on(task).unwrap() {
            assert!(
                message.contains("block_in_place or spawn_blocking"),
                "{message}"
            );
        }
        // The worker still runs tasks.
        while_occupied(runtime, workers_of(runtime), || ());
    });
}

#[test]
fn nested_block_on_is_legal_where_nothing_else_is_stalled() {
    on_workers(|runtime| {
        let seen = runtime.block_on(async {
            let nested = || {
                block_on(async {
                    sleep(Duration::from_millis(1)).await;
                    spawn(async { block_in_place(|| block_on(async { 7 })) })
                        .await
                        .unwrap()
                })
            };
            let on_the_pool = spawn_blocking(nested).await.unwrap();
            let in_place = spawn(async move { block_in_place(nested) }).await.unwrap();
            // Legal here, too, because the thread is not a worker.
            let here = block_on(async { spawn(async { 8 }).await.unwrap() });
            (on_the_pool, in_place, here)
        });
        assert_eq!(seen, (7, 7, 8));
    });
}

/// On the runtime that `block_on` makes for itself, and on another runtime within a `block_on`.
#[test]
fn c64_block_on_without_a_runtime_or_on_another_one_inherits_and_restores() {
    in_frames(|id| {
        let seen = block_on(async {
            yield_now().await;
            (ID.get(), spawn(async { ID.get() }).await.unwrap())
        });
        assert_eq!(seen, (id, id));
        assert_eq!(ID.get(), id);
        let (outer, other) = (runtime(1), runtime(1));
        let seen = outer.block_on(ID.scope(30, async {
            let nested = other.block_on(async {
                yield_now().await;
                (ID.get(), spawn(async { ID.get() }).await.unwrap())
            });
            (nested, ID.get())
        }));
        assert_eq!(seen, ((Some(30), Some(30)), Some(30)));
        assert_eq!(ID.get(), id);
    });
}

/// The futures of this runtime, polled by an executor that knows neither frames nor the runtime.
#[test]
fn c65_timers_on_another_executor_leave_its_thread_in_the_frame_of_its_poll() {
    let runtime = runtime(1);
    in_frames(|id| {
        let _entered = runtime.enter();
        let tick = Duration::from_millis(1);
        let waits = |own: Option<u64>| async move {
            sleep(tick).await;
            assert_eq!(ID.get(), own, "after a sleep");
            assert!(timeout(tick, std::future::pending::<()>()).await.is_err());
            assert_eq!(ID.get(), own, "after a timeout");
            assert_eq!(spawn_blocking(|| ID.get()).await.unwrap(), own);
            assert_eq!(ID.get(), own, "after a blocking call");
        };
        let one = ID.scope(12, waits(Some(12)));
        let other = ID.scope(13, waits(Some(13)));
        futures::executor::block_on(futures::future::join3(one, other, waits(id)));
        assert_eq!(ID.get(), id);
    });
}
