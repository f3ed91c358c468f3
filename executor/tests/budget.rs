//! The cooperative budget: a task whose operations are always ready does not starve its worker
//! (starvation: tokio 4730, 5686). The tests count operations and polls; starvation would be a
//! hang, which the watchdog reports.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cell::Cell;
use std::future::{Future, pending, poll_fn};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::{Duration, Instant};

use framewise::net::{Interest, TcpListener, TcpStream, lookup_host};
use framewise::runtime::Runtime;
use framewise::task::{
    LocalSet, block_in_place, consume_budget, coop, has_budget_remaining, spawn_blocking,
    spawn_local, unconstrained, yield_now,
};
use framewise::time::{Interval, interval_at, sleep, sleep_until, timeout, timeout_at};
use framewise::{JoinHandle, spawn};
use framewise_test_support::{HangWatch, on_workers, runtime};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};

/// The number of operations that one poll of a task may complete.
const UNITS: usize = 128;

const LIMIT: Duration = Duration::from_millis(20);
const TICK: Duration = Duration::from_millis(1);

/// Returns an interval that is an hour behind: it would have to tick 3,600 million times to catch
/// up.
fn hour_behind() -> Interval {
    let start = Instant::now().checked_sub(Duration::from_secs(3600));
    interval_at(start.unwrap(), Duration::from_micros(1))
}

/// Returns a stream on the runtime whose peer has sent data.
async fn readable_stream() -> (TcpStream, std::net::TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    peer.write_all(b"always here").unwrap();
    stream.readable().await.unwrap();
    (stream, peer)
}

/// Runs `future` as the future of `block_on`, as a task, and as a task of a local set.
fn everywhere<F>(make: impl Fn() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    for workers in [1, 2] {
        let _watch = HangWatch::new(format!("{workers} workers"));
        let runtime = runtime(workers);
        runtime.block_on(make());
        runtime.block_on(async { spawn(make()).await.unwrap() });
        LocalSet::new().block_on(&runtime, async { spawn_local(make()).await.unwrap() });
    }
}

/// The first bug report: `timeout(limit, async { loop { sleep(Duration::ZERO).await } })` never
/// ended.
#[test]
fn a_timeout_ends_a_loop_of_sleeps_that_are_over() {
    everywhere(|| async {
        let forever = async {
            loop {
                sleep(Duration::ZERO).await;
            }
        };
        assert!(timeout(LIMIT, never(forever)).await.is_err());
    });
    everywhere(|| async {
        let past = Instant::now();
        let forever = async {
            loop {
                sleep_until(past).await;
            }
        };
        assert!(timeout_at(past + LIMIT, never(forever)).await.is_err());
    });
}

/// Adds an output to a future that never ends, for `timeout`.
async fn never(forever: impl Future<Output = ()>) {
    forever.await;
}

/// The second bug report: the same with an interval that is an hour behind.
#[test]
fn a_timeout_ends_a_loop_over_an_interval_that_is_an_hour_behind() {
    everywhere(|| async {
        let mut ticks = hour_behind();
        let forever = async {
            loop {
                ticks.tick().await;
            }
        };
        assert!(timeout(LIMIT, never(forever)).await.is_err());
    });
    everywhere(|| async {
        // The same as a stream.
        let drain = hour_behind().for_each(|_| async {});
        assert!(timeout(LIMIT, drain).await.is_err());
    });
}

/// A timeout in a loop is itself ready at once, and consumes a unit.
#[test]
fn a_timeout_ends_a_loop_of_timeouts_that_are_over() {
    everywhere(|| async {
        let forever = async {
            loop {
                let inner = timeout(Duration::ZERO, pending::<()>());
                assert!(inner.await.is_err());
            }
        };
        assert!(timeout(LIMIT, never(forever)).await.is_err());
    });
    everywhere(|| async {
        // The inner future exhausts the budget in each poll.
        let forever = async {
            loop {
                let spin = async {
                    loop {
                        consume_budget().await;
                    }
                };
                assert!(timeout(Duration::ZERO, never(spin)).await.is_err());
            }
        };
        assert!(timeout(LIMIT, never(forever)).await.is_err());
    });
}

