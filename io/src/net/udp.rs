//! The UDP socket.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::{Context, Poll};

use socket2::SockRef;

use crate::callback::ReadyCallback;
use crate::net::addr::{ToSocketAddrs, resolve};
use crate::net::datagram::datagram_methods;
use crate::net::datagram_buffer::DatagramBuffer;
use crate::net::listener::no_address;
use crate::net::methods::{readable_methods, ready_methods, writable_methods};
use crate::net::options::{impl_descriptor, option_methods, socket_methods};
use crate::ready::{Direction, Interest, Ready};
use crate::source::IoSource;

/// A UDP socket.
///
/// All operations take `&self`, so several tasks can send and receive at once; each datagram goes
/// to one receiver.
///
/// # Examples
///
/// ```no_run
/// use framewise_io::net::UdpSocket;
///
/// async fn echo() -> std::io::Result<()> {
///     let socket = UdpSocket::bind("127.0.0.1:7").await?;
///     let mut buffer = [0; 1500];
///     loop {
///         let (count, peer) = socket.recv_from(&mut buffer).await?;
///         socket.send_to(&buffer[..count], peer).await?;
///     }
/// }
/// ```
pub struct UdpSocket {
    io: IoSource<mio::net::UdpSocket>,
}

impl UdpSocket {
    /// Binds a socket to the first address that can be bound. With port 0 the system chooses a free
    /// port.
    ///
    /// # Errors
    ///
    /// Fails with the last address's error if none can be bound, with `InvalidInput` if there is
    /// none, and outside of a runtime.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the socket.
    pub async fn bind(address: impl ToSocketAddrs) -> io::Result<UdpSocket> {
        let mut last_error = None;
        for address in resolve(address).await? {
            match mio::net::UdpSocket::bind(address) {
                Ok(socket) => return Self::from_mio(socket),
                Err(error) => last_error = Some(error),
            }
        }
        Err(last_error.unwrap_or_else(no_address))
    }

    fn from_mio(socket: mio::net::UdpSocket) -> io::Result<UdpSocket> {
        Ok(UdpSocket {
            io: IoSource::new(socket, Ready::WRITABLE)?,
        })
    }

    pub(crate) fn io(&self) -> &IoSource<mio::net::UdpSocket> {
        &self.io
    }

