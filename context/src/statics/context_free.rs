//! The vtables of **context-free** wakers: wakers that run no user code, and so need no frame.

use std::ptr;
use std::task::{RawWakerVTable, Waker};

use super::facade::{AtomicPtr, Ordering, constructor};

/// The capacity of the set.
const VTABLES_MAX: usize = 4;

/// A set of vtables that only grows. The vtables fill the array from the front.
pub struct ContextFreeVtables([AtomicPtr<RawWakerVTable>; VTABLES_MAX]);

impl ContextFreeVtables {
    constructor! {
        /// Makes the empty set: every waker needs a frame.
        pub fn new() -> Self {
            Self([
                AtomicPtr::new(ptr::null_mut()),
                AtomicPtr::new(ptr::null_mut()),
                AtomicPtr::new(ptr::null_mut()),
                AtomicPtr::new(ptr::null_mut()),
            ])
        }
    }

    /// Adds a vtable, unless it is in the set. Returns `false` if there is no room for it.
    pub fn add(&self, vtable: &'static RawWakerVTable) -> bool {
        let added = ptr::from_ref(vtable).cast_mut();
        self.0.iter().any(|place| {
            // Ordering: Relaxed. The vtable is a static: only its address is published.
            match place.compare_exchange(
                ptr::null_mut(),
                added,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => true,
                Err(taken) => taken == added,
            }
        })
    }

    /// Returns `true` if the waker's vtable is in the set.
    #[inline]
    pub fn contains(&self, waker: &Waker) -> bool {
        let asked: *const RawWakerVTable = waker.vtable();
        for place in &self.0 {
            // Ordering: Relaxed, see `add`.
            let vtable = place.load(Ordering::Relaxed).cast_const();
            if ptr::eq(vtable, asked) {
                return true;
            }
            if vtable.is_null() {
                return false;
            }
        }
        false
    }
}
