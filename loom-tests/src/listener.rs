//! A future that waits for notifications and checks that it has one poller at a time.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use framewise_sync::Arc;
use framewise_sync::atomic::{AtomicUsize, Ordering};
use framewise_sync::cell::UnsafeCell;

use crate::drop_tracker::{DropObserver, DropTracker};

/// The bits that a thread sets before it wakes the future. They are Relaxed on purpose: only the
/// wake makes the next poll see them.
#[derive(Clone, Default)]
pub struct Notified(Arc<AtomicUsize>);

impl Notified {
    /// Sets a bit.
    pub fn notify(&self, bit: usize) {
        self.0.fetch_or(bit, Ordering::Relaxed);
    }

    /// Returns the bits that were set so far.
    pub fn received(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Ready once it has received all bits of `wanted`.
pub struct Listener {
    notified: Notified,
    wanted: usize,
    /// Written by every poll. loom reports a race if two threads poll at a time, or if a poll does
    /// not happen after the previous one.
    polls: UnsafeCell<usize>,
    _future: DropTracker,
    output: Option<DropTracker>,
}

/// Observes the drops of a listener and of its output.
pub struct ListenerDrops {
    /// The future's drop.
    pub future: DropObserver,
    /// The output's drop.
    pub output: DropObserver,
}

impl ListenerDrops {
    /// Asserts that both were dropped, once each.
    #[track_caller]
    pub fn assert_dropped(&self) {
        assert!(self.future.is_dropped(), "the future was not dropped");
        assert!(self.output.is_dropped(), "the output was not dropped");
    }
}

impl Listener {
    /// A future that waits until it has received all bits of `wanted`.
    pub fn new(notified: &Notified, wanted: usize) -> (Self, ListenerDrops) {
        let (future, future_observer) = DropTracker::new();
        let (output, output_observer) = DropTracker::new();
        let listener = Self {
            notified: notified.clone(),
            wanted,
            polls: UnsafeCell::new(0),
            _future: future,
            output: Some(output),
        };
        let drops = ListenerDrops {
            future: future_observer,
            output: output_observer,
        };
        (listener, drops)
    }
}

impl Future for Listener {
    type Output = DropTracker;

    fn poll(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<DropTracker> {
        // SAFETY: loom reports a concurrent access.
        self.polls.with_mut(|polls| unsafe { *polls += 1 });
        if self.notified.received() == self.wanted {
            Poll::Ready(self.output.take().expect("polled once more after Ready"))
        } else {
            Poll::Pending
        }
    }
}
