//! Mutexes without poisoning, and condition variables whose waits time out and end spuriously.
//!
//! shuttle's own condition variables do neither, so these are built here on the wakers of shuttle's
//! tasks.

use std::fmt;
use std::future::poll_fn;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, PoisonError, TryLockError};
use std::task::{Poll, Waker};
use std::time::Duration;

use shuttle::thread;

use super::chance;

/// A mutex that ignores poisoning.
#[derive(Debug, Default)]
pub struct Mutex<T: ?Sized>(shuttle::sync::Mutex<T>);

/// The guard of a [`Mutex`].
pub struct MutexGuard<'a, T: ?Sized> {
    mutex: &'a Mutex<T>,
    guard: shuttle::sync::MutexGuard<'a, T>,
}

impl<T> Mutex<T> {
    /// Makes an unlocked mutex around `value`.
    #[track_caller]
    pub const fn new(value: T) -> Self {
        Self(shuttle::sync::Mutex::new(value))
    }

    /// Takes the value out.
    pub fn into_inner(self) -> T {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Acquires the lock, blocking until it is free.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard {
            mutex: self,
            guard: self.0.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Acquires the lock if it is free.
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        let guard = match self.0.try_lock() {
            Ok(guard) => guard,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        Some(MutexGuard { mutex: self, guard })
    }
}

/// A mutex that is normally acquired with `try_lock`, and blocked on only if it is free or about to
/// be.
pub type TryLock<T> = Mutex<T>;

/// The guard of a [`TryLock`].
pub type TryLockGuard<'a, T> = MutexGuard<'a, T>;

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// A condition variable for [`Mutex`]. Wake-ups may be spurious, and sometimes they are.
#[derive(Debug, Default)]
pub struct Condvar {
    /// The waiters that were not notified yet. (In `std`'s mutex, like those below: shuttle does
    /// not switch threads while one is held.)
    waiters: std::sync::Mutex<Vec<Arc<Waiter>>>,
}

#[derive(Debug, Default)]
struct Waiter(std::sync::Mutex<WaiterState>);

#[derive(Debug, Default)]
struct WaiterState {
    notified: bool,
    waker: Option<Waker>,
}

impl Waiter {
    fn is_notified(&self) -> bool {
        plain(&self.0).notified
    }

    fn notify(&self) {
        let waker = {
            let mut state = plain(&self.0);
            state.notified = true;
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Blocks until it is notified.
    fn sleep(&self) {
        shuttle::future::block_on(poll_fn(|cx| {
            let mut state = plain(&self.0);
            if state.notified {
                return Poll::Ready(());
            }
            state.waker = Some(cx.waker().clone());
            Poll::Pending
        }));
    }
}

/// Acquires a mutex of `std`'s that is free.
fn plain<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Condvar {
    /// Makes a condition variable without waiters.
    pub const fn new() -> Self {
        Self {
            waiters: std::sync::Mutex::new(Vec::new()),
        }
    }

    /// Releases the lock, waits for a notification, and acquires the lock again.
    pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        let mutex = guard.mutex;
        let waiter = self.enter(guard);
        if chance::one_in(chance::SPURIOUS_WAIT) {
            thread::yield_now();
            self.leave(&waiter);
        } else {
            waiter.sleep();
        }
        mutex.lock()
    }

    /// Like [`wait`](Self::wait), but the time runs out after some turns of the other threads; the
    /// flag is `true` if it did.
    pub fn wait_timeout<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        _limit: Duration,
    ) -> (MutexGuard<'a, T>, bool) {
        let mutex = guard.mutex;
        let waiter = self.enter(guard);
        let is_spurious = chance::one_in(chance::SPURIOUS_WAIT);
        for _ in 0..chance::turns() {
            if waiter.is_notified() {
                break;
            }
            thread::yield_now();
        }
        let was_notified = self.leave(&waiter);
        (mutex.lock(), !was_notified && !is_spurious)
    }

    /// Wakes one waiter, chosen at random.
    pub fn notify_one(&self) {
        turn();
        let waiter = {
            let mut waiters = plain(&self.waiters);
            match waiters.len() {
                0 => return,
                1 => waiters.remove(0),
                len => {
                    let chosen = chance::below(len as u64) as usize;
                    waiters.remove(chosen)
                }
            }
        };
        waiter.notify();
    }

    /// Wakes every waiter.
    pub fn notify_all(&self) {
        turn();
        let waiters = std::mem::take(&mut *plain(&self.waiters));
        for waiter in waiters {
            waiter.notify();
        }
    }

    /// Registers a waiter and releases the lock, without a switch of threads in between.
    fn enter<T>(&self, guard: MutexGuard<'_, T>) -> Arc<Waiter> {
        drop(guard);
        let waiter = Arc::<Waiter>::default();
        plain(&self.waiters).push(Arc::clone(&waiter));
        waiter
    }

    /// Deregisters the waiter; returns `true` if it was notified.
    fn leave(&self, waiter: &Arc<Waiter>) -> bool {
        plain(&self.waiters).retain(|other| !Arc::ptr_eq(other, waiter));
        waiter.is_notified()
    }
}

/// Lets other threads run, without moving the caller behind them.
fn turn() {
    // shuttle has no time: letting other threads run is all that its `sleep` does.
    thread::sleep(Duration::ZERO);
}
