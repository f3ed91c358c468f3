//! The Unix datagram socket.

use std::io;
use std::net::Shutdown;
use std::path::Path;
use std::task::{Context, Poll};

use super::SocketAddr;
use crate::callback::ReadyCallback;
use crate::net::datagram::datagram_methods;
use crate::net::datagram_buffer::DatagramBuffer;
use crate::net::methods::{readable_methods, ready_methods, writable_methods};
use crate::net::options::{impl_descriptor, socket_methods};
use crate::net::stream_io::socket;
use crate::ready::{Direction, Interest, Ready};
use crate::source::IoSource;

/// A Unix socket for datagrams, which this machine neither loses nor reorders.
///
/// All operations take `&self`, so several tasks can send and receive at once; each datagram goes
/// to one receiver. A socket's path stays when it is dropped.
///
/// # Examples
///
/// ```no_run
/// use framewise_io::net::UnixDatagram;
///
/// async fn ask() -> std::io::Result<()> {
///     let socket = UnixDatagram::bind("/run/asker")?;
///     socket.send_to(b"hello", "/run/greeter").await?;
///     let mut answer = [0; 1024];
///     let (count, _) = socket.recv_from(&mut answer).await?;
///     println!("{:?}", &answer[..count]);
///     Ok(())
/// }
/// ```
pub struct UnixDatagram {
    io: IoSource<mio::net::UnixDatagram>,
}

impl UnixDatagram {
    /// Binds a socket to `path`, which must not exist.
    ///
    /// # Errors
    ///
    /// Fails with the system's error, which is `AddrInUse` if the path exists, and outside of a
    /// runtime.
    pub fn bind(path: impl AsRef<Path>) -> io::Result<UnixDatagram> {
        Self::from_mio(mio::net::UnixDatagram::bind(path)?)
    }

    /// Like [`bind`](Self::bind), to an address, which may be in Linux's abstract namespace.
    ///
    /// # Errors
    ///
    /// See [`bind`](Self::bind).
    pub fn bind_addr(address: &SocketAddr) -> io::Result<UnixDatagram> {
        Self::from_mio(mio::net::UnixDatagram::bind_addr(address)?)
    }

    /// Creates a socket without an address. Its datagrams cannot be answered.
    ///
    /// # Errors
    ///
    /// Fails with the system's error, and outside of a runtime.
    pub fn unbound() -> io::Result<UnixDatagram> {
        Self::from_mio(mio::net::UnixDatagram::unbound()?)
    }

    /// Creates two sockets that are connected to each other.
    ///
    /// # Errors
    ///
    /// Fails with the system's error, and outside of a runtime.
    pub fn pair() -> io::Result<(UnixDatagram, UnixDatagram)> {
        let (one, other) = mio::net::UnixDatagram::pair()?;
        Ok((Self::from_mio(one)?, Self::from_mio(other)?))
    }

    fn from_mio(socket: mio::net::UnixDatagram) -> io::Result<UnixDatagram> {
        Ok(UnixDatagram {
            io: IoSource::new(socket, Ready::WRITABLE)?,
        })
    }

    pub(crate) fn io(&self) -> &IoSource<mio::net::UnixDatagram> {
        &self.io
    }

    /// Connects to the socket at `path`: datagrams are then [sent](Self::send) there, and only
    /// those from there are received.
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    pub fn connect(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.io.source().connect(path)
    }

    datagram_methods!(socket::send);
    readable_methods!();
    writable_methods!();
    ready_methods!();
    socket_methods!();

    /// Sends a datagram to the socket at `target` and returns the number of its bytes.
    ///
    /// # Errors
    ///
    /// Fails with the system's error, and if the runtime is shutting down.
    ///
    /// # Cancel safety
    ///
    /// Safe: if the future is dropped before it completes, nothing was sent.
    pub async fn send_to(&self, datagram: &[u8], target: impl AsRef<Path>) -> io::Result<usize> {
        self.io
            .async_io(Direction::Write, |io| io.send_to(datagram, target.as_ref()))
            .await
    }

    /// Like [`send_to`](Self::send_to) if the driver knows the socket to be writable; else fails
    /// with `WouldBlock`.
    ///
    /// # Errors
    ///
    /// See [`try_send`](Self::try_send).
    pub fn try_send_to(&self, datagram: &[u8], target: impl AsRef<Path>) -> io::Result<usize> {
        self.io
            .try_io(Direction::Write, |io| io.send_to(datagram, target.as_ref()))
    }

    /// Like [`send_to`](Self::send_to), as a poll function; see
    /// [`poll_send_ready`](Self::poll_send_ready).
    pub fn poll_send_to(
        &self,
        cx: &mut Context<'_>,
        datagram: &[u8],
        target: impl AsRef<Path>,
    ) -> Poll<io::Result<usize>> {
        self.io.poll_io(cx, Direction::Write, |io| {
            io.send_to(datagram, target.as_ref())
        })
    }

    /// Shuts down receiving, sending or both.
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.io.source().shutdown(how)
    }

    /// Converts `std`'s socket, and sets it to non-blocking.
    ///
    /// # Errors
    ///
    /// Fails with the system's error, and outside of a runtime.
    pub fn from_std(socket: std::os::unix::net::UnixDatagram) -> io::Result<UnixDatagram> {
        socket.set_nonblocking(true)?;
        Self::from_mio(mio::net::UnixDatagram::from_std(socket))
    }

    /// Converts to `std`'s socket, which stays non-blocking.
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    pub fn into_std(self) -> io::Result<std::os::unix::net::UnixDatagram> {
        self.io.into_source().map(Into::into)
    }
}

impl_descriptor!(UnixDatagram);

impl TryFrom<std::os::unix::net::UnixDatagram> for UnixDatagram {
    type Error = io::Error;

    /// See [`UnixDatagram::from_std`].
    fn try_from(socket: std::os::unix::net::UnixDatagram) -> io::Result<UnixDatagram> {
        UnixDatagram::from_std(socket)
    }
}
