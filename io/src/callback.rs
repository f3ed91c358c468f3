//! Readiness callbacks: closures that the driver calls when a source becomes ready.
//!
//! Owns the life of one callback: idle, being called, cancelled. The closure runs in the frame that
//! was current when it was registered, and is dropped in it, wherever that happens; no lock is
//! held over either. It must not know the driver, which finds the callbacks of a source in
//! [`crate::state`] and calls [`CallbackEntry::call`].
//!
//! ```text
//!            1 call                2 returned
//!    Idle ------------> Running ------------> Idle
//!      |                   |
//!      | 3 cancel          | 3 cancel, while it runs: also from within itself
//!      v                   v
//!    Gone <---------- Cancelling
//!          4 returned (or panicked, from Running too)
//! ```
//!
//! The closure is in the entry only while `Idle`: whoever takes it out owns it, and so it is never
//! called twice at once nor dropped while it runs.

use std::fmt;

use framewise_context::{CaughtPanic, Frame, catch_unwind};
use framewise_sync::{Arc, Mutex};

use crate::ready::{Interest, Ready};

type Closure = Box<dyn FnMut(Ready) + Send>;

/// A closure with the frame in which it is called and dropped.
struct Armed {
    frame: Frame,
    /// `None` only while it is being dropped.
    call: Option<Closure>,
}

impl Armed {
    fn call(&mut self, ready: Ready) {
        let call = self
            .call
            .as_mut()
            .expect("the closure is here until it is dropped");
        self.frame.run(|| call(ready));
    }
}

impl Drop for Armed {
    fn drop(&mut self) {
        let call = self.call.take();
        self.frame.run(|| drop(call));
    }
}

enum CallbackState {
    Idle(Armed),
    Running,
    Cancelling,
    Gone,
}

/// One callback, shared by the source that it watches, the driver and its handle.
pub struct CallbackEntry {
    interest: Interest,
    state: Mutex<CallbackState>,
}

impl CallbackEntry {
    /// Captures the current frame.
    pub fn new(interest: Interest, call: impl FnMut(Ready) + Send + 'static) -> Self {
        let armed = Armed {
            frame: Frame::current(),
            call: Some(Box::new(call)),
        };
        Self {
            interest,
            state: Mutex::new(CallbackState::Idle(armed)),
        }
    }

    pub(crate) fn interest(&self) -> Interest {
        self.interest
    }

    /// Whether it is not called any more.
    pub fn is_gone(&self) -> bool {
        matches!(
            *self.state.lock(),
            CallbackState::Gone | CallbackState::Cancelling
        )
    }

    /// Edges 1, 2 and 4. Called by the driver, with no lock held. `Err` holds what the closure, or
    /// its destructor, panicked with.
    pub fn call(&self, ready: Ready) -> Result<(), CaughtPanic> {
        let mut armed = {
            let mut state = self.state.lock();
            match std::mem::replace(&mut *state, CallbackState::Running) {
                CallbackState::Idle(armed) => armed,
                other => {
                    *state = other;
                    return Ok(());
                }
            }
        };
        let called = catch_unwind(|| armed.call(ready));
        let retired = {
            let mut state = self.state.lock();
            if called.is_ok() && matches!(*state, CallbackState::Running) {
                *state = CallbackState::Idle(armed);
                None
            } else {
                *state = CallbackState::Gone;
                Some(armed)
            }
        };
        let dropped = catch_unwind(|| drop(retired));
        called.and(dropped)
    }

    /// Edge 3. Drops the closure in its frame, now or when the call that is under way returns.
    pub fn cancel(&self) {
        let armed = {
            let mut state = self.state.lock();
            match std::mem::replace(&mut *state, CallbackState::Gone) {
                CallbackState::Idle(armed) => Some(armed),
                CallbackState::Running | CallbackState::Cancelling => {
                    *state = CallbackState::Cancelling;
                    None
                }
                CallbackState::Gone => None,
            }
        };
        drop(armed);
    }
}

impl fmt::Debug for CallbackEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackEntry")
            .field("interest", &self.interest)
            .finish_non_exhaustive()
    }
}

/// A readiness callback that is registered with a source; made by the sources' `on_ready`.
///
/// Dropping it changes nothing: the callback stays until it is [cancelled](Self::cancel), panics,
/// or its source is dropped.
#[derive(Clone)]
pub struct ReadyCallback {
    entry: Arc<CallbackEntry>,
}

impl ReadyCallback {
    pub(crate) fn new(entry: Arc<CallbackEntry>) -> Self {
        Self { entry }
    }

    /// Ends the callback: it is not called again.
    ///
    /// A call that is under way on another thread is not waited for. The callback may cancel
    /// itself; it is then dropped when it returns.
    ///
    /// # Panics
    ///
    /// Panics when the closure's destructor does.
    ///
    /// # Frame
    ///
    /// The closure is dropped in the frame in which it was registered.
    pub fn cancel(&self) {
        self.entry.cancel();
    }

    /// Whether it has been cancelled, has panicked, or has lost its source.
    pub fn is_cancelled(&self) -> bool {
        self.entry.is_gone()
    }
}

impl fmt::Debug for ReadyCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadyCallback")
            .field("interest", &self.entry.interest)
            .field("is_cancelled", &self.is_cancelled())
            .finish()
    }
}
