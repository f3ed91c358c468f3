//! The work that is measured, generic over the runtime.
//!
//! Each function is one batch. What belongs to no batch (starting the runtime, connecting) is its
//! caller's.

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

/// Tells when the last of many tasks has got somewhere, without a handle on each.
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
        // Ordering: AcqRel, so that the last one comes after all others.
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            let tell = self.tell.lock().expect("nobody panics here").take();
            // Whoever waits may have gone.
            let _ = tell.expect("only one is the last").send(());
        }
    }
}
