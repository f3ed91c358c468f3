//! A waker that a thread can wait for.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use framewise_sync::{Condvar, Mutex};

/// Rung by its waker. If nobody rings it, loom reports a deadlock: that is how a lost wake-up
/// shows. (`std`'s `Arc`, because `Wake` asks for it.)
#[derive(Default)]
pub struct Bell {
    rings: Mutex<usize>,
    rung: Condvar,
}

impl Bell {
    /// A bell that was not rung.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Waits until the bell was rung once more than it was waited for.
    pub fn wait(&self) {
        let mut rings = self.rings.lock();
        while *rings == 0 {
            rings = self.rung.wait(rings);
        }
        *rings -= 1;
    }

    /// Polls a future once, with this bell's waker.
    pub fn poll<F: Future + Unpin>(self: &Arc<Self>, future: &mut F) -> Poll<F::Output> {
        let waker = Waker::from(Arc::clone(self));
        Pin::new(future).poll(&mut Context::from_waker(&waker))
    }

    /// Polls a future until it is ready, and waits for the bell in between.
    pub fn block_on<F: Future + Unpin>(self: &Arc<Self>, future: &mut F) -> F::Output {
        loop {
            if let Poll::Ready(output) = self.poll(future) {
                return output;
            }
            self.wait();
        }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        *self.rings.lock() += 1;
        self.rung.notify_one();
    }
}
