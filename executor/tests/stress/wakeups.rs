//! Wake-ups: of sleeping workers, of tasks that park, and by timers.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::task::Waker;
use std::thread;
use std::time::Duration;

use framewise::net::TcpListener;
use framewise::spawn_blocking;
use framewise::task::yield_now;
use framewise::time::{set_timeout, sleep};
use framewise_test_support::{
    on_workers, pause, runtime, while_occupied, with_workers, workers_of,
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
