//! Polls by hand, and wakers of foreign executors.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// Polls a future once.
pub fn poll_once<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

/// Calls `first` with the waker at the first poll and returns `Pending`; is ready at the next poll.
pub async fn pause(first: impl FnOnce(&Waker)) {
    let mut first = Some(first);
    poll_fn(|cx| match first.take() {
        Some(first) => {
            first(cx.waker());
            Poll::Pending
        }
        None => Poll::Ready(()),
    })
    .await;
}

/// Polls a future once with a no-op waker; panics if it is not ready.
pub fn at_once<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the future should be ready at once"),
    }
}

/// Polls a future once with a no-op waker, checks that it is pending, and drops it.
pub fn give_up<F: Future>(future: F) {
    let mut cx = Context::from_waker(Waker::noop());
    assert!(pin!(future).poll(&mut cx).is_pending(), "it was ready");
}

struct CallWaker<F>(F);

impl<F: Fn() + Send + Sync + 'static> Wake for CallWaker<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

/// Makes a waker that calls a closure. The closure is dropped with the waker's last clone.
pub fn call_waker(call: impl Fn() + Send + Sync + 'static) -> Waker {
    Waker::from(Arc::new(CallWaker(call)))
}

/// A waker that counts its calls.
#[derive(Default)]
pub struct CountingWaker(AtomicUsize);

impl Wake for CountingWaker {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl CountingWaker {
    /// Makes the counter and its waker.
    pub fn new() -> (Arc<Self>, Waker) {
        let counter = Arc::new(Self::default());
        let waker = Waker::from(Arc::clone(&counter));
        (counter, waker)
    }

    /// Returns how often the waker was called.
    pub fn wakes(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}
