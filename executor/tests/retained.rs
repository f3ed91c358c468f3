//! C-90: objects that the runtime creates lazily or keeps for later use (threads, wheels,
//! readiness, sets of local tasks, thread-locals) neither retain a request's frame nor expose it to
//! later requests.
//!
//! A request binds a reference-counted value. After the request, while the objects that served it
//! are still alive, the test holds the only reference; a later user sees the frame that is bound
//! around it, or none.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::{Future, pending, poll_fn};
use std::net::TcpListener as StdListener;
use std::panic::catch_unwind;
use std::pin::pin;
use std::sync::{Arc, mpsc};
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use framewise::net::{Interest, TcpListener, lookup_host};
use framewise::runtime::Builder;
use framewise::task::{LocalSet, block_in_place, spawn_local, yield_now};
use framewise::time::{interval, set_interval, set_timeout, sleep};
use framewise::{ContextVar, spawn, spawn_blocking, spawn_root};
use framewise_test_support::{
    ID, call_waker, everywhere, on_drop, poll_once, with_workers_in_frames,
};

const HOUR: Duration = Duration::from_secs(3600);

/// The variable that a request binds.
static REQUEST: ContextVar<Arc<u8>> = ContextVar::new("request");

/// Runs `body` as a request, and returns the value for a later check.
fn request<R>(body: impl FnOnce() -> R) -> (R, Arc<u8>) {
    let value = Arc::new(7);
    let result = REQUEST.run(Arc::clone(&value), body);
    (result, value)
}

/// Returns `true` if a request's value is bound here, and the value of the test's start frame.
fn seen() -> (bool, Option<u64>) {
    (REQUEST.get().is_some(), ID.get())
}

#[track_caller]
fn assert_released(value: &Arc<u8>) {
    assert_eq!(Arc::strong_count(value) - 1, 0, "references that are left");
}

/// Returns a waker of another executor, for which timers and I/O keep the frame.
fn other_executors_waker() -> (Waker, mpsc::Receiver<(bool, Option<u64>)>) {
    let (woken, wakes) = mpsc::channel();
    let waker = call_waker(move || {
        let _ = woken.send(seen());
    });
    (waker, wakes)
}

#[test]
fn c90_a_pool_thread_that_a_request_started_keeps_nothing_of_it() {
    with_workers_in_frames(|workers, id| {
        let builder = Builder::new().worker_threads(workers);
        let builder = builder.max_blocking_threads(2);
        let runtime = builder.thread_keep_alive(Duration::MAX).build().unwrap();
        // A call on the first thread starts the second thread.
        let (threads, value) = request(|| {
            let call = runtime.spawn_blocking(|| {
                assert!(seen().0);
                let nested = spawn_blocking(|| (thread::current().id(), seen()));
                (
                    thread::current().id(),
                    futures::executor::block_on(nested).unwrap(),
                )
            });
            runtime.block_on(call).unwrap()
        });
        assert_eq!(threads.1.1, (true, id));
        assert_released(&value);
        // The next calls run on these threads.
        for _ in 0..4 {
            let call = runtime.spawn_blocking(|| (thread::current().id(), seen()));
            let (thread, seen) = runtime.block_on(call).unwrap();
            assert!([threads.0, threads.1.0].contains(&thread));
            assert_eq!(seen, (false, id));
        }
        // A lookup has no frame, even in a request.
        let (_, value) = request(|| {
            runtime
                .block_on(lookup_host(("localhost", 1)))
                .unwrap()
                .count()
        });
        assert_released(&value);
    });
}

#[test]
fn c90_a_worker_that_replaces_a_blocked_one_keeps_nothing_of_the_request() {
    with_workers_in_frames(|workers, id| {
        let builder = Builder::new().worker_threads(workers);
        let runtime = builder.thread_keep_alive(Duration::MAX).build().unwrap();
        let (seen_there, value) = request(|| {
            let task = runtime.spawn(async {
                block_in_place(|| {
                    // Runs on the worker that this call has started, if there is no other.
                    let root = spawn_root(async { seen() });
                    futures::executor::block_on(root).unwrap()
                })
            });
            runtime.block_on(task).unwrap()
        });
        assert_eq!(seen_there, (false, None));
        assert_released(&value);
        // Runs on that worker, and on the thread that now belongs to the pool.
        for _ in 0..4 {
            let task = runtime.spawn(async { (seen(), spawn_blocking(seen).await.unwrap()) });
            assert_eq!(runtime.block_on(task).unwrap(), ((false, id), (false, id)));
        }
    });
}

