//! Readiness callbacks: closures that the driver calls when a source becomes ready.
//!
//! Owns the life of one callback: idle, running, canceled. The closure runs in the frame that was
//! current when it was registered, and is dropped in that frame wherever that happens. No lock is
//! held during either. The file must not know the driver, which finds the callbacks of a source in
//! [`ScheduledIo`](crate::scheduled_io::ScheduledIo) and calls [`CallbackEntry::call`].
//!
//! ```text
//!               1 call                2 returned
//!    Idle ---------------> Running ------------> Idle
//!      |                   |  ^  |
//!      |                   |  +--+ 3 call by another thread, which leaves its event here;
//!      |                   |          the closure is called again when it returns
//!      | 4 cancel          | 4 cancel while it runs, also from within the closure
//!      v                   v
//!    Gone <---------- Cancelling
//!          5 returned (or panicked, also from Running)
//! ```
//!
//! The entry holds the closure only while `Idle`. The thread that takes it out owns it, so the
//! closure is never called twice at once and never dropped while it runs. A call that comes in the
//! meantime is not lost either.

use std::fmt;
use std::panic::{self, AssertUnwindSafe};

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
    /// With the readiness that was reported since the call began.
    Running(Ready),
    Cancelling,
    Gone,
}

/// One callback, shared by its source, the driver and its [`ReadyCallback`] handles.
pub struct CallbackEntry {
    interest: Interest,
    state: Mutex<CallbackState>,
}

impl CallbackEntry {
    /// Creates a callback that runs in the current frame.
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

    /// Returns `true` if the closure is not called any more.
    pub fn is_gone(&self) -> bool {
        matches!(
            *self.state.lock(),
            CallbackState::Gone | CallbackState::Cancelling
        )
    }

    /// Edges 1, 2, 3 and 5: calls the closure. The caller holds no lock.
    ///
    /// # Errors
    ///
    /// Returns the panic of the closure or its destructor.
    pub fn call(&self, ready: Ready) -> Result<(), CaughtPanic> {
        let Some(mut armed) = self.begin_call(ready) else {
            return Ok(());
        };
        let mut next = Some(ready);
        let mut called = Ok(());
        while let Some(ready) = next {
            called = catch_unwind(|| armed.call(ready));
            let mut state = self.state.lock();
            next = match &mut *state {
                CallbackState::Running(again) if called.is_ok() && !again.is_empty() => {
                    Some(std::mem::take(again))
                }
                CallbackState::Running(_) if called.is_ok() => {
                    *state = CallbackState::Idle(armed);
                    return Ok(());
                }
                _ => None,
            };
        }
        *self.state.lock() = CallbackState::Gone;
        let dropped = catch_unwind(|| drop(armed));
        match (called, dropped) {
            (Err(first), Err(second)) => {
                discard(second);
                Err(first)
            }
            (called, dropped) => called.and(dropped),
        }
    }

    /// Edges 1 and 3: takes the closure, or leaves the event to the thread that runs it.
    fn begin_call(&self, ready: Ready) -> Option<Armed> {
        let mut state = self.state.lock();
        match std::mem::replace(&mut *state, CallbackState::Running(Ready::EMPTY)) {
            CallbackState::Idle(armed) => return Some(armed),
            CallbackState::Running(again) => *state = CallbackState::Running(again | ready),
            gone => *state = gone,
        }
        None
    }

    /// Edge 4: drops the closure in its frame, now or when the current call returns.
    pub fn cancel(&self) {
        let armed = {
            let mut state = self.state.lock();
            match std::mem::replace(&mut *state, CallbackState::Gone) {
                CallbackState::Idle(armed) => Some(armed),
                CallbackState::Running(_) | CallbackState::Cancelling => {
                    *state = CallbackState::Cancelling;
                    None
                }
                CallbackState::Gone => None,
            }
        };
        drop(armed);
    }
}

/// Cancels all callbacks of a source, even if destructors panic. Resumes the first such panic.
pub(crate) fn cancel_all(entries: Vec<Arc<CallbackEntry>>) {
    let mut first = None;
    for entry in entries {
        let Err(caught) = catch_unwind(|| entry.cancel()) else {
            continue;
        };
        if first.is_some() {
            discard(caught);
            continue;
        }
        let (payload, frame) = caught.into_parts();
        first = Some(payload);
        // A destructor of a value in the frame may panic, too.
        if let Err(again) = catch_unwind(|| drop(frame)) {
            discard(again);
        }
    }
    if let Some(payload) = first {
        panic::resume_unwind(payload);
    }
}

/// Drops a caught panic that is not reported, and its frame. If that panics, leaks the new payload,
/// since dropping payloads could go on forever.
pub(crate) fn discard(caught: CaughtPanic) {
    if let Err(last) = panic::catch_unwind(AssertUnwindSafe(|| drop(caught))) {
        std::mem::forget(last);
    }
}

impl fmt::Debug for CallbackEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackEntry")
            .field("interest", &self.interest)
            .finish_non_exhaustive()
    }
}

/// A handle to a readiness callback; returned by `on_ready` of a stream or listener.
///
/// Dropping it changes nothing: the callback stays until it is [canceled](Self::cancel), panics,
/// or its source is dropped.
#[derive(Clone)]
pub struct ReadyCallback {
    entry: Arc<CallbackEntry>,
}

impl ReadyCallback {
    pub(crate) fn new(entry: Arc<CallbackEntry>) -> Self {
        Self { entry }
    }

    /// Cancels the callback: it is not called again.
    ///
    /// This does not wait for a call that is running on another thread. The callback may cancel
    /// itself; it is then dropped when it returns.
    ///
    /// # Panics
    ///
    /// Panics if the closure's destructor does.
    ///
    /// # Frame
    ///
    /// The closure is dropped in the frame in which it was registered.
    pub fn cancel(&self) {
        self.entry.cancel();
    }

    /// Returns `true` if the callback was canceled or has panicked, or its source was dropped.
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
