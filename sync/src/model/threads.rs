//! loom's threads, each unpark of which is a site.
//!
//! Parking is ours. loom's unpark is no step after which others may go on, ends whatever sleep the
//! thread is in, also the wait for a lock, and orders what it does not end, too. Here it is a token,
//! as `std` promises it: who parks takes the token, after what was done before it was set.

use std::cell::{Cell, RefCell};
use std::io;
use std::sync::{Arc, PoisonError};

use super::site;

/// A thread's token. (`std`'s `Arc`: who holds it is not the model's concern.)
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

/// What a thread runs that is known by `token`.
fn with_token<T>(token: Arc<Token>, f: impl FnOnce() -> T) -> impl FnOnce() -> T {
    move || {
        TOKEN.with(|own| own.replace(token));
        f()
    }
}

/// A thread, to be unparked.
#[derive(Clone, Debug)]
pub struct Thread {
    thread: loom::thread::Thread,
    token: Arc<Token>,
}

impl Thread {
    /// Ends the thread's sleep in `park`, or its next one.
    #[track_caller]
    pub fn unpark(&self) {
        if site::step("unpark") {
            // Poisoned by a thread that panics elsewhere: loom runs all of them on one.
            let is_set = self.token.is_set.lock();
            *is_set.unwrap_or_else(PoisonError::into_inner) = true;
            self.token.changed.notify_one();
        }
    }

    /// The thread's name, if it has one.
    pub fn name(&self) -> Option<&str> {
        self.thread.name()
    }
}

/// Sleeps until somebody has called [`Thread::unpark`] since the last sleep.
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

/// The right to wait for a thread's end.
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
    /// Starts by a builder before one that fails. No part of the model: loom runs all of a model's
    /// threads on one of the system.
    static FAILS_AFTER: Cell<Option<usize>> = const { Cell::new(None) };
}

/// A start that fails is in force until this is dropped; made by [`fail_start`].
#[doc(hidden)]
#[must_use = "starts fail only while this lives"]
#[derive(Debug)]
pub struct FailingStart(());

/// After so many starts by a [`Builder`], one fails.
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
    /// Where the model has said that this start [fails](fail_start).
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
