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
    sender: Mutex<Option<oneshot::Sender<()>>>,
}

impl Countdown {
    fn new(count: usize) -> (Self, oneshot::Receiver<()>) {
        let (sender, notified) = oneshot::channel();
        let countdown = Self {
            left: AtomicUsize::new(count),
            sender: Mutex::new(Some(sender)),
        };
        (countdown, notified)
    }

    fn done(&self) {
        // Ordering: AcqRel, so that the last decrement happens after all others.
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            let sender = self
                .sender
                .lock()
                .expect("no thread panics while it holds the lock")
                .take();
            // The receiver may have been dropped.
            let _ = sender.expect("only one task is the last").send(());
        }
    }
}
