//! The end of every task: in each queue, in each state, and while others are spawned.

use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::Waker;
use std::thread;
use std::time::Duration;

use framewise::runtime::Builder;
use framewise::task::{block_in_place, yield_now};
use framewise::time::{set_timeout, sleep};
use framewise::{JoinHandle, spawn, spawn_blocking};
use framewise_test_support::{
    Drops, ID, Log, at_once, on_drop, pause, poll_once, runtime, while_occupied, with_workers,
};
use futures::channel::oneshot;

use crate::HOUR;

#[test]
fn what_is_left_is_dropped_before_the_drop_returns_and_its_joiners_are_woken() {
    with_workers(|workers| {
        let runtime = runtime(workers);
        let log = Log::default();
        let tasks: Vec<_> = (0..100)
            .map(|number| {
                let tracker = log.tracker("task");
                ID.run(number, || {
                    runtime.spawn(async move {
                        let _tracker = tracker;
                        pending::<()>().await;
                    })
                })
            })
            .collect();
        assert!(ID.run(900, || runtime.shutdown_timeout(Duration::from_secs(600))));
        let mut dropped_in: Vec<_> = log.entries().into_iter().map(|(_, id)| id).collect();
        dropped_in.sort_unstable();
        assert_eq!(dropped_in, (0..100).map(Some).collect::<Vec<_>>());
        for task in tasks {
            assert!(at_once(task).unwrap_err().is_cancelled());
        }
    });
}

#[test]
fn a_shutdown_while_others_spawn_runs_or_cancels_every_task() {
    with_workers(|workers| {
        for round in 0..20 {
            let runtime = runtime(workers);
            let (count, ran) = (Drops::default(), Arc::new(AtomicUsize::new(0)));
            let stop = Arc::new(AtomicBool::new(false));
            let (spawned, is_spawning) = mpsc::channel();
            let spawners: Vec<_> = (0..2)
                .map(|_| {
                    let (handle, count) = (runtime.handle().clone(), count.clone());
                    let (ran, stop, spawned) =
                        (Arc::clone(&ran), Arc::clone(&stop), spawned.clone());
                    thread::spawn(move || {
                        let mut tasks = Vec::new();
                        while !stop.load(Ordering::SeqCst) && tasks.len() < 2_000 {
                            let (counted, ran) = (count.tracked(), Arc::clone(&ran));
                            let future = async move {
                                let _counted = counted;
                                yield_now().await;
                                ran.fetch_add(1, Ordering::SeqCst);
                            };
                            tasks.push(if tasks.len() % 2 == 0 {
                                handle.spawn(future)
                            } else {
                                // Spawned by a task.
                                let inner = handle.clone();
                                handle.spawn(async move { drop(inner.spawn(future)) })
                            });
                            let _ = spawned.send(());
                        }
                        tasks
                    })
                })
                .collect();
            for _ in 0..=round {
                is_spawning.recv().unwrap();
            }
            drop(runtime);
            stop.store(true, Ordering::SeqCst);
            let (mut made, mut done) = (0, 0);
            for spawner in spawners {
                for task in spawner.join().unwrap() {
                    made += 1;
                    match at_once(task) {
                        Ok(()) => done += 1,
                        Err(error) => assert!(error.is_cancelled()),
                    }
                }
            }
            // Each future was dropped, the inner futures with their tasks.
            assert_eq!(count.count(), made, "round {round}");
            assert!(ran.load(Ordering::SeqCst) <= made && done <= made);
        }
    });
}

#[test]
fn destructors_at_shutdown_may_spawn_wake_abort_and_arm() {
    with_workers(|workers| {
        let runtime = runtime(workers);
        let count = Drops::default();
        let wakers: Arc<Mutex<Vec<Waker>>> = Arc::default();
        let (parked, is_parked) = mpsc::channel();
        let mut tasks = Vec::new();
        for number in 0..20 {
            let abort = tasks.last().map(JoinHandle::abort_handle);
            let (counted, wakers) = (count.tracked(), Arc::clone(&wakers));
            let at_the_end = {
                let (count, wakers) = (count.clone(), Arc::clone(&wakers));
                on_drop(move || {
                    assert_eq!(ID.get(), Some(number));
                    let counted = count.tracked();
                    drop(spawn(async move { drop(counted) }));
                    let counted = count.tracked();
                    drop(spawn_blocking(move || drop(counted)));
                    let counted = count.tracked();
                    set_timeout(Duration::ZERO, move || drop(counted));
                    let wakers: Vec<_> = wakers.lock().unwrap().clone();
                    wakers.iter().for_each(Waker::wake_by_ref);
                    if let Some(abort) = &abort {
                        abort.abort();
                    }
                    let mut timer = sleep(Duration::from_secs(86_400));
                    let _ = poll_once(&mut timer, Waker::noop());
                })
            };
            let parked = parked.clone();
            tasks.push(ID.run(number, || {
                runtime.spawn(async move {
                    let _counted = counted;
                    let _at_the_end = at_the_end;
                    pause(move |own| {
                        wakers.lock().unwrap().push(own.clone());
                        parked.send(()).unwrap();
                    })
                    .await;
                    pending::<()>().await;
                })
            }));
        }
        for _ in 0..20 {
            is_parked.recv().unwrap();
        }
        drop(runtime);
        assert_eq!(count.count(), 20 * 4);
        wakers.lock().unwrap().clear();
    });
}

