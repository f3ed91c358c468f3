//! The runtime that a thread is in: the current handles for spawning, timers and I/O.
//!
//! Owns the thread-local that `spawn` reads. Timers and I/O have their own, in their crates; the
//! guard here installs all three.

use std::sync::Arc;

use framewise_sync::current::CurrentGuard;

use crate::runtime::{TokioEntered, TokioHandle};
use crate::scheduler::spawner::Spawner;

framewise_sync::current_handle! {
    static CURRENT: Arc<Spawner>;
}

/// Keeps a thread in a runtime, and restores the previous one when dropped.
pub(crate) struct Entered {
    _current: CurrentGuard<Arc<Spawner>>,
    _timers: framewise_timers::EnterTimers,
    _io: framewise_io::EnterIo,
    _tokio: TokioEntered,
}

/// The error of I/O in a seeded run, whose runtime has no workers.
pub(crate) const NO_IO: &str = "sockets, signals and name look-ups do not work in a seeded run \
     (framewise::test): what the system does could not be repeated; give the code under test \
     something else to talk to";

/// Enters the runtime of `spawner`, with the timer wheel of that number, and its tokio runtime.
pub(crate) fn enter(spawner: &Arc<Spawner>, wheel: usize) -> Entered {
    enter_with(spawner, wheel, &spawner.shared.tokio)
}

/// Enters the runtime of `spawner` and that tokio runtime.
pub(super) fn enter_with(spawner: &Arc<Spawner>, wheel: usize, tokio: &TokioHandle) -> Entered {
    let shared = &spawner.shared;
    Entered {
        _current: CURRENT.enter(Some(Arc::clone(spawner))),
        _timers: framewise_timers::enter(&shared.timers.handle(wheel)),
        _io: if shared.workers() == 0 {
            framewise_io::IoHandle::reject(NO_IO)
        } else {
            shared.io.enter()
        },
        _tokio: tokio.enter(),
    }
}

/// Returns the runtime that the thread is in.
pub(crate) fn current() -> Option<Arc<Spawner>> {
    CURRENT.get()
}
