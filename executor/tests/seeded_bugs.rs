//! Bugs that were seeded into small programs, and the number of seeds that it takes to find them.
//!
//! Each program runs under seeds, where it must fail within a number of them, and in plain runs on
//! one worker, where it always passes because no switch happens at the faulty place.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use framewise::runtime::Builder;
use framewise::test::{self, Explored, preempt};
use framewise::{ContextVar, JoinHandle};

static ID: ContextVar<u64> = ContextVar::new("id");

/// Explores a program that has a bug. Checks that a run fails within the first `within` seeds, and
/// that a plain run on one worker passes, because one worker never interrupts a task between two
/// awaits.
fn find<F>(within: u64, program: impl Fn() -> F + Send + Sync + Clone + 'static) -> Explored
where
    F: Future<Output = ()> + Send + 'static,
{
    for _ in 0..50 {
        let program = program.clone();
        let runtime = Builder::new().worker_threads(1).build().unwrap();
        // Run in a task, so that the worker is the only thread that takes part.
        let task = runtime.spawn(async move { program().await });
        runtime.block_on(task).expect("a plain run passes");
    }
    let explored = test::explore(300, program);
    let first = explored.first_failure().expect("some run fails").seed();
    println!(
        "found by seed {first}; {} of {} seeds find it",
        explored.failures(),
        explored.runs()
    );
    assert!(first < within, "found only by seed {first}");
    explored
}

async fn join_all(tasks: Vec<JoinHandle<()>>) {
    for task in tasks {
        task.await.unwrap();
    }
}

/// A counter whose accesses resemble calls of a remote store.
#[derive(Clone, Default)]
struct Store(Arc<AtomicUsize>);

#[test::preemptible]
impl Store {
    async fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    async fn set(&self, value: usize) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// The bug: another task may have overwritten the value from which the new value was computed.
    async fn increment(&self) {
        let value = self.get().await;
        self.set(value + 1).await;
    }
}

#[test]
fn a_lost_update_is_found() {
    let explored = find(30, || async {
        let store = Store::default();
        let tasks = (0..2)
            .map(|_| {
                let store = store.clone();
                framewise::spawn(async move { store.increment().await })
            })
            .collect();
        join_all(tasks).await;
        assert_eq!(store.get().await, 2, "an update was lost");
    });
    let failure = explored.first_failure().unwrap();
    assert!(failure.is_panic());
    assert!(
        failure.message().contains("an update was lost"),
        "{failure}"
    );
}

/// A notification that a waiter may miss.
#[derive(Clone, Default)]
struct Signal(Arc<SignalState>);

#[derive(Default)]
struct SignalState {
    is_set: AtomicBool,
    waiter: Mutex<Option<Waker>>,
}

impl Signal {
    /// The bug: the signal may be set between the check and the registration, and the waiter does
    /// not check again.
    async fn wait(&self) {
        if self.0.is_set.load(Ordering::Relaxed) {
            return;
        }
        preempt().await;
        let mut registered = false;
        poll_fn(|cx| {
            if registered {
                return Poll::Ready(());
            }
            registered = true;
            *self.0.waiter.lock().unwrap() = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    fn set(&self) {
        self.0.is_set.store(true, Ordering::Relaxed);
        let waiter = self.0.waiter.lock().unwrap().take();
        if let Some(waiter) = waiter {
            waiter.wake();
        }
    }
}

#[test]
fn a_missed_notify_is_found() {
    let explored = find(30, || async {
        let signal = Signal::default();
        let setter = signal.clone();
        let waits = framewise::spawn(async move { signal.wait().await });
        let sets = framewise::spawn(async move { setter.set() });
        sets.await.unwrap();
        waits.await.unwrap();
    });
    let failure = explored.first_failure().unwrap();
    assert!(failure.is_deadlock(), "{failure}");
    assert!(failure.message().contains("2 tasks wait"), "{failure}");
    let here = file!();
    assert!(
        failure.message().contains(here),
        "it names the places: {failure}"
    );
}

thread_local! {
    /// The current request in a thread-local, which is wrong: it belongs to the thread, not to the
    /// task.
    static REQUEST: Cell<Option<u64>> = const { Cell::new(None) };
}

async fn handle_by_thread_local(id: u64) {
    REQUEST.set(Some(id));
    preempt().await;
    assert_eq!(REQUEST.get(), Some(id), "another task's request");
}

async fn handle_by_variable(id: u64) {
    preempt().await;
    assert_eq!(ID.get(), Some(id));
}

#[test]
fn a_context_read_from_the_wrong_task_is_found() {
    let explored = find(30, || async {
        let requests = (0..2).map(|id| framewise::spawn(handle_by_thread_local(id)));
        join_all(requests.collect()).await;
    });
    let failure = explored.first_failure().unwrap();
    assert!(
        failure.message().contains("another task's request"),
        "{failure}"
    );
}

#[test]
fn a_variable_has_no_such_bug() {
    let explored = test::explore(1000, || async {
        let requests = (0..2).map(|id| ID.run(id, || framewise::spawn(handle_by_variable(id))));
        join_all(requests.collect()).await;
    });
    assert_eq!(explored.failures(), 0, "{explored}");
}

/// A cache that the first task fills for all tasks.
#[derive(Clone, Default)]
struct Lazily(Arc<Mutex<Option<u64>>>);

impl Lazily {
    /// The bug: the value depends on the first caller, because it is computed in that caller's
    /// frame.
    async fn get(&self) -> u64 {
        preempt().await;
        *self
            .0
            .lock()
            .unwrap()
            .get_or_insert_with(|| ID.get().unwrap_or(0))
    }
}

#[test]
fn a_lazy_value_that_uses_the_first_callers_context_is_found() {
    let explored = find(30, || async {
        let value = Lazily::default();
        let asks = |id: u64| {
            let value = value.clone();
            ID.run(id, || {
                framewise::spawn(async move { assert_eq!(value.get().await, 2) })
            })
        };
        // On one worker, the task that was spawned last runs first.
        join_all(vec![asks(1), asks(2)]).await;
    });
    assert!(explored.first_failure().unwrap().is_panic());
}

/// An invariant that is violated only for a moment, and a task that checks it once, much later.
/// Only a run in which one task makes no progress while another makes many steps finds the
/// violation.
#[test]
fn a_long_stall_of_a_task_is_found() {
    let explored = find(300, || async {
        let steps = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&steps);
        let walks = framewise::spawn(async move {
            for _ in 0..10 {
                steps.fetch_add(1, Ordering::Relaxed);
                preempt().await;
            }
            steps.store(0, Ordering::Relaxed);
        });
        let looks = framewise::spawn(async move {
            for _ in 0..2 {
                preempt().await;
                assert_ne!(seen.load(Ordering::Relaxed), 10, "just before the end");
            }
        });
        join_all(vec![walks, looks]).await;
    });
    assert!(explored.first_failure().unwrap().is_panic());
}

/// Two tasks acquire two locks in opposite orders.
#[test]
fn locks_in_opposite_orders_are_found() {
    let explored = find(30, || async {
        let locks: [Arc<futures::lock::Mutex<()>>; 2] = Default::default();
        let tasks = [[0, 1], [1, 0]].map(|order| {
            let locks = order.map(|index| Arc::clone(&locks[index]));
            framewise::spawn(async move {
                let _first = locks[0].lock().await;
                preempt().await;
                let _second = locks[1].lock().await;
            })
        });
        join_all(tasks.into()).await;
    });
    assert!(explored.first_failure().unwrap().is_deadlock());
}
