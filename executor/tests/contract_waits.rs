//! C-48 as a table: the state that a wait leaves with a primitive is released when the wait ends or
//! is dropped, in each executor. A row is a primitive and a way to wait for it. Each wait runs once
//! to its end and is dropped once before it, in a frame whose value counts its references.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use framewise_test_support as support;

use std::any::Any;
use std::future::{Future, poll_fn};
use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::net::TcpStream as StdStream;
use std::pin::Pin;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use framewise::context::bind;
use framewise::net::Interest;
use framewise::net::{TcpListener, TcpStream};
use framewise::runtime::{Builder, Runtime};
use framewise::task::{JoinHandle, LocalSet, spawn_blocking, yield_now};
use framewise::time::{interval_at, set_interval, set_timeout, sleep, sleep_until, timeout};
use framewise::{Frame, spawn};
use futures::StreamExt;
use futures::lock::Mutex;
use futures::stream::FuturesUnordered;
use support::{HangWatch, KEPT, bound_here, everywhere, on_workers, with_workers_in_frames};

const SHORT: Duration = Duration::from_millis(1);

type Wait = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The wait of a row, for one use.
struct Made {
    wait: Wait,
    /// Completes the wait. Called after the first poll.
    then: Box<dyn FnOnce() + Send>,
    /// Kept alive beyond the wait.
    _rest: Box<dyn Any + Send>,
}

fn made(
    wait: impl Future<Output = ()> + Send + 'static,
    then: impl FnOnce() + Send + 'static,
    rest: impl Any + Send,
) -> Made {
    Made {
        wait: Box::pin(wait),
        then: Box::new(then),
        _rest: Box::new(rest),
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Finished,
    Dropped,
}

/// The wait as the executor polls it. It is polled again only after a wake.
struct Ends {
    wait: Option<Wait>,
    then: Option<Box<dyn FnOnce() + Send>>,
    end: End,
}

impl Future for Ends {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        assert!(KEPT.is_bound());
        let polled = self.wait.as_mut().unwrap().as_mut().poll(cx);
        if self.end == End::Dropped {
            self.wait = None;
            return Poll::Ready(());
        }
        if polled.is_pending()
            && let Some(then) = self.then.take()
        {
            then();
        }
        polled
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Executor {
    BlockOn,
    BlockOnScope,
    LocalSet,
    LocalScope,
    Task,
    TaskScope,
    UnorderedInBlockOn,
    UnorderedInLocalSet,
    UnorderedInTask,
}

impl Executor {
    const ALL: [Self; 9] = [
        Self::BlockOn,
        Self::BlockOnScope,
        Self::LocalSet,
        Self::LocalScope,
        Self::Task,
        Self::TaskScope,
        Self::UnorderedInBlockOn,
        Self::UnorderedInLocalSet,
        Self::UnorderedInTask,
    ];

    /// Returns `true` if the executor's wakers are foreign, so that they need the frame.
    fn is_foreign(self) -> bool {
        matches!(
            self,
            Self::UnorderedInBlockOn | Self::UnorderedInLocalSet | Self::UnorderedInTask
        )
    }

    /// Runs the wait in the frame, and returns the parts of the executor that outlive it.
    fn run(self, runtime: &Runtime, frame: Frame, ends: Ends) -> Box<dyn Any> {
        match self {
            Self::BlockOn => {
                frame.run(|| runtime.block_on(ends));
                Box::new(())
            }
            Self::BlockOnScope => {
                runtime.block_on(frame.scope(ends));
                Box::new(())
            }
            Self::LocalSet => {
                let set = LocalSet::new();
                let task = frame.run(|| set.spawn_local(ends));
                drop(frame);
                set.block_on(runtime, task).unwrap();
                Box::new(set)
            }
            Self::LocalScope => {
                let set = LocalSet::new();
                set.block_on(runtime, frame.scope(ends));
                Box::new(set)
            }
            Self::Task => {
                let task = frame.run(|| runtime.spawn(ends));
                drop(frame);
                runtime.block_on(task).unwrap();
                Box::new(())
            }
            Self::TaskScope => {
                let task = runtime.spawn(frame.scope(ends));
                runtime.block_on(task).unwrap();
                Box::new(())
            }
            Self::UnorderedInBlockOn => {
                let mut unordered = FuturesUnordered::from_iter([frame.scope(ends)]);
                runtime.block_on(unordered.next()).unwrap();
                Box::new(unordered)
            }
            Self::UnorderedInLocalSet => {
                let mut unordered = FuturesUnordered::from_iter([frame.scope(ends)]);
                let set = LocalSet::new();
                let task = set.spawn_local(async move {
                    unordered.next().await.unwrap();
                    unordered
                });
                Box::new((set.block_on(runtime, task).unwrap(), set))
            }
            Self::UnorderedInTask => {
                let mut unordered = FuturesUnordered::from_iter([frame.scope(ends)]);
                let task = runtime.spawn(async move {
                    unordered.next().await.unwrap();
                    unordered
                });
                Box::new(runtime.block_on(task).unwrap())
            }
        }
    }
}

/// The state that a dropped wait may leave for a foreign waker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Leaves {
    Nothing,
    /// A poll function's slot in its stream or listener, at most until that is dropped.
    Slot,
}

/// Waits until only one reference is left, for references that another thread is about to release.
/// The row's watchdog reports a hang.
fn wait_until_released(kept: &Arc<()>) {
    while Arc::strong_count(kept) > 1 {
        std::thread::yield_now();
    }
}

/// Runs a row in each executor, with both ends.
#[track_caller]
fn row(name: &str, leaves: Leaves, make: impl Fn(&Runtime, End) -> Made) {
    everywhere(|runtime, _| {
        for executor in Executor::ALL {
            for end in [End::Finished, End::Dropped] {
                let what = format!("{name}, {end:?}, {executor:?}");
                let _watch = HangWatch::new(what.clone());
                let Made { wait, then, _rest } = make(runtime, end);
                let kept = Arc::new(());
                let frame = bind(&KEPT, Arc::clone(&kept)).frame();
                let ends = Ends {
                    wait: Some(wait),
                    then: Some(then),
                    end,
                };
                let executor_rest = executor.run(runtime, frame, ends);
                if end == End::Dropped && executor.is_foreign() && leaves == Leaves::Slot {
                    drop(_rest);
                    wait_until_released(&kept);
                } else if executor.is_foreign() {
                    // The thread that called the foreign waker releases the frame right after the
                    // call, while the wait may already have ended on another thread.
                    wait_until_released(&kept);
                } else {
                    assert_eq!(Arc::strong_count(&kept), 1, "{what}");
                }
                drop(executor_rest);
            }
        }
    });
}

/// Returns a stream of the runtime, and its peer.
fn pair(runtime: &Runtime) -> (TcpStream, StdStream) {
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = StdStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        (stream, peer)
    })
}

