//! What the driver and a registration share about one source: its readiness and its callbacks.
//!
//! Owns the order in which a callback is registered against events and shutdown. It must not know
//! tokens, nor the source itself.

use framewise_context::FramedWaker;
use framewise_sync::{Arc, Mutex};

pub(crate) mod readiness;
pub(crate) mod wait;
pub(crate) mod waiters;

use crate::callback::CallbackEntry;
use crate::ready::Ready;
use crate::scheduled_io::wait::Readiness;

/// A callback that has to be called, and what it is told.
pub type Call = (Arc<CallbackEntry>, Ready);

/// One source's shared state.
#[derive(Debug)]
pub struct ScheduledIo {
    readiness: Readiness,
    callbacks: Mutex<Vec<Arc<CallbackEntry>>>,
}

impl ScheduledIo {
    /// No callbacks, nobody waits, and `initial` holds until it is refuted.
    pub fn new(initial: Ready) -> Self {
        Self {
            readiness: Readiness::new(initial),
            callbacks: Mutex::new(Vec::new()),
        }
    }

    /// The readiness, and those who wait for it.
    pub fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// An event has come. Collects whom to wake and what to call: the driver does so later, when
    /// it holds no lock.
    #[inline]
    pub fn set(&self, ready: Ready, wakers: &mut Vec<FramedWaker>, calls: &mut Vec<Call>) {
        if self.readiness.set(ready, wakers) {
            self.collect_calls(ready, calls);
        }
    }

    #[cold]
    fn collect_calls(&self, ready: Ready, calls: &mut Vec<Call>) {
        let mut callbacks = self.callbacks.lock();
        callbacks.retain(|entry| !entry.is_gone());
        if callbacks.is_empty() {
            self.readiness.word().withdraw_callbacks();
        }
        for entry in callbacks
            .iter()
            .filter(|entry| ready.satisfies(entry.interest()))
        {
            calls.push((Arc::clone(entry), ready));
        }
    }

    /// Registers a callback. `Some` holds what has come before and will not come again; `None`
    /// says that the driver is gone.
    pub fn add_callback(&self, entry: &Arc<CallbackEntry>) -> Option<Ready> {
        let mut callbacks = self.callbacks.lock();
        callbacks.retain(|entry| !entry.is_gone());
        callbacks.push(Arc::clone(entry));
        // The same race as a waiter's, decided in the same way: an event that comes after this
        // looks for callbacks, and waits for the lock that is held here.
        let before = self.readiness.word().announce_callbacks();
        if before.is_shutdown() {
            callbacks.pop();
            return None;
        }
        Some(before.ready().of(entry.interest()))
    }

    /// Takes every callback out. The caller cancels them when it holds no lock.
    #[must_use = "callbacks that are not cancelled keep what they own"]
    pub fn take_callbacks(&self) -> Vec<Arc<CallbackEntry>> {
        std::mem::take(&mut *self.callbacks.lock())
    }
}
