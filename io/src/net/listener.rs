//! The TCP listener.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use socket2::SockRef;

use crate::callback::ReadyCallback;
use crate::net::addr::{ToSocketAddrs, resolve};
use crate::net::methods::{readable_methods, ready_methods};
#[cfg(unix)]
use crate::net::options::lengthen_queue;
use crate::net::options::{impl_descriptor, option_methods, socket_methods};
use crate::net::stream::TcpStream;
use crate::ready::{Direction, Interest, Ready};
use crate::source::IoSource;

/// A socket that accepts TCP connections.
///
/// # Examples
///
/// ```no_run
/// use framewise_io::net::TcpListener;
///
/// async fn serve() -> std::io::Result<()> {
///     let listener = TcpListener::bind("127.0.0.1:8080").await?;
///     loop {
///         let (stream, peer) = listener.accept().await?;
///         // Spawn a task that serves `stream`.
///         # drop((stream, peer));
///     }
/// }
/// ```
pub struct TcpListener {
    io: IoSource<mio::net::TcpListener>,
}

impl TcpListener {
    /// Binds a listener to the first address that can be bound.
    ///
    /// With port 0 the system chooses a free port. Like `std`, this sets `SO_REUSEADDR` except on
    /// Windows, so that a server can be restarted at once.
    ///
    /// # Errors
    ///
    /// Fails with the last address's error if none can be bound, with `InvalidInput` if there is
    /// none, and outside of a runtime.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the socket.
    pub async fn bind(address: impl ToSocketAddrs) -> io::Result<TcpListener> {
        let mut last_error = None;
        for address in resolve(address).await? {
            match mio::net::TcpListener::bind(address) {
                Ok(listener) => {
                    #[cfg(unix)]
                    lengthen_queue(&listener)?;
                    return Self::from_mio(listener);
                }
                Err(error) => last_error = Some(error),
            }
        }
        Err(last_error.unwrap_or_else(no_address))
    }

    pub(super) fn from_mio(listener: mio::net::TcpListener) -> io::Result<TcpListener> {
        Ok(TcpListener {
            io: IoSource::new(listener, Ready::EMPTY)?,
        })
    }

    pub(crate) fn io(&self) -> &IoSource<mio::net::TcpListener> {
        &self.io
    }

    fn socket(&self) -> SockRef<'_> {
        SockRef::from(self.io.source())
    }

    ready_methods!();
    readable_methods!();
    socket_methods!();

    option_methods! {
        ttl, set_ttl: u32 = ttl_v4, set_ttl_v4: "the time-to-live of sent packets (`IP_TTL`)";
    }

    /// Waits for a connection and accepts it.
    ///
    /// Any number of tasks may accept from one listener at once.
    ///
    /// # Errors
    ///
    /// Fails with the system's error; [`io::Error::raw_os_error`] returns its number. Some errors
    /// concern only the connection that was to be accepted (it was aborted), so a server continues
    /// after one. If descriptors or memory run out, the connection stays in the queue, and the next
    /// call tries at once to accept it again. So a loop should pause after an error, or it spins
    /// until a descriptor is free.
    ///
    /// # Cancel safety
    ///
    /// Safe: a connection is accepted and returned in one poll.
    ///
    /// # Frame
    ///
    /// The awaiting task's.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = self
            .io()
            .async_io(Direction::Read, |io| io.accept())
            .await?;
        Ok((TcpStream::accepted(stream)?, peer))
    }

    /// Like [`accept`](Self::accept), as a poll function. If several tasks call it, the last one is
    /// woken.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        self.io()
            .poll_io(cx, Direction::Read, |io| io.accept())
            .map(|result| {
                result.and_then(|(stream, peer)| Ok((TcpStream::accepted(stream)?, peer)))
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
    pub fn try_accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = self.io().try_io(Direction::Read, |io| io.accept())?;
        Ok((TcpStream::accepted(stream)?, peer))
    }

    /// Returns the address to which the listener is bound.
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io().source().local_addr()
    }

    /// Converts `std`'s listener, and sets it to non-blocking.
    ///
    /// # Errors
    ///
    /// Fails with the system's error, and outside of a runtime.
    pub fn from_std(listener: std::net::TcpListener) -> io::Result<TcpListener> {
        listener.set_nonblocking(true)?;
        Self::from_mio(mio::net::TcpListener::from_std(listener))
    }

    /// Converts to `std`'s listener, which stays non-blocking.
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    pub fn into_std(self) -> io::Result<std::net::TcpListener> {
        self.io.into_source().map(std::net::TcpListener::from)
    }
}

impl_descriptor!(TcpListener);

impl TryFrom<std::net::TcpListener> for TcpListener {
    type Error = io::Error;

    /// See [`TcpListener::from_std`].
    fn try_from(listener: std::net::TcpListener) -> io::Result<TcpListener> {
        TcpListener::from_std(listener)
    }
}

/// Returns the error of binding or connecting to a name without addresses.
pub(crate) fn no_address() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        "the name resolves to no address",
    )
}