/// The third bug report: tasks that drain channels that are never empty starved a timer. Here each
/// message is sent again, so without a budget the test would not end.
#[test]
fn tasks_that_drain_channels_through_coop_do_not_delay_timers() {
    for workers in [1, 2] {
        let _watch = HangWatch::new(format!("{workers} workers"));
        let runtime = runtime(workers);
        let over = Arc::new(AtomicBool::new(false));
        let drains: Vec<_> = (0..4)
            .map(|_| {
                let over = Arc::clone(&over);
                let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
                for message in 0..1000 {
                    sender.send(message).unwrap();
                }
                runtime.spawn(counted(async move {
                    while !over.load(Ordering::Relaxed) {
                        let message = coop(receiver.recv()).await.unwrap();
                        count_operation();
                        sender.send(message).unwrap();
                    }
                }))
            })
            .collect();
        runtime.block_on(async {
            for _ in 0..10 {
                spawn(sleep(TICK)).await.unwrap();
            }
            over.store(true, Ordering::Relaxed);
            for drain in drains {
                assert!(drain.await.unwrap() <= UNITS);
            }
        });
    }
}

thread_local! {
    static OPERATIONS: Cell<usize> = const { Cell::new(0) };
}

/// Counts a ready operation of a [`counted`] future.
fn count_operation() {
    OPERATIONS.set(OPERATIONS.get() + 1);
}

/// Runs `future`; returns the maximum number of operations in one poll.
async fn counted(future: impl Future<Output = ()>) -> usize {
    let mut future = pin!(future);
    let mut most = 0;
    poll_fn(|cx| {
        let before = OPERATIONS.replace(0);
        let polled = future.as_mut().poll(cx);
        most = most.max(OPERATIONS.replace(before));
        polled.map(|()| most)
    })
    .await
}

/// Repeats an operation that is always ready at once, and checks that it yields after 128
/// operations.
fn yields_after_128<F, O>(name: &str, runtime: &Runtime, make: impl FnOnce() -> F)
where
    F: FnMut() -> O + Send + 'static,
    O: Future + Send,
{
    let mut operation = make();
    let most = runtime.block_on(async {
        let task = counted(async move {
            // The first poll may have started with other operations.
            yield_now().await;
            for _ in 0..3 * UNITS {
                operation().await;
                count_operation();
            }
        });
        spawn(task).await.unwrap()
    });
    assert_eq!(most, UNITS, "{name}");
}

