//! Wakers paired with the frame in which they were registered (C-50).

mod deferred;

use std::fmt;
use std::ptr;
use std::task::{RawWakerVTable, Waker};

use crate::Frame;
use crate::current;
use crate::statics::context_free::ContextFreeVtables;

pub use deferred::{SuspendedDeferral, defer_wake, suspend_deferred_wakes};

static CONTEXT_FREE: ContextFreeVtables = ContextFreeVtables::new();

/// Declares that wakers of this vtable run no user code, so a [`FramedWaker`] of such a waker need
/// not hold a frame.
///
/// It is for an executor's own wakers, which only put a task into a queue or unpark a thread. A
/// process has room for four such vtables. Wakers of further vtables hold frames like all others,
/// so they still wake in the right frame.
pub fn add_context_free_vtable(vtable: &'static RawWakerVTable) {
    CONTEXT_FREE.add(vtable);
}

/// A waker paired with the frame in which it was registered.
///
/// For code that calls wakers later: timers, I/O. The code of an external waker runs in the frame
/// of the task that registered it, and not in that of the driver that calls it.
///
/// # Examples
///
/// ```
/// use framewise_context::FramedWaker;
/// use std::sync::Arc;
/// use std::task::{Wake, Waker};
///
/// struct Ignored;
/// impl Wake for Ignored {
///     fn wake(self: Arc<Self>) {}
/// }
///
/// let waker = Waker::from(Arc::new(Ignored));
/// let registered = FramedWaker::new(&waker);
/// assert!(registered.will_wake(&waker));
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
        let frame = if CONTEXT_FREE.contains(waker) {
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
    /// The frame is released in the caller's frame, after the waker's own code has returned. A
    /// thread that this code woke may see the frame held until then.
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

    /// Returns `true` if registering `waker` now would have the same effect: it wakes the same
    /// task, and the current frame is the captured one.
    #[inline]
    pub fn will_wake(&self, waker: &Waker) -> bool {
        self.waker.will_wake(waker)
            && (ptr::eq(self.frame.as_raw(), current::get()) || CONTEXT_FREE.contains(waker))
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
