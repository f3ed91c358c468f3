//! The kinds of shutdown: a drop, a shutdown with a timeout and one in the background, and the code
//! that starts it.

use std::future::pending;
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use framewise::JoinHandle;
use framewise::task::{block_in_place, yield_now};
use framewise::time::set_timeout;
use framewise_test_support::{
    Drops, ID, Log, at_once, occupy_pool, on_drop, one_pool_thread, panic_message, runtime,
    with_workers,
};

#[test]
fn a_shutdown_waits_for_a_task_that_blocks_but_no_longer_than_its_limit() {
    with_workers(|workers| {
        let runtime = runtime(workers);
        let log = Log::default();
        let (running, parked) = (log.tracker("running"), log.tracker("parked"));
        let (started, is_started) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let blocked = ID.run(1, || {
            runtime.spawn(async move {
                let _running = running;
                started.send(()).unwrap();
                released.recv().unwrap();
                pending::<()>().await;
            })
        });
        is_started.recv().unwrap();
        drop(ID.run(2, || {
            runtime.spawn(async move {
                let _parked = parked;
                pending::<()>().await;
            })
        }));
        let limit = Duration::from_millis(20);
        let begun = Instant::now();
        assert!(
            !runtime.shutdown_timeout(limit),
            "a task still blocks a worker"
        );
        let waited = begun.elapsed();
        // The upper bound only shows that there is a timeout. Without one, the hang watchdog would
        // fire.
        assert!(
            waited >= limit && waited < Duration::from_secs(60),
            "{waited:?}"
        );
        assert!(!blocked.is_finished());
        release.send(()).unwrap();
        let mut seen = log.wait(2);
        seen.sort_unstable();
        assert_eq!(seen, [("parked", Some(2)), ("running", Some(1))]);
        assert!(
            futures::executor::block_on(blocked)
                .unwrap_err()
                .is_cancelled()
        );
    });
}

#[test]
fn a_shutdown_in_the_background_does_not_wait() {
    with_workers(|workers| {
        let runtime = runtime(workers);
        let (started, is_started) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let count = Drops::default();
        let counted = count.tracked();
        let blocked = runtime.spawn(async move {
            let _counted = counted;
            started.send(()).unwrap();
            released.recv().unwrap();
            7
        });
        is_started.recv().unwrap();
        runtime.shutdown_background();
        assert_eq!(count.count(), 0);
        release.send(()).unwrap();
        // The poll in progress completed with the output.
        assert_eq!(futures::executor::block_on(blocked).unwrap(), 7);
        assert_eq!(count.count(), 1);
    });
}

#[test]
fn a_shutdown_waits_for_blocking_calls_under_way_and_cancels_those_in_the_queue() {
    with_workers(|workers| {
        for limited in [false, true] {
            let runtime = one_pool_thread(workers);
            let (release, running) = occupy_pool(&runtime);
            let queued = runtime.spawn_blocking(|| unreachable!("it was cancelled in the queue"));
            let queued: JoinHandle<()> = queued;
            if limited {
                assert!(!runtime.shutdown_timeout(Duration::from_millis(5)));
                assert!(!running.is_finished());
                drop(release);
            } else {
                let dropping = thread::spawn(move || drop(runtime));
                // The shutdown has cancelled the queue and now waits.
                assert!(
                    futures::executor::block_on(queued)
                        .unwrap_err()
                        .is_cancelled()
                );
                assert!(!running.is_finished());
                drop(release);
                dropping.join().unwrap();
                at_once(running).unwrap();
                continue;
            }
            assert!(at_once(queued).unwrap_err().is_cancelled());
            futures::executor::block_on(running).unwrap();
        }
    });
}

#[test]
fn a_runtime_may_be_dropped_by_its_own_task_call_or_callback() {
    with_workers(|workers| {
        for place in 0..6 {
            let runtime = runtime(workers);
            let handle = runtime.handle().clone();
            let log = Log::default();
            let parked = log.tracker("parked");
            let bystander = ID.run(place, || {
                runtime.spawn(async move {
                    let _parked = parked;
                    pending::<()>().await;
                })
            });
            let (done, is_done) = mpsc::channel();
            let end = move || {
                match place {
                    5 => assert!(!runtime.shutdown_timeout(Duration::from_secs(600))),
                    _ => drop(runtime),
                }
                done.send(()).unwrap();
            };
            match place {
                0 | 5 => drop(handle.spawn(async { end() })),
                1 => drop(handle.spawn(async {
                    yield_now().await;
                    block_in_place(end);
                    yield_now().await;
                    unreachable!("no task is polled after the end");
                })),
                2 => drop(handle.spawn_blocking(end)),
                3 => {
                    let _entered = handle.enter();
                    set_timeout(Duration::from_millis(1), end);
                }
                _ => {
                    // Dropped with the future that owns it.
                    let end = Mutex::new(Some(end));
                    let ending = on_drop(move || end.lock().unwrap().take().unwrap()());
                    let task = handle.spawn(async move {
                        let _ending = ending;
                        pending::<()>().await;
                    });
                    task.abort();
                }
            }
            is_done.recv().unwrap();
            assert_eq!(log.wait(1), [("parked", Some(place))]);
            assert!(
                futures::executor::block_on(bystander)
                    .unwrap_err()
                    .is_cancelled()
            );
        }
    });
}

#[test]
fn a_runtime_dropped_in_another_ones_task_or_block_on_is_waited_for() {
    with_workers(|workers| {
        let outer = framewise_test_support::runtime(workers);
        for place in 0..3 {
            let inner = runtime(workers);
            let count = Drops::default();
            let counted = count.tracked();
            drop(inner.spawn(async move {
                let _counted = counted;
                pending::<()>().await;
            }));
            let seen = count.clone();
            let end = move || {
                drop(inner);
                seen.count()
            };
            let dropped = match place {
                0 => outer.block_on(outer.spawn(async { end() })).unwrap(),
                1 => outer.block_on(async { end() }),
                _ => outer.block_on(outer.spawn_blocking(end)).unwrap(),
            };
            assert_eq!(dropped, 1, "place {place}");
        }
        assert_eq!(outer.block_on(outer.spawn(async { 1 })).unwrap(), 1);
    });
}

#[test]
fn a_shutdown_while_a_panic_unwinds_is_a_shutdown() {
    with_workers(|workers| {
        let count = Drops::default();
        let counted = count.tracked();
        let message = panic_message(|| {
            let runtime = runtime(workers);
            drop(runtime.spawn(async move {
                let _counted = counted;
                pending::<()>().await;
            }));
            runtime.block_on(async { panic!("expected") })
        });
        assert_eq!(message, "expected");
        assert_eq!(count.count(), 1);
    });
}
