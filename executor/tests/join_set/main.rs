//! `JoinSet`: which tasks are joined, when, in which order, and what happens to the others.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod frames;
mod waits;

use std::collections::{BTreeSet, HashMap};
use std::future::pending;
use std::rc::Rc;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use framewise::JoinError;
use framewise::runtime::Runtime;
use framewise::task::{AbortHandle, JoinSet, LocalSet, yield_now};
use framewise_test_support::{
    Drops, at_once, on_workers, one_pool_thread, panic_message, panics, while_occupied,
    with_workers, workers_of,
};
use futures::channel::oneshot;

/// Joins one task after the other until the set is empty.
fn join_each<T>(runtime: &Runtime, set: &mut JoinSet<T>) -> Vec<Result<T, JoinError>> {
    runtime.block_on(async {
        let mut joined = Vec::new();
        while let Some(next) = set.join_next().await {
            joined.push(next);
        }
        joined
    })
}

#[test]
fn a_set_may_go_where_its_outputs_may_go_and_starts_empty() {
    fn is_send_and_sync<T: Send + Sync + Unpin>() {}
    is_send_and_sync::<JoinSet<u64>>();
    is_send_and_sync::<JoinSet<std::cell::Cell<u64>>>();
    on_workers(|runtime| {
        let mut set = JoinSet::default();
        assert!(set.is_empty());
        assert!(set.try_join_next().is_none());
        assert!(at_once(set.join_next()).is_none());
        assert_eq!(at_once(JoinSet::<u64>::new().join_all()), [0_u64; 0]);
        set.spawn_on(pending::<()>(), runtime.handle());
        assert_eq!((set.len(), set.is_empty()), (1, false));
        assert_eq!(format!("{set:?}"), "JoinSet { len: 1 }");
        assert!(set.try_join_next_with_id().is_none());
        set.detach_all();
    });
}

/// Also if the set is first looked at when all have ended.
#[test]
fn all_outputs_are_joined_once_in_the_order_of_the_ends() {
    on_workers(|runtime| {
        for late in [false, true] {
            let ends = Arc::new(Mutex::new(Vec::new()));
            let mut set = JoinSet::new();
            for number in 0..100 {
                let ends = Arc::clone(&ends);
                let task = async move {
                    for _ in 0..(number * 7) % 5 {
                        yield_now().await;
                    }
                    ends.lock().unwrap().push(number);
                    number
                };
                set.spawn_on(task, runtime.handle());
            }
            let mut joined: Vec<_> = if late {
                while ends.lock().unwrap().len() < 100 {
                    thread::yield_now();
                }
                // The workers are behind the ends of all tasks.
                while_occupied(runtime, workers_of(runtime), || {
                    std::iter::from_fn(|| set.try_join_next())
                        .map(Result::unwrap)
                        .collect()
                })
            } else {
                runtime.block_on(set.join_all())
            };
            if workers_of(runtime) == 1 {
                assert_eq!(joined, *ends.lock().unwrap());
            }
            joined.sort_unstable();
            assert!(joined.into_iter().eq(0..100));
        }
    });
}

#[test]
fn a_dropped_set_aborts_its_tasks_and_drops_the_outputs_that_were_not_joined() {
    on_workers(|runtime| {
        let (futures, outputs) = (Drops::default(), Drops::default());
        let mut set = JoinSet::new();
        let ended: Vec<_> = (0..10)
            .map(|_| {
                let output = outputs.tracked();
                set.spawn_on(async { output }, runtime.handle())
            })
            .collect();
        let parked: Vec<_> = (0..10)
            .map(|_| {
                let future = futures.tracked();
                let endless = async {
                    let _future = future;
                    pending().await
                };
                set.spawn_on(endless, runtime.handle())
            })
            .collect();
        while !ended.iter().all(AbortHandle::is_finished) {
            thread::yield_now();
        }
        assert_eq!((futures.count(), outputs.count()), (0, 0));
        drop(set);
        assert_eq!(outputs.count(), 10);
        while !parked.iter().all(AbortHandle::is_finished) {
            thread::yield_now();
        }
        assert_eq!(futures.count(), 10);
    });
}

#[test]
fn detached_tasks_run_on_and_leave_the_set() {
    on_workers(|runtime| {
        let outputs = Drops::default();
        let mut set = JoinSet::new();
        let mut releases = Vec::new();
        let aborts: Vec<_> = (0..10)
            .map(|_| {
                let (release, released) = oneshot::channel::<()>();
                releases.push(release);
                let output = outputs.tracked();
                let task = async move {
                    released.await.unwrap();
                    output
                };
                set.spawn_on(task, runtime.handle())
            })
            .collect();
        set.detach_all();
        assert!(set.is_empty());
        assert!(runtime.block_on(set.join_next()).is_none());
        drop(set);
        for release in releases {
            release.send(()).unwrap();
        }
        while !aborts.iter().all(AbortHandle::is_finished) {
            thread::yield_now();
        }
        assert_eq!(outputs.count(), 10);
    });
}

