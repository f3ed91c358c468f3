//! Large futures and closures.

use std::future::Future;
use std::hint::black_box;
use std::mem;
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Poll};
use std::time::Duration;

use framewise::runtime::{Handle, Runtime};
use framewise::task::{LocalSet, block_in_place, spawn_local, yield_now};
use framewise::{JoinHandle, block_on, spawn, spawn_blocking, spawn_root};

use crate::{LARGE, runtime, succeeds_in_child};

/// A future of `LARGE` bytes that is ready at its second poll.
struct Large([u8; LARGE]);

impl Large {
    fn new(fill: u8) -> Self {
        Self([fill; LARGE])
    }
}

impl Future for Large {
    type Output = u8;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<u8> {
        if mem::replace(&mut self.0[0], 0) == 0 {
            return Poll::Ready(self.0[LARGE - 1]);
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Each call is in a separate function, so that no stack frame contains more than one future.
#[inline(never)]
fn spawned(way: u8) -> JoinHandle<u8> {
    fn one() -> JoinHandle<u8> {
        spawn(Large::new(1))
    }
    fn two() -> JoinHandle<u8> {
        spawn_root(Large::new(2))
    }
    fn three() -> JoinHandle<u8> {
        Handle::current().spawn(Large::new(3))
    }
    fn four() -> JoinHandle<u8> {
        Handle::current().spawn_root(Large::new(4))
    }
    [one, two, three, four][usize::from(way) - 1]()
}

#[test]
fn a_large_future_is_spawned_from_a_worker() {
    let succeeded = succeeds_in_child("futures::a_large_future_is_spawned_from_a_worker", || {
        let runtime = runtime();
        for way in 1..=4 {
            let nested = runtime.spawn(async move {
                let nested = spawn(async move { spawned(way).await.unwrap() });
                nested.await.unwrap()
            });
            assert_eq!(runtime.block_on(nested).unwrap(), way);
        }
    });
    assert!(succeeded);
}

#[test]
fn a_large_future_is_spawned_from_outside() {
    fn one(runtime: &Runtime) {
        let joined = runtime.spawn(Large::new(1));
        assert_eq!(runtime.block_on(joined).unwrap(), 1);
    }
    fn two(runtime: &Runtime) {
        let joined = runtime.spawn_root(Large::new(2));
        assert_eq!(runtime.block_on(joined).unwrap(), 2);
    }
    let succeeded = succeeds_in_child("futures::a_large_future_is_spawned_from_outside", || {
        let runtime = runtime();
        one(&runtime);
        two(&runtime);
    });
    assert!(succeeded);
}

#[test]
fn a_large_future_is_blocked_on() {
    fn of_runtime(runtime: &Runtime) {
        assert_eq!(runtime.block_on(Large::new(1)), 1);
    }
    fn of_handle(runtime: &Runtime) {
        assert_eq!(runtime.handle().block_on(Large::new(2)), 2);
    }
    fn of_the_thread(runtime: &Runtime) {
        let _entered = runtime.enter();
        assert_eq!(block_on(Large::new(3)), 3);
    }
    let succeeded = succeeds_in_child("futures::a_large_future_is_blocked_on", || {
        let runtime = runtime();
        of_runtime(&runtime);
        of_handle(&runtime);
        of_the_thread(&runtime);
    });
    assert!(succeeded);
}

#[test]
fn a_large_local_future() {
    fn outside(set: &LocalSet) -> JoinHandle<u8> {
        set.spawn_local(Large::new(1))
    }
    fn blocked_on(set: &LocalSet, runtime: &Runtime) {
        assert_eq!(set.block_on(runtime, Large::new(2)), 2);
    }
    fn within() -> JoinHandle<u8> {
        spawn_local(Large::new(3))
    }
    let succeeded = succeeds_in_child("futures::a_large_local_future", || {
        let runtime = runtime();
        let set = LocalSet::new();
        let outside = outside(&set);
        blocked_on(&set, &runtime);
        set.block_on(&runtime, async {
            assert_eq!(outside.await.unwrap(), 1);
            assert_eq!(within().await.unwrap(), 3);
        });
    });
    assert!(succeeded);
}

/// A closure of `LARGE` bytes.
#[inline(never)]
fn large_call(fill: u8) -> impl FnOnce() -> u8 + Send + 'static {
    let array = [fill; LARGE];
    move || {
        let array = &array;
        array[LARGE - 1]
    }
}

#[test]
fn a_large_blocking_closure() {
    fn of_runtime(runtime: &Runtime) -> JoinHandle<u8> {
        runtime.spawn_blocking(large_call(1))
    }
    fn of_the_thread() -> JoinHandle<u8> {
        spawn_blocking(large_call(2))
    }
    fn of_handle() -> JoinHandle<u8> {
        Handle::current().spawn_blocking(large_call(3))
    }
    let succeeded = succeeds_in_child("futures::a_large_blocking_closure", || {
        let runtime = runtime();
        let joined = of_runtime(&runtime);
        assert_eq!(runtime.block_on(joined).unwrap(), 1);
        let nested = runtime.spawn(async {
            let one = of_the_thread().await.unwrap();
            let two = of_handle().await.unwrap();
            (one, two)
        });
        assert_eq!(runtime.block_on(nested).unwrap(), (2, 3));
    });
    assert!(succeeded);
}

#[test]
fn a_large_future_with_an_array_across_an_await() {
    async fn large() -> u8 {
        let array = [5_u8; LARGE];
        black_box(&array);
        yield_now().await;
        array[black_box(LARGE - 1)]
    }
    fn spawned(runtime: &Runtime) -> JoinHandle<u8> {
        runtime.spawn(async { spawn(large()).await.unwrap() })
    }
    fn blocked_on(runtime: &Runtime) -> u8 {
        runtime.block_on(large())
    }
    let name = "futures::a_large_future_with_an_array_across_an_await";
    let succeeded = succeeds_in_child(name, || {
        let runtime = runtime();
        let task = spawned(&runtime);
        assert_eq!(runtime.block_on(task).unwrap(), 5);
        assert_eq!(blocked_on(&runtime), 5);
    });
    assert!(succeeded);
}

/// The test's function returns the future by value, which must not add a copy to each stack frame
/// of the run.
#[test]
fn a_large_future_in_a_seeded_run() {
    fn nested() -> u8 {
        block_on(Large::new(1))
    }
    let succeeded = succeeds_in_child("futures::a_large_future_in_a_seeded_run", || {
        assert_eq!(framewise::test::run(1, || Large::new(1)), 1);
        let sum = framewise::test::run(2, || async {
            let sum = spawned(1).await.unwrap() + spawned(2).await.unwrap();
            sum + block_in_place(nested)
        });
        assert_eq!(sum, 4);
    });
    assert!(succeeded);
}

#[test]
fn a_large_future_is_given_to_hypers_executor() {
    use framewise::hyper::FramewiseExecutor;
    use hyper::rt::Executor;

    async fn sending(sender: mpsc::Sender<u8>) {
        let array = [4_u8; LARGE];
        black_box(&array);
        yield_now().await;
        sender.send(array[black_box(LARGE - 1)]).unwrap();
    }
    fn execute(executor: FramewiseExecutor, sender: mpsc::Sender<u8>) {
        executor.execute(sending(sender));
    }
    let name = "futures::a_large_future_is_given_to_hypers_executor";
    let succeeded = succeeds_in_child(name, || {
        let runtime = runtime();
        let _entered = runtime.enter();
        for executor in [FramewiseExecutor::new(), FramewiseExecutor::inheriting()] {
            let (sender, receiver) = mpsc::channel();
            execute(executor, sender);
            assert_eq!(receiver.recv_timeout(Duration::from_secs(30)), Ok(4));
        }
    });
    assert!(succeeded);
}

#[test]
fn a_large_future_beside_a_local_set() {
    fn blocked_on(set: &LocalSet, runtime: &Runtime) {
        assert_eq!(runtime.block_on(set.run_until(Large::new(1))), 1);
    }
    fn awaited(runtime: &Runtime) {
        let last = runtime.block_on(async {
            let set = LocalSet::new();
            set.run_until(Large::new(2)).await
        });
        assert_eq!(last, 2);
    }
    let succeeded = succeeds_in_child("futures::a_large_future_beside_a_local_set", || {
        let runtime = runtime();
        blocked_on(&LocalSet::new(), &runtime);
        awaited(&runtime);
    });
    assert!(succeeded);
}
