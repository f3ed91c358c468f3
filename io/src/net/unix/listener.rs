//! The Unix listener.

use std::io;
use std::path::Path;
use std::task::{Context, Poll};

use super::{SocketAddr, UnixStream};
use crate::callback::ReadyCallback;
use crate::net::methods::{readable_methods, ready_methods};
use crate::net::options::{impl_descriptor, lengthen_queue, socket_methods};
use crate::ready::{Direction, Interest, Ready};
use crate::source::IoSource;

/// A Unix socket that accepts connections.
///
/// Its path stays when the listener is dropped: remove it before the next
/// [`bind`](UnixListener::bind).
///
/// # Examples
///
/// ```no_run
/// use framewise_io::net::UnixListener;
///
/// async fn serve() -> std::io::Result<()> {
///     let listener = UnixListener::bind("/run/greeter")?;
///     loop {
///         let (stream, _) = listener.accept().await?;
///         // Spawn a task that serves `stream`.
///         # drop(stream);
///     }
/// }
/// ```
pub struct UnixListener {
    io: IoSource<mio::net::UnixListener>,
}

impl UnixListener {
    /// Binds a listener to `path`, which must not exist. On Linux a path that begins with a zero
    /// byte is a name in the abstract namespace.
    ///
    /// # Errors
    ///
    /// Fails with the system's error, which is `AddrInUse` if the path exists, and outside of a
    /// runtime.
    pub fn bind(path: impl AsRef<Path>) -> io::Result<UnixListener> {
        Self::bind_addr(&super::address_of(path.as_ref())?)
    }

    /// Like [`bind`](Self::bind), to an address, which may be in Linux's abstract namespace.
    ///
    /// # Errors
    ///
    /// See [`bind`](Self::bind).
    pub fn bind_addr(address: &SocketAddr) -> io::Result<UnixListener> {
        Self::from_mio(mio::net::UnixListener::bind_addr(address)?)
    }

    fn from_mio(listener: mio::net::UnixListener) -> io::Result<UnixListener> {
        lengthen_queue(&listener)?;
        Ok(UnixListener {
            io: IoSource::new(listener, Ready::EMPTY)?,
        })
    }

    pub(crate) fn io(&self) -> &IoSource<mio::net::UnixListener> {
        &self.io
    }

    ready_methods!();
    readable_methods!();
    socket_methods!();

    /// Waits for a connection and accepts it.
    ///
    /// Any number of tasks may accept from one listener at once.
    ///
    /// # Errors
    ///
    /// See [`TcpListener::accept`](crate::net::TcpListener::accept): a loop should pause after an
    /// error.
    ///
    /// # Cancel safety
    ///
    /// Safe: a connection is accepted and returned in one poll.
    ///
    /// # Frame
    ///
    /// The awaiting task's.
    pub async fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        let (stream, peer) = self.io.async_io(Direction::Read, |io| io.accept()).await?;
        Ok((UnixStream::accepted(stream)?, peer))
    }

    /// Like [`accept`](Self::accept), as a poll function. If several tasks call it, the last one is
    /// woken.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(UnixStream, SocketAddr)>> {
        self.io
            .poll_io(cx, Direction::Read, |io| io.accept())
            .map(|result| {
                result.and_then(|(stream, peer)| Ok((UnixStream::accepted(stream)?, peer)))
            })
    }

    /// Accepts a connection if the driver knows of one; else fails with `WouldBlock`.
    ///
    /// It relies on the events that the driver has fetched. Use it after
    /// [`readable`](Self::readable) and in a readiness callback.
    ///
    /// # Errors
    ///
    /// Fails like [`accept`](Self::accept), and with `WouldBlock`.
    pub fn try_accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        let (stream, peer) = self.io.try_io(Direction::Read, |io| io.accept())?;
        Ok((UnixStream::accepted(stream)?, peer))
    }

    /// Returns the address to which the listener is bound.
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.source().local_addr()
    }

    /// Converts `std`'s listener, and sets it to non-blocking.
    ///
    /// # Errors
    ///
    /// Fails with the system's error, and outside of a runtime.
    pub fn from_std(listener: std::os::unix::net::UnixListener) -> io::Result<UnixListener> {
        listener.set_nonblocking(true)?;
        Ok(UnixListener {
            io: IoSource::new(mio::net::UnixListener::from_std(listener), Ready::EMPTY)?,
        })
    }

    /// Converts to `std`'s listener, which stays non-blocking.
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    pub fn into_std(self) -> io::Result<std::os::unix::net::UnixListener> {
        self.io.into_source().map(Into::into)
    }
}

impl_descriptor!(UnixListener);

impl TryFrom<std::os::unix::net::UnixListener> for UnixListener {
    type Error = io::Error;

    /// See [`UnixListener::from_std`].
    fn try_from(listener: std::os::unix::net::UnixListener) -> io::Result<UnixListener> {
        UnixListener::from_std(listener)
    }
}
