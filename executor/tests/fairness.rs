//! Fairness: no task keeps other tasks from running. "Starvation" in the list of other runtimes'
//! bugs (tokio 4941, 5686, 5712, 4730), and "user code under a lock" (tokio 1886, 8529, 8552, 8554,
//! 8558, 8562). The tests measure no time: starvation would be a hang, which the watchdog reports.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::poll_fn;
use std::io::{Read, Write};
use std::net::TcpStream as StdStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use framewise::net::{Interest, TcpListener, TcpStream};
use framewise::runtime::Runtime;
use framewise::task::{LocalSet, spawn_local, yield_now};
use framewise::time::{interval, set_interval, set_timeout, sleep, timeout};
use framewise::{ContextVar, JoinHandle, spawn};
use framewise_test_support::{
    DropCall, HangWatch, ID, call_waker, on_drop, on_workers, pause, poll_once, runtime,
    with_workers,
};

const TICK: Duration = Duration::from_millis(1);

/// Returns a stream on the runtime, and its blocking peer.
async fn connection() -> (TcpStream, StdStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = StdStream::connect(listener.local_addr().unwrap()).unwrap();
    peer.set_nodelay(true).unwrap();
    (listener.accept().await.unwrap().0, peer)
}

/// Spawns two tasks that wake each other until `stop`.
fn ping_pong(runtime: &Runtime, stop: &Arc<AtomicBool>) -> [JoinHandle<()>; 2] {
    let (to_b, from_a) = async_channel::bounded::<()>(1);
    let (to_a, from_b) = async_channel::bounded::<()>(1);
    let stop = Arc::clone(stop);
    [
        runtime.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                to_b.send(()).await.unwrap();
                from_b.recv().await.unwrap();
            }
        }),
        runtime.spawn(async move {
            while from_a.recv().await.is_ok() {
                let _ = to_a.send(()).await;
            }
        }),
    ]
}

/// Checks that other work makes progress beside busy tasks: tasks of the queue, spawns from
/// outside, timers, I/O, and blocking calls.
fn the_others_go_on(runtime: &Runtime) {
    let (stream, mut peer) = runtime.block_on(connection());
    let (asked, is_asked) = mpsc::channel();
    let tasks = [
        runtime.spawn(async {
            for _ in 0..20 {
                yield_now().await;
            }
        }),
        runtime.spawn(async {
            for _ in 0..5 {
                sleep(TICK).await;
            }
        }),
        runtime.spawn(async {
            for _ in 0..5 {
                spawn(async {}).await.unwrap();
            }
        }),
        runtime.spawn(async move {
            let mut byte = [0];
            for _ in 0..5 {
                asked.send(()).unwrap();
                assert_eq!(stream.read(&mut byte).await.unwrap(), 1);
            }
        }),
        runtime.spawn_blocking(|| ()),
    ];
    for _ in 0..5 {
        is_asked.recv().unwrap();
        peer.write_all(b"a").unwrap();
    }
    let _entered = runtime.enter();
    let (called, is_called) = mpsc::channel();
    let callback = set_interval(TICK, move || {
        let _ = called.send(());
    });
    for _ in 0..3 {
        is_called.recv().unwrap();
    }
    callback.cancel();
    for task in tasks {
        futures::executor::block_on(task).unwrap();
    }
}

/// "Starvation", tokio 4941: two tasks that wake each other stay in the LIFO slot.
#[test]
fn a_ping_pong_pair_starves_no_task() {
    with_workers(|workers| {
        for pairs in [1, workers, 2 * workers] {
            let runtime = runtime(workers);
            let stop = Arc::new(AtomicBool::new(false));
            let tasks: Vec<_> = (0..pairs)
                .flat_map(|_| ping_pong(&runtime, &stop))
                .collect();
            the_others_go_on(&runtime);
            stop.store(true, Ordering::Relaxed);
            for task in tasks {
                runtime.block_on(task).unwrap();
            }
        }
    });
}

/// "Starvation", tokio 5686: a chain in which each task spawns the next.
#[test]
fn a_chain_of_spawns_starves_nobody() {
    fn link(stop: Arc<AtomicBool>) {
        if !stop.load(Ordering::Relaxed) {
            drop(spawn(async move { link(stop) }));
        }
    }
    on_workers(|runtime| {
        let stop = Arc::new(AtomicBool::new(false));
        for _ in 0..4 {
            let stop = Arc::clone(&stop);
            drop(runtime.spawn(async move { link(stop) }));
        }
        the_others_go_on(runtime);
        stop.store(true, Ordering::Relaxed);
    });
}

