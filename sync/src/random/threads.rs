//! shuttle's threads, extended by `is_finished`.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use shuttle::thread::Thread;

/// A handle to join a thread.
#[derive(Debug)]
pub struct JoinHandle<T> {
    handle: shuttle::thread::JoinHandle<T>,
    /// `std`'s, and not part of the model.
    finished: Arc<AtomicBool>,
}

impl<T> JoinHandle<T> {
    /// Waits for the thread to finish.
    ///
    /// # Errors
    ///
    /// Returns no error in practice: a thread that panics ends the whole run.
    pub fn join(self) -> std::thread::Result<T> {
        self.handle.join()
    }

    /// Returns `true` if the thread has finished.
    pub fn is_finished(&self) -> bool {
        self.finished.load(Ordering::SeqCst)
    }

    /// Returns the thread.
    pub fn thread(&self) -> &Thread {
        self.handle.thread()
    }
}

/// Starts a thread.
#[track_caller]
pub fn spawn<F, T>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let started = Builder::new().spawn(f);
    started.expect("a model's threads can always be started")
}

/// Configures a new thread.
#[derive(Debug, Default)]
pub struct Builder(shuttle::thread::Builder);

impl Builder {
    /// Makes a builder for a thread without a name.
    pub fn new() -> Self {
        Self(shuttle::thread::Builder::new())
    }

    /// Names the thread.
    #[must_use]
    pub fn name(self, name: String) -> Self {
        Self(self.0.name(name))
    }

    /// Does nothing: a model's threads have stacks of the size that its run configures.
    #[must_use]
    pub fn stack_size(self, _size: usize) -> Self {
        self
    }

    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// Never fails: a model's threads can always be started.
    #[track_caller]
    pub fn spawn<F, T>(self, f: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let finished = Arc::new(AtomicBool::new(false));
        let finishing = Arc::clone(&finished);
        let handle = self.0.spawn(move || {
            let value = f();
            finishing.store(true, Ordering::SeqCst);
            value
        })?;
        Ok(JoinHandle { handle, finished })
    }
}
