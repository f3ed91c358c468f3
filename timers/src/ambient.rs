//! Which wheel this thread arms its timers in.
//!
//! Owns one thread-local handle. The executor installs it when a thread enters the runtime; it is
//! all that futures made by free functions like [`sleep`](crate::sleep) know of a runtime.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;

use crate::timers::TimerHandle;

framewise_sync::thread_local! {
    /// Has no destructor, so that it can be set in the destructors of other thread-locals and in
    /// `atexit`.
    static AMBIENT: ManuallyDrop<RefCell<Option<TimerHandle>>> =
        const { ManuallyDrop::new(RefCell::new(None)) };
    /// Empties `AMBIENT` at the thread's end, where a guard was forgotten or dropped out of order.
    static CLEANUP: Cleanup = const { Cleanup };
}

struct Cleanup;

impl Drop for Cleanup {
    fn drop(&mut self) {
        // loom drops the thread-locals of a model that fails outside of the model, where none can be
        // used: a second panic, while the first one unwinds, would abort the process.
        if cfg!(framewise_loom) && std::thread::panicking() {
            return;
        }
        drop(AMBIENT.try_with(|ambient| ambient.take()));
    }
}

/// Makes this thread arm its timers in `handle`'s wheel until the guard is dropped.
///
/// Guards nest. They are dropped in the reverse order; out of order, the handle that the last one
/// dropped had found is in force.
#[must_use = "the handle is in force until the guard is dropped"]
pub fn enter(handle: &TimerHandle) -> EnterTimers {
    // Registers the destructor; after that has run, the guards alone restore what they found.
    let _ = CLEANUP.try_with(|_| ());
    let previous = AMBIENT.with(|ambient| ambient.replace(Some(handle.clone())));
    EnterTimers {
        previous,
        not_send: PhantomData,
    }
}

/// The guard of [`enter`].
#[derive(Debug)]
pub struct EnterTimers {
    previous: Option<TimerHandle>,
    /// It belongs to its thread.
    not_send: PhantomData<*const ()>,
}

impl Drop for EnterTimers {
    fn drop(&mut self) {
        let previous = self.previous.take();
        // While the thread's locals are being destroyed there is nothing to restore.
        let left = AMBIENT.try_with(|ambient| ambient.replace(previous));
        drop(left);
    }
}

/// This thread's handle.
pub(crate) fn current() -> Option<TimerHandle> {
    AMBIENT
        .try_with(|ambient| ambient.borrow().clone())
        .ok()
        .flatten()
}

/// Turns a timer's handle into that of this thread's wheel, if it has none yet or one of the same
/// runtime: arming then takes the lock that this thread takes mostly alone.
pub(crate) fn localise(handle: &mut Option<TimerHandle>) {
    let replaced = AMBIENT.try_with(|ambient| {
        let ambient = ambient.borrow();
        let here = ambient.as_ref()?;
        let stays = handle
            .as_ref()
            .is_some_and(|own| own.is_same_wheel(here) || !own.is_same_runtime(here));
        if stays {
            None
        } else {
            handle.replace(here.clone())
        }
    });
    // Outside of the borrow: the last handle of a runtime drops what the executor gave it.
    drop(replaced);
}
