//! Wakers with the frame in which they were registered (C-50).

mod deferred;

use std::fmt;
use std::ptr;
use std::task::{RawWakerVTable, Waker};

use crate::Frame;
use crate::current;
use crate::statics::frameless::Frameless;

pub use deferred::{SuspendedDeferral, defer_wake, suspend_deferred_wakes};

static FRAMELESS: Frameless = Frameless::new();

/// Declares that wakers of this vtable run no foreign code, so that a [`FramedWaker`] of one need
/// not hold a frame.
///
/// It is for an executor, about its own wakers: those that only put a task into a queue, or unpark
/// a thread. A process has room for four such vtables. The wakers of a vtable that comes later hold
/// frames, like all others: they still wake in the right frame.
pub fn set_frameless_vtable(vtable: &'static RawWakerVTable) {
    FRAMELESS.add(vtable);
}

/// A waker together with the frame in which it was registered.
///
/// For what calls wakers later: timers, I/O. A foreign waker's own code runs in the frame of
/// whoever waited, not in that of the driver which happens to call it.
///
/// # Examples
///
/// ```
/// use framewise_context::FramedWaker;
/// use std::task::Waker;
///
/// let registered = FramedWaker::new(Waker::noop());
/// assert!(registered.will_wake(Waker::noop()));
/// registered.wake();
/// ```
#[derive(Clone)]
pub struct FramedWaker {
    waker: Waker,
    frame: Frame,
}

impl FramedWaker {
    /// Clones the waker and captures the current frame.
    #[inline]
    pub fn new(waker: &Waker) -> Self {
        let frame = if FRAMELESS.is_of(waker) {
            Frame::root()
        } else {
            Frame::current()
        };
        Self {
            waker: waker.clone(),
            frame,
        }
    }

    /// Wakes, in the frame of the registration.
    ///
    /// The frame is released when the waker's own code has returned, in the caller's frame. A
    /// thread that was woken by that code may see the frame held until then.
    #[inline]
    pub fn wake(self) {
        let Self { waker, frame } = self;
        if frame.is_root() {
            frame.run(|| waker.wake());
        } else {
            deferred::wake_in(frame, waker);
        }
    }

    /// Wakes, in the frame of the registration, and keeps the waker.
    #[inline]
    pub fn wake_by_ref(&self) {
        self.frame.run(|| self.waker.wake_by_ref());
    }

    /// Whether registering `waker` here and now would give the same: it wakes the same task, and
    /// the current frame is the one captured.
    #[inline]
    pub fn will_wake(&self, waker: &Waker) -> bool {
        self.waker.will_wake(waker)
            && (ptr::eq(self.frame.as_raw(), current::get()) || FRAMELESS.is_of(waker))
    }
}

impl fmt::Debug for FramedWaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FramedWaker")
            .field("waker", &self.waker)
            .field("frame", &self.frame)
            .finish()
    }
}
