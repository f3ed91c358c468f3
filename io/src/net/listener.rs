//! The TCP listener.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use crate::callback::ReadyCallback;
use crate::net::addr::{ToSocketAddrs, resolve};
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
                    super::options::lengthen_queue(&listener)?;
                    return Self::from_mio(listener);
                }
                Err(error) => last_error = Some(error),
            }
        }
        Err(last_error.unwrap_or_else(no_address))
    }

    fn from_mio(listener: mio::net::TcpListener) -> io::Result<TcpListener> {
        Ok(TcpListener {
            io: IoSource::new(listener, Ready::EMPTY)?,
        })
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
        let (stream, peer) = self.io.async_io(Direction::Read, |io| io.accept()).await?;
        Ok((TcpStream::accepted(stream)?, peer))
    }

    /// Like [`accept`](Self::accept), as a poll function. If several tasks call it, the last one is
    /// woken.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        self.io
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
        let (stream, peer) = self.io.try_io(Direction::Read, |io| io.accept())?;
        Ok((TcpStream::accepted(stream)?, peer))
    }

    /// Waits until there may be a connection to accept.
    ///
    /// # Errors
    ///
    /// Fails if the runtime is shutting down.
    ///
    /// # Cancel safety
    ///
    /// Safe: readiness is not consumed.
    pub async fn readable(&self) -> io::Result<()> {
        self.io.ready(Interest::READABLE).await.map(|_| ())
    }

    /// Has the driver call `call` whenever connections arrive, until it is
    /// [canceled](ReadyCallback::cancel) or the listener dropped.
    ///
    /// Callbacks are edge-triggered: an event calls it when a connection *arrives*, so it should
    /// [accept](Self::try_accept) until that fails with `WouldBlock`. What it leaves causes no
    /// further call. If the listener is already known to be ready, it is called once, soon. Calls
    /// may be spurious. It runs on the thread that drives the I/O and must not block. It may cancel
    /// itself and drop the listener. It is canceled if it panics; the panic is reported like that
    /// of a task without a joiner.
    ///
    /// Several callbacks may be registered; each is called.
    ///
    /// # Errors
    ///
    /// Fails if the runtime is shutting down.
    ///
    /// # Frame
    ///
    /// The frame that is current now is current in each call, and when the closure is dropped.
    pub fn on_ready(
        &self,
        interest: Interest,
        call: impl FnMut(Ready) + Send + 'static,
    ) -> io::Result<ReadyCallback> {
        self.io.on_ready(interest, call)
    }

    /// Returns the address to which the listener is bound.
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.source().local_addr()
    }

    /// Returns the time-to-live of sent packets.
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    pub fn ttl(&self) -> io::Result<u32> {
        self.io.source().ttl()
    }

    /// Sets the time-to-live of sent packets.
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.io.source().set_ttl(ttl)
    }

    /// Takes and clears the pending error of the socket.
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.io.source().take_error()
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

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.io.source().fmt(f)
    }
}

#[cfg(unix)]
mod unix {
    use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

    use super::TcpListener;

    impl AsRawFd for TcpListener {
        fn as_raw_fd(&self) -> RawFd {
            self.io.source().as_raw_fd()
        }
    }

    impl AsFd for TcpListener {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.io.source().as_fd()
        }
    }
}

/// Returns the error of binding or connecting to a name without addresses.
pub(crate) fn no_address() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        "the name resolves to no address",
    )
}
