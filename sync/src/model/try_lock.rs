//! A mutex for `try_lock`, with std's behavior. A thread that calls `try_lock` on loom's own mutex
//! blocks if another thread is just acquiring it.

use std::ops::{Deref, DerefMut};

use loom::cell::{MutPtr, UnsafeCell};
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

use super::site;

/// A mutex that is normally acquired with `try_lock`, and blocked on only if it is free or about to
/// be.
#[derive(Debug, Default)]
pub struct TryLock<T> {
    is_locked: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: the flag gives the value to one thread at a time, like std's Mutex.
unsafe impl<T: Send> Send for TryLock<T> {}
// SAFETY: as for Send.
unsafe impl<T: Send> Sync for TryLock<T> {}

/// The guard of a [`TryLock`].
#[derive(Debug)]
pub struct TryLockGuard<'a, T> {
    lock: &'a TryLock<T>,
    /// loom's access to the value. `None` only while the guard is dropped.
    value: Option<MutPtr<T>>,
}

impl<T> TryLock<T> {
    /// Makes an unlocked mutex around `value`.
    pub fn new(value: T) -> Self {
        Self {
            is_locked: AtomicBool::new(false),
            value: UnsafeCell::new(value),
        }
    }

    /// Acquires the lock if it is free.
    #[track_caller]
    pub fn try_lock(&self) -> Option<TryLockGuard<'_, T>> {
        site::reached("try_lock");
        self.take()
    }

    /// Acquires the lock, blocking until it is free.
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
        // SAFETY: the flag is this guard's, and loom checks the cell.
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
        // A swap, because loom reports accesses that a plain store leaves unordered.
        self.lock.is_locked.swap(false, Ordering::Release);
    }
}
