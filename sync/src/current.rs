//! A thread's current handle, of which a guard restores the previous one.
//!
//! Owns the rules for the ends of threads, which the current runtime, timer wheel and I/O driver
//! share. It must not know what a handle is.

use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;

use crate::thread::LocalKey;

/// A thread-local handle. Declared with [`current_handle!`](crate::current_handle).
pub struct CurrentHandle<T: 'static> {
    slot: &'static LocalKey<Slot<T>>,
    cleanup: &'static LocalKey<Cleanup<T>>,
}

/// Holds a thread's handle. It has no destructor, so a handle can also be entered in the
/// destructors of other thread-locals and in `atexit`.
#[doc(hidden)]
pub struct Slot<T>(ManuallyDrop<RefCell<Option<T>>>);

/// Empties the slot when the thread ends, in case a guard was forgotten or dropped out of order.
#[doc(hidden)]
pub struct Cleanup<T: 'static>(&'static LocalKey<Slot<T>>);

/// Keeps a handle current on this thread; made by [`CurrentHandle::enter`].
pub struct CurrentGuard<T: 'static> {
    slot: &'static LocalKey<Slot<T>>,
    previous: Option<T>,
    /// The guard must be dropped on its own thread.
    not_send: PhantomData<*const ()>,
}

impl<T> CurrentHandle<T> {
    #[doc(hidden)]
    pub const fn new(
        slot: &'static LocalKey<Slot<T>>,
        cleanup: &'static LocalKey<Cleanup<T>>,
    ) -> Self {
        Self { slot, cleanup }
    }

    /// Makes `handle`, or none, this thread's current one until the guard is dropped.
    ///
    /// Guards nest and are dropped in reverse order. If they are dropped out of order, the handle
    /// that the last dropped guard had replaced becomes current.
    #[must_use = "the handle is current only while the guard lives"]
    #[inline]
    pub fn enter(&self, handle: Option<T>) -> CurrentGuard<T> {
        // Registers the destructor. After that has run, only the guards restore the handle.
        let _ = self.cleanup.try_with(|_| ());
        CurrentGuard {
            slot: self.slot,
            previous: self.slot.with(|slot| slot.0.replace(handle)),
            not_send: PhantomData,
        }
    }

    /// Returns this thread's current handle.
    #[inline]
    pub fn get(&self) -> Option<T>
    where
        T: Clone,
    {
        self.with(|handle| handle.cloned())
    }

    /// Calls `f` with this thread's current handle. `f` must not enter one.
    #[inline]
    pub fn with<R>(&self, f: impl FnOnce(Option<&T>) -> Option<R>) -> Option<R> {
        // In a model, the slot may be gone in the destructor of another thread-local.
        self.slot
            .try_with(|slot| f(slot.0.borrow().as_ref()))
            .ok()
            .flatten()
    }
}

impl<T> Drop for CurrentGuard<T> {
    fn drop(&mut self) {
        let previous = self.previous.take();
        // Without the slot there is nothing to restore. What was current is dropped outside of the
        // borrow: it may be the last handle, whose destructor runs code of its owner.
        let left = self.slot.try_with(|slot| slot.0.replace(previous));
        drop(left);
    }
}

impl<T> Slot<T> {
    #[doc(hidden)]
    pub const fn new() -> Self {
        Self(ManuallyDrop::new(RefCell::new(None)))
    }
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Cleanup<T> {
    #[doc(hidden)]
    pub const fn new(slot: &'static LocalKey<Slot<T>>) -> Self {
        Self(slot)
    }
}

impl<T> Drop for Cleanup<T> {
    fn drop(&mut self) {
        // If a model fails, loom drops its thread-locals outside of the model, where they cannot be
        // used. A second panic during unwinding would abort the process.
        if cfg!(framewise_loom) && std::thread::panicking() {
            return;
        }
        drop(self.0.try_with(|slot| slot.0.take()));
    }
}

impl<T> fmt::Debug for CurrentHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CurrentHandle").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Slot<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Cleanup<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cleanup").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for CurrentGuard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CurrentGuard").finish_non_exhaustive()
    }
}

/// Declares a static [`CurrentHandle`](crate::current::CurrentHandle).
#[macro_export]
macro_rules! current_handle {
    ($(#[$attribute:meta])* static $name:ident: $handle:ty;) => {
        $(#[$attribute])*
        static $name: $crate::current::CurrentHandle<$handle> = {
            $crate::thread_local! {
                static SLOT: $crate::current::Slot<$handle> =
                    const { $crate::current::Slot::new() };
                static CLEANUP: $crate::current::Cleanup<$handle> =
                    const { $crate::current::Cleanup::new(&SLOT) };
            }
            $crate::current::CurrentHandle::new(&SLOT, &CLEANUP)
        };
    };
}

#[cfg(all(test, not(any(framewise_loom, framewise_shuttle))))]
mod tests;