/// Runs a row that waits for bytes.
#[track_caller]
fn reading<W>(name: &str, leaves: Leaves, wait: impl Fn(Arc<TcpStream>) -> W)
where
    W: Future<Output = ()> + Send + 'static,
{
    row(name, leaves, |runtime, _| {
        let (stream, peer) = pair(runtime);
        let stream = Arc::new(stream);
        let (mut writes, rest) = (peer.try_clone().unwrap(), (Arc::clone(&stream), peer));
        made(wait(stream), move || writes.write_all(b"1").unwrap(), rest)
    });
}

/// Writes until the buffers of both ends are full.
fn fill(runtime: &Runtime, stream: &TcpStream) {
    runtime.block_on(stream.writable()).unwrap();
    let block = vec![0; 1 << 20];
    while stream.try_write(&block).is_ok() {}
}

/// Reads, on a thread, until the stream is closed.
fn drain(peer: &StdStream) -> impl FnOnce() + Send + 'static {
    let mut reads = peer.try_clone().unwrap();
    move || {
        std::thread::spawn(move || {
            let mut sink = vec![0; 1 << 20];
            while reads.read(&mut sink).is_ok_and(|count| count > 0) {}
        });
    }
}

/// Runs a row that waits for buffer space to write.
#[track_caller]
fn writing<W>(name: &str, leaves: Leaves, wait: impl Fn(Arc<TcpStream>) -> W)
where
    W: Future<Output = ()> + Send + 'static,
{
    row(name, leaves, |runtime, _| {
        let (stream, peer) = pair(runtime);
        fill(runtime, &stream);
        let stream = Arc::new(stream);
        let drain = drain(&peer);
        made(wait(Arc::clone(&stream)), drain, (stream, peer))
    });
}