#[test]
fn c90_a_runtime_that_a_request_makes_keeps_nothing_of_it() {
    with_workers_in_frames(|workers, id| {
        let (hooked, hooks) = mpsc::channel();
        let (runtime, value) = request(|| {
            let builder = Builder::new().worker_threads(workers);
            let builder = builder.on_unhandled_panic(move |_| hooked.send(seen()).unwrap());
            builder.build().unwrap()
        });
        assert_released(&value);
        // Its workers, its driver and timers, its pool and its hook are in the root frame.
        let root = async {
            sleep(Duration::from_millis(1)).await;
            (seen(), spawn_blocking(seen).await.unwrap())
        };
        let joined = runtime.block_on(runtime.spawn_root(root)).unwrap();
        assert_eq!(joined, ((false, None), (false, None)));
        assert_eq!(runtime.block_on(async { seen() }), (false, id));
        drop(runtime.spawn(async { panic!("expected") }));
        assert_eq!(hooks.recv().unwrap(), (false, id));
        // A request shuts it down; each object is then dropped in its own frame.
        let (dropped, drops) = mpsc::channel();
        let tracker = on_drop(move || dropped.send(seen()).unwrap());
        let task = runtime.spawn(async move {
            let _tracker = tracker;
            pending::<()>().await;
        });
        let ((), value) = request(move || drop(runtime));
        assert_eq!(drops.recv().unwrap(), (false, id));
        assert_released(&value);
        drop(task);
    });
}

#[test]
fn c90_a_shutdown_around_a_poll_that_blocks_keeps_nothing_of_the_request() {
    with_workers_in_frames(|workers, id| {
        let runtime = framewise_test_support::runtime(workers);
        let (polled, is_polled) = mpsc::channel();
        let (dropped, drops) = mpsc::channel();
        let tracker = on_drop(move || dropped.send(seen()).unwrap());
        let idle = runtime.spawn(async move {
            let _tracker = tracker;
            pending::<()>().await;
        });
        let stream = runtime.block_on(async { TcpListener::bind("127.0.0.1:0").await.unwrap() });
        let blocks = runtime.spawn(async move {
            let accepted = stream.accept();
            let mut accepted = pin!(accepted);
            futures::executor::block_on(poll_fn(|cx| {
                let accepted = accepted.as_mut().poll(cx);
                let _ = polled.send(());
                accepted
            }))
            .is_err()
        });
        is_polled.recv().unwrap();
        // The request starts the thread that shuts the runtime down.
        let ((), value) = request(move || drop(runtime));
        assert_eq!(drops.recv().unwrap(), (false, id));
        assert_released(&value);
        assert!(futures::executor::block_on(blocks).unwrap());
        drop(idle);
    });
}

#[test]
fn c90_a_look_up_that_is_given_up_keeps_nothing_of_the_request() {
    with_workers_in_frames(|workers, _| {
        let builder = Builder::new().worker_threads(workers);
        let runtime = builder.max_blocking_threads(1).build().unwrap();
        // The pool's thread is busy, so the lookup waits.
        let (release, released) = mpsc::channel::<()>();
        let busy = runtime.spawn_blocking(move || released.recv().is_err());
        let (waker, wakes) = other_executors_waker();
        let _entered = runtime.enter();
        let ((), value) = request(|| {
            let mut look_up = Box::pin(lookup_host(("localhost", 1)));
            assert!(
                look_up
                    .as_mut()
                    .poll(&mut Context::from_waker(&waker))
                    .is_pending()
            );
        });
        assert_released(&value);
        drop(release);
        runtime.block_on(busy).unwrap();
        // A finished lookup has called the waker in the request's frame, which is then released.
        let (look_up, value) = request(|| {
            let mut look_up = Box::pin(lookup_host(("localhost", 1)));
            let polled = look_up.as_mut().poll(&mut Context::from_waker(&waker));
            assert!(polled.is_ready() || wakes.recv().unwrap().0);
            look_up
        });
        runtime.block_on(runtime.spawn_blocking(|| ())).unwrap();
        assert_released(&value);
        drop(look_up);
    });
}

#[test]
fn c90_timers_that_are_over_keep_nothing_of_their_request() {
    everywhere(|runtime, id| {
        let _entered = runtime.enter();
        let (waker, wakes) = other_executors_waker();
        for ends in 0..4 {
            let (kept, value) = request(|| {
                let length = if ends == 0 {
                    Duration::from_millis(1)
                } else {
                    HOUR
                };
                let mut sleep = Box::pin(sleep(length));
                assert!(poll_once(&mut sleep, &waker).is_pending());
                match ends {
                    0 => assert!(wakes.recv().unwrap().0, "it fires in the request's frame"),
                    1 => return None,
                    2 => {
                        let later = sleep.deadline() + HOUR;
                        sleep.reset(later);
                    }
                    _ => {
                        // Another waker replaces it, in the root frame.
                        let root = framewise::Frame::root();
                        assert!(root.run(|| poll_once(&mut sleep, &waker)).is_pending());
                    }
                }
                Some(sleep)
            });
            // The sleep is kept, like a pool keeps the timer of an idle connection.
            if ends != 2 {
                wait_until_released(&value);
            }
            drop(kept);
            assert_released(&value);
        }
        let (callbacks, value) = request(|| {
            let (fired, fires) = mpsc::channel();
            let once = set_timeout(Duration::ZERO, move || fired.send(seen()).unwrap());
            assert_eq!(fires.recv().unwrap(), (true, id));
            let often = set_interval(HOUR, || ());
            often.cancel();
            let mut ticks = interval(HOUR);
            drop(ticks.tick());
            (once, ticks)
        });
        // The worker drops the callback after it has returned.
        wait_until_released(&value);
        // The next timer reuses their entries in the wheel.
        let task = runtime.spawn(async {
            sleep(Duration::from_millis(1)).await;
            seen()
        });
        assert_eq!(runtime.block_on(task).unwrap(), (false, id));
        drop(callbacks);
    });
}

