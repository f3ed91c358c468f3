//! A TCP socket before it connects or listens.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;

use framewise_context::control;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::net::options::{linger_methods, option_methods};
use crate::net::{TcpListener, TcpStream};

/// A TCP socket that is neither connected nor listening, to set its options first.
///
/// [`TcpStream::connect`] and [`TcpListener::bind`] are simpler where the defaults suffice.
///
/// # Examples
///
/// ```no_run
/// use framewise_io::net::TcpSocket;
///
/// async fn listen() -> std::io::Result<()> {
///     let socket = TcpSocket::new_v4()?;
///     socket.set_reuseaddr(true)?;
///     socket.bind("127.0.0.1:8080".parse().expect("an address"))?;
///     let listener = socket.listen(1024)?;
///     # drop(listener);
///     Ok(())
/// }
/// ```
pub struct TcpSocket {
    socket: Socket,
}

impl TcpSocket {
    /// Opens a socket for IPv4.
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    pub fn new_v4() -> io::Result<TcpSocket> {
        Self::new(Domain::IPV4)
    }

    /// Opens a socket for IPv6.
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    pub fn new_v6() -> io::Result<TcpSocket> {
        Self::new(Domain::IPV6)
    }

    fn new(domain: Domain) -> io::Result<TcpSocket> {
        let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        Ok(TcpSocket { socket })
    }

    /// Converts a socket of `std`, which must be neither connected nor listening, and sets it to
    /// non-blocking. It serves sockets that other code opened, by their descriptor.
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    pub fn from_std_stream(stream: std::net::TcpStream) -> io::Result<TcpSocket> {
        let socket = Socket::from(stream);
        socket.set_nonblocking(true)?;
        Ok(TcpSocket { socket })
    }

    /// Binds the socket to a local address. With port 0 the system chooses a free port.
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    pub fn bind(&self, address: SocketAddr) -> io::Result<()> {
        self.socket.bind(&address.into())
    }

    /// Connects to `address`.
    ///
    /// # Errors
    ///
    /// Fails with the system's error, and outside of a runtime.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the socket.
    pub async fn connect(self, address: SocketAddr) -> io::Result<TcpStream> {
        poll_fn(control::poll_check).await?;
        match self.socket.connect(&address.into()) {
            Ok(()) => {}
            Err(error) if connection_has_begun(&error) => {}
            Err(error) => return Err(error),
        }
        TcpStream::connecting(mio::net::TcpStream::from_std(self.socket.into())).await
    }

    /// Listens with a queue of `backlog` connections that wait to be accepted. The system may have
    /// a lower limit.
    ///
    /// # Errors
    ///
    /// Fails with the system's error, and outside of a runtime.
    pub fn listen(self, backlog: u32) -> io::Result<TcpListener> {
        self.socket
            .listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        TcpListener::from_mio(mio::net::TcpListener::from_std(self.socket.into()))
    }

    /// Returns the local address.
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        let address = self.socket.local_addr()?;
        address
            .as_socket()
            .ok_or_else(|| io::ErrorKind::Unsupported.into())
    }

    /// Takes and clears the pending error of the socket (`SO_ERROR`).
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.socket.take_error()
    }

    linger_methods!();

    option_methods! {
        nodelay, set_nodelay: bool = tcp_nodelay, set_tcp_nodelay:
            "whether small writes are sent at once (`TCP_NODELAY`)";
        keepalive, set_keepalive: bool = keepalive, set_keepalive:
            "whether the system probes an idle connection (`SO_KEEPALIVE`)";
        reuseaddr, set_reuseaddr: bool = reuse_address, set_reuse_address:
            "whether an address can be bound although connections of an earlier listener linger \
             (`SO_REUSEADDR`)";
        #[cfg(all(unix, not(any(target_os = "solaris", target_os = "illumos"))))]
        reuseport, set_reuseport: bool = reuse_port, set_reuse_port:
            "whether several sockets can be bound to one address (`SO_REUSEPORT`)";
        #[cfg(not(any(target_os = "solaris", target_os = "illumos")))]
        tos_v4, set_tos_v4: u32 = tos_v4, set_tos_v4:
            "the type of service of sent IPv4 packets (`IP_TOS`)";
        #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
        tclass_v6, set_tclass_v6: u32 = tclass_v6, set_tclass_v6:
            "the traffic class of sent IPv6 packets (`IPV6_TCLASS`)";
    }

    /// Returns the size of the send buffer in bytes (`SO_SNDBUF`), as the system counts it: Linux
    /// doubles what was set.
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    pub fn send_buffer_size(&self) -> io::Result<u32> {
        self.socket.send_buffer_size().map(saturated)
    }

    /// Sets the size of the send buffer in bytes (`SO_SNDBUF`).
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    pub fn set_send_buffer_size(&self, size: u32) -> io::Result<()> {
        self.socket.set_send_buffer_size(size as usize)
    }

    /// Returns the size of the receive buffer in bytes (`SO_RCVBUF`), as the system counts it:
    /// Linux doubles what was set.
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    pub fn recv_buffer_size(&self) -> io::Result<u32> {
        self.socket.recv_buffer_size().map(saturated)
    }

    /// Sets the size of the receive buffer in bytes (`SO_RCVBUF`).
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    pub fn set_recv_buffer_size(&self, size: u32) -> io::Result<()> {
        self.socket.set_recv_buffer_size(size as usize)
    }

    /// Returns the network interface to which the socket is bound, if it is (`SO_BINDTODEVICE`).
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "fuchsia"))]
    pub fn device(&self) -> io::Result<Option<Vec<u8>>> {
        self.socket.device()
    }

    /// Binds the socket to a network interface, or to none (`SO_BINDTODEVICE`).
    ///
    /// # Errors
    ///
    /// Fails with the system's error: for most interfaces a privilege is needed.
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "fuchsia"))]
    pub fn bind_device(&self, interface: Option<&[u8]>) -> io::Result<()> {
        self.socket.bind_device(interface)
    }

    fn socket(&self) -> SockRef<'_> {
        SockRef::from(&self.socket)
    }
}

fn saturated(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}

/// Returns `true` if a connect without waiting has begun.
fn connection_has_begun(error: &io::Error) -> bool {
    #[cfg(unix)]
    return error.raw_os_error() == Some(libc::EINPROGRESS);
    #[cfg(not(unix))]
    return error.kind() == io::ErrorKind::WouldBlock;
}

impl fmt::Debug for TcpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket.fmt(f)
    }
}

#[cfg(unix)]
mod unix {
    use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, RawFd};

    use super::{Socket, TcpSocket};

    impl AsRawFd for TcpSocket {
        fn as_raw_fd(&self) -> RawFd {
            self.socket.as_raw_fd()
        }
    }

    impl AsFd for TcpSocket {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.socket.as_fd()
        }
    }

    impl FromRawFd for TcpSocket {
        /// Converts a descriptor. It must be set to non-blocking.
        ///
        /// # Safety
        ///
        /// The descriptor must be open, of a TCP socket, and owned by the caller.
        unsafe fn from_raw_fd(fd: RawFd) -> TcpSocket {
            // SAFETY: the caller's promise.
            let socket = unsafe { Socket::from_raw_fd(fd) };
            TcpSocket { socket }
        }
    }

    impl IntoRawFd for TcpSocket {
        fn into_raw_fd(self) -> RawFd {
            self.socket.into_raw_fd()
        }
    }
}
