//! [`AsyncFd`]: readiness of any file descriptor.
//!
//! Owns the user's value and its registration, and ends the registration before the value. It must
//! not know what the descriptor refers to. The names are tokio's. [`waits`] has the waits and the
//! operations, [`guard`] what a wait returns, and [`error`] what a rejected registration returns.

mod error;
mod guard;
mod waits;

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use mio::unix::SourceFd;

use crate::handle::IoHandle;
use crate::ready::Interest;
use crate::registration::Registration;

pub use self::error::AsyncFdRegisterError;
pub use self::guard::{AsyncFdReadyGuard, AsyncFdReadyMutGuard, TryIoError};

/// A file descriptor whose readiness the runtime's I/O driver reports.
///
/// This makes descriptors of other libraries asynchronous: those of a database client in C, of an
/// eventfd, an inotify or a GPIO line. The inner value `T` owns the descriptor, as
/// [`OwnedFd`](std::os::fd::OwnedFd), [`UnixStream`](std::os::unix::net::UnixStream) and sockets of
/// `socket2` do.
///
/// The descriptor should be in non-blocking mode: `AsyncFd` does not change its mode, and an
/// operation on a blocking one blocks the thread. It must be one that the system's event queue
/// accepts; on Linux regular files and directories are rejected.
///
/// # Readiness
///
/// The driver learns when a descriptor *becomes* ready (its events are edge-triggered). The
/// readiness then stays until an operation finds that it would block, and says so. So each wait is
/// followed by an operation in [`try_io`](AsyncFdReadyGuard::try_io) of the guard that the wait
/// returned, or both are done by [`async_io`](Self::async_io). A caller that never clears the
/// readiness gets it again at once, without an end; a caller that clears it while there is more to
/// read may wait forever.
///
/// # The inner value
///
/// `as_raw_fd` of the inner value must return the same open descriptor until the value is dropped
/// or taken out by [`into_inner`](Self::into_inner). Dropping the `AsyncFd` first ends the
/// registration and then drops the value. A value that was replaced through
/// [`get_mut`](Self::get_mut) gets no events.
///
/// # Frame
///
/// An `AsyncFd` has no frame. Waits and operations run in the frame of the task that awaits them,
/// also if another task registered the descriptor. The inner value is dropped in the frame that is
/// current where the `AsyncFd` is dropped.
///
/// # Deadlines and cancellation
///
/// Waits, poll functions and `async_io` fail when the deadline of the frame in which they are
/// polled passes ([`TimedOut`](io::ErrorKind::TimedOut)), or when the frame is canceled. The
/// operation was not done then, and the readiness stays. The `try_io` functions do not wait, and so
/// do not fail.
///
/// # Examples
///
/// An asynchronous reader of a pipe:
///
/// ```no_run
/// use std::fs::File;
/// use std::io::{self, Read};
/// use framewise_io::Interest;
/// use framewise_io::unix::AsyncFd;
///
/// struct AsyncPipe(AsyncFd<File>);
///
/// impl AsyncPipe {
///     /// `pipe` is in non-blocking mode.
///     fn new(pipe: File) -> io::Result<AsyncPipe> {
///         AsyncFd::with_interest(pipe, Interest::READABLE).map(AsyncPipe)
///     }
///
///     async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
///         self.0
///             .async_io(Interest::READABLE, |mut pipe| pipe.read(buffer))
///             .await
///     }
///
///     /// The same with a guard.
///     async fn read_guarded(&self, buffer: &mut [u8]) -> io::Result<usize> {
///         loop {
///             let mut guard = self.0.readable().await?;
///             match guard.try_io(|pipe| pipe.get_ref().read(buffer)) {
///                 Ok(result) => return result,
///                 // It would block: the readiness is cleared, so the next wait waits.
///                 Err(_would_block) => {}
///             }
///         }
///     }
/// }
/// ```
pub struct AsyncFd<T: AsRawFd> {
    registration: Registration,
    interest: Interest,
    /// `None` only after `into_inner` took it out.
    inner: Option<T>,
}

const INNER_IS_HERE: &str = "the inner value is here until it is taken out";

impl<T: AsRawFd> AsyncFd<T> {
    /// Registers a descriptor for reading and writing.
    ///
    /// # Errors
    ///
    /// See [`try_new`](Self::try_new), which returns the inner value with the error. Here the value
    /// is dropped.
    pub fn new(inner: T) -> io::Result<Self> {
        Ok(Self::try_new(inner)?)
    }

