//! Waiting for a set: wakers, cancel safety, the budget, seeded runs and the end of a runtime.

use std::collections::BTreeSet;
use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use framewise::context::coop::with_budget;
use framewise::task::{AbortHandle, JoinSet, yield_now};
use framewise::test;
use framewise::time::{sleep, timeout};
use framewise_test_support::{
    CountingWaker, HangWatch, call_waker, give_up, on_drop, on_workers, panics, with_workers,
};
use futures::channel::oneshot;

const MS: Duration = Duration::from_millis(1);

fn poll<F: Future>(future: std::pin::Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

/// Makes a waker that keeps `kept`.
fn keeping(kept: &Arc<()>) -> Waker {
    let kept = Arc::clone(kept);
    call_waker(move || drop(Arc::clone(&kept)))
}

#[test]
fn a_dropped_wait_loses_no_output() {
    on_workers(|runtime| {
        let mut set = JoinSet::new();
        let mut releases = Vec::new();
        for number in 0..50 {
            let (release, released) = oneshot::channel::<()>();
            releases.push(release);
            let task = async move {
                released.await.unwrap();
                number
            };
            set.spawn_on(task, runtime.handle());
        }
        let mut outputs = BTreeSet::new();
        let (wakes, waker) = CountingWaker::new();
        for (round, release) in releases.into_iter().enumerate() {
            {
                let mut wait = pin!(set.join_next());
                assert!(poll(wait.as_mut(), &waker).is_pending());
                release.send(()).unwrap();
                while wakes.wakes() == round {
                    thread::yield_now();
                }
                // Woken, and dropped instead of being polled.
            }
            assert_eq!(set.len(), 50 - round);
            assert!(outputs.insert(set.try_join_next().unwrap().unwrap()));
        }
        assert!(outputs.into_iter().eq(0..50));
    });
}

#[test]
fn a_dropped_shutdown_leaves_the_aborted_tasks_in_the_set() {
    on_workers(|runtime| {
        let mut set = JoinSet::new();
        for _ in 0..3 {
            set.spawn_on(pending::<()>(), runtime.handle());
        }
        // Polled once, and dropped. (It may be ready already.)
        let is_pending = poll(pin!(set.shutdown()), Waker::noop()).is_pending();
        assert!(set.len() == 3 || !is_pending, "{set:?}");
        runtime.block_on(async {
            while let Some(joined) = set.join_next().await {
                assert!(joined.unwrap_err().is_cancelled());
            }
        });
    });
}

#[test]
fn a_dropped_join_all_drops_the_set() {
    on_workers(|runtime| {
        let (kept, mut set) = (Arc::new(()), JoinSet::new());
        let held = Arc::clone(&kept);
        let endless = async move {
            let _held = held;
            pending::<()>().await;
        };
        let abort = set.spawn_on(endless, runtime.handle());
        give_up(set.join_all());
        while !abort.is_finished() {
            thread::yield_now();
        }
        assert_eq!(Arc::strong_count(&kept), 1);
    });
}

#[test]
fn c48_a_wait_that_is_over_keeps_nothing_in_the_set() {
    on_workers(|runtime| {
        let kept = Arc::new(());
        let mut set = JoinSet::new();
        let (release, released) = oneshot::channel::<()>();
        set.spawn_on(released, runtime.handle());
        // Dropped while it waits.
        {
            let waker = keeping(&kept);
            let mut wait = pin!(set.join_next());
            assert!(poll(wait.as_mut(), &waker).is_pending());
            assert!(poll(wait.as_mut(), &waker).is_pending());
            drop(waker);
            assert_eq!(Arc::strong_count(&kept), 2, "the set has the waker");
        }
        assert_eq!(Arc::strong_count(&kept), 1);
        // Replaced by the next poll's, and dropped with the set.
        let other = Arc::new(());
        for (number, kept) in [&kept, &other, &kept, &other].into_iter().enumerate() {
            let waker = keeping(kept);
            let mut cx = Context::from_waker(&waker);
            assert!(set.poll_join_next(&mut cx).is_pending(), "{number}");
        }
        let counts = || (Arc::strong_count(&kept), Arc::strong_count(&other));
        assert_eq!(counts(), (1, 2));
        drop(set);
        assert_eq!(counts(), (1, 1));
        drop(release);
        // Woken by an end.
        let mut set = JoinSet::new();
        let (release, released) = oneshot::channel::<()>();
        let task = set.spawn_on(released, runtime.handle());
        let waker = keeping(&kept);
        assert!(
            set.poll_join_next(&mut Context::from_waker(&waker))
                .is_pending()
        );
        drop(waker);
        release.send(()).unwrap();
        while !task.is_finished() || Arc::strong_count(&kept) > 1 {
            thread::yield_now();
        }
        assert_eq!(set.len(), 1);
    });
}

#[test]
fn the_last_waker_is_woken_once_by_the_first_end_also_after_a_look_without_a_wait() {
    on_workers(|runtime| {
        let mut set = JoinSet::new();
        let mut releases: Vec<_> = (0..3)
            .map(|_| {
                let (release, released) = oneshot::channel::<()>();
                set.spawn_on(released, runtime.handle());
                release
            })
            .collect();
        let ((first, first_waker), (last, last_waker)) =
            (CountingWaker::new(), CountingWaker::new());
        for waker in [&first_waker, &first_waker, &last_waker] {
            assert!(
                set.poll_join_next(&mut Context::from_waker(waker))
                    .is_pending()
            );
        }
        assert!(set.try_join_next().is_none());
        while let Some(release) = releases.pop() {
            release.send(()).unwrap();
        }
        let mut joined = 0;
        while joined < 3 {
            joined += usize::from(set.try_join_next().is_some());
        }
        while last.wakes() == 0 {
            thread::yield_now();
        }
        assert_eq!((first.wakes(), last.wakes()), (0, 1));
    });
}

/// A task that has ended when it is added must wake a waiter that polled before.
#[test]
fn a_task_that_is_added_to_a_polled_set_wakes_the_joiner() {
    with_workers(|workers| {
        let runtime = framewise_test_support::runtime(workers);
        let mut set = JoinSet::new();
        set.spawn_on(pending::<()>(), runtime.handle());
        let ended = framewise_test_support::runtime(1);
        let handle = ended.handle().clone();
        drop(ended);
        let (wakes, waker) = CountingWaker::new();
        assert!(
            set.poll_join_next(&mut Context::from_waker(&waker))
                .is_pending()
        );
        set.spawn_on(async {}, &handle);
        assert_eq!(wakes.wakes(), 1);
        assert!(
            set.poll_join_next(&mut Context::from_waker(&waker))
                .is_ready()
        );
    });
}

#[test]
fn a_poll_joins_as_many_as_its_budget_allows_and_none_is_lost() {
    on_workers(|runtime| {
        let mut set = JoinSet::new();
        let tasks: Vec<_> = (0..300)
            .map(|number| set.spawn_on(async move { number }, runtime.handle()))
            .collect();
        while !tasks.iter().all(AbortHandle::is_finished) {
            thread::yield_now();
        }
        framewise_test_support::while_occupied(
            runtime,
            framewise_test_support::workers_of(runtime),
            || {
                let (wakes, waker) = CountingWaker::new();
                let mut outputs = BTreeSet::new();
                for _ in 0..2 {
                    let before = (outputs.len(), wakes.wakes());
                    with_budget(|| {
                        let mut cx = Context::from_waker(&waker);
                        while let Poll::Ready(joined) = set.poll_join_next(&mut cx) {
                            assert!(outputs.insert(joined.unwrap().unwrap()));
                        }
                    });
                    let now = (outputs.len(), wakes.wakes());
                    assert_eq!(now, (before.0 + 128, before.1 + 1));
                }
                // What does not wait has no budget.
                with_budget(|| {
                    while let Some(joined) = set.try_join_next() {
                        assert!(outputs.insert(joined.unwrap()));
                    }
                });
                assert!(outputs.into_iter().eq(0..300));
            },
        );
    });
}

#[test]
fn a_joiner_that_times_out_again_and_again_joins_all() {
    on_workers(|runtime| {
        let joined = runtime.block_on(async {
            let mut set = JoinSet::new();
            for number in 0..100_u32 {
                set.spawn(async move {
                    sleep(MS * (number % 7) / 4).await;
                    number
                });
            }
            let mut joined = BTreeSet::new();
            while !set.is_empty() {
                if let Ok(next) = timeout(MS / 10, set.join_next()).await {
                    assert!(joined.insert(next.unwrap().unwrap()));
                }
            }
            joined
        });
        assert!(joined.into_iter().eq(0..100));
    });
}

#[test]
fn an_abort_that_panics_in_a_waker_reaches_all_tasks() {
    let local_set = framewise::task::LocalSet::new();
    let mut set = JoinSet::new();
    let tasks: Vec<_> = (0..3)
        .map(|_| set.spawn_local_on(pending::<()>(), &local_set))
        .collect();
    let panicking = call_waker(|| panic!("a waker"));
    let mut running = pin!(local_set.run_until(pending::<()>()));
    // Two polls: the first one asks for another turn if it has run tasks.
    for _ in 0..2 {
        let _ = panics(|| assert!(poll(running.as_mut(), &panicking).is_pending()));
    }
    assert!(panics(|| drop(set)));
    let calm = Waker::noop();
    assert!(poll(running.as_mut(), calm).is_pending());
    assert!(tasks.iter().all(AbortHandle::is_finished));
}

/// A destructor that runs at the runtime's end must not wait for tasks that this end drops.
#[test]
fn a_join_while_the_runtime_ends_gives_cancelled_errors() {
    for workers in [1, 2, 8] {
        let _watch = HangWatch::new(format!("{workers} workers"));
        let runtime = framewise_test_support::runtime(workers);
        let mut set = JoinSet::new();
        let tasks: Vec<_> = (0..3)
            .map(|_| set.spawn_on(pending::<()>(), runtime.handle()))
            .collect();
        let (report, reports) = mpsc::channel();
        let mut set = Some(set);
        let waits = on_drop(move || {
            let mut set = set.take().unwrap();
            while let Some(joined) = futures::executor::block_on(set.join_next()) {
                report.send(joined.unwrap_err().is_cancelled()).unwrap();
            }
        });
        let (started, is_started) = mpsc::channel();
        drop(runtime.spawn(async move {
            let _waits = waits;
            started.send(()).unwrap();
            pending::<()>().await;
        }));
        is_started.recv().unwrap();
        drop(runtime);
        assert_eq!(reports.iter().collect::<Vec<_>>(), [true; 3]);
        assert!(tasks.iter().all(AbortHandle::is_finished));
    }
}

#[test]
fn seeded_runs_join_all_tasks_in_every_order() {
    let explored = test::explore(200, || async {
        let mut set = JoinSet::new();
        for number in 0..4_u64 {
            set.spawn(async move {
                yield_now().await;
                number
            });
        }
        set.spawn_blocking(|| 4);
        let mut joined = Vec::new();
        while !set.is_empty() {
            // Now and then the wait is dropped.
            let mut polls = 0;
            let mut wait = Box::pin(set.join_next());
            let next = poll_fn(|cx| {
                polls += 1;
                match wait.as_mut().poll(cx) {
                    Poll::Pending if polls > 1 => Poll::Ready(None),
                    polled => polled.map(|next| Some(next.unwrap())),
                }
            });
            if let Some(next) = next.await {
                joined.push(next.unwrap());
            } else {
                drop(wait);
                yield_now().await;
            }
        }
        joined.sort_unstable();
        assert_eq!(joined, [0, 1, 2, 3, 4]);
    });
    assert_eq!(explored.failures(), 0, "{:?}", explored.first_failure());
    assert!(explored.distinct() > 1);
}

#[test]
fn a_seeded_run_finds_that_a_set_of_endless_tasks_is_never_joined() {
    let explored = test::explore(5, || async {
        let mut set = JoinSet::new();
        set.spawn(pending::<()>());
        set.join_next().await;
    });
    assert_eq!(explored.failures(), explored.runs());
    assert!(explored.first_failure().unwrap().is_deadlock());
}
