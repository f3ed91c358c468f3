//! The methods that streams and their halves share.
//!
//! Each macro is a group of methods in terms of `self.io()`, the registered source.

/// What can be read.
macro_rules! read_methods {
    () => {
        /// Reads into `buffer` and returns the number of bytes. Zero means that the peer has
        /// stopped writing, or that the buffer is empty.
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
            self.io()
                .transfer(Direction::Read, len, |io| io.receive(buffer))
                .await
        }

        /// Reads into several buffers in order, with one system call. The system uses only the
        /// first buffers if there are too many (more than 1024 on Linux).
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
            self.io()
                .transfer(Direction::Read, len, |io| io.receive_vectored(buffers))
                .await
        }

        /// Fills the whole of `buffer`, and returns its length.
        ///
        /// # Errors
        ///
        /// Fails like [`read`](Self::read), and with `UnexpectedEof` if the peer stops writing
        /// before the buffer is full.
        ///
        /// # Cancel safety
        ///
        /// Not safe: if the future is dropped, the buffer contains the bytes that were read so far,
        /// and their number is lost.
        pub async fn read_exact(&self, buffer: &mut [u8]) -> io::Result<usize> {
            let mut filled = 0;
            while filled < buffer.len() {
                match self.read(&mut buffer[filled..]).await {
                    Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                    Ok(count) => filled += count,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(filled)
        }

        /// Reads if the driver knows the stream to be readable; else fails with `WouldBlock`.
        ///
        /// It relies on the events that the driver has fetched. Use it after
        /// [`readable`](Self::readable) and in a readiness callback. Only `WouldBlock` clears the
        /// readiness: read again until it is returned.
        ///
        /// # Errors
        ///
        /// Fails with the system's error, and with `WouldBlock`.
        pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
            self.io().try_io(Direction::Read, |io| io.receive(buffer))
        }

        /// Reads into the spare memory of `buffer` and returns the number of bytes. A buffer that
        /// grows is given some if it has none.
        ///
        /// # Errors
        ///
        /// See [`read`](Self::read).
        ///
        /// # Cancel safety
        ///
        /// Safe: if the future is dropped before it completes, nothing was read.
        #[cfg(feature = "bytes")]
        pub async fn read_buf<B: bytes::BufMut + ?Sized>(
            &self,
            buffer: &mut B,
        ) -> io::Result<usize> {
            let len = buffer.chunk_mut().len();
            self.io()
                .transfer(Direction::Read, len, |io| crate::net::buf::read(io, buffer))
                .await
        }

        /// Like [`read_buf`](Self::read_buf) if the driver knows the stream to be readable; else
        /// fails with `WouldBlock`.
        ///
        /// # Errors
        ///
        /// See [`try_read`](Self::try_read).
        #[cfg(feature = "bytes")]
        pub fn try_read_buf<B: bytes::BufMut + ?Sized>(&self, buffer: &mut B) -> io::Result<usize> {
            self.io()
                .try_io(Direction::Read, |io| crate::net::buf::read(io, buffer))
        }

        /// Like [`try_read`](Self::try_read), into several buffers.
        ///
        /// # Errors
        ///
        /// See [`try_read`](Self::try_read).
        pub fn try_read_vectored(&self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
            self.io()
                .try_io(Direction::Read, |io| io.receive_vectored(buffers))
        }

        /// Like [`readable`](Self::readable), as a poll function. Each direction has one slot for
        /// the waker of a poll function: if several tasks read through poll functions (or an I/O
        /// trait), the last one is woken.
        ///
        /// # Frame
        ///
        /// The slot keeps the last caller's waker until the next event for the direction: the
        /// stream does not learn that the future which polled is dropped. The waker of a task of
        /// this runtime, or of its `block_on`, needs no frame. A user-supplied waker, such as that
        /// of `FuturesUnordered`, is kept together with the frame in which it polled. Another poll,
        /// or dropping the stream or that owned half, releases both. The
        /// streams' own `async` methods, such as [`readable`](Self::readable) and
        /// [`read`](Self::read), release them as soon as they are dropped.
        pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.io().poll_ready(cx, Direction::Read)
        }
    };
}

/// What can be written.
macro_rules! write_methods {
    () => {
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
            self.io()
                .transfer(Direction::Write, buffer.len(), |io| io.send(buffer))
                .await
        }

        /// Writes from several buffers in order, with one system call. The system uses only the
        /// first buffers if there are too many (more than 1024 on Linux).
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
            self.io()
                .transfer(Direction::Write, len, |io| io.send_vectored(buffers))
                .await
        }

        /// Writes the whole of `buffer`.
        ///
        /// # Errors
        ///
        /// Fails like [`write`](Self::write), and with `WriteZero` if the system accepts no bytes
        /// any more.
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

        /// Writes if the driver knows the stream to be writable; else fails with `WouldBlock`.
        ///
        /// # Errors
        ///
        /// Fails with the system's error, and with `WouldBlock`.
        pub fn try_write(&self, buffer: &[u8]) -> io::Result<usize> {
            self.io().try_io(Direction::Write, |io| io.send(buffer))
        }

        /// Like [`try_write`](Self::try_write), from several buffers.
        ///
        /// # Errors
        ///
        /// See [`try_write`](Self::try_write).
        pub fn try_write_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
            self.io()
                .try_io(Direction::Write, |io| io.send_vectored(buffers))
        }

        /// Like [`writable`](Self::writable), as a poll function; see
        /// [`poll_read_ready`](crate::net::TcpStream::poll_read_ready).
        pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.io().poll_ready(cx, Direction::Write)
        }
    };
}

