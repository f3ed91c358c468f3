//! The TCP stream.
//!
//! Owns the socket's operations. [`crate::source`] owns how they wait. `crate::traits` implements
//! the I/O traits of other crates, on the poll functions in [`crate::net::stream_poll`].

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::task::{Context, Poll};
#[cfg(unix)]
use std::time::Duration;

use crate::callback::ReadyCallback;
use crate::net::addr::{ToSocketAddrs, resolve};
use crate::net::listener::no_address;
use crate::net::send::{disable_sigpipe, send_vectored};
use crate::net::split::{self, ReadHalf, WriteHalf};
use crate::net::split_owned::{self, OwnedReadHalf, OwnedWriteHalf};
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
    pub(super) io: IoSource<mio::net::TcpStream>,
}

impl TcpStream {
    /// Connects to the first address that accepts the connection.
    ///
    /// # Errors
    ///
    /// Fails with the last address's error if no connection succeeds, with `InvalidInput` if there
    /// is no address, and outside of a runtime.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the socket.
    pub async fn connect(address: impl ToSocketAddrs) -> io::Result<TcpStream> {
        let mut last_error = None;
        for address in resolve(address).await? {
            match Self::connect_one(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last_error = Some(error),
            }
        }
        Err(last_error.unwrap_or_else(no_address))
    }

    async fn connect_one(address: SocketAddr) -> io::Result<TcpStream> {
        let stream = mio::net::TcpStream::connect(address)?;
        // Not ready at first: the stream is connected when it becomes writable.
        let stream = TcpStream {
            io: IoSource::new(stream, Ready::EMPTY)?,
        };
        stream.io.async_io(Direction::Write, connected).await?;
        Ok(stream)
    }

    /// Returns a stream that a listener accepted. It is writable.
    pub(crate) fn accepted(stream: mio::net::TcpStream) -> io::Result<TcpStream> {
        disable_sigpipe(&stream)?;
        Ok(TcpStream {
            io: IoSource::new(stream, Ready::WRITABLE)?,
        })
    }

