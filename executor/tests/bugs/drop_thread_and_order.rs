//! Drop thread and order: a future is dropped on a thread that must not touch it, or after
//! something that it needs.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, ThreadId};
use std::time::Duration;

use framewise::runtime::Runtime;
use framewise::task::{LocalSet, spawn_local, yield_now};
use framewise::time::sleep;

use crate::{Bug, Class, Here};
use framewise_test_support::{HangWatch, OnDrop, on_workers, pause, runtime, with_workers};

pub(crate) const CLASS: Class = Class {
    name: "drop thread and order",
    bugs: &[
        Bug {
            id: "tokio 3929",
            story: "Aborting a local task from another thread dropped its future on that thread, \
                    although it is not Send. (In framewise the abort wakes the task, and its set \
                    drops it; the set itself is not Send, which the compiler checks.)",
            here: Here::Tests(&[
                (
                    "executor/tests/bugs/drop_thread_and_order.rs",
                    "a_local_task_is_dropped_on_its_own_thread_after_any_abort",
                ),
                (
                    "executor/tests/bugs/drop_thread_and_order.rs",
                    "a_local_set_and_its_guards_are_not_send",
                ),
                (
                    "executor/tests/runtime.rs",
                    "a_local_tasks_wake_and_end_from_other_threads_are_safe",
                ),
            ]),
        },
        Bug {
            id: "tokio 5162",
            story: "A local set and a runtime in thread-locals: the one that was dropped last \
                    accessed a thread-local of the library that was already destroyed, and \
                    panicked.",
            here: Here::Tests(&[
                (
                    "executor/tests/bugs/drop_thread_and_order.rs",
                    "a_local_set_and_a_runtime_in_thread_locals_end_with_their_thread",
                ),
                (
                    "executor/tests/thread_ends.rs",
                    "c81_in_the_destructor_of_a_workers_thread_local_a_spawned_task_is_cancelled",
                ),
                (
                    "executor/tests/shutdown/threads.rs",
                    "workers_threads_are_gone_when_the_drop_returns_with_their_thread_locals",
                ),
            ]),
        },
        Bug {
            id: "tokio 4412",
            story: crate::UNREAD,
            here: Here::Tests(&[
                (
                    "executor/tests/bugs/drop_thread_and_order.rs",
                    "a_local_set_is_dropped_before_during_and_after_its_runtime",
                ),
                (
                    "executor/tests/shutdown/after.rs",
                    "wakers_timers_and_sockets_that_outlive_the_runtime_are_harmless",
                ),
            ]),
        },
        Bug {
            id: "async-executor 164",
            story: "The executor's state was no longer reference-counted by its tasks but stored \
                    in the executor. Dropping the executor while a task still used it left a \
                    dangling pointer.",
            here: Here::Tests(&[
                (
                    "executor/tests/shutdown/kinds.rs",
                    "a_runtime_may_be_dropped_by_its_own_task_call_or_callback",
                ),
                (
                    "executor/tests/bugs/drop_thread_and_order.rs",
                    "a_runtime_that_its_own_task_drops_is_whole_until_the_task_ends",
                ),
                (
                    "executor/tests/join/handles.rs",
                    "an_abort_handle_outlives_task_handle_and_runtime",
                ),
            ]),
        },
    ],
};

/// A drop tracker that sends the thread of its drop; not `Send`.
struct DropTracker {
    dropped_on: mpsc::Sender<ThreadId>,
    not_send: PhantomData<*const ()>,
}

impl Drop for DropTracker {
    fn drop(&mut self) {
        let _ = self.dropped_on.send(thread::current().id());
    }
}

/// tokio 3929: other threads abort and wake a local task in every state; its future is dropped on
/// the set's thread.
#[test]
fn a_local_task_is_dropped_on_its_own_thread_after_any_abort() {
    on_workers(|runtime| {
        for round in 0..60 {
            let (dropped_on, was_dropped_on) = mpsc::channel();
            let (waker, wakers) = mpsc::channel();
            let set = LocalSet::new();
            let task = set.spawn_local(async move {
                let _tracker = DropTracker {
                    dropped_on,
                    not_send: PhantomData,
                };
                loop {
                    pause(|own| drop(waker.send(own.clone()))).await;
                }
            });
            let abort = task.abort_handle();
            if round % 3 > 0 {
                // The task has started, or may be running at this moment.
                set.block_on(runtime, yield_now());
            }
            let other = thread::spawn(move || {
                if let Ok(waker) = wakers.try_recv() {
                    waker.wake();
                }
                abort.abort();
                // The last references other than the set's are dropped here.
                drop((abort, wakers, task));
            });
            if round % 2 == 0 {
                other.join().unwrap();
                set.block_on(runtime, yield_now());
            } else {
                set.block_on(runtime, yield_now());
                other.join().unwrap();
            }
            drop(set);
            for thread in was_dropped_on.iter() {
                assert_eq!(thread, thread::current().id());
            }
        }
    });
}

