//! A lock that is only tried for, as std's: with loom's own a thread that is about to try waits, if another
//! one just takes it.

use std::ops::{Deref, DerefMut};

use loom::cell::{MutPtr, UnsafeCell};
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

use super::site;

/// A lock that is tried for, and waited for only where it is free or about to be.
#[derive(Debug, Default)]
pub struct TryLock<T> {
    is_locked: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: the flag gives the value to one thread at a time, as with std's Mutex.
unsafe impl<T: Send> Send for TryLock<T> {}
// SAFETY: as for Send.
unsafe impl<T: Send> Sync for TryLock<T> {}

/// The guard of a [`TryLock`].
#[derive(Debug)]
pub struct TryLockGuard<'a, T> {
    lock: &'a TryLock<T>,
    /// loom's right to the value. `None` only while the guard is dropped.
    value: Option<MutPtr<T>>,
}

impl<T> TryLock<T> {
    /// Makes an unlocked lock around `value`.
    pub fn new(value: T) -> Self {
        Self {
            is_locked: AtomicBool::new(false),
            value: UnsafeCell::new(value),
        }
    }

    /// Takes the lock if nobody holds it.
    #[track_caller]
    pub fn try_lock(&self) -> Option<TryLockGuard<'_, T>> {
        site::reached("try_lock");
        self.take()
    }

    /// Waits for the lock and takes it.
    #[track_caller]
    pub fn lock(&self) -> TryLockGuard<'_, T> {
        site::reached("lock");
        loop {
            match self.take() {
                Some(guard) => return guard,
                None => thread::yield_now(),
            }
        }
    }

    fn take(&self) -> Option<TryLockGuard<'_, T>> {
        let locked = self.is_locked.swap(true, Ordering::Acquire);
        (!locked).then(|| TryLockGuard {
            lock: self,
            value: Some(self.value.get_mut()),
        })
    }
}

impl<T> Deref for TryLockGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        let value = self.value.as_ref().expect("the guard is not dropped yet");
        // SAFETY: the flag is this guard's, and loom watches the cell.
        unsafe { MutPtr::deref(value) }
    }
}

impl<T> DerefMut for TryLockGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        let value = self.value.as_mut().expect("the guard is not dropped yet");
        // SAFETY: as in deref.
        unsafe { MutPtr::deref(value) }
    }
}

impl<T> Drop for TryLockGuard<'_, T> {
    fn drop(&mut self) {
        self.value = None;
        // A swap: what loom does not know to be ordered, it takes for unordered.
        self.lock.is_locked.swap(false, Ordering::Release);
    }
}