/// Waits until the test holds the only reference, which a worker releases right after a visible
/// effect.
#[track_caller]
fn wait_until_released(value: &Arc<u8>) {
    while Arc::strong_count(value) > 1 {
        thread::yield_now();
    }
}

#[test]
fn c90_a_socket_that_outlives_a_request_keeps_nothing_of_it() {
    everywhere(|runtime, id| {
        let _entered = runtime.enter();
        let listener = StdListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut peer = std::net::TcpStream::connect(address).unwrap();
        let (stream, value) = request(|| {
            let listener = TcpListener::from_std(listener).unwrap();
            let (stream, _) = runtime.block_on(listener.accept()).unwrap();
            // It is taken to be readable until a read finds nothing, and no event comes meanwhile.
            while futures::FutureExt::now_or_never(stream.readable()).is_some() {
                stream.try_read(&mut [0]).unwrap_err();
            }
            stream
        });
        assert_released(&value);
        let (waker, wakes) = other_executors_waker();
        // A dropped wait, and the polling interface, whose waker the next wait replaces.
        let ((), value) = request(|| {
            let mut read = Box::pin(stream.readable());
            assert!(
                read.as_mut()
                    .poll(&mut Context::from_waker(&waker))
                    .is_pending()
            );
        });
        assert_released(&value);
        let ((), value) = request(|| {
            let mut cx = Context::from_waker(&waker);
            assert!(stream.poll_read_ready(&mut cx).is_pending());
        });
        let mut cx = Context::from_waker(&waker);
        assert!(stream.poll_read_ready(&mut cx).is_pending());
        assert_released(&value);
        // A wait that becomes ready.
        let (read, value) = request(|| {
            let mut read = Box::pin(stream.readable());
            assert!(
                read.as_mut()
                    .poll(&mut Context::from_waker(&waker))
                    .is_pending()
            );
            std::io::Write::write_all(&mut peer, b"x").unwrap();
            let mut all = [wakes.recv().unwrap(), wakes.recv().unwrap()];
            all.sort_unstable();
            assert_eq!(all, [(false, id), (true, id)]);
            read
        });
        wait_until_released(&value);
        drop(read);
        // A callback that a request registers and drops.
        let ((), value) = request(|| {
            let (called, calls) = mpsc::channel();
            let callback = stream.on_ready(Interest::READABLE, move |_| {
                let _ = called.send(seen());
            });
            assert_eq!(calls.recv().unwrap(), (true, id));
            callback.unwrap().cancel();
        });
        wait_until_released(&value);
        let read = runtime.block_on(async {
            let read = stream.read(&mut [0]).await.unwrap();
            (read, seen())
        });
        assert_eq!(read, (1, (false, id)));
    });
}

#[test]
fn c90_a_local_set_keeps_nothing_of_a_request_that_ran_it() {
    everywhere(|runtime, id| {
        let set = LocalSet::new();
        let (waker, _wakes) = other_executors_waker();
        let waiting = set.spawn_local(pending::<()>());
        // A dropped wait for the set, with another executor's waker and a task of the request.
        let ((), value) = request(|| {
            let mut run = Box::pin(set.run_until(async {
                drop(spawn_local(yield_now()));
                pending::<()>().await;
            }));
            for _ in 0..4 {
                assert!(
                    run.as_mut()
                        .poll(&mut Context::from_waker(&waker))
                        .is_pending()
                );
            }
        });
        assert_released(&value);
        let ((), value) = request(|| {
            set.block_on(runtime, async {
                assert_eq!(spawn_local(async { seen() }).await.unwrap(), (true, id));
            });
        });
        assert_released(&value);
        let later = set.spawn_local(async { seen() });
        assert_eq!(set.block_on(runtime, later).unwrap(), (false, id));
        drop(waiting);
    });
}

/// A request initializes the thread-locals of all crates, on a thread that keeps running.
#[test]
fn c90_a_thread_that_first_meets_the_runtime_in_a_request_keeps_nothing_of_it() {
    everywhere(|runtime, _| {
        let handle = runtime.handle().clone();
        let thread = thread::spawn(move || {
            let ((), value) = request(|| {
                let _entered = handle.enter();
                assert!(handle.block_on(async { seen() }).0);
                handle.block_on(async {
                    sleep(Duration::from_millis(1)).await;
                    assert!(spawn(async { seen() }).await.unwrap().0);
                });
                assert!(catch_unwind(|| panic!("expected")).is_err());
                let set = LocalSet::new();
                let local = set.spawn_local(async { seen() });
                assert!(handle.block_on(set.run_until(local)).unwrap().0);
            });
            assert_released(&value);
            assert_eq!(seen(), (false, None));
            assert_eq!(handle.block_on(async { seen() }), (false, None));
        });
        thread.join().unwrap();
    });
}
