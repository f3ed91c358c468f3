//! Large outputs.

use std::future::{Future, pending, poll_fn};
use std::mem;
use std::pin::Pin;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc;
use std::task::{Context, Poll};

use framewise::runtime::Runtime;
use framewise::task::{JoinError, LocalSet, spawn_local, yield_now};
use framewise::{JoinHandle, block_on, spawn, spawn_blocking, spawn_root};

use crate::{LARGE, runtime, succeeds_in_child};

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
    let succeeded = succeeds_in_child("outputs::a_large_output_is_joined", || {
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
    let name = "outputs::a_large_output_of_a_local_task_is_joined";
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
    let name = "outputs::a_large_output_of_a_blocking_call_is_joined";
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
    let name = "outputs::a_large_output_that_is_not_joined_is_dropped_once";
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
    let name = "outputs::a_task_with_a_large_output_panics_or_is_aborted";
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
    let succeeded = succeeds_in_child("outputs::a_large_output_is_blocked_on", || {
        let runtime = runtime();
        of_runtime(&runtime);
        of_the_thread(&runtime);
        of_set(&runtime);
        assert_eq!(DROPPED.load(Relaxed), 3 * SIZE);
    });
    assert!(succeeded);
}
