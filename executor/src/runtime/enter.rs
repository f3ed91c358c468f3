//! The runtime that a thread is in: the current handles for spawning, timers and I/O.
//!
//! Owns the thread-local that `spawn` reads. Timers and I/O have their own, in their crates; the guard
//! here installs all three.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::sync::Arc;

use crate::scheduler::spawner::Spawner;

framewise_sync::thread_local! {
    /// Has no destructor, so that a runtime can be entered in the destructors of other thread-locals and
    /// in `atexit`.
    static CURRENT: ManuallyDrop<RefCell<Option<Arc<Spawner>>>> =
        const { ManuallyDrop::new(RefCell::new(None)) };
    /// Empties `CURRENT` at the thread's end, where a guard was forgotten or dropped out of order.
    static CLEANUP: Cleanup = const { Cleanup };
}

struct Cleanup;

impl Drop for Cleanup {
    fn drop(&mut self) {
        // loom drops the thread-locals of a failing model outside of the model, where none of them can
        // be used: a second panic, while the first one unwinds, would abort the process.
        if cfg!(framewise_loom) && std::thread::panicking() {
            return;
        }
        drop(CURRENT.try_with(|current| current.take()));
    }
}

/// Keeps a thread in a runtime, and restores the previous one when dropped.
pub(crate) struct Entered {
    previous: Option<Arc<Spawner>>,
    _timers: framewise_timers::EnterTimers,
    _io: framewise_io::EnterGuard,
    not_send: PhantomData<*const ()>,
}

/// The error of I/O in a seeded run, whose runtime has no workers.
pub(crate) const NO_IO: &str = "sockets and name look-ups do not work in a seeded run \
     (framewise::test): what the system does could not be repeated; give the code under test \
     something else to talk to";

/// Enters the runtime of `spawner`, with the timer wheel of that number.
pub(crate) fn enter(spawner: &Arc<Spawner>, wheel: usize) -> Entered {
    let shared = &spawner.shared;
    // Registers the destructor. After that has run, only the guards restore what they found.
    let _ = CLEANUP.try_with(|_| ());
    Entered {
        previous: CURRENT.with(|current| current.replace(Some(Arc::clone(spawner)))),
        _timers: framewise_timers::enter(&shared.timers.handle(wheel)),
        _io: if shared.workers() == 0 {
            framewise_io::IoHandle::reject(NO_IO)
        } else {
            shared.io.enter()
        },
        not_send: PhantomData,
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let previous = self.previous.take();
        // If the destructor of the thread-local has run, there is nothing to put back. What was current
        // is dropped outside of the borrow: it may be a runtime's last handle.
        drop(CURRENT.try_with(|current| current.replace(previous)));
    }
}

/// Returns the runtime that the thread is in.
pub(crate) fn current() -> Option<Arc<Spawner>> {
    CURRENT
        .try_with(|current| current.borrow().clone())
        .ok()
        .flatten()
}