#[test]
fn c48_a_sleep_leaves_nothing() {
    row("sleep", Leaves::Nothing, |_, end| {
        let duration = match end {
            End::Finished => SHORT,
            End::Dropped => Duration::MAX,
        };
        made(async move { sleep(duration).await }, || (), ())
    });
    // A sleep that stays alive after it was awaited.
    row("&mut sleep", Leaves::Slot, |_, end| {
        let until = Instant::now() + SHORT;
        let until = match end {
            End::Finished => until,
            End::Dropped => until + Duration::from_secs(1_000),
        };
        let sleep = Arc::new(Mutex::new(sleep_until(until)));
        let wait = {
            let sleep = Arc::clone(&sleep);
            async move { (&mut *sleep.lock().await).await }
        };
        made(wait, || (), sleep)
    });
}

#[test]
fn c48_a_timeout_leaves_nothing() {
    row("timeout that elapses", Leaves::Nothing, |_, end| {
        let limit = match end {
            End::Finished => SHORT,
            End::Dropped => Duration::MAX,
        };
        let wait = async move {
            assert!(timeout(limit, std::future::pending::<()>()).await.is_err());
        };
        made(wait, || (), ())
    });
    row("timeout in time", Leaves::Nothing, |_, _| {
        made(
            async { timeout(Duration::MAX, yield_now()).await.unwrap() },
            || (),
            (),
        )
    });
}

#[test]
fn c48_a_tick_leaves_nothing_with_its_interval() {
    row("interval", Leaves::Nothing, |_, end| {
        let start = match end {
            End::Finished => Instant::now() + SHORT,
            End::Dropped => Instant::now() + Duration::from_secs(1_000),
        };
        let interval = interval_at(start, Duration::from_secs(1_000));
        let interval = Arc::new(Mutex::new(interval));
        let wait = {
            let interval = Arc::clone(&interval);
            async move {
                interval.lock().await.tick().await;
            }
        };
        made(wait, || (), interval)
    });
}

/// Runs a row that awaits a handle by reference.
#[track_caller]
fn joining(name: &str, spawn: impl Fn(mpsc::Receiver<()>, &Runtime) -> JoinHandle<()>) {
    row(name, Leaves::Nothing, |runtime, _| {
        let (release, released) = mpsc::channel();
        let handle = Arc::new(Mutex::new(spawn(released, runtime)));
        let wait = {
            let handle = Arc::clone(&handle);
            async move { (&mut *handle.lock().await).await.unwrap() }
        };
        made(wait, move || drop(release), handle)
    });
}

#[test]
fn c48_awaiting_a_handle_leaves_nothing_with_it() {
    joining("handle of a task", |released, runtime| {
        runtime.spawn(async move {
            while released.try_recv() == Err(mpsc::TryRecvError::Empty) {
                sleep(SHORT).await;
            }
        })
    });
    joining("handle of a blocking call", |released, runtime| {
        runtime.spawn_blocking(move || {
            let _ = released.recv();
        })
    });
}

#[test]
fn c48_a_yield_leaves_nothing() {
    row("yield_now", Leaves::Nothing, |_, _| {
        made(yield_now(), || (), ())
    });
}

#[test]
fn c48_spawning_and_joining_within_leaves_nothing() {
    row("spawn and join", Leaves::Nothing, |_, end| {
        let wait = async move {
            let task = spawn(async move {
                if end == End::Finished {
                    sleep(SHORT).await;
                }
            });
            task.await.unwrap();
            spawn_blocking(|| ()).await.unwrap();
        };
        if end == End::Dropped {
            // The child holds the frame, and ends independently.
            return made(yield_now(), || (), ());
        }
        made(wait, || (), ())
    });
}