    fn socket(&self) -> SockRef<'_> {
        SockRef::from(self.io.source())
    }

    /// Connects to the first address that works: datagrams are then [sent](Self::send) there, and
    /// only those from there are received.
    ///
    /// # Errors
    ///
    /// Fails with the last address's error, with `InvalidInput` if there is no address.
    ///
    /// # Cancel safety
    ///
    /// Safe: the socket is connected in the poll that returns.
    pub async fn connect(&self, address: impl ToSocketAddrs) -> io::Result<()> {
        let mut last_error = None;
        for address in resolve(address).await? {
            match self.io.source().connect(address) {
                Ok(()) => return Ok(()),
                Err(error) => last_error = Some(error),
            }
        }
        Err(last_error.unwrap_or_else(no_address))
    }

    datagram_methods!(mio::net::UdpSocket::send);
    readable_methods!();
    writable_methods!();
    ready_methods!();
    socket_methods!();

    /// Sends a datagram to the first address of `target` and returns the number of its bytes.
    ///
    /// # Errors
    ///
    /// Fails with the system's error, with `InvalidInput` if there is no address, and if the
    /// runtime is shutting down.
    ///
    /// # Cancel safety
    ///
    /// Safe: if the future is dropped before it completes, nothing was sent.
    pub async fn send_to(&self, datagram: &[u8], target: impl ToSocketAddrs) -> io::Result<usize> {
        let target = resolve(target).await?.next().ok_or_else(no_address)?;
        self.io
            .async_io(Direction::Write, |io| io.send_to(datagram, target))
            .await
    }

    /// Like [`send_to`](Self::send_to) if the driver knows the socket to be writable; else fails
    /// with `WouldBlock`.
    ///
    /// # Errors
    ///
    /// See [`try_send`](Self::try_send).
    pub fn try_send_to(&self, datagram: &[u8], target: SocketAddr) -> io::Result<usize> {
        self.io
            .try_io(Direction::Write, |io| io.send_to(datagram, target))
    }

    /// Like [`send_to`](Self::send_to), as a poll function; see
    /// [`poll_send_ready`](Self::poll_send_ready).
    pub fn poll_send_to(
        &self,
        cx: &mut Context<'_>,
        datagram: &[u8],
        target: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        self.io
            .poll_io(cx, Direction::Write, |io| io.send_to(datagram, target))
    }

    /// Like [`recv`](Self::recv), without removing the datagram.
    ///
    /// # Errors
    ///
    /// See [`recv`](Self::recv).
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.io
            .async_io(Direction::Read, |io| io.peek(buffer))
            .await
    }

    /// Like [`peek`](Self::peek) if the driver knows the socket to be readable; else fails with
    /// `WouldBlock`.
    ///
    /// # Errors
    ///
    /// See [`try_recv`](Self::try_recv).
    pub fn try_peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.io.try_io(Direction::Read, |io| io.peek(buffer))
    }

    /// Like [`peek`](Self::peek), as a poll function; see
    /// [`poll_recv_ready`](Self::poll_recv_ready).
    pub fn poll_peek<B: DatagramBuffer + ?Sized>(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut B,
    ) -> Poll<io::Result<B::Received>> {
        self.io.poll_io(cx, Direction::Read, |io| {
            buffer.receive(|bytes| io.peek(bytes))
        })
    }

    /// Like [`recv_from`](Self::recv_from), without removing the datagram.
    ///
    /// # Errors
    ///
    /// See [`recv`](Self::recv).
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn peek_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.io
            .async_io(Direction::Read, |io| io.peek_from(buffer))
            .await
    }

    /// Like [`peek_from`](Self::peek_from) if the driver knows the socket to be readable; else
    /// fails with `WouldBlock`.
    ///
    /// # Errors
    ///
    /// See [`try_recv`](Self::try_recv).
    pub fn try_peek_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.io.try_io(Direction::Read, |io| io.peek_from(buffer))
    }

    /// Like [`peek_from`](Self::peek_from), as a poll function; see
    /// [`poll_recv_ready`](Self::poll_recv_ready).
    pub fn poll_peek_from<B: DatagramBuffer + ?Sized>(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut B,
    ) -> Poll<io::Result<B::ReceivedFrom<SocketAddr>>> {
        self.io.poll_io(cx, Direction::Read, |io| {
            buffer.receive_from(|bytes| io.peek_from(bytes))
        })
    }

    /// Returns the sender of the next datagram, without removing it.
    ///
    /// # Errors
    ///
    /// See [`recv`](Self::recv).
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn peek_sender(&self) -> io::Result<SocketAddr> {
        self.io.async_io(Direction::Read, peek_sender).await
    }

    /// Like [`peek_sender`](Self::peek_sender) if the driver knows the socket to be readable; else
    /// fails with `WouldBlock`.
    ///
    /// # Errors
    ///
    /// See [`try_recv`](Self::try_recv).
    pub fn try_peek_sender(&self) -> io::Result<SocketAddr> {
        self.io.try_io(Direction::Read, peek_sender)
    }

    /// Like [`peek_sender`](Self::peek_sender), as a poll function; see
    /// [`poll_recv_ready`](Self::poll_recv_ready).
    pub fn poll_peek_sender(&self, cx: &mut Context<'_>) -> Poll<io::Result<SocketAddr>> {
        self.io.poll_io(cx, Direction::Read, peek_sender)
    }

    option_methods! {
        broadcast, set_broadcast: bool = broadcast, set_broadcast:
            "whether datagrams may be sent to a broadcast address (`SO_BROADCAST`)";
        multicast_loop_v4, set_multicast_loop_v4: bool = multicast_loop_v4, set_multicast_loop_v4:
            "whether sent IPv4 multicast is also received on this machine (`IP_MULTICAST_LOOP`)";
        multicast_loop_v6, set_multicast_loop_v6: bool = multicast_loop_v6, set_multicast_loop_v6:
            "whether sent IPv6 multicast is also received on this machine (`IPV6_MULTICAST_LOOP`)";
        multicast_ttl_v4, set_multicast_ttl_v4: u32 = multicast_ttl_v4, set_multicast_ttl_v4:
            "the time-to-live of sent IPv4 multicast (`IP_MULTICAST_TTL`)";
        ttl, set_ttl: u32 = ttl_v4, set_ttl_v4: "the time-to-live of sent packets (`IP_TTL`)";
        #[cfg(not(any(target_os = "solaris", target_os = "illumos")))]
        tos_v4, set_tos_v4: u32 = tos_v4, set_tos_v4:
            "the type of service of sent IPv4 packets (`IP_TOS`)";
        #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
        tclass_v6, set_tclass_v6: u32 = tclass_v6, set_tclass_v6:
            "the traffic class of sent IPv6 packets (`IPV6_TCLASS`)";
    }

    /// Returns the network interface to which the socket is bound, if it is (`SO_BINDTODEVICE`).
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "fuchsia"))]
    pub fn device(&self) -> io::Result<Option<Vec<u8>>> {
        self.socket().device()
    }

    /// Binds the socket to a network interface, or to none (`SO_BINDTODEVICE`).
    ///
    /// # Errors
    ///
    /// Fails with the system's error: for most interfaces a privilege is needed.
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "fuchsia"))]
    pub fn bind_device(&self, interface: Option<&[u8]>) -> io::Result<()> {
        self.socket().bind_device(interface)
    }

    /// Joins an IPv4 multicast group on the interface with that address; `0.0.0.0` lets the system
    /// choose.
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    pub fn join_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.io.source().join_multicast_v4(&group, &interface)
    }

    /// Leaves an IPv4 multicast group.
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    pub fn leave_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.io.source().leave_multicast_v4(&group, &interface)
    }

    /// Joins an IPv6 multicast group on the interface with that index; 0 lets the system choose.
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    pub fn join_multicast_v6(&self, group: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.io.source().join_multicast_v6(group, interface)
    }

    /// Leaves an IPv6 multicast group.
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    pub fn leave_multicast_v6(&self, group: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.io.source().leave_multicast_v6(group, interface)
    }

    /// Converts `std`'s socket, and sets it to non-blocking.
    ///
    /// # Errors
    ///
    /// Fails with the system's error, and outside of a runtime.
    pub fn from_std(socket: std::net::UdpSocket) -> io::Result<UdpSocket> {
        socket.set_nonblocking(true)?;
        Self::from_mio(mio::net::UdpSocket::from_std(socket))
    }

    /// Converts to `std`'s socket, which stays non-blocking.
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    pub fn into_std(self) -> io::Result<std::net::UdpSocket> {
        let socket = self.io.into_source()?;
        #[cfg(unix)]
        return Ok(std::os::fd::OwnedFd::from(socket).into());
        #[cfg(windows)]
        return Ok(std::os::windows::io::OwnedSocket::from(socket).into());
    }
}

fn peek_sender(io: &mio::net::UdpSocket) -> io::Result<SocketAddr> {
    io.try_io(|| {
        let sender = socket2::SockRef::from(io).peek_sender()?;
        sender
            .as_socket()
            .ok_or_else(|| io::Error::from(io::ErrorKind::Unsupported))
    })
}

impl_descriptor!(UdpSocket);

impl TryFrom<std::net::UdpSocket> for UdpSocket {
    type Error = io::Error;

    /// See [`UdpSocket::from_std`].
    fn try_from(socket: std::net::UdpSocket) -> io::Result<UdpSocket> {
        UdpSocket::from_std(socket)
    }
}
