//! Stacks: their size, and large futures, closures and outputs on threads with the default size of
//! 2 MiB.
//!
//! Each case runs in a child process, because a stack overflow aborts the process.

use std::env;
use std::future::{Future, pending, poll_fn};
use std::hint::black_box;
use std::io::ErrorKind;
use std::mem;
use std::pin::Pin;
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc;
use std::task::{Context, Poll};
use std::time::Duration;

use framewise::runtime::{Builder, Handle, Runtime};
use framewise::task::{JoinError, LocalSet, block_in_place, spawn_local, yield_now};
use framewise::time::sleep;
use framewise::{JoinHandle, block_on, spawn, spawn_blocking, spawn_root};

const MIB: usize = 1024 * 1024;

/// The size of a large future, closure or output: a stack of 2 MiB has room for two of them, but
/// not for three.
const LARGE: usize = 700_000;

const IN_CHILD: &str = "FRAMEWISE_LARGE_CHILD";

/// Runs `body` in a child process, on a thread with a stack of 2 MiB. Returns `true` if it
/// succeeded.
fn succeeds_in_child(name: &str, body: fn()) -> bool {
    if env::var_os(IN_CHILD).is_some() {
        let builder = std::thread::Builder::new().stack_size(2 * MIB);
        let thread = builder.spawn(body).expect("threads are left");
        thread.join().expect("the body panicked");
        return true;
    }
    Command::new(env::current_exe().expect("a test has a path"))
        .args(["--exact", name, "--nocapture"])
        .env(IN_CHILD, "1")
        .env_remove("RUST_MIN_STACK")
        .stdout(Stdio::null())
        .status()
        .expect("it can be started again")
        .success()
}

fn runtime() -> Runtime {
    let builder = Builder::new().worker_threads(1);
    builder.build().expect("a runtime can be started")
}

/// Uses three MiB of stack.
#[inline(never)]
fn uses_three_mib() -> u8 {
    let array = black_box([3_u8; 3 * MIB]);
    array[black_box(MIB)]
}

#[test]
fn workers_and_pool_threads_have_the_stack_that_was_asked_for() {
    let name = "workers_and_pool_threads_have_the_stack_that_was_asked_for";
    let succeeded = succeeds_in_child(name, || {
        let builder = Builder::new().worker_threads(2).thread_stack_size(8 * MIB);
        let runtime = builder.build().unwrap();
        let task = runtime.spawn(async { uses_three_mib() });
        assert_eq!(runtime.block_on(task).unwrap(), 3);
        let call = runtime.spawn_blocking(uses_three_mib);
        assert_eq!(runtime.block_on(call).unwrap(), 3);
        // Once a worker's core has moved to a thread of the pool, its tasks run there.
        let tasks = runtime.spawn(async {
            block_in_place(|| ());
            spawn(async { uses_three_mib() }).await.unwrap()
        });
        assert_eq!(runtime.block_on(tasks).unwrap(), 3);
    });
    assert!(succeeded);
}

#[test]
fn the_default_stack_has_two_mib() {
    let overflows = |name, body| {
        let succeeded = succeeds_in_child(name, body);
        assert!(
            env::var_os(IN_CHILD).is_some() || !succeeded,
            "so the test above tests nothing"
        );
    };
    overflows("the_default_stack_has_two_mib", || {
        let runtime = runtime();
        let task = runtime.spawn(async { uses_three_mib() });
        let _ = runtime.block_on(task);
    });
}

#[test]
fn the_smallest_stack_runs_tasks_timers_and_calls() {
    let name = "the_smallest_stack_runs_tasks_timers_and_calls";
    let succeeded = succeeds_in_child(name, || {
        let builder = Builder::new()
            .worker_threads(2)
            .thread_stack_size(64 * 1024);
        let runtime = builder.build().unwrap();
        let task = runtime.spawn(async {
            sleep(Duration::from_millis(1)).await;
            let panicked = spawn(async { panic!("on a small stack") }).await;
            let call = spawn_blocking(|| 1).await.unwrap();
            let address = framewise::net::lookup_host("localhost:1").await;
            assert!(address.unwrap().next().is_some());
            block_in_place(|| call + u32::from(panicked.is_err()))
        });
        assert_eq!(runtime.block_on(task).unwrap(), 2);
    });
    assert!(succeeded);
}