/// Covers every awaitable operation of the runtime that can be ready repeatedly.
#[test]
fn every_operation_that_is_ready_at_once_yields_after_128() {
    on_workers(|runtime| {
        let _entered = runtime.enter();
        yields_after_128("sleep", runtime, || || sleep(Duration::ZERO));
        let past = Instant::now();
        yields_after_128("sleep_until", runtime, || move || sleep_until(past));
        yields_after_128("timeout", runtime, || {
            || timeout(Duration::ZERO, pending::<()>())
        });
        yields_after_128("interval", runtime, || {
            let ticks = Arc::new(tokio::sync::Mutex::new(hour_behind()));
            move || {
                let ticks = Arc::clone(&ticks);
                async move { ticks.lock().await.tick().await }
            }
        });

        yields_after_128("consume_budget", runtime, || consume_budget);
        yields_after_128("coop", runtime, || || coop(std::future::ready(())));
        yields_after_128("JoinHandle", runtime, || {
            let handles: Vec<_> = (0..3 * UNITS).map(|_| runtime.spawn(async {})).collect();
            let handles = finished(handles);
            move || handles.lock().unwrap().pop().unwrap()
        });
        yields_after_128("JoinHandle of a blocking call", runtime, || {
            let handles: Vec<_> = (0..3 * UNITS)
                .map(|_| runtime.spawn_blocking(|| ()))
                .collect();
            let handles = finished(handles);
            move || handles.lock().unwrap().pop().unwrap()
        });
        yields_after_128("lookup_host", runtime, || {
            || async { lookup_host("127.0.0.1:80").await.map(|_| ()) }
        });
        #[cfg(unix)]
        yields_after_128("Signal", runtime, || {
            use framewise::signal::unix::{SignalKind, signal};
            let changes = Arc::new(tokio::sync::Mutex::new(
                signal(SignalKind::window_change()).unwrap(),
            ));
            move || {
                let changes = Arc::clone(&changes);
                // SAFETY: the signal has a handler, which is async-signal-safe.
                assert_eq!(unsafe { libc::raise(libc::SIGWINCH) }, 0);
                async move { changes.lock().await.recv().await }
            }
        });

        let (stream, peer) = runtime.block_on(readable_stream());
        let stream = Arc::new(stream);
        macro_rules! on_stream {
            ($name:literal, $stream:ident => $operation:expr) => {
                yields_after_128($name, runtime, || {
                    let stream = Arc::clone(&stream);
                    move || {
                        let $stream = Arc::clone(&stream);
                        async move { $operation.unwrap() }
                    }
                });
            };
        }
        on_stream!("peek", s => s.peek(&mut [0]).await);
        on_stream!("poll_peek", s => poll_fn(|cx| s.poll_peek(cx, &mut [0])).await);
        on_stream!("ready", s => s.ready(Interest::READABLE).await.map(|_| ()));
        on_stream!("readable", s => s.readable().await);
        on_stream!("writable", s => s.writable().await);
        on_stream!("poll_read_ready", s => poll_fn(|cx| s.poll_read_ready(cx)).await);
        on_stream!("poll_write_ready", s => poll_fn(|cx| s.poll_write_ready(cx)).await);
        on_stream!("read of nothing", s => s.read(&mut []).await);
        on_stream!("write of nothing", s => s.write(&[]).await);
        on_stream!("write", s => s.write(b"a").await);
        on_stream!("write_vectored", s => {
            s.write_vectored(&[std::io::IoSlice::new(b"a")]).await
        });

        // Once the stream has reached its end, reading it is always ready.
        peer.shutdown(std::net::Shutdown::Write).unwrap();
        let (mut left, mut bytes) = (11, [0; 16]);
        while left > 0 {
            left -= runtime.block_on(stream.read(&mut bytes)).unwrap();
        }
        runtime.block_on(async { assert_eq!(stream.read(&mut bytes).await.unwrap(), 0) });
        on_stream!("read", s => s.read(&mut [0]).await);
        on_stream!("read_vectored", s => {
            s.read_vectored(&mut [std::io::IoSliceMut::new(&mut [0])]).await
        });
        on_stream!("tokio's read", s => poll_fn(|cx| {
            let mut bytes = [0];
            let mut bytes = tokio::io::ReadBuf::new(&mut bytes);
            tokio::io::AsyncRead::poll_read(Pin::new(&mut &*s), cx, &mut bytes)
        }).await);
        on_stream!("futures-io's read", s => poll_fn(|cx| {
            futures::AsyncRead::poll_read(Pin::new(&mut &*s), cx, &mut [0])
        }).await);
        on_stream!("hyper's read", s => poll_fn(|cx| {
            let mut bytes = [0];
            let mut bytes = hyper::rt::ReadBuf::new(&mut bytes);
            hyper::rt::Read::poll_read(Pin::new(&mut &*s), cx, bytes.unfilled())
        }).await);
        macro_rules! write_half {
            ($family:literal, $write:path, $close:ident) => {
                on_stream!($family, s => poll_fn(|cx| {
                    <&TcpStream as $write>::poll_write(Pin::new(&mut &*s), cx, &[])
                }).await);
                on_stream!($family, s => poll_fn(|cx| {
                    <&TcpStream as $write>::poll_flush(Pin::new(&mut &*s), cx)
                }).await);
                on_stream!($family, s => poll_fn(|cx| {
                    <&TcpStream as $write>::$close(Pin::new(&mut &*s), cx)
                }).await);
            };
        }
        write_half!("tokio's write", tokio::io::AsyncWrite, poll_shutdown);
        write_half!("futures-io's write", futures::AsyncWrite, poll_close);
        write_half!("hyper's write", hyper::rt::Write, poll_shutdown);
    });
}

