//! Joins, aborts, spawns and shutdowns that race, and requests over sockets.

use std::future::pending;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::thread;
use std::time::Duration;

use framewise::net::{TcpListener, TcpStream};
use framewise::runtime::Builder;
use framewise::task::{block_in_place, yield_now};
use framewise::time::{set_timeout, sleep, timeout};
use framewise::{Frame, JoinHandle, bind, spawn, spawn_blocking};
use framewise_test_support::{ID, KEPT, pause, runtime, while_occupied, with_workers};
use futures::channel::oneshot;
use futures::future::FutureExt;

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
