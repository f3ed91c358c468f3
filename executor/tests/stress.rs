//! Stress tests, for races that no single interleaving shows. Each test names the rows of the list
//! of other runtimes' bugs that it covers ("class, repository and number"); all have a hang
//! watchdog.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::pending;
use std::io::{Read, Write};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::task::Waker;
use std::thread;
use std::time::Duration;

use framewise::net::{TcpListener, TcpStream};
use framewise::runtime::Builder;
use framewise::task::{block_in_place, yield_now};
use framewise::time::{set_timeout, sleep, timeout};
use framewise::{Frame, JoinHandle, bind, spawn, spawn_blocking};
use framewise_test_support::{
    ID, KEPT, on_workers, pause, runtime, while_occupied, with_workers, workers_of,
};
use futures::channel::oneshot;
use futures::future::FutureExt;

/// Lost wake-up (tokio 525, 3190; async-io 78): a pushed task runs while any worker is parked. As
/// many tasks as there are workers block their threads and wait for each other, so all of them must
/// run at the same time.
#[test]
fn as_many_blocking_tasks_as_workers_run_at_once_spawned_from_outside() {
    on_workers(|runtime| {
        let workers = workers_of(runtime);
        for _ in 0..40_000 / workers {
            while_occupied(runtime, workers, || ());
        }
    });
}

/// The same while other tasks start and finish, and the workers are about to park.
#[test]
fn as_many_blocking_tasks_as_workers_run_at_once_among_other_tasks() {
    with_workers(|workers| {
        let runtime = runtime(workers);
        for round in 0..20_000 / workers {
            let barrier = Arc::new(Barrier::new(workers));
            let tasks: Vec<_> = (0..workers)
                .flat_map(|_| {
                    let barrier = Arc::clone(&barrier);
                    let other = runtime.spawn(async move {
                        for _ in 0..round % 3 {
                            yield_now().await;
                        }
                    });
                    let blocking = runtime.spawn(async move {
                        barrier.wait();
                    });
                    [other, blocking]
                })
                .collect();
            runtime.block_on(async {
                for task in tasks {
                    task.await.unwrap();
                }
            });
        }
    });
}

/// Lost wake-up (tokio 3190, 8372): a task parks while another thread wakes it, repeatedly, and
/// nothing else keeps a worker awake.
#[test]
fn a_task_woken_from_another_thread_as_it_parks_is_polled_again() {
    with_workers(|workers| {
        let runtime = runtime(workers);
        let (waker, wakers) = mpsc::sync_channel::<Waker>(1);
        let waking = thread::spawn(move || wakers.iter().for_each(Waker::wake));
        let task = runtime.spawn(async move {
            for _ in 0..10_000 {
                pause(|own| waker.send(own.clone()).unwrap()).await;
            }
        });
        runtime.block_on(task).unwrap();
        waking.join().unwrap();
    });
}

/// Lost wake-up (async-io 78): several wakers at once, from threads and tasks. Each wake after the
/// start of the last poll causes another poll.
#[test]
fn every_wake_is_followed_by_a_poll() {
    with_workers(|workers| {
        let runtime = runtime(workers);
        let wanted = Arc::new(AtomicUsize::new(0));
        let seen = Arc::new(AtomicUsize::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let (own, is_there) = mpsc::channel();
        let task = runtime.spawn({
            let (wanted, seen, stop) = (Arc::clone(&wanted), Arc::clone(&seen), Arc::clone(&stop));
            std::future::poll_fn(move |cx| {
                if seen.load(Ordering::Relaxed) == 0 {
                    let _ = own.send(cx.waker().clone());
                }
                seen.fetch_max(wanted.load(Ordering::SeqCst) + 1, Ordering::SeqCst);
                if stop.load(Ordering::SeqCst) {
                    std::task::Poll::Ready(())
                } else {
                    std::task::Poll::Pending
                }
            })
        });
        let waker: Waker = is_there.recv().unwrap();
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..1_000 {
                        let mine = wanted.fetch_add(1, Ordering::SeqCst) + 1;
                        waker.wake_by_ref();
                        // Only a poll after the last wake can see that wake's number.
                        while seen.load(Ordering::SeqCst) <= mine {
                            thread::yield_now();
                        }
                    }
                });
            }
        });
        stop.store(true, Ordering::SeqCst);
        waker.wake();
        runtime.block_on(task).unwrap();
    });
}

