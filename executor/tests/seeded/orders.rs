//! Over many seeds every permitted order occurs.

use std::collections::BTreeSet;
use std::future::{Future, pending, poll_fn};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;

use framewise::task::{LocalSet, yield_now};
use framewise::test::preempt;
use framewise::{spawn, spawn_blocking, test, time};

use crate::MS;

#[test]
fn every_order_of_a_few_tasks_is_seen() {
    let orders = Mutex::new(BTreeSet::new());
    let explored = test::explore(200, || async {
        let order = Arc::new(Mutex::new(Vec::new()));
        let tasks: Vec<_> = (0..3)
            .map(|number| {
                let order = Arc::clone(&order);
                spawn(async move { order.lock().unwrap().push(number) })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        orders.lock().unwrap().insert(order.lock().unwrap().clone());
    });
    assert_eq!(explored.failures(), 0, "{explored}");
    assert_eq!(orders.into_inner().unwrap().len(), 6);
}

/// Checks that a ready future is a scheduling point: some seed makes it wait at its first poll, and
/// some seed does not.
async fn is_a_point(future: impl Future, waited: &Mutex<BTreeSet<bool>>) {
    let mut future = std::pin::pin!(future);
    let mut polls = 0;
    poll_fn(|cx| {
        polls += 1;
        future.as_mut().poll(cx).map(drop)
    })
    .await;
    waited.lock().unwrap().insert(polls > 1);
}

#[test]
fn the_runtimes_own_futures_are_points_though_they_are_ready() {
    let seen: [Mutex<BTreeSet<bool>>; 6] = Default::default();
    let explored = test::explore(100, || async {
        let task = spawn(async {});
        let call = spawn_blocking(|| ());
        time::sleep(MS).await;
        assert!(task.is_finished() && call.is_finished());
        is_a_point(task, &seen[0]).await;
        is_a_point(call, &seen[1]).await;
        is_a_point(time::sleep(Duration::ZERO), &seen[2]).await;
        is_a_point(time::interval(MS).tick(), &seen[3]).await;
        let out = time::timeout(Duration::ZERO, pending::<()>());
        is_a_point(out, &seen[4]).await;
        is_a_point(preempt(), &seen[5]).await;
    });
    assert_eq!(explored.failures(), 0, "{explored}");
    for (index, waited) in seen.into_iter().enumerate() {
        let waited = waited.into_inner().unwrap();
        assert_eq!(waited, BTreeSet::from([false, true]), "number {index}");
    }
}

/// Returns all orders of the events over many seeds.
fn orders<F: Future<Output = Vec<usize>>>(make: impl Fn() -> F) -> BTreeSet<Vec<usize>> {
    (0..200).map(|seed| test::run(seed, &make)).collect()
}

/// A task that yields is queued behind the others, except for uniformly random choices.
#[test]
fn a_task_that_yields_lets_others_go_first() {
    let seen = (0..100).map(|seed| {
        test::run(seed, || async {
            let order = Arc::new(Mutex::new(Vec::new()));
            let tasks = [0, 1].map(|number| {
                let order = Arc::clone(&order);
                spawn(async move {
                    for _ in 0..20 {
                        order.lock().unwrap().push(number);
                        yield_now().await;
                    }
                })
            });
            for task in tasks {
                task.await.unwrap();
            }
            let order = order.lock().unwrap();
            order
                .windows(10)
                .any(|turns| turns.iter().all(|&turn| turn == turns[0]))
        })
    });
    let long = seen.filter(|&long| long).count();
    assert!(long < 20, "ten turns in a row in {long} of 100 runs");
}

#[test]
fn tasks_that_are_woken_together_run_in_every_order() {
    let seen = orders(|| async {
        let waiting = Arc::new(Mutex::new(Vec::<Waker>::new()));
        let order = Arc::new(Mutex::new(Vec::new()));
        for number in 0..3 {
            let (waiting, order) = (Arc::clone(&waiting), Arc::clone(&order));
            let mut waited = false;
            drop(spawn(async move {
                poll_fn(|cx| match std::mem::replace(&mut waited, true) {
                    true => Poll::Ready(()),
                    false => {
                        waiting.lock().unwrap().push(cx.waker().clone());
                        Poll::Pending
                    }
                })
                .await;
                order.lock().unwrap().push(number);
            }));
        }
        time::sleep(MS).await;
        let wakers = std::mem::take(&mut *waiting.lock().unwrap());
        wakers.into_iter().for_each(Waker::wake);
        time::sleep(MS).await;
        let order = order.lock().unwrap();
        order.clone()
    });
    assert_eq!(seen.len(), 6, "{seen:?}");
}

#[test]
fn local_tasks_run_in_every_order() {
    let seen = orders(|| async {
        let order = Rc::new(std::cell::RefCell::new(Vec::new()));
        let set = LocalSet::new();
        for number in 0..3 {
            let order = Rc::clone(&order);
            drop(set.spawn_local(async move { order.borrow_mut().push(number) }));
        }
        set.await;
        order.take()
    });
    assert_eq!(seen.len(), 6, "{seen:?}");
}

#[test]
fn timers_of_equal_deadlines_fire_in_every_order() {
    let callbacks = orders(|| async {
        let order = Arc::new(Mutex::new(Vec::new()));
        for number in 0..3 {
            let order = Arc::clone(&order);
            time::set_timeout(MS, move || order.lock().unwrap().push(number));
        }
        time::sleep(2 * MS).await;
        let order = order.lock().unwrap();
        order.clone()
    });
    assert_eq!(callbacks.len(), 6, "{callbacks:?}");
    let deadline = || time::Instant::now() + MS;
    let sleeps = orders(|| async {
        let deadline = deadline();
        let order = Arc::new(Mutex::new(Vec::new()));
        let tasks: Vec<_> = (0..3)
            .map(|number| {
                let order = Arc::clone(&order);
                spawn(async move {
                    time::sleep_until(deadline).await;
                    order.lock().unwrap().push(number);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let order = order.lock().unwrap();
        order.clone()
    });
    assert_eq!(sleeps.len(), 6, "{sleeps:?}");
}

#[test]
fn timers_of_different_deadlines_fire_in_their_order() {
    let seen = orders(|| async {
        let order = Arc::new(Mutex::new(Vec::new()));
        for number in [2, 0, 1] {
            let order = Arc::clone(&order);
            let delay = MS * (1 + number as u32);
            time::set_timeout(delay, move || order.lock().unwrap().push(number));
        }
        time::sleep(10 * MS).await;
        let order = order.lock().unwrap();
        order.clone()
    });
    assert_eq!(seen, BTreeSet::from([vec![0, 1, 2]]));
}
