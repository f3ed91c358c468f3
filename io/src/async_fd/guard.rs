//! What a wait for an [`AsyncFd`] returns: the readiness, and how it is cleared.
//!
//! A guard clears only what it observed. If an event came since, clearing does nothing, because the
//! tick of the [word](crate::scheduled_io) has changed.

use std::error::Error;
use std::fmt;
use std::io;
use std::os::fd::AsRawFd;

use super::AsyncFd;
use crate::ready::{Interest, Ready};
use crate::scheduled_io::readiness::ReadyEvent;

/// The readiness that a wait observed and that its guard has not cleared.
#[derive(Clone, Copy)]
pub(super) struct Observed {
    event: ReadyEvent,
    interest: Interest,
    ready: Ready,
}

impl Observed {
    pub(super) fn new(event: ReadyEvent, interest: Interest) -> Self {
        Self {
            event,
            interest,
            ready: event.ready().intersection(interest),
        }
    }

    fn clear<T: AsRawFd>(&mut self, fd: &AsyncFd<T>, ready: Ready) {
        fd.registration
            .clear_ready(self.event, ready.intersection(self.interest));
        self.ready = self.ready.without(ready);
    }

    /// Passes on the result of an operation. Clears the readiness if it would block.
    fn attempted<T: AsRawFd, R>(
        &mut self,
        fd: &AsyncFd<T>,
        result: io::Result<R>,
    ) -> Result<io::Result<R>, TryIoError> {
        match result {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                fd.registration
                    .clear_if_would_block(self.event, self.interest);
                self.ready = Ready::EMPTY;
                Err(TryIoError(()))
            }
            result => Ok(result),
        }
    }
}

/// The readiness of an [`AsyncFd`], returned by its waits.
///
/// Dropping the guard clears nothing: the next wait returns at once. Clear the readiness if an
/// operation found that it would block: [`try_io`](Self::try_io) does both.
#[must_use = "the readiness stays until a method of the guard clears it"]
pub struct AsyncFdReadyGuard<'a, T: AsRawFd> {
    fd: &'a AsyncFd<T>,
    observed: Observed,
}

/// Like [`AsyncFdReadyGuard`], from a wait that borrowed the [`AsyncFd`] mutably.
#[must_use = "the readiness stays until a method of the guard clears it"]
pub struct AsyncFdReadyMutGuard<'a, T: AsRawFd> {
    fd: &'a mut AsyncFd<T>,
    observed: Observed,
}

/// The methods that do not depend on how the guard borrows.
macro_rules! common_methods {
    () => {
        /// Clears the readiness that the wait observed, so that the next wait waits for an event.
        ///
        /// Does nothing if an event came since. The closing of a direction is not cleared.
        ///
        /// Call this only if an operation would block. If there is more to read, no event may come.
        pub fn clear_ready(&mut self) {
            self.clear_ready_matching(self.observed.ready);
        }

        /// Like [`clear_ready`](Self::clear_ready), for the part of the readiness that `ready`
        /// contains.
        pub fn clear_ready_matching(&mut self, ready: Ready) {
            self.observed.clear(&*self.fd, ready);
        }

        /// Does nothing: the readiness stays, and the next wait returns at once. Call it to state
        /// that this is intended.
        pub fn retain_ready(&mut self) {}

        /// Returns the readiness that the wait observed, as far as it was asked for and the guard
        /// has not cleared it.
        pub fn ready(&self) -> Ready {
            self.observed.ready
        }
    };
}

impl<'a, T: AsRawFd> AsyncFdReadyGuard<'a, T> {
    pub(super) fn new(fd: &'a AsyncFd<T>, observed: Observed) -> Self {
        Self { fd, observed }
    }

    common_methods!();

    /// Calls `operation`. Clears the readiness if it returns
    /// [`WouldBlock`](io::ErrorKind::WouldBlock), which it must do only if the descriptor does.
    ///
    /// # Errors
    ///
    /// Fails if the operation would block. All other results, errors too, are in the `Ok`.
    pub fn try_io<R>(
        &mut self,
        operation: impl FnOnce(&'a AsyncFd<T>) -> io::Result<R>,
    ) -> Result<io::Result<R>, TryIoError> {
        let result = operation(self.fd);
        self.observed.attempted(self.fd, result)
    }

    /// Returns the [`AsyncFd`].
    pub fn get_ref(&self) -> &'a AsyncFd<T> {
        self.fd
    }

    /// Returns the inner value of the [`AsyncFd`].
    pub fn get_inner(&self) -> &'a T {
        self.fd.get_ref()
    }
}

impl<'a, T: AsRawFd> AsyncFdReadyMutGuard<'a, T> {
    pub(super) fn new(fd: &'a mut AsyncFd<T>, observed: Observed) -> Self {
        Self { fd, observed }
    }

    common_methods!();

    /// Calls `operation`. Clears the readiness if it returns
    /// [`WouldBlock`](io::ErrorKind::WouldBlock), which it must do only if the descriptor does.
    ///
    /// # Errors
    ///
    /// Fails if the operation would block. All other results, errors too, are in the `Ok`.
    pub fn try_io<R>(
        &mut self,
        operation: impl FnOnce(&mut AsyncFd<T>) -> io::Result<R>,
    ) -> Result<io::Result<R>, TryIoError> {
        let result = operation(self.fd);
        self.observed.attempted(self.fd, result)
    }

    /// Returns the [`AsyncFd`].
    pub fn get_ref(&self) -> &AsyncFd<T> {
        self.fd
    }

    /// Returns the [`AsyncFd`] mutably.
    pub fn get_mut(&mut self) -> &mut AsyncFd<T> {
        self.fd
    }

    /// Returns the inner value of the [`AsyncFd`].
    pub fn get_inner(&self) -> &T {
        self.fd.get_ref()
    }

    /// Returns the inner value of the [`AsyncFd`] mutably.
    pub fn get_inner_mut(&mut self) -> &mut T {
        self.fd.get_mut()
    }
}

impl<T: AsRawFd + fmt::Debug> fmt::Debug for AsyncFdReadyGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncFdReadyGuard")
            .field("async_fd", &self.fd)
            .field("ready", &self.observed.ready)
            .finish()
    }
}

impl<T: AsRawFd + fmt::Debug> fmt::Debug for AsyncFdReadyMutGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncFdReadyMutGuard")
            .field("async_fd", &self.fd)
            .field("ready", &self.observed.ready)
            .finish()
    }
}

/// The error of [`AsyncFdReadyGuard::try_io`]: the operation would block, and the readiness is
/// cleared.
#[derive(Debug)]
pub struct TryIoError(());

impl fmt::Display for TryIoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the operation would block")
    }
}

impl Error for TryIoError {}