/// "Starvation", tokio 5712: tasks that wake themselves, by `yield_now` and by hand.
#[test]
fn self_waking_tasks_starve_no_task() {
    on_workers(|runtime| {
        let stop = Arc::new(AtomicBool::new(false));
        let tasks: Vec<_> = (0..20)
            .map(|number| {
                let stop = Arc::clone(&stop);
                runtime.spawn(async move {
                    while !stop.load(Ordering::Relaxed) {
                        if number % 2 == 0 {
                            yield_now().await;
                        } else {
                            pause(Waker::wake_by_ref).await;
                        }
                    }
                })
            })
            .collect();
        the_others_go_on(runtime);
        stop.store(true, Ordering::Relaxed);
        for task in tasks {
            runtime.block_on(task).unwrap();
        }
    });
}

/// I/O that is ready when a task starts to yield is processed within ten yields.
#[test]
fn io_is_seen_within_ten_yields() {
    for yielding in [1, 2, 7] {
        let _watch = HangWatch::new(format!("{yielding} tasks yield"));
        let runtime = runtime(1);
        let rounds_most = runtime.block_on(runtime.spawn(async move {
            let (stream, peer) = connection().await;
            let (stream, mut rounds_most) = (Arc::new(stream), 0);
            for _ in 0..200 {
                let seen = Arc::new(AtomicBool::new(false));
                let reader = {
                    let (stream, seen) = (Arc::clone(&stream), Arc::clone(&seen));
                    spawn(async move {
                        assert_eq!(stream.read(&mut [0]).await.unwrap(), 1);
                        seen.store(true, Ordering::Relaxed);
                    })
                };
                // The reader waits and its byte arrives, but no worker has polled the driver yet.
                yield_now().await;
                yield_now().await;
                assert!(!seen.load(Ordering::Relaxed));
                (&peer).write_all(b"a").unwrap();
                let rounds = move |seen: Arc<AtomicBool>| async move {
                    let mut rounds = 0;
                    while !seen.load(Ordering::Relaxed) {
                        yield_now().await;
                        rounds += 1;
                    }
                    rounds
                };
                let tasks: Vec<_> = (1..yielding)
                    .map(|_| spawn(rounds(Arc::clone(&seen))))
                    .collect();
                rounds_most = rounds_most.max(rounds(seen).await);
                for task in tasks {
                    rounds_most = rounds_most.max(task.await.unwrap());
                }
                reader.await.unwrap();
            }
            rounds_most
        }));
        assert!(
            rounds_most.unwrap() <= 10,
            "with {yielding} tasks that yield"
        );
    }
}

/// "Starvation", tokio 4730: a task that blocks its worker. Here the task blocks until I/O and
/// timers of other tasks are processed.
#[test]
fn a_worker_that_blocks_freezes_neither_io_nor_timers_of_the_others() {
    for workers in [2, 8] {
        for io in [false, true] {
            for round in 0..20 {
                let _watch = HangWatch::new(format!("{workers} workers, I/O {io}, {round}"));
                let runtime = runtime(workers);
                let (stream, mut peer) = runtime.block_on(connection());
                let done = Arc::new(AtomicBool::new(false));
                let (ready, is_ready) = mpsc::channel();
                let other = {
                    let done = Arc::clone(&done);
                    runtime.spawn(async move {
                        ready.send(()).unwrap();
                        if io {
                            for _ in 0..3 {
                                assert_eq!(stream.read(&mut [0]).await.unwrap(), 1);
                                ready.send(()).unwrap();
                            }
                        } else {
                            for _ in 0..3 {
                                sleep(TICK).await;
                            }
                        }
                        done.store(true, Ordering::Release);
                    })
                };
                is_ready.recv().unwrap();
                // Block all workers but one, after a sleep in which all workers park.
                let blocking: Vec<_> = (1..workers)
                    .map(|_| {
                        let done = Arc::clone(&done);
                        runtime.spawn(async move {
                            if round % 2 == 0 {
                                sleep(TICK).await;
                            }
                            while !done.load(Ordering::Acquire) {
                                thread::yield_now();
                            }
                        })
                    })
                    .collect();
                if io {
                    for _ in 0..3 {
                        peer.write_all(b"a").unwrap();
                        is_ready.recv().unwrap();
                    }
                }
                runtime.block_on(async {
                    other.await.unwrap();
                    for task in blocking {
                        task.await.unwrap();
                    }
                });
            }
        }
    }
}