/// The same for connections that wait to be accepted.
#[test]
fn accepting_yields_after_128_connections() {
    let runtime = runtime(2);
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let _peers: Vec<_> = (0..UNITS + 10)
        .map(|_| std::net::TcpStream::connect(address).unwrap())
        .collect();
    let most = runtime.block_on(async {
        listener.readable().await.unwrap();
        let accepts = counted(async move {
            yield_now().await;
            for _ in 0..UNITS + 10 {
                listener.accept().await.unwrap();
                count_operation();
            }
        });
        spawn(accepts).await.unwrap()
    });
    assert_eq!(most, UNITS);
}

/// An operation that is not ready consumes no unit: a task that waits often in one poll can still
/// complete ready operations.
#[test]
fn operations_that_are_not_ready_take_no_unit() {
    on_workers(|runtime| {
        let (stream, _peer) = runtime.block_on(readable_stream());
        let waits = async move {
            let mut bytes = [0; 32];
            assert!(stream.read(&mut bytes).await.unwrap() > 0);
            yield_now().await;
            for _ in 0..10 * UNITS {
                assert!(stream.read(&mut bytes).now_or_never().is_none());
                assert!(sleep(Duration::from_secs(3600)).now_or_never().is_none());
                assert!(coop(pending::<()>()).now_or_never().is_none());
            }
            for _ in 0..UNITS {
                assert!(consume_budget().now_or_never().is_some());
            }
            assert!(!has_budget_remaining());
        };
        runtime.block_on(async { spawn(waits).await.unwrap() });
    });
}

/// The futures that a task polls share its budget.
#[test]
fn futures_in_one_task_share_its_budget() {
    on_workers(|runtime| {
        let most = runtime.block_on(async {
            let task = counted(async {
                let many: FuturesUnordered<_> = (0..100)
                    .map(|_| async {
                        for _ in 0..100 {
                            sleep(Duration::ZERO).await;
                            count_operation();
                        }
                    })
                    .collect();
                assert_eq!(many.count().await, 100);
            });
            spawn(task).await.unwrap()
        });
        assert_eq!(most, UNITS);
    });
}

/// Local tasks have their own budgets, separate from the budget of the future beside them.
#[test]
fn tasks_of_a_local_set_have_budgets_of_their_own() {
    on_workers(|runtime| {
        LocalSet::new().block_on(runtime, async {
            let order = Rc::new(Cell::new(0));
            for _ in 0..UNITS / 2 {
                consume_budget().await;
            }
            let tasks: Vec<_> = (0..3)
                .map(|_| {
                    let order = Rc::clone(&order);
                    spawn_local(counted(async move {
                        for _ in 0..10 * UNITS {
                            consume_budget().await;
                            count_operation();
                        }
                        order.set(order.get() + 1);
                    }))
                })
                .collect();
            for task in tasks {
                assert_eq!(task.await.unwrap(), UNITS);
            }
            assert_eq!(order.get(), 3);
        });
        // A set that is polled within a poll does not consume the outer budget.
        let outer = async {
            yield_now().await;
            for _ in 0..UNITS {
                consume_budget().await;
            }
            assert!(!has_budget_remaining());
            let set = LocalSet::new();
            let ran = Rc::new(Cell::new(false));
            let seen = Rc::clone(&ran);
            drop(set.spawn_local(async move {
                assert!(has_budget_remaining());
                seen.set(true);
            }));
            let mut until = pin!(set.run_until(pending::<()>()));
            poll_fn(|cx| {
                assert!(until.as_mut().poll(cx).is_pending());
                assert!(!has_budget_remaining());
                Poll::Ready(())
            })
            .await;
            assert!(ran.get());
        };
        runtime.block_on(outer);
    });
}