/// The ends of detached tasks may be in the queue under the keys of the tasks that came after them.
#[test]
fn a_set_that_is_used_again_joins_the_new_tasks_only() {
    on_workers(|runtime| {
        let mut set = JoinSet::new();
        for round in 0..200 {
            for _ in 0..5 {
                set.spawn_on(async { u64::MAX }, runtime.handle());
            }
            set.detach_all();
            let (release, released) = oneshot::channel::<()>();
            let late = async move {
                released.await.unwrap();
                round
            };
            set.spawn_on(late, runtime.handle());
            assert!(set.try_join_next().is_none(), "it waits for the release");
            release.send(()).unwrap();
            let joined = runtime.block_on(set.join_next()).unwrap();
            assert_eq!(joined.unwrap(), round);
            assert!(set.is_empty());
        }
    });
}

#[test]
fn a_panic_in_one_task_leaves_the_others() {
    on_workers(|runtime| {
        let mut set = JoinSet::new();
        for number in 0..20 {
            let task = async move {
                yield_now().await;
                assert_ne!(number, 7, "seven");
                number
            };
            set.spawn_on(task, runtime.handle());
        }
        let (mut outputs, mut errors) = (BTreeSet::new(), Vec::new());
        for joined in join_each(runtime, &mut set) {
            match joined {
                Ok(number) => assert!(outputs.insert(number)),
                Err(error) => errors.push(error),
            }
        }
        assert!(
            outputs
                .into_iter()
                .eq((0..20).filter(|&number| number != 7))
        );
        let [error] = <[_; 1]>::try_from(errors).unwrap();
        assert!(error.to_string().contains("seven"), "{error}");
    });
}

#[test]
fn join_all_passes_a_panic_on_and_aborts_the_rest() {
    on_workers(|runtime| {
        let futures = Drops::default();
        let mut set = JoinSet::new();
        let future = futures.tracked();
        let endless = async {
            let _future = future;
            pending().await
        };
        let rest = set.spawn_on(endless, runtime.handle());
        set.spawn_on(async { panic!("seven") }, runtime.handle());
        let message = panic_message(|| runtime.block_on(set.join_all()));
        assert_eq!(message, "seven");
        while !rest.is_finished() {
            thread::yield_now();
        }
        assert_eq!(futures.count(), 1);

        let mut set = JoinSet::new();
        set.spawn_on(pending::<()>(), runtime.handle()).abort();
        let message = panic_message(|| runtime.block_on(set.join_all()));
        assert!(message.contains("the task was cancelled"), "{message}");
    });
}

#[test]
fn aborted_tasks_stay_in_the_set_until_they_are_joined() {
    on_workers(|runtime| {
        let mut set = JoinSet::new();
        let mut handles: HashMap<_, _> = (0..10)
            .map(|_| {
                let handle = set.spawn_on(pending::<()>(), runtime.handle());
                (handle.id(), handle)
            })
            .collect();
        set.abort_all();
        set.abort_all();
        assert_eq!(set.len(), 10);
        for error in join_each(runtime, &mut set) {
            let error = error.unwrap_err();
            assert!(error.is_cancelled());
            let handle = handles.remove(&error.id()).unwrap();
            assert!(handle.is_finished());
        }
        assert!(handles.is_empty());

        for number in 0..10 {
            let task = async move {
                if number % 2 == 0 {
                    pending().await
                }
            };
            set.spawn_on(task, runtime.handle());
        }
        runtime.block_on(set.shutdown());
        assert!(set.is_empty());
    });
}

#[test]
fn ids_come_with_outputs_and_errors() {
    on_workers(|runtime| {
        let mut set = JoinSet::new();
        let expected: HashMap<_, _> = (0..20)
            .map(|number| {
                let task = async move {
                    assert_ne!(number % 4, 1, "a task that fails");
                    number
                };
                (set.spawn_on(task, runtime.handle()).id(), number)
            })
            .collect();
        runtime.block_on(async {
            for _ in 0..10 {
                match set.join_next_with_id().await.unwrap() {
                    Ok((id, number)) => assert_eq!(expected[&id], number),
                    Err(error) => assert_eq!(expected[&error.id()] % 4, 1),
                }
            }
        });
        while !set.is_empty() {
            match set.try_join_next_with_id() {
                None => thread::yield_now(),
                Some(Ok((id, number))) => assert_eq!(expected[&id], number),
                Some(Err(error)) => assert_eq!(expected[&error.id()] % 4, 1),
            }
        }
    });
}

#[test]
fn blocking_calls_are_members_and_those_in_the_queue_are_dropped_with_the_set() {
    with_workers(|workers| {
        let runtime = one_pool_thread(workers);
        let mut set = JoinSet::new();
        set.spawn_blocking_on(|| thread::current().id(), runtime.handle());
        let entered = runtime.enter();
        set.spawn_blocking(|| thread::current().id());
        drop(entered);
        let threads = runtime.block_on(set.join_all());
        assert_eq!(threads.len(), 2);
        assert!(!threads.contains(&thread::current().id()));

        let mut set = JoinSet::new();
        let (release, released) = mpsc::channel::<()>();
        let (started, is_started) = mpsc::channel();
        let running = set.spawn_blocking_on(
            move || {
                started.send(()).unwrap();
                let _ = released.recv();
            },
            runtime.handle(),
        );
        is_started.recv().unwrap();
        let drops = Drops::default();
        for _ in 0..5 {
            let tracked = drops.tracked();
            set.spawn_blocking_on(|| drop(tracked), runtime.handle());
        }
        drop(set);
        assert_eq!(drops.count(), 5, "dropped by the thread that aborts");
        assert!(!running.is_finished(), "an abort does not reach it");
        drop(release);
    });
}