/// What can become readable.
macro_rules! readable_methods {
    () => {
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
    };
}

/// What can become writable.
macro_rules! writable_methods {
    () => {
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
    };
}

/// What has a registration.
macro_rules! ready_methods {
    () => {
        ready_methods!(common);

        /// Calls `operation` if the driver knows the source to be ready for any part of `interest`;
        /// else fails with `WouldBlock`. For system calls on the descriptor that this type has no
        /// method for.
        ///
        /// `operation` must try one operation on this descriptor, without waiting. If it fails with
        /// `WouldBlock`, the readiness is cleared, and a later wait ends at the next event.
        ///
        /// # Errors
        ///
        /// Fails with `WouldBlock` and with the errors of `operation`.
        pub fn try_io<R>(
            &self,
            interest: Interest,
            operation: impl FnOnce() -> io::Result<R>,
        ) -> io::Result<R> {
            self.io().try_operation(interest, operation)
        }
    };
    (common) => {
        /// Waits until the stream is ready for any part of `interest`, and returns for which.
        ///
        /// Readiness is a hint: the operation that follows may still block. The `try_` functions
        /// then clear the readiness.
        ///
        /// # Errors
        ///
        /// Fails if the runtime is shutting down.
        ///
        /// # Cancel safety
        ///
        /// Safe: readiness is not consumed.
        pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
            self.io().ready(interest).await
        }

        /// Has the driver call `call` whenever the stream becomes ready for any part of `interest`,
        /// until it is [canceled](ReadyCallback::cancel) or the stream dropped.
        ///
        /// Callbacks are edge-triggered: an event calls it when something *changes*, so it should
        /// read, write or accept by the `try_` functions until that fails with `WouldBlock`.
        /// What it leaves causes no further call. If the stream is already known to be ready, it is
        /// called once, soon. Calls may be spurious. It runs on the thread that drives the I/O and
        /// must not block. It may cancel itself and drop the stream. It is canceled if it panics;
        /// the panic is reported like that of a task without a joiner. (A callback that owns its
        /// stream keeps it alive until the callback is canceled or the runtime shuts down.)
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
            self.io().on_ready(interest, call)
        }

        /// Like [`try_io`](Self::try_io), but waits and calls `operation` again until it does not
        /// fail with `WouldBlock`.
        ///
        /// # Errors
        ///
        /// Fails with the other errors of `operation`, and if the runtime is shutting down.
        ///
        /// # Cancel safety
        ///
        /// Safe: `operation` takes effect only in the poll that returns its result.
        pub async fn async_io<R>(
            &self,
            interest: Interest,
            operation: impl FnMut() -> io::Result<R>,
        ) -> io::Result<R> {
            self.io().async_operation(interest, operation).await
        }
    };
    ($interest:ident) => {
        ready_methods!(common);

        /// Calls `operation` if the driver knows the source to be ready; else fails with
        /// `WouldBlock`. For system calls on the descriptor that this type has no
        /// method for.
        ///
        /// `operation` must try one operation on this descriptor, without waiting. If it fails with
        /// `WouldBlock`, the readiness is cleared, and a later wait ends at the next event.
        ///
        /// # Errors
        ///
        /// Fails with `WouldBlock` and with the errors of `operation`.
        pub fn try_io<R>(&self, operation: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
            self.io().try_operation(Interest::$interest, operation)
        }
    };
}

/// A half of a stream that has addresses.
macro_rules! address_methods {
    () => {
        /// Returns the local address of the stream.
        ///
        /// # Errors
        ///
        /// Fails with the system's error.
        pub fn local_addr(&self) -> io::Result<S::Address> {
            crate::net::split::sealed::Parts::local_addr(self.as_stream())
        }

        /// Returns the address of the stream's peer.
        ///
        /// # Errors
        ///
        /// Fails with the system's error, which is `NotConnected` if the peer is gone.
        pub fn peer_addr(&self) -> io::Result<S::Address> {
            crate::net::split::sealed::Parts::peer_addr(self.as_stream())
        }
    };
}

/// A socket of TCP.
macro_rules! peek_methods {
    () => {
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
            self.io()
                .async_io(Direction::Read, |io| io.peek(buffer))
                .await
        }

        /// Like [`peek`](Self::peek) if the driver knows the stream to be readable; else fails with
        /// `WouldBlock`.
        ///
        /// # Errors
        ///
        /// See [`try_read`](Self::try_read).
        pub fn try_peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
            self.io().try_io(Direction::Read, |io| io.peek(buffer))
        }

        /// Like [`peek`](Self::peek), as a poll function; see
        /// [`poll_read_ready`](Self::poll_read_ready).
        pub fn poll_peek(
            &self,
            cx: &mut Context<'_>,
            buffer: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            self.io().poll_io(cx, Direction::Read, |io| io.peek(buffer))
        }
    };
}

pub(crate) use {
    address_methods, peek_methods, read_methods, readable_methods, ready_methods, writable_methods,
    write_methods,
};