/// Types that must not leave their thread are not `Send`.
#[test]
fn a_local_set_and_its_guards_are_not_send() {
    /// Ambiguous, hence a compile error, for a type that is `Send`.
    trait IsNotSend<A> {
        fn check() {}
    }
    impl<T: ?Sized> IsNotSend<()> for T {}
    impl<T: ?Sized + Send> IsNotSend<u8> for T {}

    fn set_of(set: &LocalSet) -> impl Future<Output = ()> + '_ {
        set.run_until(async {})
    }
    fn is_not_send<T, A>(_: &T)
    where
        T: IsNotSend<A>,
    {
    }
    <LocalSet as IsNotSend<_>>::check();
    <framewise::runtime::EnterGuard<'static> as IsNotSend<_>>::check();
    let set = LocalSet::new();
    is_not_send(&set_of(&set));
}

/// tokio 5162: created, and thus dropped, in either order. Each has tasks, and the tasks'
/// destructors read context.
#[test]
fn a_local_set_and_a_runtime_in_thread_locals_end_with_their_thread() {
    thread_local! {
        static SET: RefCell<Option<LocalSet>> = const { RefCell::new(None) };
        static RUNTIME: RefCell<Option<Runtime>> = const { RefCell::new(None) };
    }
    static ENDED: AtomicUsize = AtomicUsize::new(0);

    let _watch = HangWatch::new("thread-locals end");
    for round in 0..4 {
        ENDED.store(0, Ordering::SeqCst);
        thread::spawn(move || {
            let make_set = || SET.set(Some(LocalSet::new()));
            let make_runtime = || RUNTIME.set(Some(runtime(2)));
            if round % 2 == 0 {
                make_set();
                make_runtime();
            } else {
                make_runtime();
                make_set();
            }
            let at_end = || {
                OnDrop(|| {
                    let _ = framewise_test_support::ID.get();
                    ENDED.fetch_add(1, Ordering::SeqCst);
                })
            };
            SET.with_borrow(|set| {
                RUNTIME.with_borrow(|runtime| {
                    let (set, runtime) = (set.as_ref().unwrap(), runtime.as_ref().unwrap());
                    let local = at_end();
                    drop(set.spawn_local(async move {
                        let _local = local;
                        sleep(Duration::from_secs(3_600)).await;
                    }));
                    let sent = at_end();
                    drop(runtime.spawn(async move {
                        let _sent = sent;
                        sleep(Duration::from_secs(3_600)).await;
                    }));
                    if round < 2 {
                        set.block_on(runtime, async {
                            drop(spawn_local(yield_now()));
                            yield_now().await;
                        });
                    }
                });
            });
        })
        .join()
        .unwrap();
        assert_eq!(ENDED.load(Ordering::SeqCst), 2, "round {round}");
    }
}

/// A set whose tasks wait for a runtime's timers and tasks may be dropped before, during or after
/// the runtime.
#[test]
fn a_local_set_is_dropped_before_during_and_after_its_runtime() {
    with_workers(|workers| {
        for order in 0..3 {
            let runtime = runtime(workers);
            let set = LocalSet::new();
            let remote = runtime.spawn(sleep(Duration::from_secs(3_600)));
            let ended = Arc::new(AtomicUsize::new(0));
            let count = Arc::clone(&ended);
            let at_end = OnDrop(move || {
                count.fetch_add(1, Ordering::SeqCst);
            });
            let local = set.spawn_local(async move {
                let _at_end = at_end;
                let _ = remote.await;
                std::future::pending::<()>().await;
            });
            set.block_on(&runtime, yield_now());
            match order {
                0 => {
                    drop(set);
                    drop(runtime);
                }
                1 => {
                    drop(runtime);
                    drop(set);
                }
                _ => {
                    let going = thread::spawn(move || drop(runtime));
                    drop(set);
                    going.join().unwrap();
                }
            }
            assert_eq!(ended.load(Ordering::SeqCst), 1);
            assert!(
                framewise_test_support::at_once(local)
                    .unwrap_err()
                    .is_cancelled()
            );
        }
    });
}

/// async-executor 164: the task that drops its own runtime continues, spawns (without effect), and
/// uses its own state, until it is cancelled at an await.
#[test]
fn a_runtime_that_its_own_task_drops_is_whole_until_the_task_ends() {
    with_workers(|workers| {
        for _ in 0..30 {
            let runtime = runtime(workers);
            let handle = runtime.handle().clone();
            let (give, given) = mpsc::channel::<Runtime>();
            let (sender, receiver) = mpsc::channel();
            let ended = sender.clone();
            let task = handle.spawn(async move {
                let _at_end = OnDrop(move || ended.send("ended").unwrap());
                let text = String::from("its own");
                drop(given.recv().unwrap());
                drop(framewise::spawn(async {}));
                drop(framewise::spawn_blocking(|| ()));
                assert_eq!(text, "its own");
                sender.send("continued").unwrap();
                // A sibling that was about to take a task may poll this one once more.
                yield_now().await;
                std::future::pending::<()>().await;
            });
            give.send(runtime).unwrap();
            let said: Vec<_> = receiver.iter().collect();
            assert_eq!(said, ["continued", "ended"]);
            let joined: Result<(), _> = futures::executor::block_on(task);
            assert!(joined.unwrap_err().is_cancelled());
        }
    });
}