/// The same for a blocking task that the driver on its own worker has just woken, or that armed the
/// timer itself.
#[test]
fn a_task_that_blocks_right_after_its_own_io_or_timer_freezes_no_others() {
    for workers in [2, 8] {
        for round in 0..20 {
            let _watch = HangWatch::new(format!("{workers} workers, round {round}"));
            let runtime = runtime(workers);
            let (one, mut one_peer) = runtime.block_on(connection());
            let (two, mut two_peer) = runtime.block_on(connection());
            let done = Arc::new(AtomicBool::new(false));
            let blocking = {
                let done = Arc::clone(&done);
                runtime.spawn(async move {
                    assert_eq!(one.read(&mut [0]).await.unwrap(), 1);
                    let armed = spawn(sleep(TICK));
                    two_peer.write_all(b"b").unwrap();
                    while !done.load(Ordering::Acquire) {
                        thread::yield_now();
                    }
                    armed.await.unwrap();
                })
            };
            let other = {
                let done = Arc::clone(&done);
                runtime.spawn(async move {
                    assert_eq!(two.read(&mut [0]).await.unwrap(), 1);
                    sleep(TICK).await;
                    done.store(true, Ordering::Release);
                })
            };
            one_peer.write_all(b"a").unwrap();
            runtime.block_on(async {
                other.await.unwrap();
                blocking.await.unwrap();
            });
        }
    }
}

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

/// Calls back into all parts of the runtime.
fn call_back(abort: Option<&framewise::task::AbortHandle>, wakers: &Mutex<Vec<Waker>>) {
    let timer = set_timeout(Duration::from_secs(3_600), || ());
    drop(spawn(sleep(TICK)));
    drop(framewise::spawn_blocking(|| ()));
    if let Some(abort) = abort {
        abort.abort();
    }
    let wakers: Vec<_> = wakers.lock().unwrap().drain(..).collect();
    wakers.iter().for_each(Waker::wake_by_ref);
    let mut asleep = sleep(Duration::from_secs(3_600));
    assert!(poll_once(&mut asleep, Waker::noop()).is_pending());
    asleep.reset(Instant::now() + TICK);
    timer.cancel();
}

/// "User code under a lock", tokio 1886, 8529, 8552 and others: foreign wakers that call back when
/// timers, sockets and joined tasks wake, clone or drop them.
#[test]
fn wakers_that_call_back_into_the_runtime_meet_no_lock() {
    on_workers(|runtime| {
        let _entered = runtime.enter();
        let (stream, mut peer) = runtime.block_on(connection());
        for _ in 0..50 {
            let handle = runtime.handle().clone();
            let (called, is_called) = mpsc::channel();
            let called = Mutex::new(called);
            let (parked, is_parked) = mpsc::channel();
            let parked_task = runtime.spawn(pause(move |own| parked.send(own.clone()).unwrap()));
            let own = is_parked.recv().unwrap();
            let wakers = Arc::new(Mutex::new(vec![own.clone(), own]));
            let abort = parked_task.abort_handle();
            let at_drop = {
                let (handle, wakers) = (handle.clone(), Arc::clone(&wakers));
                on_drop(move || {
                    let _entered = handle.enter();
                    call_back(None, &wakers);
                })
            };
            let waker = call_waker(move || {
                let _keep = &at_drop;
                let _entered = handle.enter();
                call_back(Some(&abort), &wakers);
                let _ = called.lock().unwrap().send(());
            });
            // A timer that fires, a timer that is cancelled, a timer whose waker is replaced; a
            // socket; a joined task, a detached task, and a task whose join waker is replaced.
            let hour = Duration::from_secs(3_600);
            let (mut fires, mut cancelled, mut replaced) = (sleep(hour), sleep(hour), sleep(hour));
            assert!(poll_once(&mut fires, &waker).is_pending());
            assert!(poll_once(&mut cancelled, &waker).is_pending());
            assert!(ID.run(1, || poll_once(&mut replaced, &waker)).is_pending());
            assert!(ID.run(2, || poll_once(&mut replaced, &waker)).is_pending());
            assert!(poll_once(&mut replaced, Waker::noop()).is_pending());
            drop(cancelled);
            let mut joined = runtime.spawn(sleep(hour));
            let mut swapped = runtime.spawn(sleep(hour));
            let mut detached = runtime.spawn(sleep(TICK));
            assert!(poll_once(&mut joined, &waker).is_pending());
            assert!(poll_once(&mut swapped, &waker).is_pending());
            assert!(poll_once(&mut swapped, Waker::noop()).is_pending());
            let _ = poll_once(&mut detached, &waker);
            drop(detached);
            let mut cx = std::task::Context::from_waker(&waker);
            if stream.poll_read_ready(&mut cx).is_pending() {
                peer.write_all(b"a").unwrap();
                is_called.recv().unwrap();
            }
            let mut byte = [0];
            while let Ok(1) = stream.try_read(&mut byte) {}
            fires.reset(Instant::now() + TICK);
            is_called.recv().unwrap();
            joined.abort();
            is_called.recv().unwrap();
            swapped.abort();
            drop(waker);
            drop((fires, replaced, parked_task));
        }
    });
}

