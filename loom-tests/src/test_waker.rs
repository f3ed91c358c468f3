//! A waker that a thread can wait for.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use framewise_sync::{Condvar, Mutex};

/// Counts its wakes, and blocks the thread that waits for one. A lost wake-up leaves that thread
/// blocked, which loom and shuttle report as a deadlock. (`std`'s `Arc`, because `Wake` requires
/// it.)
#[derive(Default)]
pub struct TestWaker {
    wakes: Mutex<usize>,
    woken: Condvar,
}

impl TestWaker {
    /// A waker that was not woken yet.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Consumes one wake; blocks until there is one.
    pub fn wait(&self) {
        let mut wakes = self.wakes.lock();
        while *wakes == 0 {
            wakes = self.woken.wait(wakes);
        }
        *wakes -= 1;
    }

    /// Polls a future once, with this waker.
    pub fn poll<F: Future + Unpin>(self: &Arc<Self>, future: &mut F) -> Poll<F::Output> {
        let waker = Waker::from(Arc::clone(self));
        Pin::new(future).poll(&mut Context::from_waker(&waker))
    }

    /// Polls a future until it is ready, and waits for a wake between two polls.
    pub fn block_on<F: Future + Unpin>(self: &Arc<Self>, future: &mut F) -> F::Output {
        loop {
            if let Poll::Ready(output) = self.poll(future) {
                return output;
            }
            self.wait();
        }
    }
}

impl Wake for TestWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        *self.wakes.lock() += 1;
        self.woken.notify_one();
    }
}