/// Lost wake-up in the driver: I/O, timers, spawns from outside and wakes from the blocking pool
/// race with workers that park.
#[test]
fn work_of_every_kind_wakes_sleeping_workers() {
    with_workers(|workers| {
        let runtime = runtime(workers);
        let (stream, mut peer) = runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            peer.set_nodelay(true).unwrap();
            (Arc::new(listener.accept().await.unwrap().0), peer)
        });
        for round in 0..600 {
            match round % 4 {
                0 => {
                    let stream = Arc::clone(&stream);
                    let echo = runtime.spawn(async move {
                        let mut byte = [0];
                        stream.read(&mut byte).await.unwrap();
                        stream.write_all(&byte).await.unwrap();
                    });
                    peer.write_all(b"a").unwrap();
                    peer.read_exact(&mut [0]).unwrap();
                    futures::executor::block_on(echo).unwrap();
                }
                1 => {
                    let slept = runtime.spawn(sleep(Duration::from_micros(round)));
                    futures::executor::block_on(slept).unwrap();
                }
                2 => futures::executor::block_on(runtime.spawn(yield_now())).unwrap(),
                _ => {
                    let task = runtime.spawn(async { spawn_blocking(|| 7).await.unwrap() });
                    assert_eq!(futures::executor::block_on(task).unwrap(), 7);
                }
            }
        }
    });
}

/// Timers armed from every kind of thread, each with an earlier deadline than the driver's timeout
/// (timers, tokio 6634; lost wake-up): all fire.
#[test]
fn timers_armed_from_every_thread_fire() {
    with_workers(|workers| {
        let runtime = runtime(workers);
        // The driver always has a later timer.
        let _entered = runtime.enter();
        let late = set_timeout(Duration::from_secs(3_600), || unreachable!());
        for micros in (0..1_500).rev().step_by(10) {
            let sleeping = Duration::from_micros(micros);
            let (fired, has_fired) = mpsc::channel();
            let one = fired.clone();
            set_timeout(sleeping, move || one.send(()).unwrap());
            let two = fired.clone();
            drop(runtime.spawn(async move {
                sleep(sleeping).await;
                two.send(()).unwrap();
            }));
            drop(runtime.spawn_blocking(move || {
                set_timeout(sleeping, move || fired.send(()).unwrap());
            }));
            futures::executor::block_on(sleep(sleeping));
            assert_eq!(has_fired.iter().count(), 3);
        }
        late.cancel();
    });
}

/// Join, abort, detach and completion race: each task ends once, its joiner is woken, its value is
/// freed, and its parts are dropped in its frame.
#[test]
fn joins_aborts_and_detached_ends_race() {
    with_workers(|workers| {
        let runtime = runtime(workers);
        let (kept, dropped) = (Arc::new(()), Arc::new(AtomicUsize::new(0)));
        let mut made = 0;
        for round in 0..2_000_u64 {
            let owned = {
                let dropped = Arc::clone(&dropped);
                framewise_test_support::on_drop(move || {
                    assert_eq!(ID.get(), Some(round));
                    dropped.fetch_add(1, Ordering::SeqCst);
                })
            };
            made += 1;
            let (release, released) = oneshot::channel::<()>();
            let task = bind(&ID, round).and(&KEPT, Arc::clone(&kept)).run(|| {
                runtime.spawn(async move {
                    let _owned = owned;
                    let _ = released.await;
                    if round % 3 == 0 {
                        yield_now().await;
                    }
                    round
                })
            });
            let abort = task.abort_handle();
            let racing = runtime.spawn(async move {
                drop(release);
                if round % 5 == 0 {
                    abort.abort();
                }
            });
            match round % 4 {
                0 => drop(task),
                1 => match futures::executor::block_on(task) {
                    Ok(output) => assert_eq!(output, round),
                    Err(error) => assert!(error.is_cancelled()),
                },
                2 => {
                    let joiner = runtime.spawn(task);
                    drop(futures::executor::block_on(joiner).unwrap());
                }
                _ => {
                    let mut task = pin!(task);
                    let mut cx = std::task::Context::from_waker(Waker::noop());
                    let _ = task.as_mut().poll(&mut cx);
                    // The handle is dropped here, with its waker, while the task may be completing.
                }
            }
            futures::executor::block_on(racing).unwrap();
        }
        drop(runtime);
        assert_eq!(dropped.load(Ordering::SeqCst), made);
        assert_eq!(Arc::strong_count(&kept), 1);
    });
}