#[test]
fn c48_waiting_for_readiness_leaves_nothing() {
    reading("readable", Leaves::Nothing, |stream| async move {
        stream.readable().await.unwrap();
    });
    reading("ready, to read", Leaves::Nothing, |stream| async move {
        stream.ready(Interest::READABLE).await.unwrap();
    });
    writing("writable", Leaves::Nothing, |stream| async move {
        stream.writable().await.unwrap();
    });
    reading("poll_read_ready", Leaves::Slot, |stream| async move {
        poll_fn(|cx| stream.poll_read_ready(cx)).await.unwrap();
    });
    writing("poll_write_ready", Leaves::Slot, |stream| async move {
        poll_fn(|cx| stream.poll_write_ready(cx)).await.unwrap();
    });
}

#[test]
fn c48_reading_leaves_nothing() {
    reading("read", Leaves::Nothing, |stream| async move {
        stream.read(&mut [0; 8]).await.unwrap();
    });
    reading("read_vectored", Leaves::Nothing, |stream| async move {
        let mut buffer = [0; 8];
        stream
            .read_vectored(&mut [IoSliceMut::new(&mut buffer)])
            .await
            .unwrap();
    });
    reading("read_exact", Leaves::Nothing, |stream| async move {
        stream.read_exact(&mut [0; 1]).await.unwrap();
    });
    reading("peek", Leaves::Nothing, |stream| async move {
        stream.peek(&mut [0; 8]).await.unwrap();
    });
    reading("poll_peek", Leaves::Slot, |stream| async move {
        poll_fn(|cx| stream.poll_peek(cx, &mut [0; 8]))
            .await
            .unwrap();
    });
}

#[test]
fn c48_reading_through_the_traits_leaves_nothing() {
    reading("futures-io's read", Leaves::Slot, |stream| async move {
        let mut reads = &*stream;
        futures::AsyncReadExt::read(&mut reads, &mut [0; 8])
            .await
            .unwrap();
    });
    reading("tokio's read", Leaves::Slot, |stream| async move {
        poll_fn(|cx| {
            let mut memory = [0; 8];
            let mut buffer = tokio::io::ReadBuf::new(&mut memory);
            tokio::io::AsyncRead::poll_read(Pin::new(&mut &*stream), cx, &mut buffer)
        })
        .await
        .unwrap();
    });
    reading("hyper's read", Leaves::Slot, |stream| async move {
        poll_fn(|cx| {
            let mut memory = [MaybeUninit::uninit(); 8];
            let mut buffer = hyper::rt::ReadBuf::uninit(&mut memory);
            hyper::rt::Read::poll_read(Pin::new(&mut &*stream), cx, buffer.unfilled())
        })
        .await
        .unwrap();
    });
}

#[test]
fn c48_writing_leaves_nothing() {
    writing("write", Leaves::Nothing, |stream| async move {
        stream.write(b"1").await.unwrap();
    });
    writing("write_vectored", Leaves::Nothing, |stream| async move {
        stream.write_vectored(&[IoSlice::new(b"1")]).await.unwrap();
    });
    writing("write_all", Leaves::Nothing, |stream| async move {
        stream.write_all(b"1").await.unwrap();
    });
}

#[test]
fn c48_writing_through_the_traits_leaves_nothing() {
    writing("futures-io's write", Leaves::Slot, |stream| async move {
        let mut writes = &*stream;
        futures::AsyncWriteExt::write(&mut writes, b"1")
            .await
            .unwrap();
    });
    writing("tokio's write", Leaves::Slot, |stream| async move {
        poll_fn(|cx| {
            tokio::io::AsyncWrite::poll_write_vectored(
                Pin::new(&mut &*stream),
                cx,
                &[IoSlice::new(b"1")],
            )
        })
        .await
        .unwrap();
    });
    writing("hyper's write", Leaves::Slot, |stream| async move {
        poll_fn(|cx| hyper::rt::Write::poll_write(Pin::new(&mut &*stream), cx, b"1"))
            .await
            .unwrap();
    });
}

#[test]
fn c48_a_half_that_is_dropped_leaves_nothing_with_its_stream() {
    row("read half", Leaves::Nothing, |runtime, _| {
        let (stream, peer) = pair(runtime);
        let (mut read, write) = stream.into_split();
        let mut writes = peer.try_clone().unwrap();
        let wait = async move {
            futures::AsyncReadExt::read(&mut read, &mut [0; 8])
                .await
                .unwrap();
        };
        made(wait, move || writes.write_all(b"1").unwrap(), (write, peer))
    });
    row("write half", Leaves::Nothing, |runtime, _| {
        let (stream, peer) = pair(runtime);
        fill(runtime, &stream);
        let (read, mut write) = stream.into_split();
        let drain = drain(&peer);
        let wait = async move {
            futures::AsyncWriteExt::write(&mut write, b"1")
                .await
                .unwrap();
        };
        made(wait, drain, (read, peer))
    });
}

