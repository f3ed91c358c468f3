//! The wheel in which this thread arms its timers.
//!
//! Owns one thread-local handle. The executor sets it when a thread enters the runtime. Futures
//! made by free functions such as [`sleep`](crate::sleep) find their runtime only through it.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;

use crate::timers::TimerHandle;

framewise_sync::thread_local! {
    /// Has no destructor, so it also works in the destructors of other thread-locals and in
    /// `atexit`.
    static CURRENT: ManuallyDrop<RefCell<Option<TimerHandle>>> =
        const { ManuallyDrop::new(RefCell::new(None)) };
    /// Clears `CURRENT` when the thread exits, in case a guard was leaked or dropped out of order.
    static CLEANUP: Cleanup = const { Cleanup };
}

struct Cleanup;

impl Drop for Cleanup {
    fn drop(&mut self) {
        // If a model fails, loom drops its thread-locals outside the model, where they cannot be
        // used. A second panic during unwinding would abort the process.
        if cfg!(framewise_loom) && std::thread::panicking() {
            return;
        }
        drop(CURRENT.try_with(|current| current.take()));
    }
}

/// Makes this thread arm its timers in `handle`'s wheel until the guard is dropped.
///
/// Guards nest and are dropped in reverse order. If they are dropped out of order, the handle that
/// the last dropped guard had replaced becomes current.
#[must_use = "the handle is in force until the guard is dropped"]
pub fn enter(handle: &TimerHandle) -> EnterTimers {
    // Registers the destructor. After the destructor has run, only the guards restore the handle.
    let _ = CLEANUP.try_with(|_| ());
    let previous = CURRENT.with(|current| current.replace(Some(handle.clone())));
    EnterTimers {
        previous,
        not_send: PhantomData,
    }
}

/// The guard of [`enter`].
#[derive(Debug)]
pub struct EnterTimers {
    previous: Option<TimerHandle>,
    /// The guard must be dropped on its own thread.
    not_send: PhantomData<*const ()>,
}

impl Drop for EnterTimers {
    fn drop(&mut self) {
        let previous = self.previous.take();
        // While the thread destroys its thread-locals, there is nothing to restore.
        let left = CURRENT.try_with(|current| current.replace(previous));
        drop(left);
    }
}

/// Returns this thread's handle.
pub(crate) fn current() -> Option<TimerHandle> {
    CURRENT
        .try_with(|current| current.borrow().clone())
        .ok()
        .flatten()
}

/// Replaces a timer's handle with this thread's, if the timer has no handle yet or one of the same
/// runtime. Arming then locks this thread's own wheel, which is mostly uncontended.
pub(crate) fn use_local_wheel(handle: &mut Option<TimerHandle>) {
    let replaced = CURRENT.try_with(|current| {
        let current = current.borrow();
        let here = current.as_ref()?;
        let stays = handle
            .as_ref()
            .is_some_and(|own| own.is_same_wheel(here) || !own.is_same_runtime(here));
        if stays {
            None
        } else {
            handle.replace(here.clone())
        }
    });
    // Outside the borrow: dropping the last handle of a runtime drops values of the executor.
    drop(replaced);
}