/// The same for a join waker that is swapped while the task completes.
#[test]
fn a_join_waker_swapped_while_the_task_completes_is_not_lost() {
    with_workers(|workers| {
        let runtime = runtime(workers);
        for round in 0..3_000 {
            let (release, released) = oneshot::channel::<()>();
            let mut task = runtime.spawn(released.map(move |_| round));
            assert!(framewise_test_support::poll_once(&mut task, Waker::noop()).is_pending());
            drop(runtime.spawn(async move { drop(release) }));
            if round % 2 == 0 {
                thread::yield_now();
            }
            // `block_on`'s waker replaces the other one while the task completes.
            assert_eq!(futures::executor::block_on(task).unwrap(), round);
        }
    });
}

/// Tasks use `block_in_place`, the blocking pool and nested `block_on` at the same time: each core
/// has one thread, no task is stranded, and every frame is restored.
#[test]
fn block_in_place_everywhere_strands_nothing() {
    with_workers(|workers| {
        let runtime = Builder::new()
            .worker_threads(workers)
            .thread_keep_alive(Duration::from_micros(100))
            .build()
            .unwrap();
        let tasks: Vec<_> = (0..40)
            .map(|number| {
                ID.run(number, || {
                    runtime.spawn(async move {
                        for round in 0..15 {
                            let seen = match (number + round) % 3 {
                                0 => block_in_place(|| {
                                    framewise::block_on(async {
                                        spawn(async { ID.get() }).await.unwrap()
                                    })
                                }),
                                1 => spawn_blocking(|| ID.get()).await.unwrap(),
                                _ => {
                                    yield_now().await;
                                    block_in_place(|| ID.get())
                                }
                            };
                            assert_eq!((seen, ID.get()), (Some(number), Some(number)));
                        }
                    })
                })
            })
            .collect();
        runtime.block_on(async {
            for task in tasks {
                task.await.unwrap();
            }
        });
        while_occupied(&runtime, workers, || ());
    });
}

/// Requests of a small server, each with its own frame, over real sockets. No request sees
/// another's frame ("context": npgsql 6105, dotnet/runtime 80232, kotlinx.coroutines 4755), and
/// connections that are cut do not affect others.
#[test]
fn requests_over_sockets_never_mix() {
    with_workers(|workers| {
        let runtime = runtime(workers);
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let kept = Arc::new(());
        let server = {
            let kept = Arc::clone(&kept);
            runtime.spawn(async move {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    drop(spawn(serve(stream, Arc::clone(&kept))));
                }
            })
        };
        let clients: Vec<_> = (0..60_u64)
            .map(|number| runtime.spawn(ask(address, number)))
            .collect();
        runtime.block_on(async {
            for client in clients {
                client.await.unwrap();
            }
        });
        server.abort();
        let joined: Result<(), _> = runtime.block_on(server);
        assert!(joined.unwrap_err().is_cancelled());
        drop(runtime);
        assert_eq!(Arc::strong_count(&kept), 1);
    });
}

/// Replies to each number with the number in the frame, read after a detour through all primitives.
async fn serve(stream: TcpStream, kept: Arc<()>) {
    let mut request = [0; 8];
    let mut filled = 0;
    loop {
        match stream.read(&mut request[filled..]).await {
            Ok(0) | Err(_) => return,
            Ok(more) => filled += more,
        }
        if filled < request.len() {
            continue;
        }
        filled = 0;
        let number = u64::from_le_bytes(request);
        let answer = bind(&ID, number)
            .and(&KEPT, Arc::clone(&kept))
            .scope(async {
                let by_task = spawn(async { ID.get() });
                let by_call = spawn_blocking(|| ID.get());
                let by_timer = {
                    let (sender, receiver) = oneshot::channel();
                    set_timeout(Duration::from_micros(50), move || {
                        let _ = sender.send(ID.get());
                    });
                    receiver
                };
                let limited = timeout(Duration::from_secs(3_600), async {
                    yield_now().await;
                    ID.get()
                });
                let seen = futures::join!(by_task, by_call, by_timer, limited);
                let seen = [
                    seen.0.unwrap(),
                    seen.1.unwrap(),
                    seen.2.unwrap(),
                    seen.3.unwrap(),
                ];
                assert_eq!(seen, [Some(number); 4]);
                ID.get().unwrap()
            });
        if stream.write_all(&answer.await.to_le_bytes()).await.is_err() {
            return;
        }
    }
}