/// Awaiting an empty set is always ready at once.
#[test]
fn awaiting_an_empty_local_set_yields() {
    on_workers(|runtime| {
        let forever = async {
            let mut set = LocalSet::new();
            loop {
                (&mut set).await;
            }
        };
        assert!(runtime.block_on(async { timeout(LIMIT, never(forever)).await.is_err() }));
    });
}

/// `block_on` within `block_in_place` has its own budget, and the task's budget is restored
/// afterwards.
#[test]
fn blocking_code_is_not_constrained_and_what_was_left_is_restored() {
    on_workers(|runtime| {
        let task = async {
            yield_now().await;
            for _ in 0..UNITS {
                consume_budget().await;
            }
            assert!(!has_budget_remaining());
            block_in_place(|| {
                for _ in 0..10 * UNITS {
                    assert!(sleep(Duration::ZERO).now_or_never().is_some());
                }
                framewise::block_on(async {
                    assert!(has_budget_remaining());
                    for _ in 0..10 * UNITS {
                        consume_budget().await;
                    }
                });
                assert!(has_budget_remaining());
            });
            assert!(!has_budget_remaining());
            let panicked = catch_unwind(AssertUnwindSafe(|| block_in_place(|| panic!("expected"))));
            assert!(panicked.is_err());
            assert!(!has_budget_remaining());
        };
        runtime.block_on(async { spawn(task).await.unwrap() });
        let call = || {
            for _ in 0..10 * UNITS {
                assert!(sleep(Duration::ZERO).now_or_never().is_some());
            }
        };
        runtime.block_on(async { spawn_blocking(call).await.unwrap() });
    });
}

/// A poll that panics does not leave its budget to the next task or to the thread of `block_on`.
#[test]
fn a_panic_in_a_poll_leaves_the_next_poll_a_full_budget() {
    let runtime = runtime(1);
    let spend = || async {
        yield_now().await;
        while consume_budget().now_or_never().is_some() {}
        panic!("expected");
    };
    for _ in 0..3 {
        let panicked = runtime.block_on(async {
            let end: Result<(), _> = spawn(spend()).await;
            end
        });
        assert!(panicked.unwrap_err().is_panic());
        let panicked = catch_unwind(AssertUnwindSafe(|| runtime.block_on(spend())));
        let _: Result<(), _> = panicked;
        // Outside of a task, no operation is denied.
        for _ in 0..10 * UNITS {
            assert!(consume_budget().now_or_never().is_some());
        }
        let full = async {
            yield_now().await;
            for _ in 0..UNITS {
                assert!(consume_budget().now_or_never().is_some());
            }
        };
        runtime.block_on(async { spawn(full).await.unwrap() });
    }
}

#[test]
fn an_unconstrained_future_does_not_yield() {
    on_workers(|runtime| {
        let most = runtime.block_on(async {
            let task = counted(unconstrained(async {
                for _ in 0..10 * UNITS {
                    sleep(Duration::ZERO).await;
                    count_operation();
                }
            }));
            spawn(task).await.unwrap()
        });
        assert_eq!(most, 10 * UNITS);
    });
}

/// Callbacks have no budget: none of their operations is denied.
#[test]
fn callbacks_are_not_constrained() {
    on_workers(|runtime| {
        let _entered = runtime.enter();
        let calls = Arc::new(AtomicUsize::new(0));
        let (call, called) = std::sync::mpsc::channel();
        let count = Arc::clone(&calls);
        let interval = framewise::time::set_interval(TICK, move || {
            for _ in 0..2 * UNITS {
                assert!(sleep(Duration::ZERO).now_or_never().is_some());
            }
            count.fetch_add(1, Ordering::Relaxed);
            let _ = call.send(());
        });
        let busy = runtime.spawn(async {
            loop {
                consume_budget().await;
            }
        });
        let busy: JoinHandle<()> = busy;
        for _ in 0..3 {
            called.recv().unwrap();
        }
        interval.cancel();
        busy.abort();
        assert!(calls.load(Ordering::Relaxed) >= 3);
    });
}