#[test]
fn tasks_that_are_not_send_are_members() {
    on_workers(|runtime| {
        let local_set = LocalSet::new();
        let shared = Rc::new(40);
        let mut set = JoinSet::new();
        let member = Rc::clone(&shared);
        set.spawn_local_on(async move { *member + 1 }, &local_set);
        let joined = local_set.block_on(runtime, async {
            set.spawn_local({
                let member = Rc::clone(&shared);
                async move {
                    yield_now().await;
                    *member + 2
                }
            });
            set.spawn(async { 43 });
            set.join_all().await
        });
        assert_eq!(
            joined.into_iter().collect::<BTreeSet<_>>(),
            [41, 42, 43].into()
        );
        let mut set = JoinSet::new();
        let message = panic_message(|| set.spawn_local(async {}));
        assert!(
            message.contains("called from outside of a `task::LocalSet`"),
            "{message}"
        );
        // Aborted by the set's end, dropped by the local set.
        let member = Rc::clone(&shared);
        let endless = async move {
            let _member = member;
            pending::<()>().await;
        };
        let task = set.spawn_local_on(endless, &local_set);
        drop(set);
        drop(local_set);
        assert!(task.is_finished());
        assert_eq!(Rc::strong_count(&shared), 1);
    });
}

#[test]
fn a_set_of_a_runtime_that_has_ended_joins_cancelled_tasks() {
    with_workers(|workers| {
        let runtime = framewise_test_support::runtime(workers);
        let handle = runtime.handle().clone();
        let mut set = JoinSet::new();
        set.spawn_on(pending::<()>(), &handle);
        drop(runtime);
        set.spawn_on(async {}, &handle);
        set.spawn_blocking_on(|| (), &handle);
        for _ in 0..3 {
            assert!(set.try_join_next().unwrap().unwrap_err().is_cancelled());
        }
        assert!(set.is_empty());
        assert!(panics(|| drop(set.spawn(async {}))), "there is no runtime");
    });
}

#[test]
fn thousands_of_tasks_are_joined_while_others_are_added() {
    on_workers(|runtime| {
        let sum = runtime.block_on(async {
            let mut set: JoinSet<u64> = (0..5_000).map(|number| async move { number }).collect();
            set.extend((5_000..10_000).map(|number| async move {
                yield_now().await;
                number
            }));
            let (mut sum, mut next) = (0, 10_000);
            while let Some(joined) = set.join_next().await {
                sum += joined.unwrap();
                if next < 20_000 {
                    set.spawn(async move { next });
                    next += 1;
                }
            }
            sum
        });
        assert_eq!(sum, (0..20_000).sum::<u64>());
    });
}

#[test]
fn a_set_in_a_task_that_is_aborted_aborts_its_own() {
    on_workers(|runtime| {
        let futures = Drops::default();
        let (ready, is_ready) = mpsc::channel();
        let tracked: Vec<_> = (0..10).map(|_| futures.tracked()).collect();
        let outer = runtime.spawn(async move {
            let mut set: JoinSet<()> = JoinSet::new();
            let inner: Vec<_> = tracked
                .into_iter()
                .map(|future| {
                    set.spawn(async {
                        let _future = future;
                        pending().await
                    })
                })
                .collect();
            ready.send(inner).unwrap();
            set.join_next().await;
        });
        let inner = is_ready.recv().unwrap();
        assert_eq!(futures.count(), 0);
        outer.abort();
        assert!(runtime.block_on(outer).unwrap_err().is_cancelled());
        while !inner.iter().all(AbortHandle::is_finished) {
            thread::yield_now();
        }
        assert_eq!(futures.count(), 10);
    });
}

#[test]
fn large_outputs_and_futures_fit_on_the_default_stacks() {
    const LARGE: usize = 128 * 1024;
    on_workers(|runtime| {
        let joiner = runtime.spawn(async {
            let mut set = JoinSet::new();
            for byte in 0..3 {
                set.spawn(async move {
                    let large = [byte; LARGE];
                    yield_now().await;
                    large
                });
            }
            set.spawn_blocking(|| [3; LARGE]);
            let mut sum = 0;
            while let Some(joined) = set.join_next().await {
                sum += joined
                    .unwrap()
                    .iter()
                    .map(|&byte: &u8| usize::from(byte))
                    .sum::<usize>();
            }
            sum
        });
        assert_eq!(runtime.block_on(joiner).unwrap(), (1 + 2 + 3) * LARGE);
    });
}
