//! Where tasks run, and in which order.

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use framewise::runtime::{Builder, Handle, RuntimeFlavor};
use framewise::task::{self, block_in_place, yield_now};
use framewise::time::set_timeout;
use framewise::{block_on, spawn, spawn_blocking};
use framewise_test_support::HangWatch;

use crate::runtime;

#[test]
fn tasks_run_on_the_thread_that_is_in_block_on() {
    let runtime = runtime();
    let here = thread::current().id();
    let early = runtime.spawn(async { thread::current().id() });
    let seen = runtime.block_on(async {
        let task = spawn(async {
            yield_now().await;
            let child = spawn(async { thread::current().id() });
            (thread::current().id(), child.await.unwrap())
        });
        (early.await.unwrap(), task.await.unwrap())
    });
    assert_eq!(seen, (here, (here, here)));
    // And on another thread, if that is in `block_on`.
    let elsewhere = thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let task = runtime.spawn(async { thread::current().id() });
            (runtime.block_on(task).unwrap(), thread::current().id())
        });
        thread.join().unwrap()
    });
    assert_eq!(elsewhere.0, elsewhere.1);
    assert_ne!(elsewhere.0, here);
}

#[test]
fn tasks_wait_while_no_thread_is_in_block_on() {
    let runtime = runtime();
    let polls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&polls);
    let task = runtime.spawn(async move {
        for _ in 0..3 {
            counted.fetch_add(1, Ordering::Relaxed);
            yield_now().await;
        }
    });
    // Neither a call on another thread, nor a `block_on` of the handle, runs the task.
    let handle = runtime.handle().clone();
    handle.block_on(spawn_blocking_on(&handle));
    assert_eq!(polls.load(Ordering::Relaxed), 0);
    // A main future that is ready at once leaves no turn to the tasks.
    runtime.block_on(async {});
    assert_eq!(polls.load(Ordering::Relaxed), 0);
    runtime.block_on(yield_now());
    assert!(polls.load(Ordering::Relaxed) > 0);
    runtime.block_on(task).unwrap();
    assert_eq!(polls.load(Ordering::Relaxed), 3);
}

async fn spawn_blocking_on(handle: &Handle) {
    handle.spawn_blocking(|| ()).await.unwrap();
}

#[test]
fn a_runtime_has_no_threads_of_its_own() {
    let names = Arc::new(std::sync::Mutex::new(Vec::new()));
    let runtime = Builder::new_current_thread()
        .worker_threads(8)
        .thread_name("none")
        .build()
        .unwrap();
    let recorded = Arc::clone(&names);
    let task = runtime.spawn(async move {
        let name = thread::current().name().map(str::to_owned);
        recorded.lock().unwrap().push(name);
    });
    runtime.block_on(task).unwrap();
    let own = thread::current().name().map(str::to_owned);
    assert_eq!(*names.lock().unwrap(), [own]);
    assert!(format!("{:?}", runtime.handle()).contains("workers: 1"));
}

#[test]
fn the_flavor_is_told() {
    assert_eq!(
        runtime().handle().runtime_flavor(),
        RuntimeFlavor::CurrentThread
    );
    let multi = Builder::new_multi_thread().worker_threads(1).build();
    let flavor = multi.unwrap().handle().runtime_flavor();
    assert_eq!(flavor, RuntimeFlavor::MultiThread);
}

/// Spawned or woken: first in, first out. One thread runs them all, so a task that was woken last
/// has no reason to be first.
#[test]
fn tasks_run_in_the_order_in_which_they_became_runnable() {
    const TASKS: usize = 100;
    let runtime = runtime();
    let order = Arc::new(std::sync::Mutex::new(Vec::new()));
    runtime.block_on(async {
        let (mut wakes, mut tasks) = (Vec::new(), Vec::new());
        for number in 0..TASKS {
            let order = Arc::clone(&order);
            let (wake, woken) = tokio::sync::oneshot::channel();
            wakes.push(wake);
            tasks.push(spawn(async move {
                order.lock().unwrap().push(number);
                woken.await.unwrap();
                order.lock().unwrap().push(number);
            }));
        }
        while order.lock().unwrap().len() < TASKS {
            yield_now().await;
        }
        for wake in wakes {
            wake.send(()).unwrap();
        }
        for task in tasks {
            task.await.unwrap();
        }
    });
    let expected: Vec<_> = (0..TASKS).chain(0..TASKS).collect();
    assert_eq!(*order.lock().unwrap(), expected);
}

