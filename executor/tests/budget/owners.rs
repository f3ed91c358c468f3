//! The code that has a budget: tasks, the tasks of local sets and the futures of nested executors.
//! Blocking code, callbacks and unconstrained futures have none.

use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use framewise::task::{
    LocalSet, block_in_place, consume_budget, coop, has_budget_remaining, spawn_blocking,
    spawn_local, unconstrained, yield_now,
};
use framewise::time::{sleep, timeout};
use framewise::{JoinHandle, spawn};
use framewise_test_support::{HangWatch, on_workers, runtime};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};

use crate::{LIMIT, TICK, UNITS, count_operation, counted, never, readable_stream};

/// The futures that a task polls share its budget.
#[test]
fn futures_in_one_task_share_its_budget() {
    on_workers(|runtime| {
        let most = runtime.block_on(async {
            let task = counted(async {
                let many: FuturesUnordered<_> = (0..100)
                    .map(|_| async {
                        for _ in 0..100 {
                            sleep(Duration::ZERO).await;
                            count_operation();
                        }
                    })
                    .collect();
                assert_eq!(many.count().await, 100);
            });
            spawn(task).await.unwrap()
        });
        assert_eq!(most, UNITS);
    });
}

/// Local tasks have their own budgets, separate from the budget of the future beside them.
#[test]
fn tasks_of_a_local_set_have_budgets_of_their_own() {
    on_workers(|runtime| {
        LocalSet::new().block_on(runtime, async {
            let order = Rc::new(Cell::new(0));
            for _ in 0..UNITS / 2 {
                consume_budget().await;
            }
            let tasks: Vec<_> = (0..3)
                .map(|_| {
                    let order = Rc::clone(&order);
                    spawn_local(counted(async move {
                        for _ in 0..10 * UNITS {
                            consume_budget().await;
                            count_operation();
                        }
                        order.set(order.get() + 1);
                    }))
                })
                .collect();
            for task in tasks {
                assert_eq!(task.await.unwrap(), UNITS);
            }
            assert_eq!(order.get(), 3);
        });
        // A set that is polled within a poll does not consume the outer budget.
        let outer = async {
            yield_now().await;
            for _ in 0..UNITS {
                consume_budget().await;
            }
            assert!(!has_budget_remaining());
            let set = LocalSet::new();
            let ran = Rc::new(Cell::new(false));
            let seen = Rc::clone(&ran);
            drop(set.spawn_local(async move {
                assert!(has_budget_remaining());
                seen.set(true);
            }));
            let mut until = pin!(set.run_until(pending::<()>()));
            poll_fn(|cx| {
                assert!(until.as_mut().poll(cx).is_pending());
                assert!(!has_budget_remaining());
                Poll::Ready(())
            })
            .await;
            assert!(ran.get());
        };
        runtime.block_on(outer);
    });
}

/// Awaiting an empty set is always ready at once.
#[test]
fn awaiting_an_empty_local_set_yields() {
    on_workers(|runtime| {
        let forever = async {
            let mut set = LocalSet::new();
            loop {
                (&mut set).await;
            }
        };
        assert!(runtime.block_on(async { timeout(LIMIT, never(forever)).await.is_err() }));
    });
}

/// `block_on` within `block_in_place` has its own budget, and the task's budget is restored
/// afterwards.
#[test]
fn blocking_code_is_not_constrained_and_what_was_left_is_restored() {
    on_workers(|runtime| {
        let task = async {
            yield_now().await;
            for _ in 0..UNITS {
                consume_budget().await;
            }
            assert!(!has_budget_remaining());
            block_in_place(|| {
                for _ in 0..10 * UNITS {
                    assert!(sleep(Duration::ZERO).now_or_never().is_some());
                }
                framewise::block_on(async {
                    assert!(has_budget_remaining());
                    for _ in 0..10 * UNITS {
                        consume_budget().await;
                    }
                });
                assert!(has_budget_remaining());
            });
            assert!(!has_budget_remaining());
            let panicked = catch_unwind(AssertUnwindSafe(|| block_in_place(|| panic!("expected"))));
            assert!(panicked.is_err());
            assert!(!has_budget_remaining());
        };
        runtime.block_on(async { spawn(task).await.unwrap() });
        let call = || {
            for _ in 0..10 * UNITS {
                assert!(sleep(Duration::ZERO).now_or_never().is_some());
            }
        };
        runtime.block_on(async { spawn_blocking(call).await.unwrap() });
    });
}

