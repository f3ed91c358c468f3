//! Signals from the operating system: ctrl-c, and on Unix all others.
//!
//! # A handler stays
//!
//! The first listener to a signal installs a handler, for the whole process and until its end. From
//! then on the signal no longer does what it does by default, even if all listeners, and their
//! runtimes, are gone: after the first [`ctrl_c`], ctrl-c ends the process only if the program does
//! so. The handler calls one that another library has installed before. (Those that use the crate
//! `signal-hook` or `tokio` share this one.)
//!
//! # Delivery
//!
//! Signals are process-wide: every listener, in every runtime of the process, gets each of them.
//! The operating system may merge signals of one kind that it has not delivered yet, and a listener
//! gets all that came since it last received as one. A listener that has begun to listen misses
//! none: it receives once more after the last signal.
//!
//! In a seeded run (`framewise::test`) there are no signals.

// `unix` is the interface. `inbox` has the handlers and the pipe of each runtime, `listeners` the
// counts and the wakers.

pub(crate) mod inbox;
pub(crate) mod listeners;
pub mod unix;

use std::io;

use framewise_context::cancel;

/// Waits for the next ctrl-c (`SIGINT`).
///
/// It begins to listen when it is first polled. A signal that comes between two calls is not seen
/// by either: to miss none, keep one [`Signal`](unix::Signal).
///
/// After the first poll, ctrl-c [no longer](self#a-handler-stays) ends the process.
///
/// # Errors
///
/// See [`unix::signal`]. Fails if the runtime shuts down, and if the frame's deadline passes or it
/// is cancelled.
///
/// # Cancel safety
///
/// Safe, but a later call sees only signals that come later.
///
/// # Frame
///
/// The awaiting task's.
///
/// # Examples
///
/// ```no_run
/// # async fn serve() {}
/// framewise::block_on(async {
///     let server = framewise::spawn(serve());
///     framewise::signal::ctrl_c().await?;
///     println!("stopping");
///     server.abort();
///     Ok::<_, std::io::Error>(())
/// })
/// # .unwrap();
/// ```
pub async fn ctrl_c() -> io::Result<()> {
    let mut interrupts = unix::signal(unix::SignalKind::interrupt())?;
    match cancel::enforce(interrupts.recv()).await? {
        Some(()) => Ok(()),
        None => Err(io::Error::other("the runtime is shutting down")),
    }
}
