//! A future that is told things, and polled once at a time.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use framewise_sync::Arc;
use framewise_sync::atomic::{AtomicUsize, Ordering};
use framewise_sync::cell::UnsafeCell;

use crate::once::{EndWatch, EndWatched};

/// What wakers tell a future. Relaxed on purpose: that a poll sees it is the merit of the wake.
#[derive(Clone, Default)]
pub struct Told(Arc<AtomicUsize>);

impl Told {
    /// Tells it.
    pub fn tell(&self, bit: usize) {
        self.0.fetch_or(bit, Ordering::Relaxed);
    }

    /// What was told so far.
    pub fn heard(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Ready once it was told all of `wanted`.
pub struct Listener {
    told: Told,
    wanted: usize,
    /// Written by every poll: two pollers at a time, or one that does not see the last one's
    /// writes, are a race.
    polls: UnsafeCell<usize>,
    _future: EndWatched,
    output: Option<EndWatched>,
}

/// Who watches the ends of a listener and of its output.
pub struct Watches {
    /// The future's end.
    pub future: EndWatch,
    /// The output's end.
    pub output: EndWatch,
}

impl Watches {
    /// Both have ended, once each, and are seen to have.
    #[track_caller]
    pub fn both_ended(&self) {
        assert!(self.future.has_ended(), "the future was not dropped");
        assert!(self.output.has_ended(), "the output was not dropped");
    }
}

impl Listener {
    /// A future that waits until it was told all of `wanted`, a bit each.
    pub fn new(told: &Told, wanted: usize) -> (Self, Watches) {
        let (future, watch_future) = EndWatched::new();
        let (output, watch_output) = EndWatched::new();
        let listener = Self {
            told: told.clone(),
            wanted,
            polls: UnsafeCell::new(0),
            _future: future,
            output: Some(output),
        };
        let watches = Watches {
            future: watch_future,
            output: watch_output,
        };
        (listener, watches)
    }
}

impl Future for Listener {
    type Output = EndWatched;

    fn poll(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<EndWatched> {
        // SAFETY: loom reports an access at the same time.
        self.polls.with_mut(|polls| unsafe { *polls += 1 });
        if self.told.heard() == self.wanted {
            Poll::Ready(self.output.take().expect("polled once more after Ready"))
        } else {
            Poll::Pending
        }
    }
}