#[test]
fn a_half_that_is_dropped_wakes_a_poller_of_its_direction_that_is_another() {
    on_workers(|runtime| {
        let (stream, mut peer) = pair(runtime);
        runtime.block_on(async {
            let (read, write) = stream.into_split();
            // It polls for reading through the other half.
            let polls = spawn(async move {
                let mut polls = 0;
                poll_fn(|cx| {
                    polls += 1;
                    write.as_stream().poll_read_ready(cx)
                })
                .await
                .unwrap();
                (polls, write)
            });
            yield_now().await;
            drop(read);
            yield_now().await;
            peer.write_all(b"1").unwrap();
            let (polls, write) = polls.await.unwrap();
            assert!(polls >= 1);
            drop(write);
        });
    });
}

#[test]
fn c48_accepting_leaves_nothing_with_the_listener() {
    #[track_caller]
    fn accepting<W>(name: &str, leaves: Leaves, wait: impl Fn(Arc<TcpListener>) -> W)
    where
        W: Future<Output = ()> + Send + 'static,
    {
        row(name, leaves, |runtime, _| {
            let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
            let address = listener.local_addr().unwrap();
            let listener = Arc::new(listener);
            let connect = move || drop(StdStream::connect(address).unwrap());
            made(wait(Arc::clone(&listener)), connect, listener)
        });
    }
    accepting("accept", Leaves::Nothing, |listener| async move {
        drop(listener.accept().await.unwrap());
    });
    accepting(
        "listener's readable",
        Leaves::Nothing,
        |listener| async move {
            listener.readable().await.unwrap();
        },
    );
    accepting("poll_accept", Leaves::Slot, |listener| async move {
        drop(poll_fn(|cx| listener.poll_accept(cx)).await.unwrap());
    });
}

#[test]
fn c48_connecting_leaves_nothing() {
    row("connect", Leaves::Nothing, |runtime, _| {
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let wait = async move { drop(TcpStream::connect(address).await.unwrap()) };
        made(wait, || (), listener)
    });
}

#[test]
fn c48_a_look_up_leaves_nothing_with_the_pool() {
    row("look-up", Leaves::Nothing, |_, _| {
        let wait = async { drop(TcpListener::bind("localhost:0").await.unwrap()) };
        made(wait, || (), ())
    });
    // Dropped while it is still in the pool's queue, behind a call that does not end.
    with_workers_in_frames(|workers, _| {
        let runtime = Builder::new()
            .worker_threads(workers)
            .max_blocking_threads(1)
            .build()
            .unwrap();
        let (release, released) = mpsc::channel::<()>();
        let call = runtime.spawn_blocking(move || {
            let _ = released.recv();
        });
        for executor in Executor::ALL {
            let kept = Arc::new(());
            let (frame, site) = bound_here(bind(&KEPT, Arc::clone(&kept)));
            let ends = Ends {
                wait: Some(Box::pin(async {
                    drop(TcpListener::bind("localhost:0").await);
                })),
                then: None,
                end: End::Dropped,
            };
            let rest = executor.run(&runtime, frame, ends);
            assert_eq!(Arc::strong_count(&kept), 1, "{executor:?}");
            site.assert_live(0);
            drop(rest);
        }
        drop(release);
        runtime.block_on(call).unwrap();
    });
}