    /// Reads into `buffer` and returns the number of bytes. Zero means that the peer has stopped
    /// writing, or that the buffer is empty.
    ///
    /// # Errors
    ///
    /// Fails with the system's error, and if the runtime is shutting down.
    ///
    /// # Cancel safety
    ///
    /// Safe: if the future is dropped before it completes, nothing was read.
    ///
    /// # Frame
    ///
    /// The awaiting task's, like for all operations of a stream.
    pub async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = buffer.len();
        self.io
            .transfer(Direction::Read, len, |mut io| io.read(buffer))
            .await
    }

    /// Reads into several buffers in order, with one system call. The system uses only the first
    /// buffers if there are too many (more than 1024 on Linux).
    ///
    /// # Errors
    ///
    /// See [`read`](Self::read).
    ///
    /// # Cancel safety
    ///
    /// See [`read`](Self::read).
    pub async fn read_vectored(&self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let len = capacity(buffers.iter().map(|buffer| buffer.len()));
        self.io
            .transfer(Direction::Read, len, |mut io| io.read_vectored(buffers))
            .await
    }

    /// Fills the whole of `buffer`.
    ///
    /// # Errors
    ///
    /// Fails like [`read`](Self::read), and with `UnexpectedEof` if the peer stops writing before
    /// the buffer is full.
    ///
    /// # Cancel safety
    ///
    /// Not safe: if the future is dropped, the buffer contains the bytes that were read so far, and
    /// their number is lost.
    pub async fn read_exact(&self, buffer: &mut [u8]) -> io::Result<()> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read(&mut buffer[filled..]).await {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads without removing the bytes: the next read returns the same bytes again.
    ///
    /// # Errors
    ///
    /// See [`read`](Self::read).
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.io
            .async_io(Direction::Read, |io| io.peek(buffer))
            .await
    }

    /// Writes from `buffer` and returns the number of bytes.
    ///
    /// # Errors
    ///
    /// Fails with the system's error, and if the runtime is shutting down.
    ///
    /// # Cancel safety
    ///
    /// Safe: if the future is dropped before it completes, nothing was written.
    pub async fn write(&self, buffer: &[u8]) -> io::Result<usize> {
        self.io
            .transfer(Direction::Write, buffer.len(), |mut io| io.write(buffer))
            .await
    }

    /// Writes from several buffers in order, with one system call. The system uses only the first
    /// buffers if there are too many (more than 1024 on Linux).
    ///
    /// # Errors
    ///
    /// See [`write`](Self::write).
    ///
    /// # Cancel safety
    ///
    /// See [`write`](Self::write).
    pub async fn write_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let len = capacity(buffers.iter().map(|buffer| buffer.len()));
        self.io
            .transfer(Direction::Write, len, |io| send_vectored(io, buffers))
            .await
    }

    /// Writes the whole of `buffer`.
    ///
    /// # Errors
    ///
    /// Fails like [`write`](Self::write), and with `WriteZero` if the system accepts no bytes any
    /// more.
    ///
    /// # Cancel safety
    ///
    /// Not safe: if the future is dropped, some of the bytes may have been written, and their
    /// number is lost.
    pub async fn write_all(&self, mut buffer: &[u8]) -> io::Result<()> {
        while !buffer.is_empty() {
            match self.write(buffer).await {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => buffer = &buffer[count..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Waits until the stream is ready for any part of `interest`, and returns for which.
    ///
    /// Readiness is a hint: the operation that follows may still block. The `try_` functions then
    /// clear the readiness.
    ///
    /// # Errors
    ///
    /// Fails if the runtime is shutting down.
    ///
    /// # Cancel safety
    ///
    /// Safe: readiness is not consumed.
    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        self.io.ready(interest).await
    }

    /// Waits until a read would not block.
    ///
    /// # Errors
    ///
    /// See [`ready`](Self::ready).
    ///
    /// # Cancel safety
    ///
    /// Safe: readiness is not consumed.
    pub async fn readable(&self) -> io::Result<()> {
        self.ready(Interest::READABLE).await.map(|_| ())
    }

    /// Waits until a write would not block.
    ///
    /// # Errors
    ///
    /// See [`ready`](Self::ready).
    ///
    /// # Cancel safety
    ///
    /// Safe: readiness is not consumed.
    pub async fn writable(&self) -> io::Result<()> {
        self.ready(Interest::WRITABLE).await.map(|_| ())
    }

    /// Reads if the driver knows the stream to be readable; else fails with `WouldBlock`.
    ///
    /// It relies on the events that the driver has fetched. Use it after
    /// [`readable`](Self::readable) and in a readiness callback.
    ///
    /// # Errors
    ///
    /// Fails with the system's error, and with `WouldBlock`.
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.io
            .try_transfer(Direction::Read, buffer.len(), |mut io| io.read(buffer))
    }

    /// Like [`try_read`](Self::try_read), into several buffers.
    ///
    /// # Errors
    ///
    /// See [`try_read`](Self::try_read).
    pub fn try_read_vectored(&self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let len = capacity(buffers.iter().map(|buffer| buffer.len()));
        self.io
            .try_transfer(Direction::Read, len, |mut io| io.read_vectored(buffers))
    }

    /// Like [`peek`](Self::peek) if the driver knows the stream to be readable; else fails with
    /// `WouldBlock`.
    ///
    /// # Errors
    ///
    /// See [`try_read`](Self::try_read).
    pub fn try_peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.io.try_io(Direction::Read, |io| io.peek(buffer))
    }

    /// Writes if the driver knows the stream to be writable; else fails with `WouldBlock`.
    ///
    /// # Errors
    ///
    /// Fails with the system's error, and with `WouldBlock`.
    pub fn try_write(&self, buffer: &[u8]) -> io::Result<usize> {
        self.io
            .try_transfer(Direction::Write, buffer.len(), |mut io| io.write(buffer))
    }

    /// Like [`try_write`](Self::try_write), from several buffers.
    ///
    /// # Errors
    ///
    /// See [`try_write`](Self::try_write).
    pub fn try_write_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let len = capacity(buffers.iter().map(|buffer| buffer.len()));
        self.io
            .try_transfer(Direction::Write, len, |io| send_vectored(io, buffers))
    }

    /// Like [`readable`](Self::readable), as a poll function. Each direction has one slot for the
    /// waker of a poll function: if several tasks read through poll functions (or an I/O trait),
    /// the last one is woken.
    ///
    /// # Frame
    ///
    /// The slot keeps the last caller's waker until the next event for the direction: the stream
    /// does not learn that the future which polled is dropped. The waker of a task of this runtime,
    /// or of its `block_on`, needs no frame. A user-supplied waker, such as that of
    /// `FuturesUnordered`, is kept together with the frame in which it polled. Another poll, or
    /// dropping the stream or that [owned half](Self::into_split), releases both. The streams' own
    /// `async` methods, such as [`readable`](Self::readable) and [`read`](Self::read), release them
    /// as soon as they are dropped.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.poll_ready(cx, Direction::Read)
    }

    /// Like [`writable`](Self::writable), as a poll function; see
    /// [`poll_read_ready`](Self::poll_read_ready).
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.poll_ready(cx, Direction::Write)
    }

    /// Like [`peek`](Self::peek), as a poll function; see
    /// [`poll_read_ready`](Self::poll_read_ready).
    pub fn poll_peek(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.io.poll_io(cx, Direction::Read, |io| io.peek(buffer))
    }

    /// Has the driver call `call` whenever the stream becomes ready for any part of `interest`,
    /// until it is [canceled](ReadyCallback::cancel) or the stream dropped.
    ///
    /// Callbacks are edge-triggered: an event calls it when something *changes*, so it should
    /// [read](Self::try_read) or [write](Self::try_write) until that fails with `WouldBlock`. What
    /// it leaves causes no further call. If the stream is already known to be ready, it is called
    /// once, soon. Calls may be spurious. It runs on the thread that drives the I/O and must not
    /// block. It may cancel itself and drop the stream. It is canceled if it panics; the panic is
    /// reported like that of a task without a joiner. (A callback that owns its stream keeps it
    /// alive until the callback is canceled or the runtime shuts down.)
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

    /// Shuts down reading, writing or both, at once, like [`std::net::TcpStream::shutdown`]. Bytes
    /// that were written are still sent.
    ///
    /// # Errors
    ///
    /// Fails with the system's error, which is `NotConnected` if the peer is already gone.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
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

    /// Returns `true` if small writes are sent at once (`TCP_NODELAY`).
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.io.source().nodelay()
    }

    /// Sets whether small writes are sent at once (`TCP_NODELAY`).
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.io.source().set_nodelay(nodelay)
    }

    /// Returns how long closing waits until written bytes are sent (`SO_LINGER`), in whole seconds.
    /// `None` means that it does not wait, and the system sends the rest in the background.
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    #[cfg(unix)]
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        super::options::linger(self.io.source())
    }

    /// Sets how long closing waits until written bytes are sent (`SO_LINGER`), rounded up to whole
    /// seconds.
    ///
    /// With zero, and only with zero, closing aborts the connection: the peer gets a reset. With
    /// more, dropping the stream may block the thread for that time.
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    #[cfg(unix)]
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        super::options::set_linger(self.io.source(), linger)
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

    /// Takes and clears the pending error of the socket (`SO_ERROR`).
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.io.source().take_error()
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

impl TcpStream {
    /// Shuts writing down. If the peer is already gone, there is nothing to shut down: that is no
    /// error.
    pub(crate) fn end_writing(&self) -> io::Result<()> {
        match self.shutdown(Shutdown::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            result => result,
        }
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

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.io.source().fmt(f)
    }
}

#[cfg(unix)]
mod unix {
    use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

    use super::TcpStream;

    impl AsRawFd for TcpStream {
        fn as_raw_fd(&self) -> RawFd {
            self.io.source().as_raw_fd()
        }
    }

    impl AsFd for TcpStream {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.io.source().as_fd()
        }
    }
}
