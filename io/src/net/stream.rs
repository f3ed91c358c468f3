//! The TCP stream.
//!
//! Owns the socket's operations. [`crate::source`] owns how they wait. `crate::traits` implements
//! the I/O traits of other crates.

use std::future::poll_fn;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Shutdown, SocketAddr};
use std::task::{Context, Poll};

use framewise_context::control;
use socket2::SockRef;

use crate::callback::ReadyCallback;
use crate::handle::IoHandle;
use crate::net::addr::{Addresses, ToSocketAddrs, resolve};
use crate::net::connect;
use crate::net::methods::{
    peek_methods, read_methods, readable_methods, ready_methods, writable_methods, write_methods,
};
use crate::net::options::{
    disable_sigpipe, impl_descriptor, linger_methods, option_methods, socket_methods,
};
use crate::net::split::{self, ReadHalf, WriteHalf, sealed};
use crate::net::split_owned::{self, OwnedReadHalf, OwnedWriteHalf};
use crate::net::stream_io::{ReadIo, WriteIo};
use crate::ready::{Direction, Interest, Ready};
use crate::source::{IoSource, capacity};

/// A TCP connection.
///
/// Reading and writing take `&self`. If several tasks read (or write) at once, each operation is
/// atomic, and their order is unspecified.
///
/// # Examples
///
/// ```no_run
/// use framewise_io::net::TcpStream;
///
/// async fn greet() -> std::io::Result<()> {
///     let stream = TcpStream::connect("127.0.0.1:8080").await?;
///     stream.write_all(b"hello").await?;
///     let mut answer = [0; 1024];
///     let count = stream.read(&mut answer).await?;
///     println!("{:?}", &answer[..count]);
///     Ok(())
/// }
/// ```
pub struct TcpStream {
    io: IoSource<mio::net::TcpStream>,
}

impl TcpStream {
    /// Connects to the first address that accepts the connection.
    ///
    /// Several addresses are tried by RFC 8305 ("Happy Eyeballs"): IPv6 and IPv4 in turn, the next
    /// 250 ms after the one before, or as soon as one fails; the first connection wins, and the
    /// others are closed. So an address that does not answer costs a quarter of a second. Each of
    /// several attempts fails after 30 seconds. A single address has no limit but the system's: use
    /// a `timeout`.
    ///
    /// # Errors
    ///
    /// If no connection succeeds, fails with the last error of an address that could be reached, or
    /// else with the last error. Fails with `InvalidInput` if there is no address, and outside of a
    /// runtime.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the sockets.
    ///
    /// # Frame
    ///
    /// The awaiting task's, in each attempt.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::net::SocketAddr;
    /// use framewise_io::net::TcpStream;
    ///
    /// async fn connect() -> std::io::Result<TcpStream> {
    ///     let addresses: [SocketAddr; 2] = ["[2001:db8::1]:80", "192.0.2.1:80"]
    ///         .map(|address| address.parse().expect("they are well formed"));
    ///     TcpStream::connect(&addresses[..]).await
    /// }
    /// ```
    pub async fn connect(address: impl ToSocketAddrs) -> io::Result<TcpStream> {
        match resolve(address).await? {
            Addresses::One(Some(address)) => Self::connect_one(address).await,
            addresses => {
                let delay = IoHandle::for_io()?.delay();
                connect::first_of(addresses.collect(), Self::connect_one, delay).await
            }
        }
    }

    async fn connect_one(address: SocketAddr) -> io::Result<TcpStream> {
        poll_fn(control::poll_check).await?;
        Self::connecting(mio::net::TcpStream::connect(address)?).await
    }

    /// Waits until a socket that is connecting is connected.
    pub(super) async fn connecting(stream: mio::net::TcpStream) -> io::Result<TcpStream> {
        // Not ready at first: the stream is connected when it becomes writable.
        let stream = TcpStream {
            io: IoSource::new(stream, Ready::EMPTY)?,
        };
        stream.io.async_io(Direction::Write, connected).await?;
        Ok(stream)
    }

    /// Returns a stream that a listener accepted. It is writable, and taken to be readable until a
    /// read finds nothing: a client's first message is mostly there, and needs no event then.
    pub(crate) fn accepted(stream: mio::net::TcpStream) -> io::Result<TcpStream> {
        disable_sigpipe(&stream)?;
        Ok(TcpStream {
            io: IoSource::new(stream, Ready::READABLE | Ready::WRITABLE)?,
        })
    }

