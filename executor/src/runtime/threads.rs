//! What users choose about a runtime's threads: their names and stacks, and the callbacks that they
//! call.
//!
//! A callback runs at the root, with no lock of the runtime held, and its panic is reported like a
//! timer callback's. When a worker parks is decided in `scheduler/worker.rs`, when a thread of the
//! pool starts and ends in `blocking/thread.rs`.

use std::fmt::Display;
use std::io;
use std::sync::Arc;

use framewise_context::{Frame, catch_unwind, coop};
use framewise_sync::thread;

use crate::blocking::start_thread;
use crate::panics::{PanicHook, report_unhandled};
use crate::task::JoinError;
use crate::task::catch::catch_and_discard;

/// A callback of the user's.
pub(crate) type ThreadCallback = Arc<dyn Fn() + Send + Sync>;

/// The function that names threads, instead of a prefix.
pub(crate) type NameFunction = Arc<dyn Fn() -> String + Send + Sync>;

/// The settings of a runtime's threads.
#[derive(Clone, Default)]
pub(crate) struct ThreadSettings {
    /// What the names begin with.
    pub(crate) name: String,
    pub(crate) name_function: Option<NameFunction>,
    pub(crate) stack_size: Option<usize>,
    pub(crate) on_start: Option<ThreadCallback>,
    pub(crate) on_stop: Option<ThreadCallback>,
    pub(crate) on_park: Option<ThreadCallback>,
    pub(crate) on_unpark: Option<ThreadCallback>,
    pub(crate) unhandled_panic: Option<PanicHook>,
}

impl ThreadSettings {
    /// Returns the name of a new thread with that role.
    pub(crate) fn name(&self, role: impl Display) -> io::Result<String> {
        let Some(function) = &self.name_function else {
            return Ok(format!("{}-{role}", self.name));
        };
        catch_unwind(|| at_root(&**function)).map_err(|caught| {
            catch_and_discard(|| drop(caught));
            io::Error::other("the function that names threads panicked")
        })
    }

    /// Starts a thread. If it cannot be started, `body` is dropped.
    pub(crate) fn start(
        &self,
        role: impl Display,
        body: impl FnOnce() + Send + 'static,
    ) -> io::Result<thread::JoinHandle<()>> {
        start_thread(self.name(role)?, self.stack_size, body)
    }

    /// Calls the callback for the start of this thread, and that for its end when the guard is
    /// dropped.
    pub(crate) fn started(&self) -> Started<'_> {
        self.call(self.on_start.as_ref());
        Started(self)
    }

    /// Calls the callback, if there is one. Its panic is reported and goes no further.
    pub(crate) fn call(&self, callback: Option<&ThreadCallback>) {
        let Some(callback) = callback else { return };
        let Err(panic) = catch_unwind(|| at_root(&**callback)) else {
            return;
        };
        catch_and_discard(|| {
            let error = JoinError::caught(panic);
            let _handled = report_unhandled(self.unhandled_panic.as_ref(), &error);
        });
    }
}

/// A thread that has called the callback for its start.
pub(crate) struct Started<'a>(&'a ThreadSettings);

impl Drop for Started<'_> {
    fn drop(&mut self) {
        self.0.call(self.0.on_stop.as_ref());
    }
}

/// Calls user code that belongs to no task.
fn at_root<R>(f: &dyn Fn() -> R) -> R {
    Frame::root().run(|| coop::with_unconstrained(f))
}
