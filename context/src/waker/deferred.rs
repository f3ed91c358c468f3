//! Wakes that are deferred until a frame is released (C-48).
//!
//! An external waker runs in a frame, and a thread that it wakes may run before the waker's code
//! returns. That thread would then see the frame held, although its wait is over. So an executor
//! can defer its own wake until after the release.

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
    /// The number of nested wakes in a frame on this thread.
    depth: Cell<usize>,
    wakers: RefCell<Vec<Waker>>,
}

/// Wakes in `frame`, releases the frame and performs the wakes that were deferred meanwhile.
#[cold]
pub(super) fn wake_in(frame: Frame, waker: Waker) {
    // Declared before the frame, so it is dropped after the frame, also during unwinding.
    let _depth = Depth::enter();
    let frame = frame;
    frame.run(|| waker.wake());
    // The frame is dropped here, in the caller's frame: its values may be dropped with it.
}

/// Defers waking `waker` until the frame is released in which this thread is waking a
/// [`FramedWaker`](crate::FramedWaker).
///
/// Returns `false`, and keeps nothing, if no waker is being woken in a frame: the caller then wakes
/// it itself. It is for executors, whose wakers call it first.
#[doc(hidden)]
#[must_use = "if the wake was not deferred, the caller must wake"]
pub fn defer_wake(waker: &Waker) -> bool {
    // In the destructor of another thread-local the list may have been destroyed.
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

/// Performs the wakes that are deferred on this thread, and defers none until the guard is dropped.
///
/// It is for an executor whose thread is about to wait, which user code may cause inside a wake.
#[doc(hidden)]
#[must_use = "wakes are deferred again once the guard is dropped"]
pub fn suspend_deferred_wakes() -> SuspendedDeferral {
    let suspended = DEFERRED.try_with(|deferred| {
        let depth = deferred.depth.replace(0);
        (depth, deferred.wakers.take())
    });
    let (depth, wakers) = suspended.unwrap_or_default();
    // Made first, so that it restores the depth if a wake panics.
    let suspended = SuspendedDeferral { depth };
    wakers.into_iter().for_each(Waker::wake);
    suspended
}

/// The guard of [`suspend_deferred_wakes`].
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

/// Exists while this thread performs a wake in a frame.
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
