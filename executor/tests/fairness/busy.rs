//! Tasks that are always ready, beside other work of every kind.

use std::future::poll_fn;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use framewise::runtime::Runtime;
use framewise::task::yield_now;
use framewise::time::{Instant, set_interval, sleep, timeout};
use framewise::{JoinHandle, spawn};
use framewise_test_support::{HangWatch, on_workers, pause, runtime, with_workers};

use crate::{TICK, connection};

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
