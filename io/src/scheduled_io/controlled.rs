//! A waker with what makes its wait obey: the registration with the node of the frame's deadline
//! and cancellation.
//!
//! Owns that both live equally long. Where a waiter's waker is, its registration is beside it: an
//! event takes both out, and so do the waker that replaces it and the drop of its wait. So no
//! waiter has to remember its registration, and a node keeps nothing of a wait that is over. The
//! file must not know what is waited for.
//!
//! A node that ends wakes the waiter by a waker of its own. What it woke is then polled, and fails.

use std::task::Waker;

use framewise_context::control::{ControlWait, Ended};
use framewise_context::{FramedWaker, catch_unwind};

use crate::callback;

/// A waker that an event calls, and that the end of its frame's deadline or cancellation calls,
/// too.
#[derive(Debug)]
pub struct ControlledWaker {
    control: ControlWait,
    waker: FramedWaker,
}

impl ControlledWaker {
    /// Clones the waker, and registers it with the current frame's node if there is one.
    ///
    /// # Errors
    ///
    /// Fails if the deadline has passed or the frame is canceled.
    #[inline(always)]
    pub fn new(waker: &Waker) -> Result<Self, Ended> {
        let mut control = ControlWait::new();
        control.register(waker)?;
        Ok(Self {
            control,
            waker: FramedWaker::new(waker),
        })
    }

    /// Wakes, in the frame of the registration, after the registration is released.
    #[inline]
    pub fn wake(self) {
        let Self { control, waker } = self;
        if control.is_registered() {
            release(control);
        }
        waker.wake();
    }

    /// Returns `true` if registering `waker` now would have the same effect.
    #[inline]
    pub fn will_wake(&self, waker: &Waker) -> bool {
        self.waker.will_wake(waker) && self.control.is_current()
    }

    /// Returns `true` if the node with which it is registered has ended.
    pub fn has_ended(&self) -> bool {
        self.control.has_ended()
    }
}

/// Releases a registration before its waiter is woken, even if the node's waker panics when it is
/// dropped.
#[cold]
fn release(control: ControlWait) {
    if let Err(caught) = catch_unwind(|| drop(control)) {
        callback::discard(caught);
    }
}
