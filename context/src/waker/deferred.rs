//! Wakes that wait until a frame is released (C-48).
//!
//! A foreign waker runs in a frame, and what it wakes in turn may run on another thread before the
//! foreign code returns. That thread would then see the frame held, although its wait is over. So
//! an executor may have its own wake done after the release.

use std::cell::{Cell, RefCell};
use std::task::Waker;

use crate::Frame;

thread_local! {
    static DEFERRED: Deferred = const {
        Deferred {
            depth: Cell::new(0),
            wakers: RefCell::new(Vec::new()),
        }
    };
}

struct Deferred {
    /// How many wakes in a frame are under way on this thread, one inside the other.
    depth: Cell<usize>,
    wakers: RefCell<Vec<Waker>>,
}

/// Wakes in `frame`, releases the frame and does the wakes that were deferred meanwhile.
#[cold]
pub(super) fn wake_in(frame: Frame, waker: Waker) {
    // Declared before the frame, so dropped after it, also on unwinding.
    let _depth = Depth::enter();
    let frame = frame;
    frame.run(|| waker.wake());
    // The frame ends here, in the caller's: its values may be dropped with it.
}

/// Keeps `waker`, to be woken as soon as the frame is released in which a
/// [`FramedWaker`](crate::FramedWaker) is being woken on this thread.
///
/// Returns `false`, and keeps nothing, if no waker is being woken in a frame: the caller then wakes
/// by itself. It is for executors, whose wakers call it before anything else.
#[doc(hidden)]
#[must_use = "a wake that was not deferred is still to be done"]
pub fn defer_wake(waker: &Waker) -> bool {
    // In the destructor of another thread-local there may be no list left.
    let deferred = DEFERRED.try_with(|deferred| {
        if deferred.depth.get() == 0 {
            return false;
        }
        let waker = waker.clone();
        deferred.wakers.borrow_mut().push(waker);
        true
    });
    deferred.unwrap_or(false)
}

/// Does the wakes that are deferred on this thread, and defers none until the guard is dropped.
///
/// It is for an executor whose thread is about to wait: foreign code may do so inside of a wake.
#[doc(hidden)]
#[must_use = "wakes are deferred again once the guard is dropped"]
pub fn suspend_deferred_wakes() -> SuspendedDeferral {
    let suspended = DEFERRED.try_with(|deferred| {
        let depth = deferred.depth.replace(0);
        (depth, deferred.wakers.take())
    });
    let (depth, wakers) = suspended.unwrap_or_default();
    // Made first, so that a wake that panics restores the depth.
    let suspended = SuspendedDeferral { depth };
    wakers.into_iter().for_each(Waker::wake);
    suspended
}

/// Made by [`suspend_deferred_wakes`].
#[doc(hidden)]
#[derive(Debug)]
pub struct SuspendedDeferral {
    depth: usize,
}

impl Drop for SuspendedDeferral {
    fn drop(&mut self) {
        let _ = DEFERRED.try_with(|deferred| deferred.depth.set(self.depth));
    }
}

/// A wake in a frame is under way on this thread.
struct Depth;

impl Depth {
    fn enter() -> Self {
        let _ = DEFERRED.try_with(|deferred| deferred.depth.set(deferred.depth.get() + 1));
        Self
    }
}

impl Drop for Depth {
    fn drop(&mut self) {
        let wakers = DEFERRED.try_with(|deferred| {
            let depth = deferred.depth.get() - 1;
            deferred.depth.set(depth);
            if depth == 0 {
                deferred.wakers.take()
            } else {
                Vec::new()
            }
        });
        wakers.into_iter().flatten().for_each(Waker::wake);
    }
}
