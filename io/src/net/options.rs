//! Socket options, and what is done to a socket after it was opened.

#[cfg(unix)]
use std::io;
#[cfg(unix)]
use std::time::Duration;

#[cfg(unix)]
use socket2::SockRef;

/// The length of a listener's queue: more than `std`'s 128, since a connection that finds the queue
/// full is delayed by a second. The system has a limit of its own.
pub(super) const BACKLOG: i32 = 1024;

/// Lengthens a bound listener's queue.
#[cfg(unix)]
pub(super) fn lengthen_queue<'s>(listener: impl Into<SockRef<'s>>) -> io::Result<()> {
    listener.into().listen(BACKLOG)
}

/// The longest lingering time: Linux keeps an `int`, the BSDs keep a `short`.
#[cfg(unix)]
const LINGER_SECONDS_MAX: u64 = if cfg!(any(target_os = "linux", target_os = "android")) {
    i32::MAX as u64
} else {
    i16::MAX as u64
};

/// Returns the lingering time that the system is given: `linger`, rounded up to whole seconds. Zero
/// would abort the connection and lose data.
#[cfg(unix)]
pub(super) fn linger_seconds(linger: Duration) -> Duration {
    let begun = u64::from(linger.subsec_nanos() > 0);
    let seconds = linger.as_secs().saturating_add(begun);
    Duration::from_secs(seconds.min(LINGER_SECONDS_MAX))
}

/// Turns SIGPIPE off for a socket that was accepted, or that other code opened: see
/// [`stream_io`](super::stream_io).
#[cfg(target_vendor = "apple")]
pub(super) fn disable_sigpipe<'s>(socket: impl Into<SockRef<'s>>) -> io::Result<()> {
    socket.into().set_nosigpipe(true)
}

/// Does nothing, since each write passes `MSG_NOSIGNAL`.
#[cfg(not(target_vendor = "apple"))]
#[inline]
pub(super) fn disable_sigpipe<S>(_socket: S) -> std::io::Result<()> {
    Ok(())
}

/// Methods that get and set options of a socket, by `self.socket()`, which is socket2's.
macro_rules! option_methods {
    ($(
        $(#[$cfg:meta])*
        $get:ident, $set:ident: $kind:ty = $system_get:ident, $system_set:ident: $what:literal;
    )+) => {$(
        #[doc = concat!("Returns ", $what, ".")]
        ///
        /// # Errors
        ///
        /// Fails with the system's error.
        $(#[$cfg])*
        pub fn $get(&self) -> io::Result<$kind> {
            self.socket().$system_get()
        }

        #[doc = concat!("Sets ", $what, ".")]
        ///
        /// # Errors
        ///
        /// Fails with the system's error.
        $(#[$cfg])*
        pub fn $set(&self, value: $kind) -> io::Result<()> {
            self.socket().$system_set(value)
        }
    )+};
}

/// The methods of a TCP socket for `SO_LINGER`.
macro_rules! linger_methods {
    () => {
        /// Returns how long closing waits until written bytes are sent (`SO_LINGER`), in whole
        /// seconds. `None` means that it does not wait, and the system sends the rest in the
        /// background.
        ///
        /// # Errors
        ///
        /// Fails with the system's error.
        #[cfg(unix)]
        pub fn linger(&self) -> io::Result<Option<std::time::Duration>> {
            self.socket().linger()
        }

        /// Sets how long closing waits until written bytes are sent (`SO_LINGER`), rounded up to
        /// whole seconds.
        ///
        /// With zero, and only with zero, closing aborts the connection: the peer gets a reset.
        /// With more, dropping the stream may block the thread for that time.
        ///
        /// # Errors
        ///
        /// Fails with the system's error.
        #[cfg(unix)]
        pub fn set_linger(&self, linger: Option<std::time::Duration>) -> io::Result<()> {
            let linger = linger.map(crate::net::options::linger_seconds);
            self.socket().set_linger(linger)
        }

        /// Has closing abort the connection: the peer gets a reset. It is
        /// [`set_linger`](Self::set_linger) with zero.
        ///
        /// # Errors
        ///
        /// Fails with the system's error.
        #[cfg(unix)]
        pub fn set_zero_linger(&self) -> io::Result<()> {
            self.set_linger(Some(std::time::Duration::ZERO))
        }
    };
}

/// The methods of a socket that has a pending error.
macro_rules! socket_methods {
    () => {
        /// Takes and clears the pending error of the socket (`SO_ERROR`).
        ///
        /// # Errors
        ///
        /// Fails with the system's error.
        pub fn take_error(&self) -> io::Result<Option<io::Error>> {
            self.io().source().take_error()
        }
    };
}

/// Implements the traits of a type's descriptor, by its `self.io()`, `Debug` and `UnwindSafe`.
macro_rules! impl_descriptor {
    ($($socket:ty),+) => {$(
        impl std::fmt::Debug for $socket {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.io().source().fmt(f)
            }
        }

        // A panic in user code leaves a socket as it was: it is only called between operations.
        impl std::panic::UnwindSafe for $socket {}
        impl std::panic::RefUnwindSafe for $socket {}

        #[cfg(unix)]
        impl std::os::fd::AsRawFd for $socket {
            fn as_raw_fd(&self) -> std::os::fd::RawFd {
                self.io().source().as_raw_fd()
            }
        }

        #[cfg(unix)]
        impl std::os::fd::AsFd for $socket {
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                self.io().source().as_fd()
            }
        }
    )+};
}

pub(crate) use {impl_descriptor, linger_methods, option_methods, socket_methods};