/// The main future is polled after at most 61 tasks, however many there are.
#[test]
fn the_main_future_has_its_turn_between_tasks() {
    let runtime = runtime();
    let polls = Arc::new(AtomicUsize::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    for _ in 0..500 {
        let (polls, stop) = (Arc::clone(&polls), Arc::clone(&stop));
        drop(runtime.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                polls.fetch_add(1, Ordering::Relaxed);
                yield_now().await;
            }
        }));
    }
    let turns = RefCell::new(Vec::new());
    runtime.block_on(async {
        for _ in 0..20 {
            turns.borrow_mut().push(polls.load(Ordering::Relaxed));
            yield_now().await;
        }
    });
    stop.store(true, Ordering::Relaxed);
    let turns = turns.into_inner();
    assert_eq!(turns[0], 0, "the main future is first");
    for pair in turns.windows(2) {
        let between = pair[1] - pair[0];
        assert!((1..=61).contains(&between), "{turns:?}");
    }
}

/// A main future that is always woken starves no task, and neither do tasks that are.
#[test]
fn a_main_future_that_yields_starves_no_task() {
    let runtime = runtime();
    let done = Rc::new(Cell::new(false));
    let finished = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&finished);
    drop(runtime.spawn(async move {
        for _ in 0..100 {
            yield_now().await;
        }
        flag.store(true, Ordering::Relaxed);
    }));
    runtime.block_on(async {
        while !finished.load(Ordering::Relaxed) {
            yield_now().await;
        }
        done.set(true);
    });
    assert!(done.get());
}

/// Each wake that comes from another thread while the driving thread is parked, or about to park.
#[test]
fn wakes_from_other_threads_end_the_park() {
    let _watch = HangWatch::new("wakes from another thread");
    let runtime = runtime();
    let (send, receive) = tokio::sync::mpsc::unbounded_channel();
    let (mut answer, mut receive) = (0, receive);
    let sending = thread::spawn(move || {
        for number in 0..2_000_u64 {
            if number % 3 == 0 {
                thread::yield_now();
            }
            send.send(number).unwrap();
        }
    });
    // Half of the messages wake a task, the others the main future.
    let (forward, mut forwarded) = tokio::sync::mpsc::unbounded_channel();
    drop(runtime.spawn(async move {
        while let Some(number) = receive.recv().await {
            forward.send(number).unwrap();
        }
    }));
    runtime.block_on(async {
        while let Some(number) = forwarded.recv().await {
            answer += number;
        }
    });
    sending.join().unwrap();
    assert_eq!(answer, (0..2_000).sum::<u64>());
}

#[test]
fn the_main_future_is_woken_by_another_thread() {
    let _watch = HangWatch::new("the main future");
    let runtime = runtime();
    for _ in 0..500 {
        let (send, receive) = tokio::sync::oneshot::channel();
        let sending = thread::spawn(move || send.send(7));
        assert_eq!(runtime.block_on(receive).unwrap(), 7);
        sending.join().unwrap().unwrap();
    }
}

#[test]
fn a_spurious_wake_polls_the_main_future_again_and_nothing_else() {
    let runtime = runtime();
    let mut polls = 0;
    runtime.block_on(poll_fn(|cx| {
        polls += 1;
        if polls == 10 {
            return Poll::Ready(());
        }
        let waker = cx.waker().clone();
        drop(spawn(async move { waker.wake() }));
        Poll::Pending
    }));
    assert_eq!(polls, 10);
}

