//! Unix's signals, each by its kind.

// Owns the interface. The listener's state is in `listeners.rs`, the handler's in `inbox.rs`.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::inbox::Inbox;
use super::listeners::SignalListener;
use crate::runtime::enter;

/// A kind of signal.
///
/// # Examples
///
/// ```
/// use framewise::signal::unix::SignalKind;
///
/// assert_eq!(SignalKind::from_raw(2), SignalKind::interrupt());
/// assert_eq!(SignalKind::interrupt().as_raw_value(), 2);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SignalKind(i32);

impl SignalKind {
    /// Returns the kind of a signal's number, which is the system's.
    pub const fn from_raw(signal: i32) -> Self {
        Self(signal)
    }

    /// Returns the signal's number.
    pub const fn as_raw_value(&self) -> i32 {
        self.0
    }

    /// `SIGALRM`: a timer of the system has fired. It ends a process by default.
    pub const fn alarm() -> Self {
        Self(libc::SIGALRM)
    }

    /// `SIGCHLD`: a child process has ended or stopped. It is ignored by default.
    pub const fn child() -> Self {
        Self(libc::SIGCHLD)
    }

    /// `SIGHUP`: the terminal is closed; by custom, daemons read their settings again. It ends a
    /// process by default.
    pub const fn hangup() -> Self {
        Self(libc::SIGHUP)
    }

    /// `SIGINT`: ctrl-c. It ends a process by default.
    pub const fn interrupt() -> Self {
        Self(libc::SIGINT)
    }

    /// `SIGIO`: a descriptor is ready. What it does by default depends on the system.
    pub const fn io() -> Self {
        Self(libc::SIGIO)
    }

    /// `SIGPIPE`: a write to a pipe without readers. It ends a process by default, and is ignored
    /// in a program whose `main` is Rust's.
    pub const fn pipe() -> Self {
        Self(libc::SIGPIPE)
    }

    /// `SIGQUIT`: ctrl-\\. It ends a process, with a core dump, by default.
    pub const fn quit() -> Self {
        Self(libc::SIGQUIT)
    }

    /// `SIGTERM`: a request to end, which service managers send. It ends a process by default.
    pub const fn terminate() -> Self {
        Self(libc::SIGTERM)
    }

    /// `SIGUSR1`: the program's own. It ends a process by default.
    pub const fn user_defined1() -> Self {
        Self(libc::SIGUSR1)
    }

    /// `SIGUSR2`: the program's own. It ends a process by default.
    pub const fn user_defined2() -> Self {
        Self(libc::SIGUSR2)
    }

    /// `SIGWINCH`: the terminal's size has changed. It is ignored by default.
    pub const fn window_change() -> Self {
        Self(libc::SIGWINCH)
    }
}

impl From<i32> for SignalKind {
    fn from(signal: i32) -> Self {
        Self::from_raw(signal)
    }
}

impl From<SignalKind> for i32 {
    fn from(kind: SignalKind) -> Self {
        kind.as_raw_value()
    }
}

/// Begins to listen to the signals of a kind that come from now on.
///
/// The process no longer does what it does by default at this signal, [until it
/// ends](super#a-handler-stays). The listener belongs to the current runtime.
///
/// # Errors
///
/// Fails with [`InvalidInput`](io::ErrorKind::InvalidInput) at `SIGKILL`, `SIGSTOP`, `SIGILL`,
/// `SIGFPE` and `SIGSEGV`, which cannot be handled, or not by code that goes on. Fails with the
/// system's error, for example at a number that is no signal's; outside of a runtime; if the
/// runtime is shutting down; and in a seeded run, with
/// [`Unsupported`](io::ErrorKind::Unsupported).
///
/// # Examples
///
/// ```
/// use framewise::signal::unix::{SignalKind, signal};
///
/// # fn main() -> std::io::Result<()> {
/// framewise::block_on(async {
///     let mut hangups = signal(SignalKind::hangup())?;
/// #   unsafe { libc::raise(libc::SIGHUP) };
///     // ... `kill -HUP` by the operator ...
///     hangups.recv().await;
///     println!("reading the settings again");
///     Ok(())
/// })
/// # }
/// ```
pub fn signal(kind: SignalKind) -> io::Result<Signal> {
    let signal = kind.as_raw_value();
    if signal_hook_registry::FORBIDDEN.contains(&signal) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("no handler can be installed for signal {signal}"),
        ));
    }
    let spawner = enter::current().ok_or_else(|| {
        io::Error::other("there is no runtime here: listen to signals within a runtime")
    })?;
    let (inbox, listener) = Inbox::listen(&spawner.shared, signal)?;
    Ok(Signal { inbox, listener })
}

/// A listener to the signals of one kind; returned by [`signal`].
///
/// Each listener gets each signal, and those that come before it [receives](Self::recv) as one.
pub struct Signal {
    inbox: Arc<Inbox>,
    listener: SignalListener,
}

impl Signal {
    /// Waits until the signal has come since the last call, or since the listener was made. Returns
    /// `None` if the runtime has ended.
    ///
    /// It could not say that a deadline has passed, so it waits on then, like a sleep. Put it into
    /// [`enforce`](crate::cancel::enforce) if it should not.
    ///
    /// # Cancel safety
    ///
    /// Safe: a signal is received by the poll that returns it, so dropping the future loses none.
    ///
    /// # Frame
    ///
    /// The awaiting task's. When the future is dropped, the listener keeps nothing of it.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise::signal::unix::{SignalKind, signal};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// framewise::block_on(async {
    ///     let mut dumps = signal(SignalKind::user_defined1())?;
    ///     let dumper = framewise::spawn(async move {
    ///         // while let Some(()) = dumps.recv().await {
    ///         dumps.recv().await;
    ///         println!("{:?}", framewise::context::frame_stats());
    ///     });
    /// #   unsafe { libc::raise(libc::SIGUSR1) };
    ///     // ... `kill -USR1` by the operator ...
    ///     dumper.await?;
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn recv(&mut self) -> Option<()> {
        /// Releases the waker of a wait that is over.
        struct Wait<'a>(&'a mut Signal);
        impl Drop for Wait<'_> {
            fn drop(&mut self) {
                self.0.inbox.listeners.release(&self.0.listener);
            }
        }
        let wait = Wait(self);
        poll_fn(|cx| wait.0.poll_recv(cx)).await
    }

    /// Like [`recv`](Self::recv), as a poll function: the last caller's waker stays until the next
    /// signal, or until the listener is dropped.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<()>> {
        self.inbox.listeners.poll_recv(&mut self.listener, cx)
    }
}

impl Drop for Signal {
    fn drop(&mut self) {
        self.inbox.listeners.release(&self.listener);
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signal")
            .field("kind", &SignalKind(self.listener.signal()))
            .finish_non_exhaustive()
    }
}
