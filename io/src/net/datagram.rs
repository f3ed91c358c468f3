//! The methods that datagram sockets share, in terms of `self.io()`.

/// Sending to the connected peer, receiving from it and from others, and the addresses. `$send` is
/// the system call that sends.
macro_rules! datagram_methods {
    ($send:path) => {
        /// Sends a datagram to the connected peer and returns the number of its bytes.
        ///
        /// # Errors
        ///
        /// Fails with the system's error, and if the runtime is shutting down.
        ///
        /// # Cancel safety
        ///
        /// Safe: if the future is dropped before it completes, nothing was sent.
        ///
        /// # Frame
        ///
        /// The awaiting task's, like for all operations of a socket.
        pub async fn send(&self, datagram: &[u8]) -> io::Result<usize> {
            self.io()
                .async_io(Direction::Write, |io| $send(io, datagram))
                .await
        }

        /// Like [`send`](Self::send) if the driver knows the socket to be writable; else fails with
        /// `WouldBlock`.
        ///
        /// # Errors
        ///
        /// Fails with the system's error, and with `WouldBlock`.
        pub fn try_send(&self, datagram: &[u8]) -> io::Result<usize> {
            self.io().try_io(Direction::Write, |io| $send(io, datagram))
        }

        /// Like [`send`](Self::send), as a poll function; see
        /// [`poll_send_ready`](Self::poll_send_ready).
        pub fn poll_send(&self, cx: &mut Context<'_>, datagram: &[u8]) -> Poll<io::Result<usize>> {
            self.io()
                .poll_io(cx, Direction::Write, |io| $send(io, datagram))
        }

        /// Receives a datagram of the connected peer and returns the number of its bytes. What does
        /// not fit into `buffer` is discarded.
        ///
        /// # Errors
        ///
        /// Fails with the system's error, and if the runtime is shutting down.
        ///
        /// # Cancel safety
        ///
        /// Safe: if the future is dropped before it completes, nothing was received.
        pub async fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
            // An error that the peer's system reported, which is in no direction, is the result.
            let io = self.io();
            let interest = Interest::READABLE | Interest::ERROR;
            io.async_operation(interest, || io.source().recv(buffer))
                .await
        }

        /// Like [`recv`](Self::recv) if the driver knows the socket to be readable; else fails with
        /// `WouldBlock`.
        ///
        /// # Errors
        ///
        /// Fails with the system's error, and with `WouldBlock`.
        pub fn try_recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
            self.io().try_io(Direction::Read, |io| io.recv(buffer))
        }

        /// Receives a datagram of the connected peer into the spare memory of `buffer`, and
        /// returns the number of its bytes. What does not fit is discarded, also if the buffer
        /// could grow: reserve before.
        ///
        /// # Errors
        ///
        /// See [`recv`](Self::recv).
        ///
        /// # Cancel safety
        ///
        /// Safe: if the future is dropped before it completes, nothing was received.
        #[cfg(feature = "bytes")]
        pub async fn recv_buf<B: bytes::BufMut + ?Sized>(
            &self,
            buffer: &mut B,
        ) -> io::Result<usize> {
            self.io()
                .async_io(Direction::Read, |io| crate::net::buf::receive(io, buffer))
                .await
        }

        /// Like [`recv_buf`](Self::recv_buf) if the driver knows the socket to be readable; else
        /// fails with `WouldBlock`.
        ///
        /// # Errors
        ///
        /// See [`try_recv`](Self::try_recv).
        #[cfg(feature = "bytes")]
        pub fn try_recv_buf<B: bytes::BufMut + ?Sized>(&self, buffer: &mut B) -> io::Result<usize> {
            self.io()
                .try_io(Direction::Read, |io| crate::net::buf::receive(io, buffer))
        }

        /// Like [`recv_buf`](Self::recv_buf), from any peer, whose address it returns, too.
        ///
        /// # Errors
        ///
        /// See [`recv`](Self::recv).
        ///
        /// # Cancel safety
        ///
        /// Safe: if the future is dropped before it completes, nothing was received.
        #[cfg(feature = "bytes")]
        pub async fn recv_buf_from<B: bytes::BufMut + ?Sized>(
            &self,
            buffer: &mut B,
        ) -> io::Result<(usize, SocketAddr)> {
            self.io()
                .async_io(Direction::Read, |io| {
                    crate::net::buf::receive_from(io, buffer)
                })
                .await
        }

        /// Like [`recv_buf_from`](Self::recv_buf_from) if the driver knows the socket to be
        /// readable; else fails with `WouldBlock`.
        ///
        /// # Errors
        ///
        /// See [`try_recv`](Self::try_recv).
        #[cfg(feature = "bytes")]
        pub fn try_recv_buf_from<B: bytes::BufMut + ?Sized>(
            &self,
            buffer: &mut B,
        ) -> io::Result<(usize, SocketAddr)> {
            self.io().try_io(Direction::Read, |io| {
                crate::net::buf::receive_from(io, buffer)
            })
        }

        /// Like [`recv`](Self::recv), as a poll function; see
        /// [`poll_recv_ready`](Self::poll_recv_ready).
        pub fn poll_recv<B: DatagramBuffer + ?Sized>(
            &self,
            cx: &mut Context<'_>,
            buffer: &mut B,
        ) -> Poll<io::Result<B::Received>> {
            self.io().poll_io(cx, Direction::Read, |io| {
                buffer.receive(|bytes| io.recv(bytes))
            })
        }

        /// Receives a datagram; returns the number of its bytes and the sender. What does not fit
        /// into `buffer` is discarded.
        ///
        /// # Errors
        ///
        /// See [`recv`](Self::recv).
        ///
        /// # Cancel safety
        ///
        /// Safe.
        pub async fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
            self.io()
                .async_io(Direction::Read, |io| io.recv_from(buffer))
                .await
        }

        /// Like [`recv_from`](Self::recv_from) if the driver knows the socket to be readable; else
        /// fails with `WouldBlock`.
        ///
        /// # Errors
        ///
        /// See [`try_recv`](Self::try_recv).
        pub fn try_recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
            self.io().try_io(Direction::Read, |io| io.recv_from(buffer))
        }

        /// Like [`recv_from`](Self::recv_from), as a poll function; see
        /// [`poll_recv_ready`](Self::poll_recv_ready).
        pub fn poll_recv_from<B: DatagramBuffer + ?Sized>(
            &self,
            cx: &mut Context<'_>,
            buffer: &mut B,
        ) -> Poll<io::Result<B::ReceivedFrom<SocketAddr>>> {
            self.io().poll_io(cx, Direction::Read, |io| {
                buffer.receive_from(|bytes| io.recv_from(bytes))
            })
        }

        /// Like [`readable`](Self::readable), as a poll function. Each direction has one slot for
        /// the waker of a poll function: if several tasks receive through poll functions, the last
        /// one is woken.
        ///
        /// # Frame
        ///
        /// The slot keeps the last caller's waker, and the frame of a user-supplied one, until the
        /// next event for the direction, the next poll, or until the socket is dropped.
        pub fn poll_recv_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.io().poll_ready(cx, Direction::Read)
        }

        /// Like [`writable`](Self::writable), as a poll function; see
        /// [`poll_recv_ready`](Self::poll_recv_ready).
        pub fn poll_send_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.io().poll_ready(cx, Direction::Write)
        }

        /// Returns the local address.
        ///
        /// # Errors
        ///
        /// Fails with the system's error.
        pub fn local_addr(&self) -> io::Result<SocketAddr> {
            self.io().source().local_addr()
        }

        /// Returns the address of the connected peer.
        ///
        /// # Errors
        ///
        /// Fails with the system's error, which is `NotConnected` if there is none.
        pub fn peer_addr(&self) -> io::Result<SocketAddr> {
            self.io().source().peer_addr()
        }
    };
}

pub(crate) use datagram_methods;