/// A waker that is called when its `block_on` has returned, and one that outlives the runtime.
#[test]
fn a_late_wake_is_harmless() {
    let runtime = runtime();
    let mut kept = None;
    runtime.block_on(poll_fn(|cx| {
        kept = Some(cx.waker().clone());
        Poll::Ready(())
    }));
    let waker = kept.unwrap();
    waker.wake_by_ref();
    assert_eq!(
        runtime.block_on(async { spawn(async { 1 }).await.unwrap() }),
        1
    );
    waker.wake_by_ref();
    drop(runtime);
    waker.wake();
}

#[test]
fn blocking_calls_run_on_the_pool() {
    let runtime = runtime();
    let here = thread::current().id();
    let there = runtime.block_on(async {
        let call = spawn_blocking(|| {
            // A call may spawn onto the runtime and wait for it, as the other thread drives.
            let inner = block_on(async { spawn(async { thread::current().id() }).await.unwrap() });
            (thread::current().id(), inner)
        });
        call.await.unwrap()
    });
    assert_ne!(there.0, here);
    assert_eq!(there.1, here);
}

/// Within `block_in_place` a worker of another runtime may drive this one, and is a worker of its
/// own again afterwards.
#[test]
fn a_worker_in_block_in_place_may_drive() {
    let _watch = HangWatch::new("a worker that drives");
    let outer = framewise_test_support::runtime(1);
    let task = outer.spawn(async {
        let (before, id) = (thread::current().id(), task::id());
        let seen = block_in_place(|| {
            let inner = runtime();
            let outer = Handle::current();
            let task = inner.spawn(async move {
                // A spawn onto the outer runtime, whose core is on another thread.
                let elsewhere = outer.spawn(async { thread::current().id() });
                (thread::current().id(), elsewhere.await.unwrap())
            });
            let (called, is_called) = tokio::sync::oneshot::channel();
            let ids = inner.block_on(async move {
                drop(set_timeout(Duration::ZERO, move || {
                    called.send(task::try_id()).unwrap();
                }));
                (task::id(), is_called.await.unwrap())
            });
            // The code of the future is the task's, the callback's is not.
            assert_eq!(ids, (id, None));
            inner.block_on(task).unwrap()
        });
        assert_eq!(task::id(), id);
        yield_now().await;
        (before, seen, spawn(async { 7 }).await.unwrap())
    });
    let (before, seen, answer) = outer.block_on(task).unwrap();
    assert_eq!((seen.0, answer), (before, 7));
    assert_ne!(seen.1, before);
}

/// What the driving thread leaves in its queues is there for the next one.
#[test]
fn the_queues_rest_with_the_core() {
    let runtime = runtime();
    let (sender, receiver) = mpsc::channel();
    runtime.block_on(async {
        // More polls than one turn has: tasks are left in each part of the queue.
        for number in 0..4 {
            let sender = sender.clone();
            drop(spawn(async move {
                for _ in 0..61 {
                    yield_now().await;
                }
                sender.send(number).unwrap();
            }));
        }
        yield_now().await;
    });
    assert!(receiver.try_recv().is_err());
    thread::scope(|scope| {
        scope.spawn(|| {
            runtime.block_on(async {
                for _ in 0..10 {
                    yield_now().await;
                }
            });
        });
    });
    let mut received: Vec<i32> = receiver.try_iter().collect();
    received.sort_unstable();
    assert_eq!(received, [0, 1, 2, 3]);
}

#[test]
fn an_abort_from_another_thread_reaches_a_waiting_task() {
    let _watch = HangWatch::new("an abort");
    let runtime = runtime();
    let endless = runtime.spawn(pending::<()>());
    let abort = endless.abort_handle();
    let (polled, is_polled) = mpsc::channel();
    let aborting = thread::spawn(move || {
        is_polled.recv().unwrap();
        abort.abort();
    });
    let error = runtime.block_on(async move {
        spawn(async move { polled.send(()).unwrap() })
            .await
            .unwrap();
        endless.await.unwrap_err()
    });
    assert!(error.is_cancelled());
    aborting.join().unwrap();
}
