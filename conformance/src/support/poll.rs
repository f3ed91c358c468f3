//! Futures and functions that poll, yield and wait.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Poll, Waker};

use super::Gate;
use crate::wait::WaitLimit;

/// Yields `times` times, so that other tasks run.
pub(crate) async fn yield_times(times: usize) {
    let mut left = times;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Yields until `condition` holds. Returns `false` after the time limit. It yields because an
/// executor without threads runs its other tasks only then.
pub(crate) async fn eventually(condition: impl FnMut() -> bool) -> bool {
    holds_within(WaitLimit::begin(), condition).await
}

/// Like [`eventually`], with that limit.
pub(crate) async fn holds_within(
    mut limit: WaitLimit,
    mut condition: impl FnMut() -> bool,
) -> bool {
    while !condition() {
        if !limit.take_turn() {
            return false;
        }
        yield_times(1).await;
    }
    true
}

/// Polls `future` until it is ready or until the time limit. It polls busily, and yields to other
/// tasks in between.
pub(crate) async fn in_time<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut limit = WaitLimit::begin();
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if !limit.take_turn() => Poll::Ready(None),
        Poll::Pending => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await
}

/// Is pending once. `register` is called with the waker that ends the pause.
pub(crate) async fn pause(register: impl FnOnce(&Waker)) {
    let mut register = Some(register);
    poll_fn(|cx| match register.take() {
        Some(register) => {
            register(cx.waker());
            Poll::Pending
        }
        None => Poll::Ready(()),
    })
    .await;
}

/// Waits for `release`, and opens `parked` when it waits. The gate keeps the waker, because an
/// executor whose wakers own their tasks would drop a task without a waker.
pub(crate) async fn park(parked: Arc<Gate>, release: Arc<Gate>) {
    let mut passed = pin!(release.passed());
    poll_fn(|cx| {
        let poll = passed.as_mut().poll(cx);
        parked.open();
        poll
    })
    .await;
}

/// Polls `future` once, with `waker`.
pub(crate) fn poll_once<F: Future + ?Sized>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut std::task::Context::from_waker(waker))
}

/// Blocks this thread on `future`, without an executor.
pub(crate) fn block_on_thread<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = poll_once(future.as_mut(), &waker) {
            return output;
        }
        std::thread::park();
    }
}
