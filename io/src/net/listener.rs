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
    /// A port of 0 asks the system for a free one. As `std` does, it sets `SO_REUSEADDR` except on
    /// Windows, so that a server can be started again at once.
    ///
    /// # Errors
    ///
    /// Fails with the last address's error when none can be bound, with `InvalidInput` when there
    /// is none, and outside of a runtime.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what it had opened.
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
    /// Fails with the system's error; [`io::Error::raw_os_error`] tells which. Some errors concern
    /// only the connection that was to be accepted (it had been aborted), so a server goes on
    /// after one. When descriptors or memory run out the connection stays in the queue: the next
    /// call tries at once to accept it again. A loop should therefore pause after an error, or it
    /// spins until a descriptor is free.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no connection: it is accepted and returned in one poll.
    ///
    /// # Frame
    ///
    /// The awaiting task's.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = self.io.async_io(Direction::Read, |io| io.accept()).await?;
        Ok((TcpStream::accepted(stream)?, peer))
    }

    /// As [`accept`](Self::accept), as a poll function: of several tasks that call it, the last is
    /// woken.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        self.io
            .poll_io(cx, Direction::Read, |io| io.accept())
            .map(|result| {
                result.and_then(|(stream, peer)| Ok((TcpStream::accepted(stream)?, peer)))
            })
    }

    /// Accepts a connection if one is known to be there; else fails with `WouldBlock`.
    ///
    /// It goes by what the driver has seen, so it serves after [`readable`](Self::readable) and in
    /// a readiness callback.
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept), and `WouldBlock`.
    pub fn try_accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = self.io.try_io(Direction::Read, |io| io.accept())?;
        Ok((TcpStream::accepted(stream)?, peer))
    }

    /// Waits until there may be a connection to accept.
    ///
    /// # Errors
    ///
    /// Fails when the runtime is shutting down.
    ///
    /// # Cancel safety
    ///
    /// Safe: readiness is not consumed.
    pub async fn readable(&self) -> io::Result<()> {
        self.io.ready(Interest::READABLE).await.map(|_| ())
    }

    /// Has the driver call `call` whenever connections arrive, until it is
    /// [cancelled](ReadyCallback::cancel) or the listener dropped.
    ///
    /// It is told of edges: it is called when something *arrives*, so it should
    /// [accept](Self::try_accept) until that fails with `WouldBlock`; what it leaves is not
    /// registered again. When the listener is already known to be ready, it is called once, soon.
    /// Calls may be spurious. It runs on the thread that drives the I/O and must not block. It may
    /// cancel itself and drop the listener, and is cancelled when it panics; the panic is reported
    /// as a task's that nobody joins.
    ///
    /// Several callbacks may be registered; each is called.
    ///
    /// # Errors
    ///
    /// Fails when the runtime is shutting down.
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

    /// The address to which it is bound.
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.source().local_addr()
    }

    /// The time-to-live of the packets that are sent.
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    pub fn ttl(&self) -> io::Result<u32> {
        self.io.source().ttl()
    }

    /// Sets the time-to-live of the packets that are sent.
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

    /// Makes a listener from `std`'s, which is set to non-blocking.
    ///
    /// # Errors
    ///
    /// Fails with the system's error, and outside of a runtime.
    pub fn from_std(listener: std::net::TcpListener) -> io::Result<TcpListener> {
        listener.set_nonblocking(true)?;
        Self::from_mio(mio::net::TcpListener::from_std(listener))
    }

    /// Gives back `std`'s listener, which stays non-blocking.
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

/// What binding and connecting give when a name has no address.
pub(crate) fn no_address() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        "the name resolves to no address",
    )
}
