//! The vtable of the wakers that need no frame.

use std::ptr;
use std::task::{RawWakerVTable, Waker};

use super::door::{AtomicPtr, Ordering, constructor};

/// One vtable, or none yet.
pub struct Frameless(AtomicPtr<RawWakerVTable>);

impl Frameless {
    constructor! {
        /// No waker is without a frame.
        pub fn new() -> Self {
            Self(AtomicPtr::new(ptr::null_mut()))
        }
    }

    /// Replaces the vtable.
    pub fn set(&self, vtable: &'static RawWakerVTable) {
        // Ordering: Relaxed. The vtable is a static: nothing is published but its address.
        self.0
            .store(ptr::from_ref(vtable).cast_mut(), Ordering::Relaxed);
    }

    /// Whether the waker's vtable is the one.
    #[inline]
    pub fn is_of(&self, waker: &Waker) -> bool {
        // Ordering: Relaxed, see above.
        ptr::eq(waker.vtable(), self.0.load(Ordering::Relaxed))
    }
}
