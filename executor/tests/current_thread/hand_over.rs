//! Several threads in `block_on` of one runtime: one drives, the others wait, and one of them goes
//! on when it leaves.

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;
use std::time::Duration;

use framewise::spawn;
use framewise::task::yield_now;
use framewise::time::sleep;
use framewise_test_support::{Drops, HangWatch, panics};
use tokio::sync::oneshot;

use crate::runtime;

/// Lets a thread drive until `stop` is sent or dropped; returns when it drives.
macro_rules! drive_until {
    ($scope:expr, $runtime:expr, $after:expr) => {{
        let (stop, stopped) = oneshot::channel::<()>();
        let (drives, is_driving) = mpsc::channel();
        let runtime = &$runtime;
        let thread = $scope.spawn(move || {
            runtime.block_on(async {
                // A task that runs shows that this thread drives.
                spawn(async move { drives.send(thread::current().id()).unwrap() })
                    .await
                    .unwrap();
                let _ = stopped.await;
                $after
            })
        });
        is_driving.recv().unwrap();
        (stop, thread)
    }};
}

#[test]
fn a_waiting_thread_polls_its_own_future_meanwhile() {
    let _watch = HangWatch::new("a waiting thread");
    let runtime = runtime();
    thread::scope(|scope| {
        let (stop, driving) = drive_until!(scope, runtime, ());
        let driver = driving.thread().id();
        // This thread does not drive; its future is polled here, its tasks there.
        let (main, task) = runtime.block_on(async {
            yield_now().await;
            sleep(Duration::from_millis(1)).await;
            let task = spawn(async { thread::current().id() }).await.unwrap();
            (thread::current().id(), task)
        });
        assert_eq!(main, thread::current().id());
        assert_eq!(task, driver);
        drop(stop);
    });
}

/// The driving thread leaves because its future is ready.
#[test]
fn a_waiting_thread_takes_over_when_the_driving_one_leaves() {
    let _watch = HangWatch::new("a hand-over");
    let runtime = runtime();
    thread::scope(|scope| {
        let (stop, driving) = drive_until!(scope, runtime, ());
        let (started, has_started) = mpsc::channel();
        let waiting = scope.spawn(|| {
            runtime.block_on(async move {
                started.send(()).unwrap();
                // Only a thread that drives ends these waits.
                sleep(Duration::from_millis(5)).await;
                loop {
                    let ran_on = spawn(async { thread::current().id() }).await.unwrap();
                    if ran_on == thread::current().id() {
                        break;
                    }
                }
            });
        });
        has_started.recv().unwrap();
        drop(stop);
        driving.join().unwrap();
        waiting.join().unwrap();
    });
}

/// The driving thread leaves because its future panics.
#[test]
fn a_waiting_thread_takes_over_when_the_driving_one_panics() {
    let _watch = HangWatch::new("a hand-over by a panic");
    let runtime = runtime();
    thread::scope(|scope| {
        let (stop, driving) = drive_until!(scope, runtime, panic!("planned"));
        let (started, has_started) = mpsc::channel();
        let waiting = scope.spawn(|| {
            runtime.block_on(async move {
                started.send(()).unwrap();
                loop {
                    let ran_on = spawn(async { thread::current().id() }).await.unwrap();
                    if ran_on == thread::current().id() {
                        break;
                    }
                    yield_now().await;
                }
            });
        });
        has_started.recv().unwrap();
        drop(stop);
        assert!(driving.join().is_err());
        waiting.join().unwrap();
    });
    assert_eq!(
        runtime.block_on(async { spawn(async { 7 }).await.unwrap() }),
        7
    );
}

/// A waiting thread that leaves, also by a panic, leaves the others in the list.
#[test]
fn a_waiting_thread_that_leaves_takes_nothing_with_it() {
    let _watch = HangWatch::new("a waiting thread that leaves");
    let runtime = runtime();
    thread::scope(|scope| {
        let (stop, driving) = drive_until!(scope, runtime, ());
        let (started, has_started) = mpsc::channel();
        let mut leaving = Vec::new();
        for number in 0..4 {
            let (leave, left) = oneshot::channel::<()>();
            let (started, runtime) = (started.clone(), &runtime);
            let waiting = scope.spawn(move || {
                panics(|| {
                    runtime.block_on(async move {
                        started.send(()).unwrap();
                        let _ = left.await;
                        assert!(number % 2 == 0, "planned");
                    });
                })
            });
            has_started.recv().unwrap();
            leaving.push((leave, waiting));
        }
        let on = &runtime;
        let last = scope.spawn(move || {
            on.block_on(async move {
                started.send(()).unwrap();
                loop {
                    let ran_on = spawn(async { thread::current().id() }).await.unwrap();
                    if ran_on == thread::current().id() {
                        break;
                    }
                    yield_now().await;
                }
            });
        });
        has_started.recv().unwrap();
        for (number, (leave, waiting)) in leaving.into_iter().enumerate() {
            drop(leave);
            assert_eq!(waiting.join().unwrap(), number % 2 == 1);
        }
        drop(stop);
        driving.join().unwrap();
        last.join().unwrap();
    });
}

/// Many threads that drive for a moment each: no task is lost between two of them.
#[test]
fn threads_take_turns_without_losing_a_task() {
    let _watch = HangWatch::new("threads that take turns");
    let runtime = runtime();
    let ran = AtomicUsize::new(0);
    let ran = &ran;
    let barrier = Barrier::new(4);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                barrier.wait();
                for round in 0..200 {
                    let tasks = [(); 3].map(|()| {
                        runtime.spawn(async move {
                            if round % 2 == 0 {
                                yield_now().await;
                            }
                        })
                    });
                    for task in tasks {
                        runtime.block_on(task).unwrap();
                        ran.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(ran.load(Ordering::Relaxed), 4 * 200 * 3);
}

/// With `Handle::block_on` a thread neither drives nor waits for the core.
#[test]
fn a_block_on_of_the_handle_does_not_drive() {
    let _watch = HangWatch::new("a block_on of the handle");
    let runtime = runtime();
    let drops = Drops::default();
    let tracked = drops.tracked();
    let task = runtime.spawn(async move {
        let _tracked = tracked;
        thread::current().id()
    });
    let handle = runtime.handle().clone();
    let (polled, is_polled) = mpsc::channel();
    let waiting = thread::spawn(move || {
        handle.block_on(async move {
            polled.send(()).unwrap();
            task.await.unwrap()
        })
    });
    is_polled.recv().unwrap();
    assert_eq!(drops.count(), 0);
    // This thread drives for as long as the other waits.
    runtime.block_on(async {
        while drops.count() == 0 {
            yield_now().await;
        }
    });
    assert_eq!(waiting.join().unwrap(), thread::current().id());
}

/// The waker of the time when a thread waited still works when it drives.
#[test]
fn a_wake_that_comes_around_the_takeover_is_not_lost() {
    let _watch = HangWatch::new("a wake around the takeover");
    let runtime = Arc::new(runtime());
    for _ in 0..200 {
        thread::scope(|scope| {
            let (stop, driving) = drive_until!(scope, *runtime, ());
            let (send, receive) = oneshot::channel();
            let waiting = scope.spawn(|| runtime.block_on(receive).unwrap());
            let waking = scope.spawn(move || send.send(7).unwrap());
            drop(stop);
            assert_eq!(waiting.join().unwrap(), 7);
            waking.join().unwrap();
            driving.join().unwrap();
        });
    }
    drop(runtime.spawn(pending::<()>()));
}
