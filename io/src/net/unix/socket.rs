//! A Unix socket before it connects or listens.

use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::path::Path;

use framewise_context::control;
use socket2::{Domain, SockAddr, Socket, Type};

use super::{UnixDatagram, UnixListener, UnixStream};

/// A Unix socket that is neither connected nor listening yet, so that its queue can have another
/// length, and a stream that connects, a path of its own.
///
/// [`UnixStream::connect`], [`UnixListener::bind`] and [`UnixDatagram::bind`] are simpler where the
/// defaults suffice.
///
/// # Examples
///
/// ```no_run
/// use framewise_io::net::{UnixListener, unix::UnixSocket};
///
/// async fn listen() -> std::io::Result<UnixListener> {
///     let socket = UnixSocket::new_stream()?;
///     socket.bind("/run/greeter")?;
///     socket.listen(16)
/// }
/// ```
#[derive(Debug)]
pub struct UnixSocket {
    socket: Socket,
    is_datagram: bool,
}

impl UnixSocket {
    /// Creates a socket of streams.
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    pub fn new_stream() -> io::Result<UnixSocket> {
        Self::new(false)
    }

    /// Creates a socket of datagrams.
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    pub fn new_datagram() -> io::Result<UnixSocket> {
        Self::new(true)
    }

    fn new(is_datagram: bool) -> io::Result<UnixSocket> {
        let kind = if is_datagram {
            Type::DGRAM
        } else {
            Type::STREAM
        };
        let socket = Socket::new(Domain::UNIX, kind, None)?;
        socket.set_nonblocking(true)?;
        Ok(UnixSocket {
            socket,
            is_datagram,
        })
    }

    /// Binds the socket to `path`, which must not exist.
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    pub fn bind(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.socket.bind(&SockAddr::unix(path)?)
    }

    /// Listens with a queue of `backlog` connections that wait to be accepted. The system may have
    /// a lower limit.
    ///
    /// # Errors
    ///
    /// Fails with the system's error, with `InvalidInput` if it is a socket of datagrams, and
    /// outside of a runtime.
    pub fn listen(self, backlog: u32) -> io::Result<UnixListener> {
        let socket = self.of_kind(false, "listen")?;
        socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        UnixListener::from_std(OwnedFd::from(socket).into())
    }

    /// Connects to the socket at `path`.
    ///
    /// # Errors
    ///
    /// See [`UnixStream::connect`]. Fails with `InvalidInput` if it is a socket of datagrams.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the socket.
    pub async fn connect(self, path: impl AsRef<Path>) -> io::Result<UnixStream> {
        let socket = self.of_kind(false, "connect")?;
        let address = SockAddr::unix(path)?;
        poll_fn(control::poll_check).await?;
        match socket.connect(&address) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
            Err(error) => return Err(error),
        }
        let stream = mio::net::UnixStream::from_std(OwnedFd::from(socket).into());
        UnixStream::connecting(stream).await
    }

    /// Converts to a socket of datagrams.
    ///
    /// # Errors
    ///
    /// Fails with the system's error, with `InvalidInput` if it is a socket of streams, and outside
    /// of a runtime.
    pub fn datagram(self) -> io::Result<UnixDatagram> {
        let socket = self.of_kind(true, "datagram")?;
        UnixDatagram::from_std(OwnedFd::from(socket).into())
    }

    fn of_kind(self, is_datagram: bool, method: &str) -> io::Result<Socket> {
        if self.is_datagram == is_datagram {
            return Ok(self.socket);
        }
        let kind = if self.is_datagram {
            "datagram"
        } else {
            "stream"
        };
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{method} cannot be called on a {kind} socket"),
        ))
    }
}

impl AsRawFd for UnixSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl AsFd for UnixSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl FromRawFd for UnixSocket {
    /// Converts a descriptor. It must be set to non-blocking.
    ///
    /// # Safety
    ///
    /// The descriptor must be open, of a Unix socket, and owned by the caller.
    unsafe fn from_raw_fd(fd: RawFd) -> UnixSocket {
        // SAFETY: the caller's promise.
        let socket = unsafe { Socket::from_raw_fd(fd) };
        let is_datagram = socket.r#type().is_ok_and(|kind| kind == Type::DGRAM);
        UnixSocket {
            socket,
            is_datagram,
        }
    }
}

impl IntoRawFd for UnixSocket {
    fn into_raw_fd(self) -> RawFd {
        self.socket.into_raw_fd()
    }
}
