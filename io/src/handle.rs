//! The state that threads share about a driver, and the handle by which they reach it.
//!
//! Owns the table of sources with its lock, and the thread's current handle. It must not know what
//! a source is. It dispatches no events: [`crate::driver`] does.

use std::fmt;
use std::io;
use std::sync::OnceLock;
use std::time::Duration;

use framewise_sync::current::CurrentGuard;
use framewise_sync::{Arc, Mutex};

use crate::net::connect::DelayFunction;
use crate::scheduled_io::{Call, ScheduledIo};
use crate::slab::{Slab, SourceKey};
use crate::system;
#[cfg(target_os = "linux")]
use crate::timerfd::WakeTimer;
use crate::unpark::Unpark;

/// Runs a closure on the blocking pool.
///
/// Name look-ups are the only closures. `Err` means that the pool accepts no more. A closure that
/// is dropped without having run counts as rejected, too. (The `Arc` is `std`'s, since loom's holds
/// no `dyn` value.)
pub type BlockingSpawner =
    std::sync::Arc<dyn Fn(Box<dyn FnOnce() + Send>) -> io::Result<()> + Send + Sync>;

/// The table of sources.
pub(crate) struct Sources {
    pub(crate) slab: Slab<Arc<ScheduledIo>>,
    /// `true` after shutdown: no source is inserted any more.
    pub(crate) closed: bool,
}

/// The state that the driver and its handles share.
pub(crate) struct IoShared {
    pub(crate) registry: system::Registry,
    pub(crate) sources: Mutex<Sources>,
    pub(crate) unpark: Unpark<system::Waker>,
    /// `None` if the system provides none.
    #[cfg(target_os = "linux")]
    pub(crate) wake_timer: Option<WakeTimer>,
    /// Callbacks that were registered with a source that was already ready. No edge reports that
    /// readiness again, so the driver calls them once without one.
    pub(crate) initial_callbacks: Mutex<Vec<Call>>,
    pub(crate) blocking: BlockingSpawner,
    /// What the runtime's timers do for connections. (`std`'s cell, since it is set at the start.)
    pub(crate) delay: OnceLock<DelayFunction>,
}

/// A handle to an I/O driver. Sockets register through it, and it unparks the thread that waits in
/// the driver.
#[derive(Clone)]
pub struct IoHandle {
    shared: Arc<IoShared>,
}

framewise_sync::current_handle! {
    /// The thread's handle, or the reason of [`IoHandle::reject`] for which it has none.
    static CURRENT: Result<IoHandle, &'static str>;
}

impl IoHandle {
    pub(crate) fn new(shared: Arc<IoShared>) -> Self {
        Self { shared }
    }

    pub(crate) fn shared(&self) -> &IoShared {
        &self.shared
    }

    /// Ends the current wait of the driver, or its next one.
    ///
    /// Calls that come before the driver has observed an earlier one make no system call.
    pub fn unpark(&self) {
        self.shared.unpark.unpark();
    }

    /// Ends the current or the next wait of the driver when `limit` has passed (within 50 us), or
    /// earlier. It may end a wait that begins after this call.
    ///
    /// It makes at most one system call, which wakes no thread yet, and none if an earlier call
    /// will end a wait in time. So calling it repeatedly with one limit makes one system call in
    /// each period of that length. (On a system without such a timer this is
    /// [`unpark`](Self::unpark).)
    pub fn unpark_after(&self, limit: Duration) {
        #[cfg(target_os = "linux")]
        if let Some(wake_timer) = &self.shared.wake_timer
            && wake_timer.ensure(limit).is_ok()
        {
            return;
        }
        let _ = limit;
        self.unpark();
    }

    /// Returns how often the timer of [`unpark_after`](Self::unpark_after) was set, a system call
    /// each. For tests and tools.
    #[doc(hidden)]
    pub fn wake_timer_settings(&self) -> u64 {
        #[cfg(target_os = "linux")]
        return self
            .shared
            .wake_timer
            .as_ref()
            .map_or(0, WakeTimer::settings);
        #[cfg(not(target_os = "linux"))]
        0
    }

