//! The shutdown of a runtime in any state. The tests cover these bugs of other runtimes: "shutdown"
//! (tokio 2046, 1948, 2061, 2119, 6463, 7499) and "drop thread and order" (tokio 3929, 5162, 4412;
//! async-executor 164).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cell::RefCell;
use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::Waker;
use std::thread;
use std::time::{Duration, Instant};

use framewise::net::{TcpListener, TcpStream};
use framewise::runtime::{Builder, Handle};
use framewise::task::{LocalSet, block_in_place, yield_now};
use framewise::time::{interval, set_interval, set_timeout, sleep};
use framewise::{JoinHandle, spawn, spawn_blocking};
use framewise_test_support::{
    DropCall, HangWatch, ID, KEPT, Log, at_once, call_waker, on_drop, panic_message, pause,
    poll_once, runtime, while_occupied, with_workers,
};
use futures::channel::oneshot;

/// Counts drops.
#[derive(Clone, Default)]
struct Count(Arc<AtomicUsize>);

struct Counted(Count);

const HOUR: Duration = Duration::from_secs(3600);

impl Count {
    fn one(&self) -> Counted {
        Counted(self.clone())
    }

    fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::SeqCst);
    }
}

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
            let (count, ran) = (Count::default(), Arc::new(AtomicUsize::new(0)));
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
                            let (counted, ran) = (count.one(), Arc::clone(&ran));
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
            assert_eq!(count.get(), made, "round {round}");
            assert!(ran.load(Ordering::SeqCst) <= made && done <= made);
        }
    });
}

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
        let count = Count::default();
        let counted = count.one();
        let blocked = runtime.spawn(async move {
            let _counted = counted;
            started.send(()).unwrap();
            released.recv().unwrap();
            7
        });
        is_started.recv().unwrap();
        runtime.shutdown_background();
        assert_eq!(count.get(), 0);
        release.send(()).unwrap();
        // The poll in progress completed with the output.
        assert_eq!(futures::executor::block_on(blocked).unwrap(), 7);
        assert_eq!(count.get(), 1);
    });
}