    /// Registers a descriptor for the readiness in `interest`.
    ///
    /// # Errors
    ///
    /// See [`try_with_interest`](Self::try_with_interest), which returns the inner value with the
    /// error. Here the value is dropped.
    pub fn with_interest(inner: T, interest: Interest) -> io::Result<Self> {
        Ok(Self::try_with_interest(inner, interest)?)
    }

    /// Registers a descriptor for reading and writing.
    ///
    /// # Errors
    ///
    /// See [`try_with_interest`](Self::try_with_interest).
    pub fn try_new(inner: T) -> Result<Self, AsyncFdRegisterError<T>> {
        Self::try_with_interest(inner, Interest::READABLE | Interest::WRITABLE)
    }

    /// Registers a descriptor for the readiness in `interest`.
    ///
    /// A later wait for none of it is an error. The exception is [`Interest::ERROR`], which systems
    /// report in any case. On Linux the closing of one direction is reported to those that are
    /// registered for this direction, and the closing of both to all: a registration for urgent
    /// data alone does not learn that the peer has stopped writing.
    ///
    /// # Errors
    ///
    /// Fails with the system's error: on Linux with `PermissionDenied` for regular files, with
    /// `AlreadyExists` if the descriptor is registered with this runtime already. Fails outside of
    /// a runtime, and if the runtime is shutting down. The error has the inner value.
    pub fn try_with_interest(
        inner: T,
        interest: Interest,
    ) -> Result<Self, AsyncFdRegisterError<T>> {
        let raw = inner.as_raw_fd();
        let registered = IoHandle::for_io()
            .and_then(|handle| Registration::with_interest(handle, &mut SourceFd(&raw), interest));
        match registered {
            Ok(registration) => Ok(Self {
                registration,
                interest,
                inner: Some(inner),
            }),
            Err(cause) => Err(AsyncFdRegisterError::new(inner, cause)),
        }
    }

    /// Like [`try_new`](Self::try_new), under the name and with the signature of newer versions of
    /// tokio.
    ///
    /// # Errors
    ///
    /// See [`try_with_interest`](Self::try_with_interest).
    ///
    /// # Safety
    ///
    /// `as_raw_fd` of the inner value returns the same open descriptor until the value is dropped.
    pub unsafe fn register(inner: T) -> Result<Self, AsyncFdRegisterError<T>> {
        Self::try_new(inner)
    }

    /// Like [`try_with_interest`](Self::try_with_interest), under the name and with the signature
    /// of newer versions of tokio.
    ///
    /// # Errors
    ///
    /// See [`try_with_interest`](Self::try_with_interest).
    ///
    /// # Safety
    ///
    /// `as_raw_fd` of the inner value returns the same open descriptor until the value is dropped.
    pub unsafe fn register_with_interest(
        inner: T,
        interest: Interest,
    ) -> Result<Self, AsyncFdRegisterError<T>> {
        Self::try_with_interest(inner, interest)
    }

    /// Returns the inner value.
    pub fn get_ref(&self) -> &T {
        self.inner.as_ref().expect(INNER_IS_HERE)
    }

    /// Returns the inner value. The caller must not replace it: see [`AsyncFd`].
    pub fn get_mut(&mut self) -> &mut T {
        self.inner.as_mut().expect(INNER_IS_HERE)
    }

    /// Ends the registration and returns the inner value, which can be registered again.
    pub fn into_inner(mut self) -> T {
        self.deregister().expect(INNER_IS_HERE)
    }

    /// Deregisters the descriptor and returns the inner value, once.
    fn deregister(&mut self) -> Option<T> {
        let inner = self.inner.take()?;
        let raw = inner.as_raw_fd();
        // There is no caller to return an error to. An event that comes regardless, if the
        // descriptor was closed before its duplicates, finds no source any more.
        let _ = self.registration.deregister(&mut SourceFd(&raw));
        Some(inner)
    }
}

impl<T: AsRawFd> AsRawFd for AsyncFd<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.get_ref().as_raw_fd()
    }
}

/// For inner values that lend their descriptor. (tokio has it for all, which a safe constructor
/// does not allow: a number is no proof that a descriptor is open.)
impl<T: AsRawFd + AsFd> AsFd for AsyncFd<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.get_ref().as_fd()
    }
}

impl<T: AsRawFd + fmt::Debug> fmt::Debug for AsyncFd<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncFd")
            .field("inner", self.get_ref())
            .field("interest", &self.interest)
            .finish()
    }
}

impl<T: AsRawFd> Drop for AsyncFd<T> {
    fn drop(&mut self) {
        drop(self.deregister());
    }
}
