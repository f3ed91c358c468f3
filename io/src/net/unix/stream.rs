//! The Unix stream.

use std::future::poll_fn;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::Shutdown;
use std::path::Path;
use std::task::{Context, Poll};

use framewise_context::control;

use super::{SocketAddr, UCred, ucred};
use crate::callback::ReadyCallback;
use crate::net::methods::{
    read_methods, readable_methods, ready_methods, writable_methods, write_methods,
};
use crate::net::options::{disable_sigpipe, impl_descriptor, socket_methods};
use crate::net::split::{self, ReadHalf, WriteHalf, sealed};
use crate::net::split_owned::{self, OwnedReadHalf, OwnedWriteHalf};
use crate::net::stream_io::{ReadIo, WriteIo};
use crate::ready::{Direction, Interest, Ready};
use crate::source::{IoSource, capacity};

/// A connection between two processes of this machine, or within one.
///
/// Reading and writing take `&self`, as for a [`TcpStream`](crate::net::TcpStream).
///
/// # Examples
///
/// ```no_run
/// use framewise_io::net::UnixStream;
///
/// async fn greet() -> std::io::Result<()> {
///     let stream = UnixStream::connect("/run/greeter").await?;
///     stream.write_all(b"hello").await?;
///     let mut answer = [0; 1024];
///     let count = stream.read(&mut answer).await?;
///     println!("{:?}", &answer[..count]);
///     Ok(())
/// }
/// ```
pub struct UnixStream {
    io: IoSource<mio::net::UnixStream>,
}

impl UnixStream {
    /// Connects to the socket at `path`. On Linux a path that begins with a zero byte is a name in
    /// the abstract namespace.
    ///
    /// # Errors
    ///
    /// Fails with the system's error, and outside of a runtime. If the listener's queue is full,
    /// Linux fails with `WouldBlock`: there is no event to wait for, so try again after a pause.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the socket.
    pub async fn connect(path: impl AsRef<Path>) -> io::Result<UnixStream> {
        Self::connect_addr(&super::address_of(path.as_ref())?).await
    }

    /// Like [`connect`](Self::connect), to an address, which may be in Linux's abstract namespace.
    ///
    /// # Errors
    ///
    /// See [`connect`](Self::connect).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the socket.
    pub async fn connect_addr(address: &SocketAddr) -> io::Result<UnixStream> {
        poll_fn(control::poll_check).await?;
        Self::connecting(mio::net::UnixStream::connect_addr(address)?).await
    }

    pub(super) async fn connecting(stream: mio::net::UnixStream) -> io::Result<UnixStream> {
        // Not ready at first: the stream is connected when it becomes writable.
        let stream = UnixStream {
            io: IoSource::new(stream, Ready::EMPTY)?,
        };
        let connected = |io: &mio::net::UnixStream| io.take_error()?.map_or(Ok(()), Err);
        stream.io.async_io(Direction::Write, connected).await?;
        Ok(stream)
    }

    /// Returns a stream that a listener accepted. It is writable, and taken to be readable until a
    /// read finds nothing: a client's first message is mostly there, and needs no event then.
    pub(super) fn accepted(stream: mio::net::UnixStream) -> io::Result<UnixStream> {
        disable_sigpipe(&stream)?;
        Ok(UnixStream {
            io: IoSource::new(stream, Ready::READABLE | Ready::WRITABLE)?,
        })
    }

    /// Creates two streams that are connected to each other.
    ///
    /// # Errors
    ///
    /// Fails with the system's error, and outside of a runtime.
    pub fn pair() -> io::Result<(UnixStream, UnixStream)> {
        let (one, other) = mio::net::UnixStream::pair()?;
        let stream = |stream| IoSource::new(stream, Ready::WRITABLE).map(|io| UnixStream { io });
        Ok((stream(one)?, stream(other)?))
    }

    pub(crate) fn io(&self) -> &IoSource<mio::net::UnixStream> {
        &self.io
    }

    read_methods!();
    readable_methods!();
    write_methods!();
    writable_methods!();
    ready_methods!();
    socket_methods!();

    /// Shuts down reading, writing or both, at once. Bytes that were written are still received.
    /// (`shutdown` is the method of the I/O traits, which shuts down writing.)
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
    /// stream by value. Write `UnixStream::split(&mut stream)` then.
    pub fn split(&mut self) -> (ReadHalf<'_, UnixStream>, WriteHalf<'_, UnixStream>) {
        split::split(self)
    }

    /// Splits the stream into halves that two tasks can own. Dropping the writing half shuts
    /// writing down.
    pub fn into_split(self) -> (OwnedReadHalf<UnixStream>, OwnedWriteHalf<UnixStream>) {
        split_owned::split(self)
    }

    /// Returns the local address, which has no name at a connecting end.
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

    /// Returns the credentials of the peer.
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    pub fn peer_cred(&self) -> io::Result<UCred> {
        ucred::peer_cred(self.io.source())
    }

    /// Converts `std`'s stream, which must be connected, and sets it to non-blocking.
    ///
    /// # Errors
    ///
    /// Fails with the system's error, and outside of a runtime.
    pub fn from_std(stream: std::os::unix::net::UnixStream) -> io::Result<UnixStream> {
        stream.set_nonblocking(true)?;
        let stream = mio::net::UnixStream::from_std(stream);
        disable_sigpipe(&stream)?;
        Ok(UnixStream {
            io: IoSource::new(stream, Ready::EMPTY)?,
        })
    }

    /// Converts to `std`'s stream, which stays non-blocking.
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    pub fn into_std(self) -> io::Result<std::os::unix::net::UnixStream> {
        self.io.into_source().map(Into::into)
    }
}

impl sealed::Parts for UnixStream {
    type Io = mio::net::UnixStream;
    type Address = SocketAddr;

    fn io(&self) -> &IoSource<mio::net::UnixStream> {
        &self.io
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        UnixStream::shut_down(self, how)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        UnixStream::local_addr(self)
    }

    fn peer_addr(&self) -> io::Result<SocketAddr> {
        UnixStream::peer_addr(self)
    }
}

impl_descriptor!(UnixStream);

impl AsRef<UnixStream> for UnixStream {
    fn as_ref(&self) -> &UnixStream {
        self
    }
}

impl TryFrom<std::os::unix::net::UnixStream> for UnixStream {
    type Error = io::Error;

    /// See [`UnixStream::from_std`].
    fn try_from(stream: std::os::unix::net::UnixStream) -> io::Result<UnixStream> {
        UnixStream::from_std(stream)
    }
}