#[test]
fn a_shutdown_waits_for_blocking_calls_under_way_and_cancels_those_in_the_queue() {
    with_workers(|workers| {
        for limited in [false, true] {
            let runtime = Builder::new()
                .worker_threads(workers)
                .max_blocking_threads(1)
                .build()
                .unwrap();
            let (started, is_started) = mpsc::channel();
            let (release, released) = mpsc::channel::<()>();
            let running = runtime.spawn_blocking(move || {
                started.send(()).unwrap();
                released.recv().unwrap();
                7
            });
            is_started.recv().unwrap();
            let queued = runtime.spawn_blocking(|| unreachable!("it was cancelled in the queue"));
            let queued: JoinHandle<()> = queued;
            if limited {
                assert!(!runtime.shutdown_timeout(Duration::from_millis(5)));
                assert!(!running.is_finished());
                release.send(()).unwrap();
            } else {
                let dropping = thread::spawn(move || drop(runtime));
                // The shutdown has cancelled the queue and now waits.
                assert!(
                    futures::executor::block_on(queued)
                        .unwrap_err()
                        .is_cancelled()
                );
                assert!(!running.is_finished());
                release.send(()).unwrap();
                dropping.join().unwrap();
                assert_eq!(at_once(running).unwrap(), 7);
                continue;
            }
            assert!(at_once(queued).unwrap_err().is_cancelled());
            assert_eq!(futures::executor::block_on(running).unwrap(), 7);
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
            let count = Count::default();
            let counted = count.one();
            drop(inner.spawn(async move {
                let _counted = counted;
                pending::<()>().await;
            }));
            let seen = count.clone();
            let end = move || {
                drop(inner);
                seen.get()
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
fn wakers_timers_and_sockets_that_outlive_the_runtime_are_harmless() {
    with_workers(|workers| {
        let runtime = runtime(workers);
        let kept = Arc::new(());
        let (waker, wakers) = mpsc::channel::<Waker>();
        for _ in 0..10 {
            let waker = waker.clone();
            drop(KEPT.run(Arc::clone(&kept), || {
                runtime.spawn(pause(move |own| waker.send(own.clone()).unwrap()))
            }));
        }
        let wakers: Vec<_> = wakers.iter().take(10).collect();
        let (mut asleep, mut fresh, mut ticks, stream, peer) = runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (stream, _) = listener.accept().await.unwrap();
            let day = Duration::from_secs(86_400);
            (sleep(day), sleep(day), interval(day), stream, peer)
        });
        assert!(poll_once(&mut asleep, Waker::noop()).is_pending());
        let (woken, is_woken) = mpsc::channel();
        let woken = Mutex::new(woken);
        let telling = call_waker(move || {
            let _ = woken.lock().unwrap().send(());
        });
        let mut cx = std::task::Context::from_waker(&telling);
        assert!(stream.poll_read_ready(&mut cx).is_pending());
        let called = {
            let _entered = runtime.enter();
            let owned = on_drop(|| ());
            KEPT.run(Arc::clone(&kept), || {
                let day = Duration::from_secs(86_400);
                let once = set_timeout(day, move || drop(owned));
                (
                    once,
                    set_interval(day, || unreachable!("a day has not passed")),
                )
            })
        };
        let handle = runtime.handle().clone();
        drop(runtime);
        // All waiters were woken; frames and closures are dropped.
        is_woken.recv().unwrap();
        assert_eq!(Arc::strong_count(&kept), 1);
        assert!(!called.0.is_active() && !called.1.is_active());
        assert!(!called.0.cancel() && !called.1.cancel());
        for waker in wakers {
            waker.wake_by_ref();
            drop(waker.clone());
            waker.wake();
        }
        let message = panic_message(|| poll_once(&mut asleep, Waker::noop()));
        assert!(message.contains("was shut down"), "{message}");
        let message = panic_message(|| poll_once(&mut fresh, Waker::noop()));
        assert!(message.contains("was shut down"), "{message}");
        assert!(at_once(ticks.tick()) <= Instant::now());
        let error = at_once(stream.readable()).unwrap_err();
        assert!(error.to_string().contains("shutting down"), "{error}");
        assert!(at_once(stream.read(&mut [0])).is_err());
        let _entered = handle.enter();
        let error = at_once(TcpListener::bind("127.0.0.1:0")).unwrap_err();
        assert!(error.to_string().contains("shutting down"), "{error}");
        let late = set_timeout(Duration::ZERO, || unreachable!("the runtime is over"));
        assert!(!late.is_active());
        drop((stream, peer));
    });
}

#[test]
fn a_handle_outlives_its_runtime_and_cancels_what_it_is_given() {
    with_workers(|workers| {
        let runtime = runtime(workers);
        let handle = runtime.handle().clone();
        let entered = handle.enter();
        drop(runtime);
        let log = Log::default();
        let (a, b, c) = (
            log.tracker("task"),
            log.tracker("call"),
            log.tracker("ambient"),
        );
        let task = ID.run(1, || handle.spawn(async move { drop(a) }));
        let call = ID.run(2, || handle.spawn_blocking(move || drop(b)));
        let ambient = ID.run(3, || spawn(async move { drop(c) }));
        assert_eq!(
            log.entries(),
            [("task", Some(1)), ("call", Some(2)), ("ambient", Some(3))]
        );
        assert!(at_once(task).unwrap_err().is_cancelled());
        assert!(at_once(call).unwrap_err().is_cancelled());
        assert!(at_once(ambient).unwrap_err().is_cancelled());
        // A future that needs no runtime still runs.
        assert_eq!(handle.block_on(async { 7 }), 7);
        assert_eq!(
            LocalSet::new().block_on(&framewise_test_support::runtime(1), async { 8 }),
            8
        );
        drop(entered);
    });
}

#[test]
fn destructors_at_shutdown_may_spawn_wake_abort_and_arm() {
    with_workers(|workers| {
        let runtime = runtime(workers);
        let count = Count::default();
        let wakers: Arc<Mutex<Vec<Waker>>> = Arc::default();
        let (parked, is_parked) = mpsc::channel();
        let mut tasks = Vec::new();
        for number in 0..20 {
            let abort = tasks.last().map(JoinHandle::abort_handle);
            let (counted, wakers) = (count.one(), Arc::clone(&wakers));
            let at_the_end = {
                let (count, wakers) = (count.clone(), Arc::clone(&wakers));
                on_drop(move || {
                    assert_eq!(ID.get(), Some(number));
                    let counted = count.one();
                    drop(spawn(async move { drop(counted) }));
                    let counted = count.one();
                    drop(spawn_blocking(move || drop(counted)));
                    let counted = count.one();
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
        assert_eq!(count.get(), 20 * 4);
        wakers.lock().unwrap().clear();
    });
}

#[test]
fn tasks_that_spawn_and_wake_themselves_forever_end_with_the_runtime() {
    fn again(count: Count) {
        let counted = count.one();
        drop(spawn(async move {
            let _counted = counted;
            yield_now().await;
            again(count);
        }));
    }
    with_workers(|workers| {
        for _ in 0..20 {
            let runtime = runtime(workers);
            let (count, selfish) = (Count::default(), Count::default());
            {
                let _entered = runtime.enter();
                again(count.clone());
                for _ in 0..3 {
                    let counted = selfish.one();
                    drop(spawn(async move {
                        let _counted = counted;
                        loop {
                            yield_now().await;
                        }
                    }));
                }
            }
            while count.get() < 10 {
                thread::yield_now();
            }
            drop(runtime);
            assert_eq!(selfish.get(), 3);
            let after = count.get();
            thread::yield_now();
            assert_eq!(count.get(), after, "a task ran after the end");
        }
    });
}

#[test]
fn workers_threads_are_gone_when_the_drop_returns_with_their_thread_locals() {
    thread_local! {
        static AT_THE_END: RefCell<Vec<DropCall>> = const { RefCell::new(Vec::new()) };
    }
    with_workers(|workers| {
        let runtime = runtime(workers);
        let count = Count::default();
        for _ in 0..workers * 2 {
            let counted = Mutex::new(Some(count.one()));
            let end = on_drop(move || drop(counted.lock().unwrap().take()));
            let task = runtime.spawn(async move {
                AT_THE_END.with(|slot| slot.borrow_mut().push(end));
            });
            runtime.block_on(task).unwrap();
        }
        let counted = Mutex::new(Some(count.one()));
        let end = on_drop(move || drop(counted.lock().unwrap().take()));
        let call =
            runtime.spawn_blocking(move || AT_THE_END.with(|slot| slot.borrow_mut().push(end)));
        runtime.block_on(call).unwrap();
        drop(runtime);
        assert_eq!(count.get(), workers * 2 + 1);
    });
}

/// A thread of the pool exits by itself, another one is started and exits, and the first is still
/// in the destructor of a thread-local.
#[test]
fn threads_of_the_pool_that_ended_before_are_gone_with_their_thread_locals() {
    thread_local! {
        static AT_THE_END: RefCell<Option<DropCall>> = const { RefCell::new(None) };
    }
    let _watch = HangWatch::new("a thread that ended before");
    let runtime = Builder::new()
        .worker_threads(1)
        .thread_keep_alive(Duration::from_millis(1))
        .build()
        .unwrap();
    let (ends, has_ended) = mpsc::channel();
    let dropping = Arc::new(AtomicBool::new(false));
    let gone = Arc::new(AtomicBool::new(false));
    let end = on_drop({
        let (dropping, gone) = (Arc::clone(&dropping), Arc::clone(&gone));
        move || {
            ends.send(()).unwrap();
            while !dropping.load(Ordering::SeqCst) {
                thread::yield_now();
            }
            for _ in 0..300 {
                thread::yield_now();
            }
            gone.store(true, Ordering::SeqCst);
        }
    });
    let call = runtime.spawn_blocking(move || AT_THE_END.with(|slot| slot.replace(Some(end))));
    assert!(runtime.block_on(call).unwrap().is_none());
    has_ended.recv().unwrap();
    runtime.block_on(runtime.spawn_blocking(|| ())).unwrap();
    dropping.store(true, Ordering::SeqCst);
    drop(runtime);
    assert!(gone.load(Ordering::SeqCst));
}

#[test]
fn a_shutdown_while_a_panic_unwinds_is_a_shutdown() {
    with_workers(|workers| {
        let count = Count::default();
        let counted = count.one();
        let message = panic_message(|| {
            let runtime = runtime(workers);
            drop(runtime.spawn(async move {
                let _counted = counted;
                pending::<()>().await;
            }));
            runtime.block_on(async { panic!("expected") })
        });
        assert_eq!(message, "expected");
        assert_eq!(count.get(), 1);
    });
}

#[test]
fn a_shutdown_ends_what_block_in_place_left_behind() {
    with_workers(|workers| {
        // The pool is full, so no thread can take over the core of a worker that blocks.
        let runtime = Builder::new()
            .worker_threads(workers)
            .max_blocking_threads(1)
            .build()
            .unwrap();
        let log = Log::default();
        let (started, is_started) = mpsc::channel();
        let gate = Arc::new(std::sync::Barrier::new(2));
        let pool = {
            let (started, gate) = (started.clone(), Arc::clone(&gate));
            runtime.spawn_blocking(move || {
                started.send(()).unwrap();
                gate.wait();
            })
        };
        is_started.recv().unwrap();
        let (release, released) = mpsc::channel::<()>();
        let parked = log.tracker("parked");
        drop(ID.run(1, || {
            runtime.spawn(async move {
                let _parked = parked;
                pending::<()>().await;
            })
        }));
        let in_place = log.tracker("in place");
        drop(ID.run(2, || {
            runtime.spawn(async move {
                let _in_place = in_place;
                block_in_place(|| {
                    started.send(()).unwrap();
                    released.recv().unwrap();
                });
                pending::<()>().await;
            })
        }));
        is_started.recv().unwrap();
        runtime.shutdown_background();
        release.send(()).unwrap();
        gate.wait();
        let mut seen = log.wait(2);
        seen.sort_unstable();
        assert_eq!(seen, [("in place", Some(2)), ("parked", Some(1))]);
        drop(pool);
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

/// A core for which the closed pool has no thread keeps nothing alive: the objects for which the
/// blocked task waits are dropped.
#[test]
fn a_task_that_blocks_in_place_after_the_end_began_finds_what_it_waits_for_ended() {
    with_workers(|workers| {
        let runtime = runtime(workers);
        let (started, is_started) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let (heard, is_heard) = mpsc::channel();
        drop(runtime.spawn(async move {
            let child = spawn(pending::<()>());
            started.send(()).unwrap();
            released.recv().unwrap();
            block_in_place(|| {
                let joined = futures::executor::block_on(child);
                heard.send(joined.unwrap_err().is_cancelled()).unwrap();
            });
        }));
        is_started.recv().unwrap();
        runtime.shutdown_background();
        release.send(()).unwrap();
        assert_eq!(is_heard.recv(), Ok(true));
    });
}

#[test]
fn tasks_in_every_queue_are_ended() {
    with_workers(|workers| {
        for _ in 0..10 {
            let runtime = runtime(workers);
            let count = Count::default();
            let mut made = 0;
            let mut counted = || {
                made += 1;
                count.one()
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
            assert_eq!(count.get(), made);
        }
    });
}

#[test]
fn a_block_on_in_another_thread_sees_the_end_of_what_it_waits_for() {
    with_workers(|workers| {
        let runtime = runtime(workers);
        let handle: Handle = runtime.handle().clone();
        let (waiting, is_waiting) = mpsc::channel();
        let waiter = thread::spawn(move || {
            handle.block_on(async move {
                let task = spawn(pending::<()>());
                let stream = {
                    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                    let address = listener.local_addr().unwrap();
                    let stream = TcpStream::connect(address).await.unwrap();
                    (stream, listener)
                };
                waiting.send(()).unwrap();
                let joined = task.await;
                let read = stream.0.read(&mut [0]).await;
                (joined.unwrap_err().is_cancelled(), read.is_err())
            })
        });
        is_waiting.recv().unwrap();
        drop(runtime);
        assert_eq!(waiter.join().unwrap(), (true, true));
    });
}

/// A worker whose driver fails unwinds with tasks in its queue (the test replaces the driver's file
/// descriptor). Its tasks are dropped with the others, and the shutdown does not wait forever.
#[cfg(target_os = "linux")]
#[test]
fn a_driver_that_fails_leaves_no_task_behind() {
    const NAME: &str = "a_driver_that_fails_leaves_no_task_behind";
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
    let count = Count::default();
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
            let counted = count.one();
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
    assert_eq!(count.0.load(Ordering::SeqCst), tasks.len());
}
