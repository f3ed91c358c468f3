//! What a pool runs its threads for: the runtime, or a model's double of it.
//!
//! Owns the few things that the pool does not do itself: starting a thread, which can fail, making
//! it one of the runtime's, and working with a core.

use std::io;
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;

use framewise_sync::thread;

use crate::account::meter::Meter;
use crate::runtime::enter;
use crate::scheduler::spawner::Spawner;
use crate::scheduler::worker::CoreHandoff;

/// The runtime, as a pool sees it.
pub(crate) trait Host: Clone + Send + 'static {
    /// What `block_in_place` hands off to another thread.
    type Core: Send + 'static;

    /// Starts a thread. If it cannot be started, `body` is dropped.
    fn start(
        &self,
        name: String,
        stack_size: Option<usize>,
        body: impl FnOnce() + Send + 'static,
    ) -> io::Result<thread::JoinHandle<()>>;

    /// Makes the calling thread one of the runtime's, until the guard is dropped.
    fn enter(&self) -> impl Sized;

    /// Makes the meter of a thread of the pool, if the runtime has an account.
    fn meter(&self) -> Option<Meter> {
        None
    }

    /// Works with the core until it is handed off again, or the runtime closes.
    fn work(core: Self::Core);

    /// Called, with the pool's lock held, when a thread has ended its calls and counted itself
    /// idle.
    fn after_calls(&self) {}
}

/// Starts a thread. Returns an error if the start panics, too: the panic hook has printed it, and
/// the caller, which has counted the thread, must count it out.
pub(crate) fn start_thread(
    name: String,
    stack_size: Option<usize>,
    body: impl FnOnce() + Send + 'static,
) -> io::Result<thread::JoinHandle<()>> {
    let start = || {
        let mut builder = thread::Builder::new().name(name);
        if let Some(stack_size) = stack_size {
            builder = builder.stack_size(stack_size);
        }
        builder.spawn(body)
    };
    panic::catch_unwind(AssertUnwindSafe(start)).unwrap_or_else(|payload| {
        // Its destructor might panic again.
        mem::forget(payload);
        Err(io::Error::other("the start of a thread panicked"))
    })
}

impl Host for Arc<Spawner> {
    type Core = CoreHandoff;

    fn meter(&self) -> Option<Meter> {
        self.shared
            .account()
            .map(|account| Meter::of_pool(Arc::clone(account)))
    }

    fn start(
        &self,
        name: String,
        stack_size: Option<usize>,
        body: impl FnOnce() + Send + 'static,
    ) -> io::Result<thread::JoinHandle<()>> {
        start_thread(name, stack_size, body)
    }

    fn enter(&self) -> impl Sized {
        enter::enter(self, self.shared.outside())
    }

    fn work(core: CoreHandoff) {
        core.run();
    }

    #[cfg(all(feature = "test-util", not(any(framewise_loom, framewise_shuttle))))]
    fn after_calls(&self) {
        // The clock may jump to the next timer now (`scheduler/paused.rs`).
        if self.shared.timers.is_clock_stopped() {
            self.shared.io.unpark();
        }
    }
}
