//! loom's threads. Each unpark is a site.
//!
//! Parking is implemented here, because loom's unpark differs from `std`'s: it is not a step after
//! which loom switches threads, it ends any wait of the thread (also the wait for a lock), and it
//! orders operations even if it ends no wait. Here unpark sets a token, as `std` specifies: `park`
//! takes the token, and everything before the unpark happens before `park` returns.

use std::cell::{Cell, RefCell};
use std::io;
use std::sync::{Arc, PoisonError};

use super::site;

/// A thread's token. (In `std`'s `Arc`: its reference count is not part of the model.)
#[derive(Debug, Default)]
struct Token {
    is_set: loom::sync::Mutex<bool>,
    changed: loom::sync::Condvar,
}

loom::thread_local! {
    static TOKEN: RefCell<Arc<Token>> = RefCell::default();
}

fn own_token() -> Arc<Token> {
    TOKEN.with(|token| Arc::clone(&token.borrow()))
}

/// Makes a thread's closure: it installs `token`, then runs `f`.
fn with_token<T>(token: Arc<Token>, f: impl FnOnce() -> T) -> impl FnOnce() -> T {
    move || {
        TOKEN.with(|own| own.replace(token));
        f()
    }
}

/// A handle to a thread, which can unpark it.
#[derive(Clone, Debug)]
pub struct Thread {
    thread: loom::thread::Thread,
    token: Arc<Token>,
}

impl Thread {
    /// Ends the thread's current or next call of [`park`].
    #[track_caller]
    pub fn unpark(&self) {
        if site::step("unpark") {
            // Ignores poisoning: loom runs all threads on one OS thread, and another one may panic.
            let is_set = self.token.is_set.lock();
            *is_set.unwrap_or_else(PoisonError::into_inner) = true;
            self.token.changed.notify_one();
        }
    }

    /// Returns the thread's name, if it has one.
    pub fn name(&self) -> Option<&str> {
        self.thread.name()
    }
}

/// Blocks until [`Thread::unpark`] has been called since the last return.
#[track_caller]
pub fn park() {
    site::reached("park");
    let token = own_token();
    let mut is_set = token.is_set.lock().unwrap_or_else(PoisonError::into_inner);
    while !*is_set {
        is_set = token
            .changed
            .wait(is_set)
            .unwrap_or_else(PoisonError::into_inner);
    }
    *is_set = false;
}

/// A handle to join a thread.
#[derive(Debug)]
pub struct JoinHandle<T> {
    handle: loom::thread::JoinHandle<T>,
    thread: Thread,
}

impl<T> JoinHandle<T> {
    fn new(handle: loom::thread::JoinHandle<T>, token: Arc<Token>) -> Self {
        let thread = Thread {
            thread: handle.thread().clone(),
            token,
        };
        Self { handle, thread }
    }

    /// Waits for the thread to finish.
    ///
    /// # Errors
    ///
    /// Returns the payload with which the thread panicked.
    #[track_caller]
    pub fn join(self) -> std::thread::Result<T> {
        self.handle.join()
    }

    /// Returns `false`: loom cannot tell whether a thread has finished.
    pub fn is_finished(&self) -> bool {
        false
    }

    /// Returns the thread.
    pub fn thread(&self) -> &Thread {
        &self.thread
    }
}

/// Returns the calling thread.
pub fn current() -> Thread {
    Thread {
        thread: loom::thread::current(),
        token: own_token(),
    }
}

/// Starts a thread.
#[track_caller]
pub fn spawn<F, T>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + 'static,
    T: 'static,
{
    let token: Arc<Token> = Arc::default();
    JoinHandle::new(
        loom::thread::spawn(with_token(Arc::clone(&token), f)),
        token,
    )
}

std::thread_local! {
    /// The number of starts by a builder before one fails. This is not part of the model: loom runs
    /// all threads of a model on one OS thread.
    static FAILS_AFTER: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Keeps a failing start in effect until it is dropped; made by [`fail_start`].
#[doc(hidden)]
#[must_use = "starts fail only while this lives"]
#[derive(Debug)]
pub struct FailingStart(());

/// Makes a start by a [`Builder`] fail, after `after` successful ones.
#[doc(hidden)]
pub fn fail_start(after: usize) -> FailingStart {
    FAILS_AFTER.set(Some(after));
    FailingStart(())
}

impl Drop for FailingStart {
    fn drop(&mut self) {
        FAILS_AFTER.set(None);
    }
}

/// Configures a new thread.
#[derive(Debug)]
pub struct Builder(loom::thread::Builder);

impl Builder {
    /// Makes a builder for a thread without a name.
    #[expect(clippy::new_without_default, reason = "like std's")]
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
    /// Fails if the model asked for it with [`fail_start`].
    #[track_caller]
    pub fn spawn<F, T>(self, f: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        if FAILS_AFTER.get().is_some_and(|starts| starts == 0) {
            FAILS_AFTER.set(None);
            return Err(io::Error::other("the model has no thread left"));
        }
        FAILS_AFTER.set(FAILS_AFTER.get().map(|starts| starts - 1));
        let token: Arc<Token> = Arc::default();
        let handle = self.0.spawn(with_token(Arc::clone(&token), f))?;
        Ok(JoinHandle::new(handle, token))
    }
}
