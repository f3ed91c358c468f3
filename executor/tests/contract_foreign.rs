//! Contract, C-65: on an executor that does not know frames, a future is polled in the polling
//! thread's frame unless it was wrapped. Such executors also await framewise's tasks, timers and
//! sockets.
//!
//! Three executors: `block_on` and `ThreadPool` of `futures`, and tokio on one thread. On the
//! latter two, a task is polled in the thread's current frame; only wrapping carries the spawner's
//! frame.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use framewise_test_support as support;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use framewise::runtime::Runtime;
use framewise::task::yield_now;
use framewise::time::{sleep, timeout};
use framewise::{Frame, bind};
use futures::channel::oneshot;
use futures::executor::{LocalPool, ThreadPool, block_on};
use futures::task::{LocalSpawnExt, SpawnExt};
use support::{ID, KEPT, Log, bound_here, everywhere, in_frames};

/// Returns the value of [`ID`] at the first poll of a task, and after another thread woke it.
async fn seen(woken: oneshot::Receiver<()>) -> (Option<u64>, Option<u64>) {
    let first = ID.get();
    woken.await.unwrap();
    (first, ID.get())
}

/// Wakes the waiter from another thread, in another frame.
fn wake_elsewhere(release: oneshot::Sender<()>) {
    let wake = move || ID.run(90, || release.send(()).unwrap());
    std::thread::spawn(wake).join().unwrap();
}

#[test]
fn c65_a_thread_that_blocks_on_a_future_polls_it_in_its_own_frame() {
    // This test uses no framewise runtime, so there is no number of workers to vary.
    in_frames(|id| {
        let futures_ = |work| block_on(work);
        let on_tokio = |work| tokio_runtime().block_on(work);
        type Blocks<'a> = &'a dyn Fn(Work) -> (Option<u64>, Option<u64>);
        type Work = futures::future::BoxFuture<'static, (Option<u64>, Option<u64>)>;
        let blocks: [Blocks<'_>; 2] = [&futures_, &on_tokio];
        for block_on in blocks {
            let work = || {
                let (release, woken) = oneshot::channel();
                wake_elsewhere(release);
                seen(woken)
            };
            assert_eq!(block_on(Box::pin(work())), (id, id));
            // The frame of the poll counts, not the frame of creation.
            let made = ID.run(10, work);
            assert_eq!(
                ID.run(11, || block_on(Box::pin(made))),
                (Some(11), Some(11))
            );
            // A wrapped future is polled in the frame where it was wrapped.
            let wrapped = ID.run(12, || Frame::current().scope(work()));
            let polled = ID.run(13, || block_on(Box::pin(wrapped)));
            assert_eq!(polled, (Some(12), Some(12)));
            let scoped = ID.scope(14, work());
            assert_eq!(block_on(Box::pin(scoped)), (Some(14), Some(14)));
            assert_eq!(ID.get(), id);
        }
    });
}

fn tokio_runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
}

#[test]
fn c65_a_pools_thread_is_at_the_root_and_only_a_wrapped_task_is_in_its_spawners_frame() {
    in_frames(|id| {
        for threads in [1, 2, 8] {
            let pool = ThreadPool::builder().pool_size(threads).create().unwrap();
            for number in 0..20 {
                let spawn = |wrapped: bool| {
                    let (release, woken) = oneshot::channel();
                    let task = if wrapped {
                        pool.spawn_with_handle(Frame::current().scope(seen(woken)))
                    } else {
                        pool.spawn_with_handle(seen(woken))
                    };
                    (release, task.unwrap())
                };
                let tasks = [
                    (spawn(false), None),
                    (ID.run(number, || spawn(false)), None),
                    (spawn(true), id),
                    (ID.run(number, || spawn(true)), Some(number)),
                ];
                for ((release, task), expected) in tasks {
                    ID.run(90, || release.send(()).unwrap());
                    assert_eq!(block_on(task), (expected, expected));
                }
            }
        }
    });
}

