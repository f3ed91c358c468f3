//! What no other test can see of the waker: its references, and if the thread has waited.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Poll, Waker};

use framewise_sync::atomic::Ordering;

use super::{ThreadWaker, block_on, borrowed};
use crate::runtime::Builder;
use crate::scheduler::ending;

#[test]
fn each_way_to_use_a_waker_up_gives_its_reference_back() {
    let thread_waker = ThreadWaker::new();
    let waker = thread_waker.waker();
    let clone = waker.clone();
    assert_eq!(Arc::strong_count(&thread_waker), 3);
    clone.wake_by_ref();
    assert!(thread_waker.woken.swap(false, Ordering::Relaxed));
    assert_eq!(Arc::strong_count(&thread_waker), 3);
    Waker::wake(clone);
    assert!(thread_waker.woken.load(Ordering::Relaxed));
    assert_eq!(Arc::strong_count(&thread_waker), 2);
    drop(waker);
    assert_eq!(Arc::strong_count(&thread_waker), 1);
}

#[test]
fn the_thread_that_ends_the_runtime_panics_before_it_waits() {
    let runtime = Builder::new().worker_threads(1).build();
    let runtime = runtime.expect("a thread is left");
    let shared = &runtime.handle().spawner.shared;
    let mut woken = None;
    let ready_after_a_wait = poll_fn(|cx| {
        if woken.is_some() {
            return Poll::Ready(());
        }
        woken = Some(cx.waker().clone());
        cx.waker().wake_by_ref();
        Poll::Pending
    });
    let block = AssertUnwindSafe(|| block_on(ready_after_a_wait, shared));
    let panic = ending::while_ending(shared.address(), || catch_unwind(block));
    let panic = panic.expect_err("it would wait");
    let message = panic.downcast_ref::<&str>().expect("it is a literal");
    assert!(message.contains("ending its runtime"), "{message}");
    let waker = woken.expect("the future was polled");
    // SAFETY: the waker is block_on's, and alive.
    let (_, thread_waker) = unsafe { borrowed(waker.data()) };
    assert!(thread_waker.woken.load(Ordering::Relaxed), "it has waited");
}