#[test]
fn tasks_that_spawn_and_wake_themselves_forever_end_with_the_runtime() {
    fn again(count: Drops) {
        let counted = count.tracked();
        drop(spawn(async move {
            let _counted = counted;
            yield_now().await;
            again(count);
        }));
    }
    with_workers(|workers| {
        for _ in 0..20 {
            let runtime = runtime(workers);
            let (count, selfish) = (Drops::default(), Drops::default());
            {
                let _entered = runtime.enter();
                again(count.clone());
                for _ in 0..3 {
                    let counted = selfish.tracked();
                    drop(spawn(async move {
                        let _counted = counted;
                        loop {
                            yield_now().await;
                        }
                    }));
                }
            }
            while count.count() < 10 {
                thread::yield_now();
            }
            drop(runtime);
            assert_eq!(selfish.count(), 3);
            let after = count.count();
            thread::yield_now();
            assert_eq!(count.count(), after, "a task ran after the end");
        }
    });
}

/// The runtime shuts down while a task is in `block_in_place`. The task then awaits a timer of the
/// runtime, which would never fire: it is cancelled, like at any other await, and does not panic.
#[test]
fn a_task_that_awaits_a_timer_after_the_end_is_cancelled() {
    with_workers(|workers| {
        let runtime = runtime(workers);
        let (started, is_started) = mpsc::channel();
        let log = Log::default();
        let tracker = log.tracker("task");
        let task = ID.run(1, || {
            runtime.spawn(async move {
                let _tracker = tracker;
                let mut armed = Box::pin(sleep(HOUR));
                assert!(futures::poll!(&mut armed).is_pending());
                let panicked = block_in_place(|| {
                    started.send(()).unwrap();
                    // Code outside the runtime's tasks gets a panic. The timers are shut down by
                    // then.
                    let waits = || futures::executor::block_on(sleep(HOUR));
                    std::panic::catch_unwind(waits).is_err()
                });
                assert!(panicked);
                futures::join!(sleep(HOUR), armed);
            })
        });
        is_started.recv().unwrap();
        drop(runtime);
        assert!(
            futures::executor::block_on(task)
                .unwrap_err()
                .is_cancelled()
        );
        assert_eq!(log.wait(1), [("task", Some(1))]);
    });
}

#[test]
fn tasks_in_every_queue_are_ended() {
    with_workers(|workers| {
        for _ in 0..10 {
            let runtime = runtime(workers);
            let count = Drops::default();
            let mut made = 0;
            let mut counted = || {
                made += 1;
                count.tracked()
            };
            // More tasks than a worker's queue holds: woken, fresh and aborted; most of them yield
            // forever once the workers are free.
            let (release, released) = oneshot::channel::<()>();
            let released = futures::FutureExt::shared(released);
            for _ in 0..600 {
                let (counted, released) = (counted(), released.clone());
                drop(runtime.spawn(async move {
                    let _counted = counted;
                    let _ = released.await;
                    loop {
                        yield_now().await;
                    }
                }));
            }
            let (a, b) = (counted(), counted());
            while_occupied(&runtime, workers, || {
                drop(release);
                drop(runtime.spawn(async move { drop(a) }));
                runtime.spawn(async move { drop(b) }).abort();
            });
            drop(runtime);
            assert_eq!(count.count(), made);
        }
    });
}

/// A worker whose driver fails unwinds with tasks in its queue (the test replaces the driver's file
/// descriptor). Its tasks are dropped with the others, and the shutdown does not wait forever.
#[cfg(target_os = "linux")]
#[test]
fn a_driver_that_fails_leaves_no_task_behind() {
    const NAME: &str = "tasks::a_driver_that_fails_leaves_no_task_behind";
    const CHILD: &str = "FRAMEWISE_TEST_DRIVER_CHILD";

    use std::os::fd::AsRawFd;

    unsafe extern "C" {
        fn dup2(from: i32, to: i32) -> i32;
    }

    if std::env::var_os(CHILD).is_none() {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", NAME, "--nocapture", "--test-threads=1"])
            .env(CHILD, "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {said}", output.status);
        assert!(said.contains("the I/O driver failed"), "{said}");
        return;
    }

    let _watch = framewise_test_support::HangWatch::new("the end of a runtime whose driver failed");
    let (failed, has_failed) = mpsc::channel();
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        before(info);
        let _ = failed.send(());
    }));
    let runtime = Builder::new().worker_threads(1).build().unwrap();
    let count = Drops::default();
    let other = std::fs::File::open("/dev/null").unwrap();
    for entry in std::fs::read_dir("/proc/self/fd").unwrap() {
        let path = entry.unwrap().path();
        if std::fs::read_link(&path).is_ok_and(|to| to.as_os_str() == "anon_inode:[eventpoll]") {
            let name = path.file_name().unwrap().to_str().unwrap();
            let number = name.parse().unwrap();
            // SAFETY: the call takes no pointers, and the owner of the descriptor still has an open
            // file at it.
            assert_eq!(unsafe { dup2(other.as_raw_fd(), number) }, number);
        }
    }
    let tasks: Vec<_> = (0..200)
        .map(|_| {
            let counted = count.tracked();
            runtime.spawn(async move {
                let _counted = counted;
                loop {
                    yield_now().await;
                }
            })
        })
        .collect();
    has_failed.recv().unwrap();
    drop(runtime);
    assert_eq!(count.count(), tasks.len());
}
