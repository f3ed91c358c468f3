//! The wheel in which this thread arms its timers.
//!
//! Owns one thread-local handle. The executor sets it when a thread enters the runtime. Futures
//! made by free functions such as [`sleep`](crate::sleep) find their runtime only through it.

use framewise_sync::current::CurrentGuard;

use crate::timers::TimerHandle;

framewise_sync::current_handle! {
    static CURRENT: TimerHandle;
}

/// Makes this thread arm its timers in `handle`'s wheel until the guard is dropped.
///
/// Guards nest and are dropped in reverse order. If they are dropped out of order, the handle that
/// the last dropped guard had replaced becomes current.
#[must_use = "the handle is in force until the guard is dropped"]
pub fn enter(handle: &TimerHandle) -> EnterTimers {
    EnterTimers {
        _current: CURRENT.enter(Some(handle.clone())),
    }
}

/// The guard of [`enter`].
#[derive(Debug)]
pub struct EnterTimers {
    _current: CurrentGuard<TimerHandle>,
}

/// Returns this thread's handle.
pub(crate) fn current() -> Option<TimerHandle> {
    CURRENT.get()
}

/// Calls `f` with this thread's handle. `f` must not enter one.
#[cfg(all(feature = "test-util", not(any(framewise_loom, framewise_shuttle))))]
pub(crate) fn with<R>(f: impl FnOnce(Option<&TimerHandle>) -> Option<R>) -> Option<R> {
    CURRENT.with(f)
}

/// Replaces a timer's handle with this thread's, if the timer has no handle yet or one of the same
/// runtime. Arming then locks this thread's own wheel, which is mostly uncontended.
pub(crate) fn use_local_wheel(handle: &mut Option<TimerHandle>) {
    let replaced = CURRENT.with(|current| {
        let here = current?;
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
