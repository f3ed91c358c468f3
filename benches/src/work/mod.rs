//! The measured workloads, generic over the runtime.
//!
//! Each function is one batch. Its caller does what is outside of the batch, such as starting the
//! runtime and connecting.

pub mod context;
pub mod echo;
pub mod memory;
pub mod ping_pong;
pub mod spawn;
pub mod timers;
pub mod wake;
pub mod yield_now;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::channel::oneshot;

/// Notifies when the last of many tasks has reached a point, without a handle for each task.
struct Countdown {
    left: AtomicUsize,
    tell: Mutex<Option<oneshot::Sender<()>>>,
}

impl Countdown {
    fn new(count: usize) -> (Self, oneshot::Receiver<()>) {
        let (tell, told) = oneshot::channel();
        let countdown = Self {
            left: AtomicUsize::new(count),
            tell: Mutex::new(Some(tell)),
        };
        (countdown, told)
    }

    fn done(&self) {
        // Ordering: AcqRel, so that the last decrement happens after all others.
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            let tell = self
                .tell
                .lock()
                .expect("no thread panics while it holds the lock")
                .take();
            // The receiver may have been dropped.
            let _ = tell.expect("only one task is the last").send(());
        }
    }
}