    pub(crate) fn io(&self) -> &IoSource<mio::net::TcpStream> {
        &self.io
    }

    fn socket(&self) -> SockRef<'_> {
        SockRef::from(self.io.source())
    }

    read_methods!();
    readable_methods!();
    write_methods!();
    writable_methods!();
    ready_methods!();
    peek_methods!();
    socket_methods!();
    linger_methods!();

    option_methods! {
        nodelay, set_nodelay: bool = tcp_nodelay, set_tcp_nodelay:
            "whether small writes are sent at once (`TCP_NODELAY`)";
        ttl, set_ttl: u32 = ttl_v4, set_ttl_v4: "the time-to-live of sent packets (`IP_TTL`)";
        #[cfg(any(target_os = "linux", target_os = "android"))]
        quickack, set_quickack: bool = tcp_quickack, set_tcp_quickack:
            "whether acknowledgements are sent at once (`TCP_QUICKACK`). The system may leave this \
             mode again by itself";
    }

    /// Shuts down reading, writing or both, at once, like [`std::net::TcpStream::shutdown`]. Bytes
    /// that were written are still sent. (`shutdown` is the method of the I/O traits, which shuts
    /// down writing.)
    ///
    /// # Errors
    ///
    /// Fails with the system's error, which is `NotConnected` if the peer is already gone.
    pub fn shut_down(&self, how: Shutdown) -> io::Result<()> {
        self.io.source().shutdown(how)
    }

    /// Splits the stream into halves that borrow it.
    ///
    /// If futures' `AsyncReadExt` is in scope, `stream.split()` is its `split`, which takes the
    /// stream by value. Write `TcpStream::split(&mut stream)` then.
    pub fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        split::split(self)
    }

    /// Splits the stream into halves that two tasks can own. Dropping the writing half shuts
    /// writing down.
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        split_owned::split(self)
    }

    /// Returns the local address.
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.source().local_addr()
    }

    /// Returns the address of the peer.
    ///
    /// # Errors
    ///
    /// Fails with the system's error, which is `NotConnected` if the peer is gone.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.io.source().peer_addr()
    }

    /// Converts `std`'s stream, which must be connected, and sets it to non-blocking.
    ///
    /// # Errors
    ///
    /// Fails with the system's error, and outside of a runtime.
    pub fn from_std(stream: std::net::TcpStream) -> io::Result<TcpStream> {
        stream.set_nonblocking(true)?;
        let stream = mio::net::TcpStream::from_std(stream);
        disable_sigpipe(&stream)?;
        Ok(TcpStream {
            io: IoSource::new(stream, Ready::EMPTY)?,
        })
    }

    /// Converts to `std`'s stream, which stays non-blocking.
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    pub fn into_std(self) -> io::Result<std::net::TcpStream> {
        self.io.into_source().map(std::net::TcpStream::from)
    }
}

impl sealed::Parts for TcpStream {
    type Io = mio::net::TcpStream;
    type Address = SocketAddr;

    fn io(&self) -> &IoSource<mio::net::TcpStream> {
        &self.io
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        TcpStream::shut_down(self, how)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        TcpStream::local_addr(self)
    }

    fn peer_addr(&self) -> io::Result<SocketAddr> {
        TcpStream::peer_addr(self)
    }
}

/// Checks that a socket which became writable is connected. Fails with `WouldBlock` if it is not
/// yet.
fn connected(io: &mio::net::TcpStream) -> io::Result<()> {
    if let Some(error) = io.take_error()? {
        return Err(error);
    }
    match io.peer_addr() {
        Ok(_) => Ok(()),
        // Writable, without an error and without a peer: a spurious event.
        Err(error) if error.kind() == io::ErrorKind::NotConnected => {
            Err(io::ErrorKind::WouldBlock.into())
        }
        Err(error) => Err(error),
    }
}

impl_descriptor!(TcpStream);

impl AsRef<TcpStream> for TcpStream {
    fn as_ref(&self) -> &TcpStream {
        self
    }
}

impl TryFrom<std::net::TcpStream> for TcpStream {
    type Error = io::Error;

    /// See [`TcpStream::from_std`].
    fn try_from(stream: std::net::TcpStream) -> io::Result<TcpStream> {
        TcpStream::from_std(stream)
    }
}