async fn ask(address: std::net::SocketAddr, number: u64) {
    let stream = TcpStream::connect(address).await.unwrap();
    for round in 0..5 {
        let request = number * 1_000 + round;
        stream.write_all(&request.to_le_bytes()).await.unwrap();
        if number.is_multiple_of(5) && round == 3 {
            // Cut the connection in the middle of an exchange.
            return;
        }
        let mut answer = [0; 8];
        let mut filled = 0;
        while filled < answer.len() {
            let more = stream.read(&mut answer[filled..]).await.unwrap();
            assert!(more > 0);
            filled += more;
        }
        assert_eq!(u64::from_le_bytes(answer), request);
        assert!(Frame::current().is_root());
    }
}

/// More tasks than a worker's queue holds, spawned and woken from inside and outside at the same
/// time: each runs once ("queue": tokio 5041).
#[test]
fn floods_from_inside_and_outside_run_every_task_once() {
    with_workers(|workers| {
        let runtime = runtime(workers);
        let ran = Arc::new(AtomicUsize::new(0));
        let (release, released) = oneshot::channel::<()>();
        let released = released.shared();
        let one = |released: futures::future::Shared<oneshot::Receiver<()>>| {
            let ran = Arc::clone(&ran);
            async move {
                let _ = released.await;
                ran.fetch_add(1, Ordering::Relaxed);
            }
        };
        let outside: Vec<_> = (0..2_000)
            .map(|_| runtime.spawn(one(released.clone())))
            .collect();
        let inside = {
            let futures: Vec<_> = (0..2_000).map(|_| one(released.clone())).collect();
            runtime.spawn(async { futures.into_iter().map(spawn).collect::<Vec<_>>() })
        };
        let inside = runtime.block_on(inside).unwrap();
        // One task wakes all 4,000 in one poll.
        drop(runtime.spawn(async move { drop(release) }));
        runtime.block_on(async {
            for task in outside.into_iter().chain(inside) {
                task.await.unwrap();
            }
        });
        assert_eq!(ran.load(Ordering::Relaxed), 4_000);
    });
}

/// Runtimes are built and dropped in a row, in various states.
#[test]
fn runtimes_come_and_go() {
    with_workers(|workers| {
        for round in 0..100 {
            let runtime = runtime(workers);
            let tasks: Vec<JoinHandle<()>> = (0..10)
                .map(|number| {
                    runtime.spawn(async move {
                        match (number + round) % 5 {
                            0 => pending::<()>().await,
                            1 => sleep(Duration::from_micros(number)).await,
                            2 => drop(spawn_blocking(move || number)),
                            3 => block_in_place(|| ()),
                            _ => loop {
                                yield_now().await;
                            },
                        }
                    })
                })
                .collect();
            if round % 2 == 0 {
                runtime.block_on(yield_now());
            }
            drop(runtime);
            for task in tasks {
                if let Err(error) = framewise_test_support::at_once(task) {
                    assert!(error.is_cancelled());
                }
            }
        }
    });
}

/// Several threads wake, abort, poll and drop the handles of the same tasks.
#[test]
fn threads_that_wake_abort_poll_and_drop_the_same_tasks_race() {
    with_workers(|workers| {
        let runtime = runtime(workers);
        for _ in 0..100 {
            let wakers: Arc<Mutex<Vec<Waker>>> = Arc::default();
            let tasks: Vec<_> = (0..20)
                .map(|number| {
                    let wakers = Arc::clone(&wakers);
                    runtime.spawn(async move {
                        for _ in 0..3 {
                            pause(|own| wakers.lock().unwrap().push(own.clone())).await;
                        }
                        number
                    })
                })
                .collect();
            let aborts: Vec<_> = tasks.iter().map(JoinHandle::abort_handle).collect();
            let over = AtomicBool::new(false);
            thread::scope(|scope| {
                scope.spawn(|| {
                    while !over.load(Ordering::SeqCst) {
                        let taken: Vec<_> = wakers.lock().unwrap().drain(..).collect();
                        for waker in &taken {
                            waker.wake_by_ref();
                        }
                        thread::yield_now();
                        taken.into_iter().for_each(Waker::wake);
                    }
                });
                scope.spawn(|| {
                    for abort in aborts.iter().step_by(3) {
                        abort.abort();
                        thread::yield_now();
                    }
                });
                for (task, number) in tasks.into_iter().zip(0..) {
                    match futures::executor::block_on(task) {
                        Ok(output) => assert_eq!(output, number),
                        Err(error) => assert!(error.is_cancelled() && number % 3 == 0),
                    }
                }
                over.store(true, Ordering::SeqCst);
            });
        }
    });
}