/// A task that repeatedly exhausts its budget is queued behind all other tasks: it gets only a few
/// polls between two turns of the others.
#[test]
fn a_task_without_budget_goes_behind_all_others() {
    let runtime = runtime(1);
    let over = Arc::new(AtomicBool::new(false));
    let done = Arc::new(AtomicUsize::new(0));
    let busy = runtime.spawn({
        let (over, done) = (Arc::clone(&over), Arc::clone(&done));
        async move {
            while !over.load(Ordering::Relaxed) {
                consume_budget().await;
                done.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    let most = runtime.block_on(async {
        let turns = spawn(async move {
            let mut most = 0;
            let mut before = done.load(Ordering::Relaxed);
            for _ in 0..1000 {
                yield_now().await;
                let now = done.load(Ordering::Relaxed);
                most = most.max(now - before);
                before = now;
            }
            most
        });
        let most = turns.await.unwrap();
        over.store(true, Ordering::Relaxed);
        busy.await.unwrap();
        most
    });
    assert!(most > 0);
    assert!(most <= 2 * UNITS, "{most} operations between two turns");
}

/// In a seeded run, the loops of the bug reports also end, in virtual time, and each seed gives the
/// same run.
#[test]
fn seeded_runs_have_the_budget_too() {
    let program = || async {
        let forever = async {
            loop {
                sleep(Duration::ZERO).await;
            }
        };
        assert!(timeout(LIMIT, never(forever)).await.is_err());
        let most = counted(async {
            for _ in 0..3 * UNITS {
                consume_budget().await;
                count_operation();
            }
        });
        let most = spawn(most).await.unwrap();
        assert!(most <= UNITS);
        most
    };
    for seed in 0..3 {
        assert_eq!(
            framewise::test::run(seed, program),
            framewise::test::run(seed, program)
        );
    }
}

/// Without a budget the test would not end: `peek` leaves the data in the socket, so every call is
/// ready, and the only worker never polls the timer.
#[test]
fn a_socket_that_is_always_ready_does_not_starve_timers() {
    let _watch = HangWatch::new("1 worker");
    let runtime = runtime(1);
    runtime.block_on(async {
        let (stream, _peer) = readable_stream().await;
        let over = Arc::new(AtomicBool::new(false));
        let busy = spawn({
            let over = Arc::clone(&over);
            async move {
                let mut peeked = 0_u64;
                while !over.load(Ordering::Relaxed) {
                    assert!(stream.peek(&mut [0; 4]).await.unwrap() > 0);
                    peeked += 1;
                }
                peeked
            }
        });
        spawn(async move {
            sleep(Duration::from_millis(2)).await;
            over.store(true, Ordering::Relaxed);
        })
        .await
        .unwrap();
        assert!(busy.await.unwrap() > 0);
    });
}

/// A future on a nested executor has no task that could yield, so its budget must not run out.
#[test]
fn the_budget_of_a_nested_executor_does_not_run_out() {
    let _watch = HangWatch::new("1 worker");
    let runtime = runtime(1);
    runtime.block_on(async {
        let (stream, _peer) = readable_stream().await;
        let done = spawn(async move {
            futures::executor::block_on(async {
                let mut done = 0;
                for _ in 0..1_000 {
                    done += usize::from(stream.peek(&mut [0; 4]).await.unwrap() > 0);
                    sleep(Duration::ZERO).await;
                    coop(std::future::ready(())).await;
                }
                done
            })
        });
        assert_eq!(done.await.unwrap(), 1_000);
    });
}

/// Waits until all tasks are finished, without joining them.
fn finished<T>(handles: Vec<JoinHandle<T>>) -> Mutex<Vec<JoinHandle<T>>> {
    while !handles.iter().all(JoinHandle::is_finished) {
        std::thread::yield_now();
    }
    Mutex::new(handles)
}
