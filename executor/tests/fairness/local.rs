//! The order and the turns of the tasks of a local set.

use std::future::poll_fn;
use std::task::{Poll, Waker};

use framewise::spawn;
use framewise::task::{LocalSet, spawn_local, yield_now};
use framewise::time::{interval, sleep};
use framewise_test_support::on_workers;

use crate::TICK;

/// A local set whose tasks are always ready does not starve the future beside it or the runtime.
#[test]
fn a_busy_local_set_starves_no_task() {
    on_workers(|runtime| {
        let set = LocalSet::new();
        set.block_on(runtime, async {
            let stop = std::rc::Rc::new(std::cell::Cell::new(false));
            let tasks: Vec<_> = (0..10)
                .map(|_| {
                    let stop = std::rc::Rc::clone(&stop);
                    spawn_local(async move {
                        while !stop.get() {
                            yield_now().await;
                        }
                    })
                })
                .collect();
            sleep(TICK).await;
            spawn(async { sleep(TICK).await }).await.unwrap();
            let mut ticks = interval(TICK);
            for _ in 0..3 {
                ticks.tick().await;
            }
            stop.set(true);
            for task in tasks {
                task.await.unwrap();
            }
        });
    });
}

/// The tasks of a local set run in the order in which they were spawned or woken.
#[test]
fn local_tasks_run_in_the_order_of_their_wakes() {
    on_workers(|runtime| {
        let set = LocalSet::new();
        set.block_on(runtime, async {
            let order = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
            let wakers = std::rc::Rc::new(std::cell::RefCell::new(Vec::<Waker>::new()));
            let tasks: Vec<_> = (0..5)
                .map(|number| {
                    let (order, wakers) = (order.clone(), wakers.clone());
                    spawn_local(async move {
                        order.borrow_mut().push(number);
                        let mut is_woken = false;
                        poll_fn(|cx| {
                            if std::mem::replace(&mut is_woken, true) {
                                return Poll::Ready(());
                            }
                            wakers.borrow_mut().push(cx.waker().clone());
                            Poll::Pending
                        })
                        .await;
                        order.borrow_mut().push(number);
                    })
                })
                .collect();
            yield_now().await;
            assert_eq!(*order.borrow(), [0, 1, 2, 3, 4]);
            order.borrow_mut().clear();
            let wakers = wakers.take();
            for number in [3, 1, 4, 0, 2] {
                wakers[number].wake_by_ref();
            }
            for task in tasks {
                task.await.unwrap();
            }
            assert_eq!(*order.borrow(), [3, 1, 4, 0, 2]);
        });
    });
}

/// A local task that yields is queued behind the other tasks of its set.
#[test]
fn a_local_task_that_yields_lets_each_other_one_run() {
    on_workers(|runtime| {
        let set = LocalSet::new();
        set.block_on(runtime, async {
            let polls = std::rc::Rc::new(std::cell::Cell::new(0));
            let tasks: Vec<_> = (0..3)
                .map(|number| {
                    let polls = std::rc::Rc::clone(&polls);
                    spawn_local(async move {
                        for round in 0..10 {
                            assert_eq!(polls.get(), 3 * round + number);
                            polls.set(polls.get() + 1);
                            yield_now().await;
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
    });
}