    /// Sets the function by which sockets wait for a time. Without one they do not.
    ///
    /// # Panics
    ///
    /// Panics if it was set before.
    pub fn set_delay(&self, delay: DelayFunction) {
        let set = self.shared.delay.set(delay);
        set.expect("a driver belongs to one runtime");
    }

    pub(crate) fn delay(&self) -> Option<DelayFunction> {
        self.shared.delay.get().copied()
    }

    /// Makes this the thread's current handle until the guard is dropped.
    ///
    /// Guards must be dropped in the reverse order of their creation.
    #[must_use = "the handle is current only while the guard lives"]
    pub fn enter(&self) -> EnterIo {
        EnterIo {
            _current: CURRENT.enter(Some(Ok(self.clone()))),
        }
    }

    /// Leaves the thread without a handle until the guard is dropped. Sockets and look-ups then
    /// fail with an error of the kind [`Unsupported`](io::ErrorKind::Unsupported) that says `why`.
    #[must_use = "uses are rejected only while the guard lives"]
    pub fn reject(why: &'static str) -> EnterIo {
        EnterIo {
            _current: CURRENT.enter(Some(Err(why))),
        }
    }

    /// Returns the thread's current handle.
    ///
    /// # Panics
    ///
    /// Panics if the thread is not within a runtime.
    #[track_caller]
    pub fn current() -> IoHandle {
        Self::try_current().expect("there is no I/O driver here: call this within a runtime")
    }

    /// Returns the thread's current handle, or `None` if the thread is not within a runtime.
    pub fn try_current() -> Option<IoHandle> {
        CURRENT.with(|current| current?.as_ref().ok().cloned())
    }

    /// Like [`try_current`](Self::try_current), with an `io::Error` that says why there is none.
    ///
    /// # Errors
    ///
    /// Fails outside of a runtime, and with the reason of [`reject`](Self::reject).
    pub fn for_io() -> io::Result<IoHandle> {
        match CURRENT.get() {
            Some(Ok(handle)) => Ok(handle),
            Some(Err(why)) => Err(io::Error::new(io::ErrorKind::Unsupported, why)),
            None => Err(io::Error::other(
                "there is no I/O driver here: use sockets within a runtime",
            )),
        }
    }

    /// Inserts a source into the table.
    pub(crate) fn insert(&self, state: &Arc<ScheduledIo>) -> io::Result<SourceKey> {
        let mut sources = self.shared.sources.lock();
        if sources.closed {
            return Err(shutdown_error());
        }
        sources
            .slab
            .insert(Arc::clone(state))
            .ok_or_else(|| io::Error::other("the I/O driver has no token left for another source"))
    }

    /// Removes a source from the table. The caller has deregistered it.
    pub(crate) fn remove(&self, key: SourceKey) {
        // Dropped outside of the lock, since a waker of the source may be dropped with it.
        let state = {
            let mut sources = self.shared.sources.lock();
            sources.slab.remove(key)
        };
        drop(state);
    }

    /// Queues a call of a callback, and unparks the driver to make it.
    pub(crate) fn queue_initial_callback(&self, call: Call) {
        self.shared.initial_callbacks.lock().push(call);
        self.unpark();
    }
}

impl fmt::Debug for IoHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IoHandle").finish_non_exhaustive()
    }
}

/// Keeps an [`IoHandle`] the thread's current one; returned by [`IoHandle::enter`].
#[derive(Debug)]
pub struct EnterIo {
    _current: CurrentGuard<Result<IoHandle, &'static str>>,
}

/// Why there is no I/O any more.
#[derive(Debug)]
struct ShutDown;

impl fmt::Display for ShutDown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the runtime is shutting down: it has no I/O driver and runs no calls any more")
    }
}

impl std::error::Error for ShutDown {}

/// Returns the error of waits, registrations and look-ups after the driver's shutdown, and of
/// blocking calls that were not run.
#[doc(hidden)]
pub fn shutdown_error() -> io::Error {
    io::Error::other(ShutDown)
}

/// Returns `true` if `error` was made by [`shutdown_error`].
#[doc(hidden)]
pub fn is_shutdown_error(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<ShutDown>())
}