#[test]
fn c48_a_callback_that_is_over_leaves_nothing_with_its_handle() {
    everywhere(|runtime, _| {
        let _entered = runtime.enter();
        let (stream, mut peer) = pair(runtime);
        let kept = Arc::new(());
        let (frame, site) = bound_here(bind(&KEPT, Arc::clone(&kept)));
        let (called, calls) = mpsc::channel();
        let (on_time, on_tick, on_ready) = frame.run(|| {
            let (time, tick, ready) = (called.clone(), called.clone(), called);
            (
                set_timeout(SHORT, move || time.send(()).unwrap()),
                set_interval(SHORT, move || {
                    let _ = tick.send(());
                }),
                stream
                    .on_ready(Interest::READABLE, move |_| {
                        let _ = ready.send(());
                    })
                    .unwrap(),
            )
        });
        let far = frame.run(|| set_timeout(Duration::from_secs(1_000), || ()));
        drop(frame);
        peer.write_all(b"1").unwrap();
        for _ in 0..3 {
            calls.recv().unwrap();
        }
        assert!(far.cancel());
        on_tick.cancel();
        on_ready.cancel();
        // A callback that is running releases the frame when it returns.
        wait_until_released(&kept);
        site.wait_until_none_is_live();
        drop((on_time, on_tick, on_ready, far, stream));
    });
}

#[test]
fn c48_block_on_sees_the_frame_released_when_it_returns() {
    everywhere(|runtime, _| {
        for run in 0..50 {
            let kept = Arc::new(());
            runtime.block_on(KEPT.scope(Arc::clone(&kept), sleep(SHORT)));
            assert_eq!(Arc::strong_count(&kept), 1, "run {run}");
            let scoped = KEPT.scope(Arc::clone(&kept), sleep(SHORT));
            let mut unordered = FuturesUnordered::from_iter([scoped]);
            runtime.block_on(unordered.next()).unwrap();
            assert_eq!(Arc::strong_count(&kept), 1, "in a combinator, run {run}");
        }
    });
}

/// A foreign waker is called in the frame in which it was registered, even if the unpark of the
/// thread behind it is deferred.
#[test]
fn c50_a_foreign_waker_before_block_on_still_runs_in_its_frame() {
    everywhere(|runtime, _| {
        let kept = Arc::new(());
        let (seen, sees) = mpsc::channel();
        let wait = KEPT.scope(Arc::clone(&kept), sleep(SHORT));
        let mut wait = Box::pin(wait);
        let mut done = false;
        runtime.block_on(poll_fn(|cx| {
            let (outer, seen) = (cx.waker().clone(), seen.clone());
            let waker = support::call_waker(move || {
                seen.send(KEPT.is_bound()).unwrap();
                outer.wake_by_ref();
            });
            assert!(!done);
            ready!(wait.as_mut().poll(&mut Context::from_waker(&waker)));
            done = true;
            Poll::Ready(())
        }));
        assert_eq!(sees.recv(), Ok(true));
    });
}

/// A foreign waker that runs its own executor must not wait for a wake-up that it deferred.
#[test]
fn a_foreign_waker_that_blocks_on_what_it_woke_is_not_waited_for() {
    let _watch = HangWatch::new("block_on in a waker");
    let runtime = Arc::new(support::runtime(1));
    let set = LocalSet::new();
    let (to_main, from_waker) = futures::channel::oneshot::channel::<()>();
    let (to_waker, from_main) = futures::channel::oneshot::channel::<()>();
    let channels = Arc::new(std::sync::Mutex::new(Some((to_main, from_main))));
    let waker = support::call_waker({
        let runtime = Arc::clone(&runtime);
        move || {
            if let Some((to_main, from_main)) = channels.lock().unwrap().take() {
                // Wakes the main thread, and needs its reply.
                to_main.send(()).unwrap();
                runtime.block_on(from_main).unwrap();
            }
        }
    });
    let (task, left) = {
        let left = Arc::new(std::sync::Mutex::new(None));
        let task = set.spawn_local({
            let left = Arc::clone(&left);
            support::pause(move |waker| *left.lock().unwrap() = Some(waker.clone()))
        });
        (task, left)
    };
    // The set keeps the waker with a frame; a thread that is not a worker wakes it.
    let frame = bind(&KEPT, Arc::new(())).frame();
    let mut runs = Box::pin(set.run_until(std::future::pending::<()>()));
    frame.run(|| {
        let polled = runs.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
    });
    let task_waker = left.lock().unwrap().take().unwrap();
    let waking = std::thread::spawn(move || task_waker.wake());
    runtime.block_on(async {
        from_waker.await.unwrap();
        to_waker.send(()).unwrap();
    });
    waking.join().unwrap();
    drop(task);
}