/// The same for destructors: of futures, outputs, values of frames and callbacks, for all kinds of
/// drops.
#[test]
fn destructors_that_call_back_into_the_runtime_meet_no_lock() {
    static CALL: ContextVar<DropCall> = ContextVar::new("call");

    on_workers(|runtime| {
        for _ in 0..20 {
            let count = Arc::new(AtomicUsize::new(0));
            let bomb = || {
                let (handle, count) = (runtime.handle().clone(), Arc::clone(&count));
                on_drop(move || {
                    let _entered = handle.enter();
                    call_back(None, &Mutex::default());
                    count.fetch_add(1, Ordering::SeqCst);
                })
            };
            let _entered = runtime.enter();
            let (a, b, c, d, e) = (bomb(), bomb(), bomb(), bomb(), bomb());
            // A future that is ready, an output, a frame's value, an aborted task, a queued call.
            let tasks = [
                runtime.spawn(async move { drop(a) }),
                CALL.run(b, || runtime.spawn(async {})),
                runtime.spawn(async move {
                    let _c = c;
                    std::future::pending::<()>().await;
                }),
            ];
            drop(runtime.spawn(async move { d }));
            tasks[2].abort();
            let call = runtime.spawn_blocking(move || drop(e));
            // Callbacks that have fired, that are cancelled from outside, and that cancel
            // themselves.
            let (f, g, h) = (bomb(), bomb(), bomb());
            set_timeout(TICK, move || drop(f));
            set_timeout(Duration::MAX, move || drop(g)).cancel();
            let own: Arc<Mutex<Option<framewise::time::TimerCallback>>> = Arc::default();
            let slot = Arc::clone(&own);
            let repeated = set_interval(TICK, move || {
                let _h = &h;
                if let Some(own) = slot.lock().unwrap().take() {
                    own.cancel();
                }
            });
            *own.lock().unwrap() = Some(repeated);
            // A socket's callback, cancelled and dropped with its socket.
            let (stream, peer) = runtime.block_on(connection());
            let (i, j) = (bomb(), bomb());
            let cancelled = stream
                .on_ready(Interest::READABLE, move |_| {
                    let _i = &i;
                })
                .unwrap();
            let left = stream
                .on_ready(Interest::WRITABLE, move |_| {
                    let _j = &j;
                })
                .unwrap();
            cancelled.cancel();
            drop((stream, peer, left));
            runtime.block_on(async {
                for task in tasks {
                    let _ = task.await;
                }
                call.await.unwrap();
            });
            while count.load(Ordering::SeqCst) < 10 {
                thread::yield_now();
            }
        }
    });
}

/// A timeout whose future is dropped, and sleeps that are reset and dropped in every state, among
/// many other timers.
#[test]
fn timers_in_every_state_go_on_beside_each_other() {
    on_workers(|runtime| {
        let tasks: Vec<_> = (0..100_u64)
            .map(|number| {
                runtime.spawn(async move {
                    for round in 0..20 {
                        let slow = sleep(Duration::from_secs(3_600));
                        let limit = Duration::from_micros(10 * (number % 7) + round);
                        assert!(timeout(limit, slow).await.is_err());
                        let mut asleep = Box::pin(sleep(Duration::from_micros(number)));
                        let polled = poll_fn(|cx| Poll::Ready(asleep.as_mut().poll(cx))).await;
                        asleep.reset(Instant::now() + Duration::from_micros(number));
                        if polled.is_ready() || round % 2 == 0 {
                            asleep.await;
                        }
                    }
                })
            })
            .collect();
        runtime.block_on(async {
            for task in tasks {
                task.await.unwrap();
            }
        });
    });
}

/// Readers and writers that are always ready yield to other tasks.
#[test]
fn sockets_that_are_always_ready_starve_no_task() {
    on_workers(|runtime| {
        let stop = Arc::new(AtomicBool::new(false));
        let (stream, mut peer) = runtime.block_on(connection());
        let flood = {
            let stop = Arc::clone(&stop);
            thread::spawn(move || {
                let bytes = [0; 4096];
                while !stop.load(Ordering::Relaxed) {
                    peer.write_all(&bytes).unwrap();
                }
                peer.shutdown(std::net::Shutdown::Write).unwrap();
                let _ = peer.read(&mut [0]);
            })
        };
        let reader = runtime.spawn(async move {
            let mut bytes = [0; 512];
            while stream.read(&mut bytes).await.unwrap() > 0 {
                yield_now().await;
            }
        });
        the_others_go_on(runtime);
        stop.store(true, Ordering::Relaxed);
        runtime.block_on(reader).unwrap();
        flood.join().unwrap();
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
