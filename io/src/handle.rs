//! What threads share about a driver, and the handle by which they reach it.
//!
//! Owns the table of sources under its lock, and the thread's current handle. It must not know what
//! a source is, nor dispatch events: that is [`crate::driver`]'s.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::time::Duration;

use framewise_sync::{Arc, Mutex};

use crate::scheduled_io::{Call, ScheduledIo};
use crate::slab::{Slab, SourceKey};
use crate::system;
#[cfg(target_os = "linux")]
use crate::timerfd::LateUnpark;
use crate::unpark::Unpark;

/// Runs a closure on the blocking pool.
///
/// A name look-up is the only thing that is run so. `Err` says that the pool takes no more; a
/// closure that is dropped without having been run counts as refused, too. (`std`'s `Arc`: loom's
/// holds no `dyn` value.)
pub type BlockingSpawner =
    std::sync::Arc<dyn Fn(Box<dyn FnOnce() + Send>) -> io::Result<()> + Send + Sync>;

/// The table of sources.
pub(crate) struct Sources {
    pub(crate) slab: Slab<Arc<ScheduledIo>>,
    /// Set at shutdown: nothing is inserted any more.
    pub(crate) closed: bool,
}

/// What the driver and its handles share.
pub(crate) struct IoShared {
    pub(crate) registry: system::Registry,
    pub(crate) sources: Mutex<Sources>,
    pub(crate) unpark: Unpark<system::Waker>,
    /// `None` where the system refuses one.
    #[cfg(target_os = "linux")]
    pub(crate) late_unpark: Option<LateUnpark>,
    /// Callbacks that were registered with a source that was already ready: no edge will come for
    /// them, so the driver calls them once of its own accord.
    pub(crate) initial_callbacks: Mutex<Vec<Call>>,
    pub(crate) blocking: BlockingSpawner,
}

/// A handle to an I/O driver: sockets register through it, and it wakes the thread that waits in
/// the driver.
#[derive(Clone)]
pub struct IoHandle {
    shared: Arc<IoShared>,
}

framewise_sync::thread_local! {
    /// Has no destructor, so that it can be set in the destructors of other thread-locals and in
    /// `atexit`.
    static CURRENT: ManuallyDrop<RefCell<Option<IoHandle>>> =
        const { ManuallyDrop::new(RefCell::new(None)) };
    /// Empties `CURRENT` at the thread's end, where a guard was forgotten or dropped out of order.
    static CLEANUP: Cleanup = const { Cleanup };
    /// Why the thread has no handle, where somebody has seen to that.
    static REJECTION: Cell<Option<&'static str>> = const { Cell::new(None) };
}

struct Cleanup;

impl Drop for Cleanup {
    fn drop(&mut self) {
        // loom drops the thread-locals of a model that fails outside of the model, where none can be
        // used: a second panic, while the first one unwinds, would abort the process.
        if cfg!(framewise_loom) && std::thread::panicking() {
            return;
        }
        drop(CURRENT.try_with(|current| current.take()));
    }
}

/// Makes `handle` the thread's current one, and returns what was there.
fn replace_current(handle: Option<IoHandle>) -> Option<IoHandle> {
    // Registers the destructor; after that has run, the guards alone restore what they found.
    let _ = CLEANUP.try_with(|_| ());
    CURRENT.with(|current| current.replace(handle))
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
    /// While one such call is still to be seen by the driver, others cost no system call.
    pub fn unpark(&self) {
        self.shared.unpark.unpark();
    }

    /// Ends the wait of the driver, or its next one, when `limit` has passed (give or take 50 us), or
    /// before. A wait that is ended so may be one that has not begun yet.
    ///
    /// It costs one system call, which wakes nobody yet, and none where an earlier call has not ended a
    /// wait yet and will do so in time: so one for each `limit` at most, however often it is called
    /// with it. (Where the system has no timer that can be set so, this is [`unpark`](Self::unpark).)
    pub fn unpark_after(&self, limit: Duration) {
        #[cfg(target_os = "linux")]
        if let Some(late) = &self.shared.late_unpark
            && late.ensure(limit).is_ok()
        {
            return;
        }
        let _ = limit;
        self.unpark();
    }

    /// How often the timer of [`unpark_after`](Self::unpark_after) has been set, a system call each:
    /// for tests and tools.
    #[doc(hidden)]
    pub fn late_settings(&self) -> u64 {
        #[cfg(target_os = "linux")]
        return self
            .shared
            .late_unpark
            .as_ref()
            .map_or(0, LateUnpark::settings);
        #[cfg(not(target_os = "linux"))]
        0
    }

    /// Makes this the thread's current handle until the guard is dropped.
    ///
    /// Guards are dropped in the reverse order of their making.
    #[must_use = "the handle is current only while the guard lives"]
    pub fn enter(&self) -> EnterGuard {
        EnterGuard {
            previous: replace_current(Some(self.clone())),
            previous_rejection: REJECTION.with(Cell::take),
            not_send: PhantomData,
        }
    }

    /// Leaves the thread without a handle until the guard is dropped: sockets and look-ups get an
    /// error of the kind [`Unsupported`](io::ErrorKind::Unsupported) that says `why`.
    #[must_use = "handles are refused only while the guard lives"]
    pub fn reject(why: &'static str) -> EnterGuard {
        EnterGuard {
            previous: replace_current(None),
            previous_rejection: REJECTION.with(|rejection| rejection.replace(Some(why))),
            not_send: PhantomData,
        }
    }

    /// The thread's current handle.
    ///
    /// # Panics
    ///
    /// Panics when the thread is not within a runtime.
    pub fn current() -> IoHandle {
        Self::try_current().expect("there is no I/O driver here: call this within a runtime")
    }

    /// The thread's current handle, `None` when the thread is not within a runtime.
    pub fn try_current() -> Option<IoHandle> {
        // In the destructor of another thread-local there may be nothing left to ask.
        CURRENT
            .try_with(|current| current.borrow().clone())
            .ok()
            .flatten()
    }

    /// As [`try_current`](Self::try_current), for those who return an `io::Result` anyway.
    pub(crate) fn for_io() -> io::Result<IoHandle> {
        Self::try_current().ok_or_else(|| match REJECTION.with(Cell::get) {
            Some(why) => io::Error::new(io::ErrorKind::Unsupported, why),
            None => io::Error::other("there is no I/O driver here: use sockets within a runtime"),
        })
    }

    /// Gives a source a place in the table.
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

    /// Takes a source out of the table. It must have been deregistered before.
    pub(crate) fn remove(&self, key: SourceKey) {
        // What is taken out is dropped after the lock: the last waker of a source may go with it.
        let state = {
            let mut sources = self.shared.sources.lock();
            sources.slab.remove(key)
        };
        drop(state);
    }

    /// Has the driver call a callback soon.
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

/// Keeps an [`IoHandle`] the thread's current one; made by [`IoHandle::enter`].
#[derive(Debug)]
pub struct EnterGuard {
    previous: Option<IoHandle>,
    previous_rejection: Option<&'static str>,
    not_send: PhantomData<*const ()>,
}

impl Drop for EnterGuard {
    fn drop(&mut self) {
        let previous = self.previous.take();
        let _ = REJECTION.try_with(|rejection| rejection.set(self.previous_rejection));
        // Without the thread-local (its destructor has run) there is nothing to put back.
        let ended = CURRENT.try_with(|current| current.replace(previous));
        drop(ended);
    }
}

/// What waits and registrations give once the driver has been shut down.
pub(crate) fn shutdown_error() -> io::Error {
    io::Error::other("the runtime is shutting down: its I/O driver is gone")
}