#[test]
fn a_stack_size_out_of_range_is_an_error_and_no_abort() {
    for size in [0, 1, 64 * 1024 - 1, usize::MAX, usize::MAX / 2 + 1] {
        let error = Builder::new().thread_stack_size(size).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{size}: {error}");
        assert!(error.to_string().contains("stack must have"), "{error}");
    }
    // In range, but larger than the address space, so the system returns an error.
    let error = Builder::new().thread_stack_size(usize::MAX / 2).build();
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("could not be started")
    );
}

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
    let succeeded = succeeds_in_child("a_large_future_is_spawned_from_a_worker", || {
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
    let succeeded = succeeds_in_child("a_large_future_is_spawned_from_outside", || {
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
    let succeeded = succeeds_in_child("a_large_future_is_blocked_on", || {
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
    let succeeded = succeeds_in_child("a_large_local_future", || {
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
    let succeeded = succeeds_in_child("a_large_blocking_closure", || {
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
    let name = "a_large_future_with_an_array_across_an_await";
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
    let succeeded = succeeds_in_child("a_large_future_in_a_seeded_run", || {
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
    let name = "a_large_future_is_given_to_hypers_executor";
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

/// A byte of a large output, whose destructor counts.
struct Byte(u8);

/// The bytes that were dropped in this process.
static DROPPED: AtomicUsize = AtomicUsize::new(0);

impl Drop for Byte {
    fn drop(&mut self) {
        // Ordering: Relaxed, because it publishes nothing. The tests read it after a join, or after
        // the runtime has ended.
        DROPPED.fetch_add(1, Relaxed);
    }
}

/// An output that is too large to be passed by value.
type LargeOutput<const SIZE: usize = LARGE> = [Byte; SIZE];

/// A future that is ready with a large output at its second poll. It notifies the receiver just
/// before, if it has a sender.
struct ReadyWithLarge<const SIZE: usize = LARGE> {
    is_polled: bool,
    is_ready: Option<mpsc::Sender<()>>,
}

impl<const SIZE: usize> ReadyWithLarge<SIZE> {
    fn new() -> Self {
        Self {
            is_polled: false,
            is_ready: None,
        }
    }

    fn notifying(is_ready: mpsc::Sender<()>) -> Self {
        Self {
            is_polled: false,
            is_ready: Some(is_ready),
        }
    }
}

impl<const SIZE: usize> Future for ReadyWithLarge<SIZE> {
    type Output = LargeOutput<SIZE>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<LargeOutput<SIZE>> {
        if mem::replace(&mut self.is_polled, true) {
            if let Some(is_ready) = &self.is_ready {
                is_ready.send(()).expect("the test waits for it");
            }
            return Poll::Ready([const { Byte(7) }; SIZE]);
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Joins with one copy of the output on the stack, which is what `JoinHandle::poll` returns.
/// Returns the output's last byte.
async fn last_byte_of(mut handle: JoinHandle<LargeOutput>) -> Result<u8, JoinError> {
    poll_fn(|cx| match Pin::new(&mut handle).poll(cx) {
        Poll::Pending => Poll::Pending,
        Poll::Ready(Ok(ref output)) => Poll::Ready(Ok(output[LARGE - 1].0)),
        Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
    })
    .await
}

#[test]
fn a_large_output_is_joined() {
    let succeeded = succeeds_in_child("a_large_output_is_joined", || {
        let runtime = runtime();
        let outside = runtime.spawn(<ReadyWithLarge>::new());
        assert_eq!(runtime.block_on(last_byte_of(outside)).unwrap(), 7);
        let nested = runtime.spawn(async {
            let inherits = last_byte_of(spawn(<ReadyWithLarge>::new())).await.unwrap();
            inherits
                + last_byte_of(spawn_root(<ReadyWithLarge>::new()))
                    .await
                    .unwrap()
        });
        assert_eq!(runtime.block_on(nested).unwrap(), 14);
        let block = runtime.spawn(async {
            yield_now().await;
            [const { Byte(8) }; LARGE]
        });
        assert_eq!(runtime.block_on(last_byte_of(block)).unwrap(), 8);
        assert_eq!(DROPPED.load(Relaxed), 4 * LARGE);
    });
    assert!(succeeded);
}

#[test]
fn a_large_output_of_a_local_task_is_joined() {
    let name = "a_large_output_of_a_local_task_is_joined";
    let succeeded = succeeds_in_child(name, || {
        let runtime = runtime();
        let last = LocalSet::new().block_on(&runtime, async {
            last_byte_of(spawn_local(<ReadyWithLarge>::new())).await
        });
        assert_eq!(last.unwrap(), 7);
        assert_eq!(DROPPED.load(Relaxed), LARGE);
    });
    assert!(succeeded);
}

#[test]
fn a_large_output_of_a_blocking_call_is_joined() {
    let name = "a_large_output_of_a_blocking_call_is_joined";
    let succeeded = succeeds_in_child(name, || {
        let runtime = runtime();
        let outside = runtime.spawn_blocking(|| [const { Byte(9) }; LARGE]);
        assert_eq!(runtime.block_on(last_byte_of(outside)).unwrap(), 9);
        let nested = runtime.spawn(async {
            let call = spawn_blocking(|| [const { Byte(9) }; LARGE]);
            last_byte_of(call).await.unwrap()
        });
        assert_eq!(runtime.block_on(nested).unwrap(), 9);
        assert_eq!(DROPPED.load(Relaxed), 2 * LARGE);
    });
    assert!(succeeded);
}

#[test]
fn a_large_output_that_is_not_joined_is_dropped_once() {
    let name = "a_large_output_that_is_not_joined_is_dropped_once";
    let succeeded = succeeds_in_child(name, || {
        let runtime = runtime();
        let (sender, receiver) = mpsc::channel();
        // The handle is dropped before the task is complete, or after it.
        drop(runtime.spawn(<ReadyWithLarge>::notifying(sender)));
        receiver.recv().unwrap();
        let finished = runtime.spawn(async {
            let handle = spawn(<ReadyWithLarge>::new());
            while !handle.is_finished() {
                yield_now().await;
            }
            drop(handle);
            DROPPED.load(Relaxed)
        });
        assert_eq!(runtime.block_on(finished).unwrap(), 2 * LARGE);
        drop(runtime);
        assert_eq!(DROPPED.load(Relaxed), 2 * LARGE);
    });
    assert!(succeeded);
}

#[test]
fn a_task_with_a_large_output_panics_or_is_aborted() {
    /// A future whose destructor panics once the output is there.
    struct PanicsAtDrop(ReadyWithLarge);
    impl Future for PanicsAtDrop {
        type Output = LargeOutput;
        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<LargeOutput> {
            Pin::new(&mut self.0).poll(cx)
        }
    }
    impl Drop for PanicsAtDrop {
        fn drop(&mut self) {
            panic!("at drop");
        }
    }
    fn panics() -> LargeOutput {
        panic!("within the poll")
    }
    let name = "a_task_with_a_large_output_panics_or_is_aborted";
    let succeeded = succeeds_in_child(name, || {
        let runtime = runtime();
        let panicked = runtime.spawn(async { panics() });
        let error = runtime.block_on(last_byte_of(panicked)).unwrap_err();
        assert!(error.is_panic());
        let call = runtime.spawn_blocking(panics);
        let error = runtime.block_on(last_byte_of(call)).unwrap_err();
        assert!(error.is_panic());
        let aborted = runtime.spawn(pending::<LargeOutput>());
        aborted.abort();
        let error = runtime.block_on(last_byte_of(aborted)).unwrap_err();
        assert!(error.is_cancelled());
        assert_eq!(DROPPED.load(Relaxed), 0);
        let at_drop = runtime.spawn(PanicsAtDrop(<ReadyWithLarge>::new()));
        let error = runtime.block_on(last_byte_of(at_drop)).unwrap_err();
        assert!(error.is_panic());
        assert_eq!(DROPPED.load(Relaxed), LARGE);
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
    let succeeded = succeeds_in_child("a_large_future_beside_a_local_set", || {
        let runtime = runtime();
        blocked_on(&LocalSet::new(), &runtime);
        awaited(&runtime);
    });
    assert!(succeeded);
}

/// The future is polled below the caller's copy of the output, so there are three copies on one
/// stack: the caller's, that which the poll returns, and that in the poll.
#[test]
fn a_large_output_is_blocked_on() {
    const SIZE: usize = 600_000;
    type Ready = ReadyWithLarge<SIZE>;
    #[inline(never)]
    fn of_runtime(runtime: &Runtime) {
        let output = &runtime.block_on(Ready::new());
        assert_eq!(output[SIZE - 1].0, 7);
    }
    #[inline(never)]
    fn of_the_thread(runtime: &Runtime) {
        let _entered = runtime.enter();
        let output = &block_on(Ready::new());
        assert_eq!(output[SIZE - 1].0, 7);
    }
    #[inline(never)]
    fn of_set(runtime: &Runtime) {
        let output = &LocalSet::new().block_on(runtime, Ready::new());
        assert_eq!(output[SIZE - 1].0, 7);
    }
    let succeeded = succeeds_in_child("a_large_output_is_blocked_on", || {
        let runtime = runtime();
        of_runtime(&runtime);
        of_the_thread(&runtime);
        of_set(&runtime);
        assert_eq!(DROPPED.load(Relaxed), 3 * SIZE);
    });
    assert!(succeeded);
}