/// A poll that panics does not leave its budget to the next task or to the thread of `block_on`.
#[test]
fn a_panic_in_a_poll_leaves_the_next_poll_a_full_budget() {
    let runtime = runtime(1);
    let spend = || async {
        yield_now().await;
        while consume_budget().now_or_never().is_some() {}
        panic!("expected");
    };
    for _ in 0..3 {
        let panicked = runtime.block_on(async {
            let end: Result<(), _> = spawn(spend()).await;
            end
        });
        assert!(panicked.unwrap_err().is_panic());
        let panicked = catch_unwind(AssertUnwindSafe(|| runtime.block_on(spend())));
        let _: Result<(), _> = panicked;
        // Outside of a task, no operation is denied.
        for _ in 0..10 * UNITS {
            assert!(consume_budget().now_or_never().is_some());
        }
        let full = async {
            yield_now().await;
            for _ in 0..UNITS {
                assert!(consume_budget().now_or_never().is_some());
            }
        };
        runtime.block_on(async { spawn(full).await.unwrap() });
    }
}

#[test]
fn an_unconstrained_future_does_not_yield() {
    on_workers(|runtime| {
        let most = runtime.block_on(async {
            let task = counted(unconstrained(async {
                for _ in 0..10 * UNITS {
                    sleep(Duration::ZERO).await;
                    count_operation();
                }
            }));
            spawn(task).await.unwrap()
        });
        assert_eq!(most, 10 * UNITS);
    });
}

/// Callbacks have no budget: none of their operations is denied.
#[test]
fn callbacks_are_not_constrained() {
    on_workers(|runtime| {
        let _entered = runtime.enter();
        let calls = Arc::new(AtomicUsize::new(0));
        let (call, called) = std::sync::mpsc::channel();
        let count = Arc::clone(&calls);
        let interval = framewise::time::set_interval(TICK, move || {
            for _ in 0..2 * UNITS {
                assert!(sleep(Duration::ZERO).now_or_never().is_some());
            }
            count.fetch_add(1, Ordering::Relaxed);
            let _ = call.send(());
        });
        let busy = runtime.spawn(async {
            loop {
                consume_budget().await;
            }
        });
        let busy: JoinHandle<()> = busy;
        for _ in 0..3 {
            called.recv().unwrap();
        }
        interval.cancel();
        busy.abort();
        assert!(calls.load(Ordering::Relaxed) >= 3);
    });
}

/// A task that repeatedly exhausts its budget is queued behind all other tasks: it gets only a few
/// polls between two turns of the others.
#[test]
fn a_task_without_budget_goes_behind_all_others() {
    let runtime = runtime(1);
    let over = Arc::new(AtomicBool::new(false));
    let done = Arc::new(AtomicUsize::new(0));
    let busy = runtime.spawn({
        let (over, done) = (Arc::clone(&over), Arc::clone(&done));
        async move {
            while !over.load(Ordering::Relaxed) {
                consume_budget().await;
                done.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    let most = runtime.block_on(async {
        let turns = spawn(async move {
            let mut most = 0;
            let mut before = done.load(Ordering::Relaxed);
            for _ in 0..1000 {
                yield_now().await;
                let now = done.load(Ordering::Relaxed);
                most = most.max(now - before);
                before = now;
            }
            most
        });
        let most = turns.await.unwrap();
        over.store(true, Ordering::Relaxed);
        busy.await.unwrap();
        most
    });
    assert!(most > 0);
    assert!(most <= 2 * UNITS, "{most} operations between two turns");
}

/// In a seeded run, the loops of the bug reports also end, in virtual time, and each seed gives the
/// same run.
#[test]
fn seeded_runs_have_the_budget_too() {
    let program = || async {
        let forever = async {
            loop {
                sleep(Duration::ZERO).await;
            }
        };
        assert!(timeout(LIMIT, never(forever)).await.is_err());
        let most = counted(async {
            for _ in 0..3 * UNITS {
                consume_budget().await;
                count_operation();
            }
        });
        let most = spawn(most).await.unwrap();
        assert!(most <= UNITS);
        most
    };
    for seed in 0..3 {
        assert_eq!(
            framewise::test::run(seed, program),
            framewise::test::run(seed, program)
        );
    }
}

/// A future on a nested executor has no task that could yield, so its budget must not run out.
#[test]
fn the_budget_of_a_nested_executor_does_not_run_out() {
    let _watch = HangWatch::new("1 worker");
    let runtime = runtime(1);
    runtime.block_on(async {
        let (stream, _peer) = readable_stream().await;
        let done = spawn(async move {
            futures::executor::block_on(async {
                let mut done = 0;
                for _ in 0..1_000 {
                    done += usize::from(stream.peek(&mut [0; 4]).await.unwrap() > 0);
                    sleep(Duration::ZERO).await;
                    coop(std::future::ready(())).await;
                }
                done
            })
        });
        assert_eq!(done.await.unwrap(), 1_000);
    });
}
