//! loom's threads, each unpark of which is a site.

use std::io;

use super::site;

/// A thread, to be unparked.
#[derive(Clone, Debug)]
pub struct Thread(loom::thread::Thread);

impl Thread {
    /// Ends the thread's sleep in `park`, or its next one.
    #[track_caller]
    pub fn unpark(&self) {
        if site::step("unpark") {
            self.0.unpark();
        }
    }

    /// The thread's name, if it has one.
    pub fn name(&self) -> Option<&str> {
        self.0.name()
    }
}

/// The right to wait for a thread's end.
#[derive(Debug)]
pub struct JoinHandle<T> {
    handle: loom::thread::JoinHandle<T>,
    thread: Thread,
}

impl<T> JoinHandle<T> {
    fn new(handle: loom::thread::JoinHandle<T>) -> Self {
        let thread = Thread(handle.thread().clone());
        Self { handle, thread }
    }

    /// Waits for the thread's end.
    ///
    /// # Errors
    ///
    /// The payload with which the thread panicked.
    #[track_caller]
    pub fn join(self) -> std::thread::Result<T> {
        self.handle.join()
    }

    /// Whether the thread has ended. Here nobody can tell, and so it never has.
    pub fn is_finished(&self) -> bool {
        false
    }

    /// The thread.
    pub fn thread(&self) -> &Thread {
        &self.thread
    }
}

/// The caller's thread.
pub fn current() -> Thread {
    Thread(loom::thread::current())
}

/// Starts a thread.
#[track_caller]
pub fn spawn<F, T>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + 'static,
    T: 'static,
{
    JoinHandle::new(loom::thread::spawn(f))
}

/// How a thread is to be started.
#[derive(Debug)]
pub struct Builder(loom::thread::Builder);

impl Builder {
    /// A thread without a name.
    #[expect(clippy::new_without_default, reason = "as std's")]
    pub fn new() -> Self {
        Self(loom::thread::Builder::new())
    }

    /// Names the thread.
    #[must_use]
    pub fn name(self, name: String) -> Self {
        Self(self.0.name(name))
    }

    /// Sets the size of the thread's stack, in bytes.
    #[must_use]
    pub fn stack_size(self, size: usize) -> Self {
        Self(self.0.stack_size(size))
    }

    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// None here: a model's threads can always be started.
    #[track_caller]
    pub fn spawn<F, T>(self, f: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.0.spawn(f).map(JoinHandle::new)
    }
}