#[test]
fn c65_a_local_pool_and_tokio_poll_their_tasks_in_the_frame_that_runs_them() {
    in_frames(|id| {
        let work = || async {
            let before = ID.get();
            let mut turned = false;
            poll_fn(|cx| {
                if std::mem::replace(&mut turned, true) {
                    return Poll::Ready(());
                }
                cx.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
            (before, ID.get())
        };
        // Spawned in one frame, run in another.
        let mut pool = LocalPool::new();
        let spawner = pool.spawner();
        let plain = ID.run(10, || spawner.spawn_local_with_handle(work()).unwrap());
        let wrapped = Frame::current().scope(work());
        let wrapped = ID.run(10, || spawner.spawn_local_with_handle(wrapped).unwrap());
        let seen = ID.run(11, || pool.run_until(futures::future::join(plain, wrapped)));
        assert_eq!(seen, ((Some(11), Some(11)), (id, id)));

        let tokio = tokio_runtime();
        let plain = ID.run(10, || tokio.spawn(work()));
        let wrapped = ID.run(12, || tokio.spawn(Frame::current().scope(work())));
        let seen = ID.run(11, || {
            tokio.block_on(async { (plain.await.unwrap(), wrapped.await.unwrap()) })
        });
        assert_eq!(seen, ((Some(11), Some(11)), (Some(12), Some(12))));
        assert_eq!(ID.get(), id);
    });
}

#[test]
fn c65_a_wrapped_task_of_a_foreign_executor_ends_in_its_frame_and_frees_it() {
    in_frames(|id| {
        let log = Log::default();
        let pool = ThreadPool::builder().pool_size(1).create().unwrap();
        let (part, plain) = (log.tracker("wrapped"), log.tracker("plain"));
        let bindings = bind(&ID, 10).and(&KEPT, std::sync::Arc::new(()));
        let (frame, site) = bound_here(bindings);
        let never = frame.scope(async move {
            let _part = part;
            std::future::pending::<()>().await;
        });
        let task = pool.spawn_with_handle(never).unwrap();
        // Cancelled by its handle. The pool drops it; without the wrapping that would be in the
        // root frame.
        ID.run(90, || drop(task));
        assert_eq!(log.wait(1), [("wrapped", Some(10))]);
        site.wait_until_none_is_live();
        let task = pool.spawn_with_handle(async move {
            let _plain = plain;
            std::future::pending::<()>().await;
        });
        ID.run(90, || drop(task.unwrap()));
        assert_eq!(log.wait(2)[1], ("plain", None));
        assert_eq!(ID.get(), id);
    });
}

/// Awaits the primitives of a framewise runtime: a task, a blocking call, timers, a socket.
async fn awaits_ours(runtime: &Runtime, own: Option<u64>) {
    let check = |what| assert_eq!(ID.get(), own, "after {what}");
    let handle = runtime.handle();
    let task = ID.run(30, || {
        handle.spawn(async { (yield_now().await, ID.get()).1 })
    });
    assert_eq!(task.await.unwrap(), Some(30));
    check("a task");
    assert_eq!(handle.spawn(async { ID.get() }).await.unwrap(), own);
    assert_eq!(handle.spawn_blocking(|| ID.get()).await.unwrap(), own);
    check("a blocking call");
    let tick = Duration::from_millis(1);
    // Timers and sockets need the framewise runtime, so it is entered for their creation and each
    // poll.
    let entered = |future| Entered { runtime, future };
    entered(Box::pin(async move {
        sleep(tick).await;
        assert_eq!(ID.get(), own, "after a sleep");
        assert!(timeout(tick, std::future::pending::<()>()).await.is_err());
        assert_eq!(ID.get(), own, "after a timeout");
        let scoped = ID.scope(31, async {
            sleep(tick).await;
            ID.get()
        });
        assert_eq!((scoped.await, ID.get()), (Some(31), own));
    }))
    .await;
    check("timers");
}

/// Polls a future inside the framewise runtime.
struct Entered<'a, F> {
    runtime: &'a Runtime,
    future: F,
}

impl<F: Future + Unpin> Future for Entered<'_, F> {
    type Output = F::Output;

    fn poll(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> Poll<F::Output> {
        let _entered = self.runtime.enter();
        pin!(&mut self.future).poll(cx)
    }
}

#[test]
fn c65_what_is_awaited_of_our_runtime_leaves_a_foreign_executors_frame_as_it_was() {
    everywhere(|runtime, id| {
        block_on(awaits_ours(runtime, id));
        ID.run(10, || block_on(awaits_ours(runtime, Some(10))));
        tokio_runtime().block_on(awaits_ours(runtime, id));
        let wrapped = ID
            .run(11, Frame::current)
            .scope(awaits_ours(runtime, Some(11)));
        block_on(wrapped);
        // Two futures in turn on one thread: wakers of one executor, in two frames.
        let one = ID.scope(12, awaits_ours(runtime, Some(12)));
        let (other, here) = (
            ID.scope(13, awaits_ours(runtime, Some(13))),
            awaits_ours(runtime, id),
        );
        block_on(futures::future::join3(one, other, here));
        assert_eq!(ID.get(), id);
    });
}
